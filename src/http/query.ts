import { z } from "@hono/zod-openapi"

/** What Number() would make a number of as well: nothing, white space, signs, hex, exponents, fractions. */
const WHOLE_NUMBER = /^(0|[1-9]\d{0,14})$/

const Digits = z.string().regex(WHOLE_NUMBER, "must be a whole number, in digits alone").transform(Number)

/** A number in the query, written in digits, from `least` to `most`. */
export function wholeNumber(least: number, most: number) {
  return Digits.pipe(z.number().min(least).max(most)).openapi({
    type: "integer",
    minimum: least,
    maximum: most,
  })
}

/** One of these numbers in the query, written in digits. */
export function oneOfNumbers<const Numbers extends readonly number[]>(numbers: Numbers) {
  return Digits.pipe(z.literal(numbers)).openapi({ type: "integer", enum: [...numbers] })
}
