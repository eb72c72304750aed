/** Which delimiter, quote, escape and comment go together; checked for the parameters, then for what was found. */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Dialect } from "../tables/tables.ts";

/** Where a part of the dialect comes from, so that a refusal says what the client can change. */
interface Given {
  delimiter: boolean;
  quote: boolean;
}

/** What DuckDB takes as a delimiter, in bytes. */
const delimiterBytesMax = 4;

/** Throws `invalid_field` naming the parameters that cannot stand together, and what is expected. */
export function checkDialect(
  dialect: Partial<Dialect> & Pick<Dialect, "quote" | "nulls">,
  given: Given,
): void {
  const { delimiter, quote, escape: escaping = "", comment = "", nulls } = dialect;
  if (
    delimiter !== undefined &&
    (/[\n\r\0]/.test(delimiter) || Buffer.byteLength(delimiter) > delimiterBytesMax)
  )
    throw fail("invalid_field", `delimiter: expected at most ${delimiterBytesMax} bytes without a line end`);
  for (const [name, text] of Object.entries({ quote, escape: escaping, comment })) {
    if (text !== "" && !/^[!-~]$/.test(text))
      throw fail("invalid_field", `${name}: expected one visible ASCII character, or nothing for none`);
  }
  const describe = (name: string, text: string, byClient: boolean) =>
    `${name} '${text}'${byClient ? "" : name === "quote" ? ", the default" : ", found in the file"}`;
  const roles = [
    {
      name: "delimiter",
      text: delimiter ?? "",
      shown: describe("delimiter", delimiter ?? "", given.delimiter),
    },
    { name: "quote", text: quote, shown: describe("quote", quote, given.quote) },
    { name: "escape", text: escaping === quote ? "" : escaping, shown: `escape '${escaping}'` },
    { name: "comment", text: comment, shown: `comment '${comment}'` },
  ].filter(({ text }) => text !== "");
  for (const [index, one] of roles.entries()) {
    const other = roles.slice(index + 1).find(({ text }) => one.text.includes(text));
    if (other)
      throw fail(
        "invalid_field",
        `${one.name} and ${other.name}: expected different characters, got ${one.shown} and ${other.shown}`,
      );
  }
  if (escaping !== "" && escaping !== quote && quote === "")
    throw fail(
      "invalid_field",
      "escape and quote: an escape stands inside quotes; expected a quote beside it",
    );
  for (const text of nulls)
    checkNull(
      text,
      roles.filter(({ name }) => name === "delimiter" || name === "quote"),
    );
}

function checkNull(text: string, roles: readonly { name: string; text: string; shown: string }[]): void {
  if (/[\n\r\0]/.test(text))
    throw fail("invalid_field", "null: expected a text without quote, delimiter, line end and NUL");
  const inside = roles.find((role) => text.includes(role.text));
  if (inside === undefined) return;
  const several =
    inside.name === "delimiter" ? `; for several texts send ${severalNulls(text.split(inside.text))}` : "";
  throw fail(
    "invalid_field",
    `null and ${inside.name}: expected a text without quote, delimiter and line end, got '${text}', which holds the ${inside.shown}${several}`,
  );
}

/** The parameters for several NULL texts. */
const severalNulls = (texts: readonly string[]): string =>
  texts
    .filter((text) => text !== "")
    .map((text) => `null=${text}`)
    .join("&");
