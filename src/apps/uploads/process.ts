import type { Deps } from "../../deps.ts"

export async function processUpload(_deps: Deps, _uploadId: string): Promise<void> {}
