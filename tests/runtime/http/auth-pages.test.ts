import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { addressList, forwardedFor, isLoopback, plainAddress } from "../../../runtime/addresses/addresses.ts";
import { createGate } from "../../../runtime/auth/auth.ts";
import { sendRaw } from "../../support/clients/raw-http.ts";
import { configWith } from "../../support/stacks/in-process.ts";

/** A loopback bind without a token: pages of other places must not drive it, by their own script or by DNS. */
describe("Host and Origin on a loopback bind without a token", () => {
  let server: ReturnType<typeof Bun.serve>;
  beforeAll(() => {
    const gate = createGate(configWith({}).auth, "127.0.0.1");
    server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, own) => {
        try {
          gate(request, () => own.requestIP(request)?.address);
          return new Response();
        } catch (cause) {
          return new Response(null, { status: (cause as { status?: number }).status ?? 500 });
        }
      },
    });
  });
  afterAll(() => server.stop(true));
  const statusOf = async (method: string, ...headers: [string, string][]) =>
    (await sendRaw({ host: "127.0.0.1", port: server.port ?? 0, method, path: "/v1/system", headers }))
      .status;
  const status = (...headers: [string, string][]) => statusOf("GET", ...headers);

  const hosts: [string, 200 | 403][] = [
    ["localhost", 200],
    ["localhost:3110", 200],
    ["LOCALHOST:3110", 200],
    ["localhost.:3110", 200],
    ["lake.localhost", 200],
    ["127.0.0.1:3110", 200],
    ["127.8.9.10", 200],
    ["[::1]:3110", 200],
    ["[::ffff:127.0.0.1]", 200],
    ["[::ffff:7f00:1]:3110", 200],
    ["", 403],
    ["rebind.example", 403],
    ["rebind.example:3110", 403],
    ["127.0.0.1.rebind.example", 403],
    ["localhost.rebind.example:3110", 403],
    ["localhost@rebind.example", 403],
    ["rebind.example@localhost", 403],
    ["rebind.example@lake.localhost:3110", 403],
    ["rebind.example/.localhost", 403],
    ["rebind.example#.localhost", 403],
    ["rebind.example:3110:80", 403],
    ["xn--lcalhost-2za.example", 403],
    ["xn--lcalhost-2za", 403],
    ["notlocalhost", 403],
    ["localhost..", 403],
    [".localhost", 403],
    ["192.0.2.2:3110", 403],
    ["0.0.0.0:3110", 403],
    ["[::]:3110", 403],
    ["[fe80::1%25lo]:3110", 403],
    ["[::ffff:192.0.2.2]", 403],
    ["127.1", 403],
    ["2130706433", 403],
    ["0x7f.0.0.1", 403],
    ["localhost, rebind.example", 403],
  ];
  test.each(hosts)("Host: %p is answered %p", async (host, right) => {
    expect(await status(["Host", host])).toBe(right);
  });

  const origins: [string, 200 | 403][] = [
    ["http://localhost:3110", 200],
    ["https://localhost", 200],
    ["HTTP://localhost", 200],
    ["http://127.0.0.1:8080", 200],
    ["http://[::1]:3110", 200],
    ["http://lake.localhost.", 200],
    ["null", 403],
    ["", 403],
    ["https://evil.example", 403],
    ["https://evil.example:3110", 403],
    ["https://localhost.evil.example", 403],
    ["https://evil.example/.localhost", 403],
    ["https://localhost@evil.example", 403],
    ["https://evil.example@localhost", 403],
    ["https://xn--lcalhost-2za.com", 403],
    ["http://192.0.2.2:3110", 403],
    ["http://[2001:db8::1]", 403],
    ["chrome-extension://localhost", 403],
    ["file://", 403],
    ["http://http://localhost", 403],
    ["http://localhost http://evil.example", 403],
  ];
  test.each(origins)("Origin: %p is answered %p", async (origin, right) => {
    expect(await status(["Host", "localhost:3110"], ["Origin", origin])).toBe(right);
  });

  test("a page of another site cannot begin anything, even by an image", async () => {
    const host: [string, string] = ["Host", "localhost:3110"];
    expect(await status(host, ["Sec-Fetch-Site", "cross-site"])).toBe(403);
    expect(await statusOf("POST", host, ["Sec-Fetch-Site", "cross-site"])).toBe(403);
    for (const site of ["none", "same-origin", "same-site"])
      expect(await status(host, ["Sec-Fetch-Site", site])).toBe(200);
  });

  const host: [string, string] = ["Host", "127.0.0.1:3110"];
  const form = "application/x-www-form-urlencoded";
  const posts: [origin: string | undefined, type: string | undefined, right: 200 | 403][] = [
    [undefined, form, 200],
    [undefined, undefined, 200],
    ["http://127.0.0.1:3110", form, 200],
    ["http://127.0.0.1:3110", undefined, 200],
    ["http://127.0.0.1:8080", form, 403],
    ["http://localhost:3110", form, 403],
    ["http://127.0.0.1:8080", undefined, 403],
    ["http://127.0.0.1:8080", "text/plain", 403],
    ["http://127.0.0.1:8080", "text/plain;charset=UTF-8", 403],
    ["http://127.0.0.1:8080", " Text/Plain ; a=application/json", 403],
    ["http://127.0.0.1:8080", "multipart/form-data; boundary=x", 403],
    ["http://127.0.0.1:8080", "; application/json", 403],
    ["http://127.0.0.1:8080", "application/json", 200],
    ["http://127.0.0.1:8080", "application/json; charset=utf-8", 200],
    ["http://127.0.0.1:8080", "text/csv", 200],
  ];
  test.each(posts)("POST from Origin %p as %p is %p", async (origin, type, right) => {
    const headers = [
      host,
      ...(origin === undefined ? [] : ([["Origin", origin]] as [string, string][])),
      ...(type === undefined ? [] : ([["Content-Type", type]] as [string, string][])),
    ];
    expect(await statusOf("POST", ...headers)).toBe(right);
  });

  test("two of a kind are not one that is right", async () => {
    expect(await status(["Host", "localhost"], ["Host", "rebind.example"])).toBe(403);
    expect(
      await status(["Host", "localhost"], ["Origin", "http://localhost"], ["Origin", "http://evil.example"]),
    ).toBe(403);
  });
});

