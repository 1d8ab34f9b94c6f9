// The compiler's JavaScript API, which openapi-typescript prints through and TypeScript 7 does not have.
export { ts as default } from "@ts-morph/common"
