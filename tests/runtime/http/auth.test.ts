import { describe, expect, test } from "bun:test";
import { addressList, isLoopback } from "../../../runtime/addresses/addresses.ts";
import { bindRefusal, createGate } from "../../../runtime/auth/auth.ts";
import { configWith } from "../../support/stacks/in-process.ts";

const auth = (changes: object) => configWith({ auth: changes }).auth;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const token = { token: "first" };
const rotating = { token: "first", secondary_tokens: ["second", "third"] };
const ips = { allowed_ips: ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"] };

interface Row {
  name: string;
  auth: object;
  host?: string;
  headers?: Record<string, string>;
  from?: string;
  status: 200 | 401 | 403;
}

const rows: Row[] = [
  { name: "no auth, loopback", auth: {}, status: 200 },
  { name: "token, none given", auth: token, status: 401 },
  { name: "token, right", auth: token, headers: bearer("first"), status: 200 },
  { name: "token, lower-case scheme", auth: token, headers: { authorization: "bearer first" }, status: 200 },
  { name: "token, wrong", auth: token, headers: bearer("First"), status: 401 },
  { name: "token, a prefix of it", auth: token, headers: bearer("firs"), status: 401 },
  { name: "token, longer", auth: token, headers: bearer("firstfirst"), status: 401 },
  { name: "token, other scheme", auth: token, headers: { authorization: "Basic first" }, status: 401 },
  { name: "token, empty bearer", auth: token, headers: { authorization: "Bearer " }, status: 401 },
  { name: "rotation, first", auth: rotating, headers: bearer("first"), status: 200 },
  { name: "rotation, second", auth: rotating, headers: bearer("second"), status: 200 },
  { name: "rotation, last", auth: rotating, headers: bearer("third"), status: 200 },
  { name: "rotation, none of them", auth: rotating, headers: bearer("fourth"), status: 401 },
  {
    name: "only secondary tokens",
    auth: { secondary_tokens: ["second"] },
    headers: bearer("second"),
    status: 200,
  },
  { name: "only secondary tokens, none given", auth: { secondary_tokens: ["second"] }, status: 401 },
  { name: "addresses, inside a range", auth: ips, from: "10.1.2.3", status: 200 },
  { name: "addresses, mapped into IPv6", auth: ips, from: "::ffff:10.1.2.3", status: 200 },
  { name: "addresses, single", auth: ips, from: "192.0.2.7", status: 200 },
  { name: "addresses, IPv6 range", auth: ips, from: "2001:db8:1::5", status: 200 },
  { name: "addresses, outside", auth: ips, from: "192.0.2.8", status: 403 },
  { name: "addresses, IPv6 outside", auth: ips, from: "2001:db9::1", status: 403 },
  { name: "addresses, unknown", auth: ips, status: 403 },
  {
    name: "both, both right",
    auth: { ...token, ...ips },
    from: "10.0.0.1",
    headers: bearer("first"),
    status: 200,
  },
  {
    name: "both, wrong address",
    auth: { ...token, ...ips },
    from: "11.0.0.1",
    headers: bearer("first"),
    status: 403,
  },
  { name: "both, no token", auth: { ...token, ...ips }, from: "10.0.0.1", status: 401 },
  { name: "loopback, own name with port", auth: {}, headers: { host: "localhost:3110" }, status: 200 },
  { name: "loopback, own IPv6", auth: {}, headers: { host: "[::1]:3110" }, status: 200 },
  {
    name: "loopback, a name that points here",
    auth: {},
    headers: { host: "rebind.example:3110" },
    status: 403,
  },
  {
    name: "loopback, a page elsewhere",
    auth: {},
    headers: { host: "localhost", origin: "https://evil.example" },
    status: 403,
  },
  { name: "loopback, a lookalike", auth: {}, headers: { host: "localhost.evil.example" }, status: 403 },
  {
    name: "loopback with a token: any Host",
    auth: token,
    headers: { host: "lake.example", ...bearer("first") },
    status: 200,
  },
  {
    name: "bound to the network without a token: any Host",
    auth: {},
    host: "0.0.0.0",
    headers: { host: "lake.example" },
    status: 200,
  },
];

describe("gate", () => {
  for (const row of rows) {
    test(row.name, () => {
      const gate = createGate(auth(row.auth), row.host ?? "127.0.0.1");
      const outcome = () => gate({ headers: new Headers(row.headers) }, () => row.from);
      if (row.status === 200) expect(outcome).not.toThrow();
      else expect(outcome).toThrow(expect.objectContaining({ status: row.status }));
    });
  }
});

test("loopback names", () => {
  for (const name of [
    "127.0.0.1",
    "127.9.9.9",
    "localhost",
    "a.localhost",
    "::1",
    "[::1]",
    "::ffff:127.0.0.1",
  ])
    expect(isLoopback(name)).toBe(true);
  for (const name of ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example", "example", "128.0.0.1"])
    expect(isLoopback(name)).toBe(false);
});

test("an address that is none is refused with its text", () => {
  for (const bad of ["10.0.0.0/33", "10.0.0", "2001:db8::/129", "host", "10.0.0.0/", "10.0.0.0/x"]) {
    expect(() => addressList([bad])).toThrow(bad);
  }
});

test("a bind to the network needs a token or the override", () => {
  const refusal = (host: string, changes: object, allow = false) =>
    bindRefusal("gateway", host, auth(changes), allow);
  expect(refusal("0.0.0.0", {})).toContain("refuse non-loopback bind without auth.token");
  expect(refusal("192.0.2.1", ips)).toContain("LH_GATEWAY_ALLOW_NONLOOPBACK=1");
  expect(refusal("0.0.0.0", token)).toBeUndefined();
  expect(refusal("0.0.0.0", { secondary_tokens: ["s"] })).toBeUndefined();
  expect(refusal("0.0.0.0", {}, true)).toBeUndefined();
  expect(refusal("::1", {})).toBeUndefined();
});
