/** Mail (RFC 5322): its plain text, or its HTML where there is none; sender, recipients, subject and date as facts. */
import PostalMime, { type Address } from "postal-mime";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Reader } from "./content.ts";
import { blocksOfHtml } from "./html.ts";
import { paragraphsOf } from "./plain.ts";

/** Parts within parts; mail programs make four or five. */
const nestingMax = 30;
const headerBytesMax = 1024 * 1024;

export const readMail: Reader = async (bytes, { textMax }) => {
  const mail = await PostalMime.parse(bytes, { maxNestingDepth: nestingMax, maxHeadersSize: headerBytesMax });
  if (mail.from === undefined && mail.subject === undefined && mail.date === undefined)
    throw fail(
      "unprocessable",
      "this is no mail: expected headers such as From, Subject and Date before the text",
    );
  const { text = "", html = "", subject, date, from, to = [], cc = [], attachments } = mail;
  const isPlain = text.trim() !== "";
  const blocks = isPlain ? paragraphsOf(text, textMax) : blocksOfHtml(html, textMax).blocks;
  const sender = addressesOf(from ? [from] : []);
  const recipients = addressesOf([...to, ...cc]);
  const sent = date === undefined ? Number.NaN : Date.parse(date);
  const names = attachments.map(({ filename, mimeType }) => filename ?? mimeType);
  return {
    // The subject is what a mail is about: it is found as its title is.
    blocks: [...(subject ? [{ kind: "heading" as const, level: 1, text: subject }] : []), ...blocks],
    facts: {
      ...(subject && { title: subject, subject }),
      ...(sender !== "" && { sender, author: sender }),
      ...(recipients !== "" && { recipients }),
      ...(!Number.isNaN(sent) && { date: new Date(sent).toISOString() }),
    },
    warnings: names.length > 0 ? [`attachments are not read: ${names.join(", ").slice(0, 500)}`] : [],
  };
};

const addressesOf = (addresses: readonly Address[]): string =>
  addresses
    .flatMap((each) => (each.group ? each.group : [each]))
    .map(({ name, address = "" }) => (name ? `${name} <${address}>` : address))
    .filter((text) => text !== "")
    .join(", ");
