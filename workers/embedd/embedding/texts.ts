/** Validation of the texts to embed. */
import { invalidField } from "../../../runtime/errors/errors.ts";

interface TextLimits {
  textsMax: number;
  textBytesMax: number;
}

/**
 * Throws `invalid_field` naming the place: none or too many, empty or blank, too long, or half a surrogate pair,
 * which has no UTF-8 and would share its hash with other texts.
 */
export function checkTexts(
  texts: readonly string[],
  field: (at: number) => string,
  { textsMax, textBytesMax }: TextLimits,
): void {
  if (texts.length > textsMax)
    throw invalidField(
      field(-1),
      `at most ${textsMax} texts a request, got ${texts.length}; send them in parts`,
    );
  texts.forEach((text, at) => {
    if (text.trim() === "") throw invalidField(field(at), "expected text, got nothing but white space");
    const bytes = Buffer.byteLength(text);
    if (bytes > textBytesMax)
      throw invalidField(field(at), `at most ${textBytesMax} bytes of UTF-8, got ${bytes}; split it`);
    if (!text.isWellFormed())
      throw invalidField(
        field(at),
        "half a surrogate pair, as \\ud800 without its other half; send whole characters",
      );
  });
}
