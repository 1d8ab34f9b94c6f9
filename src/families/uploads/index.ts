import { createRouter } from "../../http/router.ts"
import { content } from "./content.ts"
import { envelopeDialect } from "./envelope.ts"
import { eventType } from "./event-type.ts"
import { registrations } from "./registrations.ts"
import { upload } from "./upload.ts"
import { uploads as status } from "./uploads.ts"

const router = createRouter()
for (const part of [eventType, registrations, upload, status, content]) router.route("/", part)

/** C, file upload with webhook notification. */
export const uploads = {
  router,
  paths: /^\/(event_type|webhook\/register|upload_file(\/.*)?|uploads(\/.*)?)$/s,
  dialect: envelopeDialect,
}
