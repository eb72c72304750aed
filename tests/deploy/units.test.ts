import { afterAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { topology } from "../../runtime/topology.ts";
import { unitFiles } from "../../scripts/generate/units.ts";
import { startProduct } from "../support/product/product.ts";
import { temporaryDirectory } from "../support/stacks/in-process.ts";

const folder = join(import.meta.dir, "../../deploy/systemd");
const directory = temporaryDirectory("units");
afterAll(directory.remove);
const read = (name: string) => readFileSync(join(folder, name), "utf8");

test("deploy/systemd is what the topology says", () => {
  const files = unitFiles();
  expect(readdirSync(folder).sort()).toEqual([...files.keys()].sort());
  for (const [name, content] of files) expect([name, read(name)]).toEqual([name, content]);
});

test("who needs whom", () => {
  const required = (name: string) =>
    (/^Requires=(.*)$/m.exec(read(`lakehouse-${name}.service`))?.[1] ?? "")
      .split(" ")
      .map((unit) => unit.replace(/^lakehouse-(.*)\.service$/, "$1"))
      .filter((each) => each !== "");
  expect(required("catalogd")).toEqual(["storaged"]);
  expect(required("ingestd")).toEqual(["storaged", "catalogd"]);
  expect(required("queryd")).toEqual(["catalogd"]);
  expect(required("matrixd")).toEqual(["embedd", "vectord"]);
  expect(required("gateway")).toEqual([]);
  for (const name of Object.keys(topology))
    expect(read("lakehouse.target")).toContain(` lakehouse-${name}.service`.trimStart());
  const { gateway } = topology;
  for (const callee of gateway.calls)
    expect(read("lakehouse-gateway.service")).toMatch(
      new RegExp(`^Wants=.*lakehouse-${callee}.service`, "m"),
    );
});

/** systemd's own checks, on a copy whose command exists here. */
function verified(): string[] {
  const bun = join(directory.path, "bin");
  mkdirSync(bun, { recursive: true });
  symlinkSync(process.execPath, join(bun, "bun"));
  return readdirSync(folder).map((name) => {
    const copy = join(directory.path, name);
    writeFileSync(copy, read(name).replaceAll("/opt/lakehouse/node_modules/.bin/bun", join(bun, "bun")));
    return copy;
  });
}
const analyze = Bun.which("systemd-analyze");
const withSystemd = test.skipIf(analyze === null);

withSystemd("systemd finds nothing wrong, and little exposed", async () => {
  const copies = verified();
  const check = Bun.spawn([analyze ?? "", "verify", "--man=no", ...copies], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const said = await new Response(check.stderr).text();
  expect(said.split("\n").filter((line) => /lakehouse/.test(line))).toEqual([]);
  expect(await check.exited).toBe(0);
  for (const copy of copies.filter((name) => name.endsWith(".service"))) {
    const security = Bun.spawn(
      [analyze ?? "", "security", "--offline=true", "--no-pager", "--threshold=20", copy],
      { stdout: "pipe", stderr: "pipe" },
    );
    const report = await new Response(security.stdout).text();
    expect([await security.exited, report.slice(-200)]).toEqual([0, expect.any(String) as never]);
  }
});

test("systemd hears of the start and the stop", async () => {
  const path = join(directory.path, "notify.sock");
  const listener = Bun.spawn(
    [process.execPath, join(import.meta.dir, "../fixtures/runtime/notify-socket.ts"), path],
    {
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  const lines = (async function* () {
    let text = "";
    for await (const chunk of listener.stdout as ReadableStream<Uint8Array>) {
      text += new TextDecoder().decode(chunk);
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        yield text.slice(0, end);
        text = text.slice(end + 1);
      }
    }
  })();
  const next = async () => (await lines.next()).value;
  try {
    expect(await next()).toBe("bound");
    const product = await startProduct({
      env: { NOTIFY_SOCKET: path },
      flags: ["--only", "storaged,pathwayd"],
    });
    expect(JSON.parse((await next()) ?? "")).toBe("READY=1\nSTATUS=running storaged, pathwayd");
    expect(await product.end()).toBe(0);
    expect(JSON.parse((await next()) ?? "")).toBe("STOPPING=1");
  } finally {
    listener.kill("SIGKILL");
    await listener.exited;
  }
});
