/**
 * Where files of open tables are, and where they may be: every address that a client or a file of others names is brought
 * to one form and held against the places of its table. Pure.
 */
import { refusals } from "../iceberg/iceberg.ts";

/** A bucket's address, as `file:///data/buckets/warehouse` or `s3://lake`, and its name here. */
export interface Root {
  bucket: string;
  address: string;
}

const shown = (address: string): string => address.slice(0, 300);
const bad = (what: string, address: string, why: string) =>
  refusals.badRequest(`Invalid ${what} '${shown(address)}': ${why}`);

/**
 * One form for what engines write of one file: `/x`, `file:/x` and `file:///x`; `s3:`, `s3a:` and `s3n:`. Throws
 * `bad_request` for a text that may mean another place than it says.
 */
export function normalised(what: string, address: unknown): string {
  if (typeof address !== "string" || address === "") throw bad(what, String(address), "expected an address");
  const [, scheme = "file", rest = ""] = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(.*)$/s.exec(address) ?? [];
  const path = rest.replace(/^\/{2,}/, (slashes) => (scheme === "file" ? "/" : slashes)).replace(/\/+$/, "");
  if (/[\p{Cc}\\]/u.test(path)) throw bad(what, address, "expected no control characters and no backslash");
  const segments = path.replace(/^\/{1,2}/, "").split("/");
  if (segments.some((segment) => segment === "" || segment === "." || segment === ".."))
    throw bad(what, address, "expected no empty segment, '.' or '..'");
  if (scheme === "file") {
    if (!path.startsWith("/")) throw bad(what, address, "expected an absolute path");
    return `file://${path}`;
  }
  if (!/^s3[an]?$/.test(scheme) || !path.startsWith("//"))
    throw bad(what, address, "expected file:///… or s3://…");
  return `s3:${path}`;
}

export const isInside = (address: string, places: readonly string[]): boolean =>
  places.some((place) => address.startsWith(`${place}/`));

/** A path without a scheme and a slash is below the table's location: engines of their own write some so. */
export const resolved = (address: string, [location = ""]: readonly string[]): string =>
  address === "" || /^(\/|[A-Za-z][A-Za-z0-9+.-]*:)/.test(address) ? address : `${location}/${address}`;

/** The address of a file of the table. Throws `bad_request` for one that is not below its places. */
export function confined(what: string, address: unknown, places: readonly string[]): string {
  const found = normalised(what, address);
  if (isInside(found, places)) return found;
  throw bad(what, found, `expected an address below ${places.join(" or ")}`);
}

/** The key of an address, as the catalog names objects; undefined where it is in none of the buckets. */
export function keyOf(address: string, roots: readonly Root[]): string | undefined {
  // A bucket may lie in the folder of another one.
  const [root] = roots
    .filter((each) => address.startsWith(`${each.address}/`))
    .sort((one, other) => other.address.length - one.address.length);
  if (!root) return undefined;
  const key = address.slice(root.address.length + 1);
  return root.bucket === "primary" ? key : `${root.bucket}://${key}`;
}

/**
 * Gives of an address in a place that a bucket had before the one that it has there now, and others as they are. Of a bucket's
 * roots the first is where it is.
 */
export function movedBy(roots: readonly Root[]): (address: string) => string {
  const now = new Map([...roots].reverse().map(({ bucket, address }) => [bucket, address]));
  const byLength = [...roots].sort((one, other) => other.address.length - one.address.length);
  return (address) => {
    if (!/^(\/|[A-Za-z][A-Za-z0-9+.-]*:)/.test(address)) return address;
    const found = normalised("path", address);
    const root = byLength.find((each) => found === each.address || found.startsWith(`${each.address}/`));
    const place = root && now.get(root.bucket);
    return !root || place === undefined || place === root.address
      ? address
      : place + found.slice(root.address.length);
  };
}

/** Where tables may be: below the warehouse, or another address that the operator allows; and where others are. */
export interface Homes {
  homes: readonly string[];
  others: Iterable<{ name: string; places: readonly string[] }>;
}

/**
 * The place of a table that a client asks for: in one of the homes, in the first one two levels down at least, and
 * neither around nor inside that of another table. Throws `bad_request`.
 */
export function placeFor(asked: unknown, { homes, others }: Homes): string {
  const place = confined("location", asked, homes);
  const [warehouse] = homes;
  const home = homes.find((each) => isInside(place, [each])) ?? "";
  const [first, ...rest] = place.slice(home.length + 1).split("/");
  if ((home === warehouse && rest.length === 0) || first === ".lakehouse")
    throw bad("location", place, `expected ${home}/<namespace>/<table>`);
  for (const { name, places } of others)
    if (places.some((other) => `${other}/`.startsWith(`${place}/`) || `${place}/`.startsWith(`${other}/`)))
      throw bad("location", place, `the table ${name} is there`);
  return place;
}

/** Properties of a table that say where files are written. */
export const pathProperties: readonly string[] = [
  "write.data.path",
  "write.metadata.path",
  "write.object-storage.path",
  "write.folder-storage.path",
];

/** Throws `bad_request` where a property would have files written elsewhere. */
export function checkPathProperties(properties: Readonly<Record<string, string>>, places: readonly string[]) {
  for (const name of pathProperties)
    if (properties[name] !== undefined) confined(`property ${name}:`, properties[name], places);
}
