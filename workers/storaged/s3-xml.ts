/** The few facts read from S3's XML answers. They are flat and written by machines: no general parser is needed. */

const entities = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);
const decode = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return decimal === undefined ? (entities.get(name) ?? whole) : String.fromCodePoint(Number(decimal));
  });

/** The content of every element of that name, still XML. */
export const elements = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>(.*?)</${name}>`, "gs"))].map((match) => match[1] ?? "");

/** The text of the first element of that name. */
export const textOf = (xml: string, name: string): string | undefined => {
  const [first] = elements(xml, name);
  return first === undefined ? undefined : decode(first);
};

/** A key of a listing that was asked for with `encoding-type=url`. */
export const keyOf = (text: string): string => decodeURIComponent(decode(text).replaceAll("+", "%20"));

/** Text as the content of an element. */
export const escapeXml = (text: string): string =>
  text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