describe("whom a chain of proxies speaks for", () => {
  const trusted = addressList(["127.0.0.0/8", "10.0.0.0/24", "2001:db8::/32"]);
  const rows: [string, string][] = [
    ["203.0.113.7", "203.0.113.7"],
    ["198.51.100.1, 203.0.113.7", "203.0.113.7"],
    ["198.51.100.1,203.0.113.7 , 10.0.0.9", "203.0.113.7"],
    ["203.0.113.7:4711", "203.0.113.7"],
    ["[2001:db9::5]:4711, 2001:db8::1", "2001:db9::5"],
    ["[2001:db9::5], [2001:db8::1]:80", "2001:db9::5"],
    ["2001:DB9:0:0::5", "2001:db9::5"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["::ffff:cb00:7107, 10.0.0.1", "203.0.113.7"],
    ["10.0.0.2, 10.0.0.1", "10.0.0.2"],
    ["anything at all, 203.0.113.7", "203.0.113.7"],
    ["anything at all, 10.0.0.1", "malformed"],
    ["", "malformed"],
    ["203.0.113.7,", "malformed"],
    ["203.0.113.7, , 10.0.0.1", "malformed"],
    ["unknown", "malformed"],
    ["203.0.113.256", "malformed"],
    ["203.0.113.7/32", "malformed"],
    ["203.0.113.7:port", "malformed"],
    ["host.example, 10.0.0.1", "malformed"],
    ["for=203.0.113.7", "malformed"],
  ];
  test.each(rows)("%p is %p", (header, right) => {
    expect(forwardedFor(header, trusted)).toBe(right);
  });

  test("what is malformed is refused with 400, and only from a proxy that is trusted", () => {
    const gate = createGate(
      configWith({ auth: { allowed_ips: ["203.0.113.7"], trusted_proxies: ["10.0.0.1"] } }).auth,
      "0.0.0.0",
    );
    const ask = (header: string, from: string) => () =>
      gate({ headers: new Headers({ "x-forwarded-for": header }) }, () => from);
    expect(ask("203.0.113.7", "10.0.0.1")).not.toThrow();
    expect(ask("203.0.113.7", "::ffff:10.0.0.1")).not.toThrow();
    expect(ask("nobody", "10.0.0.1")).toThrow(expect.objectContaining({ status: 400 }));
    expect(ask("nobody", "203.0.113.7")).not.toThrow();
    expect(ask("203.0.113.7", "10.0.0.2")).toThrow(expect.objectContaining({ status: 403 }));
    expect(ask("10.0.0.1", "10.0.0.1")).toThrow(expect.objectContaining({ status: 403 }));
  });
});

test("one address has one text", () => {
  expect(plainAddress("[2001:DB8:0::1]")).toBe("2001:db8::1");
  expect(plainAddress("fe80::1%eth0")).toBe("fe80::1");
  expect(plainAddress("::ffff:1.2.3.4")).toBe("1.2.3.4");
  expect(plainAddress("::ffff:102:304")).toBe("1.2.3.4");
  for (const none of ["", "localhost", "1.2.3", "1.2.3.4.", "::g"])
    expect(plainAddress(none)).toBeUndefined();
});

test("ranges over both families", () => {
  const rows: [range: string, address: string, isIn: boolean][] = [
    ["::ffff:10.0.0.0/104", "10.9.9.9", true],
    ["::ffff:10.0.0.0/104", "11.0.0.1", false],
    ["10.0.0.0/8", "::ffff:a00:1", true],
    ["0.0.0.0/0", "203.0.113.7", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["::/0", "2001:db8::1", true],
    ["2001:db8::1", "2001:0db8:0:0:0:0:0:1", true],
    ["192.0.2.4/30", "192.0.2.7", true],
    ["192.0.2.4/30", "192.0.2.8", false],
  ];
  const list = (range: string) => createGate(configWith({ auth: { allowed_ips: [range] } }).auth, "0.0.0.0");
  for (const [range, address, isIn] of rows) {
    const ask = () => list(range)({ headers: new Headers() }, () => address);
    if (isIn) expect(ask).not.toThrow();
    else expect(ask).toThrow("this address may not call");
  }
  expect(isLoopback("::ffff:7f00:1")).toBe(true);
});
