/** Which format a caller gets: the Accept header against the formats there are. */
import { fail } from "../../../runtime/errors/errors.ts";

interface Range {
  type: string;
  subtype: string;
  quality: number;
}

/**
 * The format with the highest quality; among equals the one named most exactly, then the one offered first. No
 * header or `*` + `/*` gives the first. Throws `not_acceptable` listing what there is.
 */
export function chooseFormat<F extends { mediaType: string }>(
  header: string | null,
  offered: readonly F[],
): F {
  const ranges = (header?.trim() || "*/*").split(",").flatMap(parseRange);
  const rated = offered.map((format) => ({ format, ...rate(format.mediaType, ranges) }));
  const best = rated.reduce((left, right) =>
    right.quality > left.quality || (right.quality === left.quality && right.exact > left.exact)
      ? right
      : left,
  );
  if (best.quality > 0) return best.format;
  const list = offered.map(({ mediaType }) => mediaType).join(", ");
  throw fail(
    "not_acceptable",
    `Accept: ${header?.slice(0, 200)} names no format of results; expected one of ${list}`,
  );
}

/** The most exact range that matches decides, even when a wider one has a higher quality (RFC 9110, 12.5.1). */
function rate(mediaType: string, ranges: readonly Range[]): { quality: number; exact: number } {
  const [type, subtype] = mediaType.split("/");
  let best = { quality: 0, exact: -1 };
  for (const range of ranges) {
    const matches =
      (range.type === "*" || range.type === type) && (range.subtype === "*" || range.subtype === subtype);
    const exact = (range.type === "*" ? 0 : 1) + (range.subtype === "*" ? 0 : 1);
    if (matches && exact > best.exact) best = { quality: range.quality, exact };
  }
  return best;
}

/** Parameters other than q, as `charset` or `profile`, do not narrow the choice. */
function parseRange(text: string): Range[] {
  const [name = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const [, type, subtype] = /^([\w.+*-]+)\/([\w.+*-]+)$/.exec(name) ?? [];
  if (type === undefined || subtype === undefined) return [];
  const given = parameters.find((parameter) => parameter.startsWith("q="));
  const quality = given === undefined ? 1 : Number(given.slice(2));
  return [{ type, subtype, quality: quality >= 0 && quality <= 1 ? quality : 0 }];
}
