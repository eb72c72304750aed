/** Who may call: bearer tokens, addresses, and on a bare loopback bind this machine's own names only. */
import { createHash, timingSafeEqual } from "node:crypto";
import { BlockList, isIP, isIPv6 } from "node:net";
import { fail } from "./errors.ts";
import type { Config } from "./settings.ts";

/** Lets a request through or throws `unauthorized` (401) or `forbidden` (403). */
export type Gate = (request: { headers: Headers }, address: string | undefined) => void;

/** Every token that is accepted: the first and those of a rotation. */
export const tokensOf = ({ token, secondary_tokens }: Config["auth"]): string[] =>
  [token, ...secondary_tokens].filter((text) => text !== "");

/** Makes the gate of one listener. `host` is where it is bound. */
export function createGate(auth: Config["auth"], host: string): Gate {
  const tokens = tokensOf(auth).map(digest);
  const allowed = auth.allowed_ips.length > 0 ? addressList(auth.allowed_ips) : undefined;
  const ownNamesOnly = tokens.length === 0 && isLoopback(host);
  return ({ headers }, address) => {
    if (allowed && !isAllowed(allowed, address)) throw fail("forbidden", "this address may not call");
    if (tokens.length > 0 && !matches(tokens, headers.get("authorization"))) {
      throw fail("unauthorized", "expected a valid token in Authorization: Bearer <token>");
    }
    if (ownNamesOnly) refuseForeignPages(headers);
  };
}

/** Hashed first, so that the comparison takes the same time whatever the length. */
const digest = (token: string): Buffer => createHash("sha256").update(token).digest();

function matches(tokens: readonly Buffer[], header: string | null): boolean {
  const [, given] = /^Bearer +(\S+)\s*$/i.exec(header ?? "") ?? [];
  const presented = digest(given ?? "");
  // Every token is compared, so that time does not tell which one matched.
  return tokens.map((token) => timingSafeEqual(token, presented)).includes(true) && given !== undefined;
}

/** `127.0.0.0/8`, `::1` and names that can only be this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost") || name === "::1") return true;
  const v4 = unmapped(name);
  return isIP(v4) === 4 && v4.startsWith("127.");
}

/** A web page elsewhere can reach a loopback port (by its own script, or by DNS that points here): refuse it. */
function refuseForeignPages(headers: Headers): void {
  const host = headers.get("host");
  if (host !== null && !isLoopback(hostname(host))) {
    throw fail("forbidden", "without auth.token only this machine's own names are answered (Host)");
  }
  const origin = headers.get("origin");
  if (origin !== null && !isLoopback(hostname(origin.replace(/^https?:\/\//, "")))) {
    throw fail("forbidden", "without auth.token only this machine's own pages are answered (Origin)");
  }
}

const hostname = (authority: string): string => authority.replace(/:\d+$/, "");

/** An IPv4 address that came in over an IPv6 socket is still the IPv4 address. */
const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
const family = (address: string) => (isIPv6(address) ? "ipv6" : "ipv4");

/** Parses addresses and CIDRs; throws on the first that is neither. */
export function addressList(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = "", bits] = entry.split("/");
    const version = isIP(address);
    const widest = version === 6 ? 128 : 32;
    const whole = bits === undefined ? widest : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
    if (version === 0 || whole < 0 || whole > widest) {
      throw new Error(
        `auth.allowed_ips: '${entry}' is neither an address nor a CIDR, as 10.0.0.0/8 or 2001:db8::/32`,
      );
    }
    list.addSubnet(address, whole, family(address));
  }
  return list;
}

const isAllowed = (list: BlockList, address: string | undefined): boolean => {
  const plain = unmapped(address ?? "");
  return isIP(plain) !== 0 && list.check(plain, family(plain));
};

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
