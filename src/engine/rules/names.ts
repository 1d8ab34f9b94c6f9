/**
 * Whether a name can be asked for in a path. URL parsers fold `.` and `..` away, percent-encoded or not,
 * before a client sends anything: deleting a thing of that name would delete the one that holds it.
 */
export function isNameable(name: string): boolean {
  return name !== "." && name !== ".."
}
