/** The names of the page's files, which end in a hash: scripts/dashboard/bundle.mjs writes them before the Worker is built. */
declare module "*/dist/dashboard.json" {
  export const script: string
  export const style: string
}
