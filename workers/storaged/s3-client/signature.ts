/** AWS Signature Version 4 for S3: signs one request's headers. After Amazon's "Authenticating Requests" page. */
import { createHmac } from "node:crypto";
import type { S3Keys } from "../../../runtime/config/config.ts";

interface Unsigned {
  method: string;
  /** Path and query already encoded by `encodePath` and `encodeQuery`. */
  url: URL;
  /** All of them are signed; names in lower case. */
  headers: Record<string, string>;
  body: Uint8Array;
  /** Of the body, in hex, where it is known already. */
  bodySha256?: string | undefined;
}

interface Signer {
  keys: S3Keys;
  region: string;
  /** Milliseconds since the epoch. */
  at: number;
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
const sha256 = (data: string | Uint8Array): string => Bun.SHA256.hash(data, "hex");

/** Percent-encodes as RFC 3986 says: everything but letters, digits, `-`, `.`, `_` and `~`. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** A key as the path of a URL. */
export const encodePath = (key: string): string => key.split("/").map(encode).join("/");

/** A query in the order the signature wants. */
export const encodeQuery = (query: Record<string, string>): string =>
  Object.keys(query)
    .sort()
    .map((name) => `${encode(name)}=${encode(query[name] ?? "")}`)
    .join("&");

/** The headers to send, with the signature among them. The body's hash is signed too: a changed byte is refused. */
export function sign(
  { method, url, headers, body, bodySha256 }: Unsigned,
  { keys, region, at }: Signer,
): Record<string, string> {
  const stamp = new Date(at).toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${stamp.slice(0, 8)}/${region}/s3/aws4_request`;
  const hash = bodySha256 ?? sha256(body);
  const all: Record<string, string> = {
    ...headers,
    host: url.host,
    "x-amz-content-sha256": hash,
    "x-amz-date": stamp,
  };
  if (keys.sessionToken !== undefined) all["x-amz-security-token"] = keys.sessionToken;

  const names = Object.keys(all).sort();
  const lines = names.map((name) => `${name}:${(all[name] ?? "").trim().replace(/ +/g, " ")}\n`).join("");
  const signed = names.join(";");
  const canonical = [method, url.pathname, url.search.slice(1), lines, signed, hash].join("\n");
  const toSign = ["AWS4-HMAC-SHA256", stamp, scope, sha256(canonical)].join("\n");

  const dayKey = hmac(`AWS4${keys.secretAccessKey}`, stamp.slice(0, 8));
  const signature = hmac(hmac(hmac(hmac(dayKey, region), "s3"), "aws4_request"), toSign).toString("hex");
  const { host: _, ...sent } = all;
  const credential = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}`;
  return { ...sent, authorization: `${credential}, SignedHeaders=${signed}, Signature=${signature}` };
}
