/**
 * What makes two failures the same: endpoint, error class and the message without what differs each time. Pure; the
 * rules are applied from the top, since a later one would take apart what an earlier one replaces whole.
 */
import type { Operation } from "../contract.ts";

interface Rule {
  name: string;
  pattern: RegExp;
  placeholder: string;
}

const month = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*";

const messageRules: readonly Rule[] = [
  // What is quoted is a value, whatever it holds. An apostrophe inside a word (don't) opens nothing.
  { name: "double quotes", pattern: /"(?:[^"\\\n]|\\.){0,500}"/g, placeholder: "<quoted>" },
  { name: "backquotes", pattern: /`[^`\n]{0,500}`/g, placeholder: "<quoted>" },
  { name: "single quotes", pattern: /(?<!\w)'[^'\n]{0,500}'(?!\w)/g, placeholder: "<quoted>" },
  { name: "URLs", pattern: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s<>)\],;]+/gi, placeholder: "<url>" },
  {
    name: "addresses of mail",
    pattern: /[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+/g,
    placeholder: "<email>",
  },
  // Times before numbers, dates before paths (31/12/2025), uuids before hex.
  {
    name: "dates with times",
    pattern: /\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s?(?:Z|UTC|GMT)\b|[+-]\d\d:?\d\d)?/g,
    placeholder: "<time>",
  },
  {
    name: "dates in words",
    pattern: new RegExp(
      `\\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?(?:\\d{1,2} ${month}|${month} \\d{1,2}),? \\d{4}(?: \\d\\d:\\d\\d(?::\\d\\d)?)?(?: (?:GMT|UTC)\\b)?`,
      "g",
    ),
    placeholder: "<time>",
  },
  { name: "dates", pattern: /\b(?:\d{4}-\d\d-\d\d|\d{1,2}[/.]\d{1,2}[/.]\d{4})\b/g, placeholder: "<time>" },
  { name: "times", pattern: /\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b/g, placeholder: "<time>" },
  {
    name: "uuids",
    pattern: /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi,
    placeholder: "<uuid>",
  },
  { name: "IPv4", pattern: /\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b/g, placeholder: "<ip>" },
  { name: "IPv6", pattern: /(?<![\w:])(?:[0-9a-f]{0,4}:){3,7}[0-9a-f]{0,4}(?![\w:])/gi, placeholder: "<ip>" },
  { name: "Windows paths", pattern: /\b[A-Za-z]:\\[^\s"'<>|:]+/g, placeholder: "<path>" },
  { name: "paths", pattern: /(?<![\w<>/])\.{0,2}~?(?:\/[\w.@%+=~-]+){2,}\/?/g, placeholder: "<path>" },
  {
    name: "files at the root",
    pattern: /(?<![\w<>/])\/[\w@%+=~-]+(?:\.[\w]{1,10})?(?![\w/])/g,
    placeholder: "<path>",
  },
  { name: "hex with 0x", pattern: /\b0x[0-9a-f]+\b/gi, placeholder: "<hex>" },
  // Digits and letters of at least eight: deadbeef01, not the word "facade".
  { name: "hex", pattern: /\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b/gi, placeholder: "<hex>" },
  // Opaque ids, as req_011CSHoEeqs5C35K2UUqR7Fy.
  { name: "ids", pattern: /\b(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[\w-]{16,}\b/g, placeholder: "<id>" },
  { name: "numbers", pattern: /(?<![\w.])[-+]?\d+(?:[.,_]\d+)*(?:e[-+]?\d+)?|\d+/gi, placeholder: "<n>" },
  { name: "white space", pattern: /\s+/g, placeholder: " " },
];

/** Characters of a message that are looked at: enough to tell failures apart, and a bound for the rules. */
const messageCharsMax = 2000;
/** Characters of a normalised message that are kept. */
const normalisedCharsMax = 300;

/** The message with a placeholder for each value in it. */
export function normaliseMessage(message: string): string {
  let text = message.slice(0, messageCharsMax);
  for (const { pattern, placeholder } of messageRules) text = text.replace(pattern, placeholder);
  return text.trim().slice(0, normalisedCharsMax);
}

/** The endpoint with a placeholder for each segment that is a value: `/jobs/17` and `/jobs/18` are one endpoint. */
export const normaliseEndpoint = (endpoint: string): string =>
  endpoint
    .replace(/[?#].*$/s, "")
    .split("/")
    .map((segment) => (/^v\d+$/.test(segment) ? segment : segmentOf(segment)))
    .join("/")
    .slice(0, normalisedCharsMax);

const segmentOf = (segment: string): string =>
  /^\d+$/.test(segment)
    ? "<n>"
    : /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(segment)
      ? "<uuid>"
      : /^(?=.*\d)[0-9a-f]{8,}$/i.test(segment)
        ? "<hex>"
        : segment;

/** The part of an error that says what happened: of a JSON error its message, of a Python traceback its last line. */
export function messageOf(error: string): string {
  const text = error.trim();
  const inJson = text.startsWith("{") ? jsonMessage(text) : undefined;
  const lines = (inJson ?? text).split("\n").filter((line) => line.trim() !== "");
  const line = lines[0]?.startsWith("Traceback (most recent call last)") ? lines.at(-1) : lines[0];
  return line?.trim() ?? "";
}

function jsonMessage(text: string): string | undefined {
  const error = errorObject(text);
  return typeof error?.message === "string" ? error.message : undefined;
}

/** The text of an error object, in the shapes most APIs have: `{error: {…}}`, `{error: "…"}`, `{message}`. */
function errorObject(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text);
    if (typeof value?.error === "string") return { message: value.error };
    return typeof value?.error === "object" && value.error !== null ? value.error : value;
  } catch {
    return undefined;
  }
}

/**
 * The error's class, first that is found: the attribute `error.type` (OpenTelemetry's name for it), the `type` of a JSON
 * error, a name that leads the message (`TimeoutError: …`), an HTTP status in it; else `error`, or `none` without a text.
 */
export function errorClassOf({ error, attributes }: Pick<Operation, "error" | "attributes">): string {
  const given = attributes?.["error.type"];
  if (typeof given === "string" && given !== "") return given.slice(0, 100);
  const text = error?.trim() ?? "";
  if (text === "") return "none";
  const type = text.startsWith("{") ? errorObject(text)?.type : undefined;
  if (typeof type === "string" && type !== "") return type.slice(0, 100);
  const message = messageOf(text);
  const named = /^(?:[a-z_]\w*\.)*([A-Z]\w*(?:Error|Exception|Timeout|Warning|Fault))\b/.exec(message);
  if (named?.[1]) return named[1].slice(0, 100);
  const status = /\b(?:HTTP(?:\/\d(?:\.\d)?)?|status(?: code)?:?)\s?([45]\d\d)\b/i.exec(message);
  return status?.[1] ? `http_${status[1]}` : "error";
}

export interface Signature {
  /** 16 hex digits, of the three below. */
  signature: string;
  endpoint: string;
  errorClass: string;
  message: string;
}

/** What the failure has in common with others alike. */
export function signatureOf(operation: Pick<Operation, "endpoint" | "error" | "attributes">): Signature {
  const endpoint = normaliseEndpoint(operation.endpoint);
  const errorClass = errorClassOf(operation);
  const message = normaliseMessage(messageOf(operation.error ?? ""));
  const signature = Bun.SHA256.hash(JSON.stringify([endpoint, errorClass, message]), "hex").slice(0, 16);
  return { signature, endpoint, errorClass, message };
}
