/** What is to change of a thing: a field that is missing or undefined stays as it is. */
export type Change<Thing> = { [field in keyof Thing]?: Thing[field] | undefined }
