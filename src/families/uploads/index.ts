import type { Family } from "../../http/family.ts"
import { createRouter } from "../../http/router.ts"
import { uploadActivity } from "./activity.ts"
import { content } from "./content.ts"
import { envelopeDialect } from "./envelope.ts"
import { eventType } from "./event-type.ts"
import { PROCESS_UPLOAD, processing } from "./process.ts"
import { registrations } from "./registrations.ts"
import { settings } from "./settings.ts"
import { APPLICATION } from "./store/uploads.ts"
import { uploadsUpkeep } from "./sweep.ts"
import { upload } from "./upload.ts"
import { uploads as status } from "./uploads.ts"

/** C, file upload with webhook notification. */
export const uploads: Family = {
  application: APPLICATION,
  parts: () => [
    {
      router: createRouter(eventType, registrations, upload, status, content),
      dialect: envelopeDialect,
    },
  ],
  tags: [{ name: "Uploads", description: "C, file uploads with a notification" }],
  jobs: { [PROCESS_UPLOAD]: processing },
  upkeep: [uploadsUpkeep],
  activity: uploadActivity,
  settings,
  maxBodyBytes: ({ maxUploadBytes }) => maxUploadBytes,
}
