/// <reference types="@cloudflare/vitest-plugin/types" />
declare namespace Cloudflare {
  interface Env {
    SHARDS: string
    TEST_MIGRATIONS: import("cloudflare:test").D1Migration[]
  }
  interface GlobalProps {
    mainModule: typeof import("../src/index.ts")
  }
}
declare module "*.toml?raw" {
  const text: string
  export default text
}
