import { z } from "@hono/zod-openapi"

import { number } from "../../platform/config.ts"

declare module "../../platform/config.ts" {
  interface FamilyConfig {
    maxUploadBytes: number
  }
}

/** The settings of uploads. */
export const settings = z
  .object({
    MAX_UPLOAD_BYTES: number()
      .int()
      .min(1)
      .default(25 * 1024 * 1024),
  })
  .transform(({ MAX_UPLOAD_BYTES }) => ({ maxUploadBytes: MAX_UPLOAD_BYTES }))
