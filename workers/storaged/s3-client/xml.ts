/** Reads the few fields needed from S3's XML answers, which are flat and machine-written: no general parser is needed. */

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

/** The content of every element of that name, still XML; one that is not closed is none, nor is what follows it. */
export function elements(xml: string, name: string): string[] {
  const opening = new RegExp(`<${name}(?:\\s[^<>]*)?>`, "g");
  const closing = `</${name}>`;
  const found: string[] = [];
  for (let open = opening.exec(xml); open; open = opening.exec(xml)) {
    const end = xml.indexOf(closing, opening.lastIndex);
    if (end < 0) break;
    found.push(xml.slice(opening.lastIndex, end));
    opening.lastIndex = end + closing.length;
  }
  return found;
}

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
