/** A file that is fetched from where it is, as if it had been sent: from hosts and buckets of the operator's alone. */
import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import type { HttpRequest, Peer } from "../../../runtime/contract/contract.ts";
import { fail, invalidField, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { fetchAsSent } from "../../../runtime/upstream/upstream.ts";
import type { Storaged } from "../../storaged/contract.ts";

interface Fetching {
  /** `[ingestd] url_hosts`. */
  hosts: readonly string[];
  storaged: Pick<Peer<Storaged>, "fetch">;
  clock: Pick<Clock, "after">;
  /** Longest wait for the first byte. */
  headTimeoutMs: number;
  signal: AbortSignal;
}

const redirectsMax = 5;

/** Addresses that no name may lead to: this machine's own, and those that clouds keep for themselves. */
const closed = new BlockList();
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["224.0.0.0", 3],
] as const)
  closed.addSubnet(net, bits, "ipv4");
for (const [net, bits] of [
  ["::", 127],
  ["fe80::", 10],
  ["ff00::", 8],
] as const)
  closed.addSubnet(net, bits, "ipv6");

/**
 * The file as a request that brings it, with its name. Throws `invalid_field` for an address that may not be asked,
 * `unprocessable` for what its server refuses, `unavailable` where nobody answers.
 */
export async function fetchFile(
  text: string,
  fetching: Fetching,
): Promise<{ request: HttpRequest; filename: string | undefined }> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^(https?|s3):$/.test(url.protocol))
    throw invalidField("url", "expected https://host/file, http://host/file or s3://bucket/key");
  const response = url.protocol === "s3:" ? await fromBucket(text, fetching) : await fromHost(url, fetching);
  const filename = decodeURIComponent(url.pathname.split("/").pop() ?? "");
  return { request: requestOf(response), filename: filename === "" ? undefined : filename };
}

/** The object at `s3://bucket/key` as a request that brings it, with its etag. Throws as `fetchFile` does. */
export async function bucketFile(
  text: string,
  fetching: Pick<Fetching, "storaged" | "signal">,
): Promise<{ request: HttpRequest; etag: string | undefined }> {
  const response = await fromBucket(text, fetching);
  return { request: requestOf(response), etag: response.headers.get("etag")?.replaceAll('"', "") };
}

function requestOf({ headers: answered, body }: Response): HttpRequest {
  const headers = new Headers();
  for (const name of ["content-type", "content-length", "content-encoding"]) {
    const value = answered.get(name);
    if (value !== null) headers.set(name, value);
  }
  // A form is what callers send; a server that sends one would choose among its files.
  if (/^multipart\//i.test(headers.get("content-type") ?? "")) headers.delete("content-type");
  return new Request("http://localhost/", { method: "POST", headers, body, duplex: "half" } as RequestInit);
}

async function fromBucket(
  text: string,
  { storaged, signal }: Pick<Fetching, "storaged" | "signal">,
): Promise<Response> {
  const [, bucket = "", key = ""] = /^s3:\/\/([^/?#]+)\/(.+)$/i.exec(text) ?? [];
  if (key === "")
    throw invalidField("url", "expected s3://bucket/key, with the name of a bucket that is configured here");
  const path = key.split("/").map(encodeURIComponent).join("/");
  const response = await storaged.fetch(`/storage/get/${path}?bucket=${encodeURIComponent(bucket)}`, {
    signal,
  });
  if (response.ok) return response;
  const { error }: { error?: { message?: string } } = await response.json().catch(() => ({}));
  throw fail("unprocessable", `url: ${error?.message ?? `storage answered ${response.status}`}`);
}

/** Redirects stay within the host: the operator trusts that one, not those it names. */
async function fromHost(first: URL, fetching: Fetching): Promise<Response> {
  let url = first;
  for (let redirects = 0; ; redirects++) {
    checkHost(url, fetching.hosts);
    const response = await ask(url, fetching);
    if (response.ok) return response;
    await response.body?.cancel();
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null)
      throw fail("unprocessable", `url: ${url.host} answered ${response.status}; nothing was registered`);
    const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
    if (!next || next.host !== url.host || next.protocol !== url.protocol)
      throw fail(
        "unprocessable",
        `url: ${url.host} redirects to another host, which is not followed: give its address`,
      );
    if (redirects === redirectsMax) throw fail("unprocessable", `url: more than ${redirectsMax} redirects`);
    url = next;
  }
}

function checkHost({ host, hostname, username, password }: URL, hosts: readonly string[]): void {
  if (username !== "" || password !== "")
    throw invalidField("url", "expected an address without a name and password");
  if (hosts.some((each) => each.toLowerCase() === host)) return;
  const known =
    hosts.length > 0 ? `ingestd.url_hosts has ${hosts.join(", ")}` : "ingestd.url_hosts names none";
  throw invalidField(
    "url",
    `files are fetched from hosts that the operator named; ${known}, and not '${hostname}'`,
  );
}

/**
 * The name is resolved once. By http that address is asked, so that no later answer of a name server counts; by https the
 * certificate says that it is the host.
 */
async function ask(url: URL, { signal, clock, headTimeoutMs }: Fetching): Promise<Response> {
  const late = new AbortController();
  const timely = clock.after(headTimeoutMs, () =>
    late.abort(fail("unavailable", `url: ${url.host} did not answer in time`, { retryAfterSeconds: 1 })),
  );
  try {
    const target = new URL(url);
    const headers = new Headers({ "accept-encoding": "gzip, identity", host: url.host });
    const address = await addressOf(url.hostname);
    if (url.protocol === "http:") target.hostname = isIP(address) === 6 ? `[${address}]` : address;
    const asked = AbortSignal.any([signal, late.signal]);
    return await fetchAsSent(target, { headers, signal: asked });
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (late.signal.aborted) throw late.signal.reason;
    if (cause instanceof ServiceError) throw cause;
    throw fail("unavailable", `url: ${url.host} does not answer`, { retryAfterSeconds: 1, cause });
  } finally {
    timely();
  }
}

/** An address that the operator wrote is one that they mean; what a name leads to is looked at. */
async function addressOf(hostname: string): Promise<string> {
  const written = hostname.replace(/^\[|\]$/g, "");
  if (isIP(written) > 0) return written;
  const { address, family } = await lookup(written);
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (closed.check(plain, isIP(plain) === 4 ? "ipv4" : family === 6 ? "ipv6" : "ipv4"))
    throw invalidField(
      "url",
      `'${hostname}' leads to an address of this machine or its network's own, which no name may`,
    );
  return plain;
}
