/** Network addresses as text: which are this machine's, which are in a list of ranges, which one a proxy speaks for. */
import { BlockList, isIP, isIPv6 } from "node:net";
import { ConfigError } from "../errors/errors.ts";

/** `127.0.0.0/8`, `::1` and names that can only be this machine (RFC 6761 §6.3). */
export function isLoopback(host: string): boolean {
  const address = plainAddress(host);
  if (address !== undefined) return address === "::1" || address.startsWith("127.");
  return /^([a-z0-9_-]+\.)*localhost\.?$/i.test(host);
}

/**
 * One text for one address: without brackets and zone, and an IPv4 address that came in over an IPv6 socket is still
 * the IPv4 address. Undefined when the text is no address.
 */
export function plainAddress(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  if (isIP(bare) === 4) return bare;
  if (isIP(bare) !== 6) return undefined;
  const { hostname } = new URL(`http://[${bare}]/`);
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? [];
  if (high === undefined || low === undefined) return hostname.slice(1, -1);
  const bytes = [high, low].map((word) => Number.parseInt(word, 16)).flatMap((n) => [n >> 8, n & 255]);
  return bytes.join(".");
}

/** The address and the width of an address or a CIDR, or undefined when the text is neither. */
function rangeOf(entry: string): { address: string; bits: number } | undefined {
  const [given = "", width, ...rest] = entry.split("/");
  const written = isIP(given);
  const address = plainAddress(given);
  const widest = written === 6 ? 128 : 32;
  const bits = width === undefined ? widest : /^\d{1,3}$/.test(width) ? Number(width) : -1;
  if (written === 0 || address === undefined || given.includes("%") || rest.length > 0) return undefined;
  if (bits < 0 || bits > widest) return undefined;
  if (written === 4 || isIPv6(address)) return { address, bits };
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8; wider than the mapped addresses it could only be meant as IPv6.
  return bits >= 96 ? { address, bits: bits - 96 } : undefined;
}

export const isAddressRange = (entry: string): boolean => rangeOf(entry) !== undefined;

/** What `isAddressRange` takes, for people. */
export const addressRanges = "addresses or CIDRs, as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32";

const family = (address: string) => (isIPv6(address) ? "ipv6" : "ipv4");

/** Parses addresses and CIDRs; throws on the first that is neither. */
export function addressList(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const range = rangeOf(entry);
    if (!range) throw new Error(`'${entry}' is none of ${addressRanges}`);
    list.addSubnet(range.address, range.bits, family(range.address));
  }
  return list;
}

/** Whether the address, in any of its forms, is in the list; one that is unknown is not. */
export function isListed(list: BlockList, address: string | undefined): boolean {
  const plain = plainAddress(address ?? "");
  return plain !== undefined && list.check(plain, family(plain));
}

/**
 * Whom a chain of proxies speaks for: the last address of `X-Forwarded-For` that is not itself trusted, or the first
 * of all when every one is. What stands before it is what the client claims, and is not looked at. `malformed` when
 * an entry that counts is no address.
 */
export function forwardedFor(forwarded: string, trusted: BlockList): string | "malformed" {
  let nearest: string | undefined;
  for (const entry of forwarded.split(",").reverse()) {
    nearest = plainAddress(withoutPort(entry.trim()));
    if (nearest === undefined) return "malformed";
    if (!isListed(trusted, nearest)) return nearest;
  }
  return nearest ?? "malformed";
}

/** Some proxies add the port: `192.0.2.7:4711`, `[2001:db8::1]:4711`. */
const withoutPort = (entry: string): string =>
  entry.replace(/^(\d+\.\d+\.\d+\.\d+|\[[^\]]*\]):\d{1,5}$/, "$1");

/** `host:port` of a bind, the host without brackets. */
export function parseBind(bind: string): { host: string; port: number } {
  const at = bind.lastIndexOf(":");
  const port = Number(bind.slice(at + 1));
  if (port > 65_535) throw new ConfigError(`a port is at most 65535, got ${bind}`);
  return { host: bind.slice(0, at).replace(/^\[|\]$/g, ""), port };
}

/** Where this machine reaches a bind address: the wildcard listens on loopback too. */
export function urlOf(bind: string, port: number): string {
  const { host } = parseBind(bind);
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

/**
 * Where a caller reaches this server, as http://127.0.0.1:3110: by what it says itself, or the proxy before it. It is
 * answered to that caller alone, and nothing is decided by it.
 */
export function originOf(headers: Headers): string {
  const said = (name: string) => headers.get(name)?.split(",")[0]?.trim() || undefined;
  const scheme = said("x-forwarded-proto") === "https" ? "https" : "http";
  return `${scheme}://${said("x-forwarded-host") ?? headers.get("host") ?? "localhost"}`;
}
