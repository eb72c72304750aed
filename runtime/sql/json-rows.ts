/**
 * Rows of SQL results as JSON, which writes integers and decimals digit by digit: what a 64-bit float would change
 * becomes the text it is written as.
 */
import { parseKeeping } from "../contract/contract.ts";

/** Digits that every double keeps, whatever the number (IEEE 754 binary64: DBL_DIG). */
const digitsKept = 15;
const maybeLonger = /\d[\d.]{15}/;

/** Parses one row, or a list of them. */
export function parseRows(text: string): unknown {
  return maybeLonger.test(text) ? parseKeeping(text, isKept) : JSON.parse(text);
}

function isKept(value: number, source: string): boolean {
  const digits = source.replace(/e.*/i, "").replace(/[-.]/g, "").replace(/^0+/, "");
  return digits.length <= digitsKept || String(value) === source.replace(/\.0$/, "");
}
