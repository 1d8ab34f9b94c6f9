/** C's one event type, by the id that its documents name. */
export const UPLOAD_FILE = "21f8e1f7-4142-42f9-ac30-74961702b2eb"
