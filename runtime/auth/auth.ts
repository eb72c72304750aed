/** Who may call: bearer tokens, addresses, and on a bare loopback bind this machine's own names only. */
import { createHash, timingSafeEqual } from "node:crypto";
import { addressList, forwardedFor, isListed, isLoopback } from "../addresses/addresses.ts";
import type { Config } from "../config/config.ts";
import { fail } from "../errors/errors.ts";

export { withQueryToken } from "./query-token.ts";

/** Lets a request through or throws `bad_request` (400), `unauthorized` (401) or `forbidden` (403). */
export type Gate = (request: { method?: string; headers: Headers }, from: Caller) => void;

/** Where a request comes from: what the socket's address is, for who has to know; or this very process. */
export type Caller = typeof sameProcess | (() => string | undefined);

/** Callers in this process, who are not asked; no socket is one and no header can name it. */
export const sameProcess = "same process";

/** Every token that is accepted: the first and those of a rotation. */
export const tokensOf = ({ token, secondary_tokens }: Config["auth"]): string[] =>
  [token, ...secondary_tokens].filter((text) => text !== "");

/** Makes the gate of one listener. `host` is where it is bound. */
export function createGate(auth: Config["auth"], host: string): Gate {
  const tokens = tokensOf(auth).map(digest);
  const callerMayBe = auth.allowed_ips.length > 0 ? addressGate(auth) : undefined;
  const ownNamesOnly = tokens.length === 0 && isLoopback(host);
  return ({ method, headers }, from) => {
    if (from === sameProcess) return;
    callerMayBe?.(headers, from());
    if (tokens.length > 0 && !matches(tokens, givenToken(headers))) {
      throw fail(
        "unauthorized",
        "expected a valid token in Authorization: Bearer <token>, or as the password of Basic",
      );
    }
    if (ownNamesOnly) refuseOtherOrigins(method, headers);
  };
}

/** A gate whose rules can be replaced while requests come in; each request meets one set of rules. */
export function createChangingGate(auth: Config["auth"], host: string) {
  let now = createGate(auth, host);
  let countingNow = addressThatCounts(auth);
  const gate: Gate = (request, from) => now(request, from);
  const addressOf: AddressOf = (headers, socket) => countingNow(headers, socket);
  const change = (next: Config["auth"]) => {
    now = createGate(next, host);
    countingNow = addressThatCounts(next);
  };
  return { gate, addressOf, change };
}

/** The address of a caller, by its headers and its socket's address. */
export type AddressOf = (headers: Headers, socket: string | undefined) => string | undefined;

/** Behind a trusted proxy the forwarded address counts; X-Forwarded-For of others is ignored. */
function addressThatCounts({ trusted_proxies }: Config["auth"]): AddressOf {
  if (trusted_proxies.length === 0) return (_, socket) => socket;
  const trusted = addressList(trusted_proxies);
  return (headers, socket) => {
    const forwarded = headers.get("x-forwarded-for");
    return forwarded !== null && isListed(trusted, socket) ? forwardedFor(forwarded, trusted) : socket;
  };
}

function addressGate(auth: Config["auth"]) {
  const allowed = addressList(auth.allowed_ips);
  const addressOf = addressThatCounts(auth);
  return (headers: Headers, socket: string | undefined): void => {
    const caller = addressOf(headers, socket);
    if (caller === "malformed") {
      throw fail("bad_request", "X-Forwarded-For: expected addresses with commas between them");
    }
    if (!isListed(allowed, caller)) throw fail("forbidden", "this address may not call");
  };
}

/** Hashed first, so that the comparison takes the same time whatever the length. */
const digest = (token: string): Buffer => createHash("sha256").update(token).digest();

function matches(tokens: readonly Buffer[], given: string | undefined): boolean {
  const presented = digest(given ?? "");
  // Every token is compared, so that timing does not reveal which one matched.
  return tokens.map((token) => timingSafeEqual(token, presented)).includes(true) && given !== undefined;
}

/**
 * The token that a request presents: as Bearer, as the password of Basic, which spreadsheets and dashboards ask people for
 * (as the name where there is no password), or in the cookie of a page of ours.
 */
function givenToken(headers: Headers): string | undefined {
  const header = headers.get("authorization");
  if (header === null) return isAskedByOthers(headers) ? undefined : ofCookie(headers);
  const [, scheme = "", text = ""] = /^(Bearer|Basic) +(\S+)\s*$/i.exec(header) ?? [];
  if (/^bearer$/i.test(scheme)) return text;
  // A browser that was once given a password sends it by itself, whoever made it ask.
  const mayBeAnybodys = headers.has("sec-fetch-site") && isAskedByOthers(headers);
  if (mayBeAnybodys || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  const [, name, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(text, "base64").toString()) ?? [];
  return password || name || undefined;
}

/** Where a browser keeps the token of whoever signed in at the console. */
export const tokenCookie = "lakehouse_token";

/**
 * Whether a page of somebody else's may have made the browser ask, or nobody says who did: browsers tell pages of this very
 * origin and addresses that a person typed by a header that no page can set (W3C, Fetch Metadata).
 */
function isAskedByOthers(headers: Headers): boolean {
  const site = headers.get("sec-fetch-site");
  return site !== "same-origin" && site !== "none";
}

function ofCookie(headers: Headers): string | undefined {
  const pair = (headers.get("cookie") ?? "").split(/; */).find((each) => each.startsWith(`${tokenCookie}=`));
  return pair?.slice(tokenCookie.length + 1);
}

/** A web page elsewhere can reach a loopback port (by its own script, or by DNS that points here): refuse it. */
function refuseOtherOrigins(method: string | undefined, headers: Headers): void {
  const host = headers.get("host");
  if (host !== null && !isLoopback(hostname(host))) {
    throw fail("forbidden", "without auth.token only this machine's own names are answered (Host)");
  }
  const origin = headers.get("origin");
  if (origin !== null && !isLoopback(hostname(origin.replace(/^https?:\/\//i, "")))) {
    throw fail("forbidden", "without auth.token only this machine's own pages are answered (Origin)");
  }
  if (headers.get("sec-fetch-site") === "cross-site")
    throw fail(
      "forbidden",
      "without auth.token only this machine's own pages are answered (Sec-Fetch-Site); open the address by itself",
    );
  const isOwn = origin === null || origin.replace(/^https?:\/\//i, "").toLowerCase() === host?.toLowerCase();
  if (!isOwn && method === "POST" && sentWithoutAsking.test(headers.get("content-type") ?? ""))
    throw fail(
      "forbidden",
      "without auth.token a page of another port is answered only when it names what it sends, as Content-Type: application/json",
    );
}

/** Media types that a browser lets any page POST without asking the server first (Fetch standard, CORS-safelisted). */
const sentWithoutAsking =
  /^\s*($|;|,|(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\s*($|;|,))/i;

const hostname = (authority: string): string => authority.replace(/:\d+$/, "");

/** Refuses to open a service to the network unguarded. Returns why, or undefined when the bind is fine. */
export function bindRefusal(
  section: string,
  host: string,
  auth: Config["auth"],
  allowNonloopback: boolean,
): string | undefined {
  if (isLoopback(host) || tokensOf(auth).length > 0 || allowNonloopback) return undefined;
  return (
    `refuse non-loopback bind without auth.token: ${section}.bind is ${host}; ` +
    `set auth.token, or LH_${section.toUpperCase()}_ALLOW_NONLOOPBACK=1 to override`
  );
}
