import { describe, expect, it } from "vitest"

import { paramsOf } from "../../src/dashboard/app/frame/match.ts"

describe("a path", () => {
  it.each([
    ["/dashboard/live", "/dashboard/live", {}],
    ["/dashboard/app/:app/endpoints", "/dashboard/app/acme/endpoints", { app: "acme" }],
    ["/a/:app/:type", "/a/x%2Fy/r%C3%A9sum%C3%A9.paid", { app: "x/y", type: "résumé.paid" }],
  ])("of the shape %s is %s", (pattern, path, params) => {
    expect(paramsOf(pattern, path)).toEqual(params)
  })

  it.each([
    ["/dashboard/live", "/dashboard/lively"],
    ["/dashboard/live", "/x/dashboard/live"],
    ["/dashboard/app/:app", "/dashboard/app/acme/endpoints"],
    ["/dashboard/app/:app/endpoints", "/dashboard/app//endpoints"],
    ["/dashboard/app/:app", "/dashboard/app/%E0%A4%A"],
  ])("of the shape %s is not %s", (pattern, path) => expect(paramsOf(pattern, path)).toBeNull())
})
