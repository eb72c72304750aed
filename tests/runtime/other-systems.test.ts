/** What Linux alone has, taken away: the main job is the same without it. macOS itself is not tried here. */
import { afterAll, describe, expect, mock, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { owner } from "../../scripts/doctor/places.ts";
import { configWith, temporaryDirectory } from "../support/stacks/in-process.ts";

const root = join(import.meta.dir, "../..");
const nowhere = "/proc/lakehouse/nowhere";
const { path, remove } = temporaryDirectory("other-systems");
afterAll(remove);

/** Evaluates an expression in a process of its own, behind a shell's words; what it printed. */
function evaluated(before: string, code: string, argv0 = "sh"): unknown {
  const program = `"${process.execPath}" --no-install -e '${code}'`;
  const { stdout, stderr } = Bun.spawnSync(["sh", "-c", `${before} ${program}; exit`], {
    cwd: root,
    argv0,
    env: { ...process.env, NOTIFY_SOCKET: "" },
  });
  expect(stderr.toString()).toBe("");
  return JSON.parse(stdout.toString());
}

// The other way to know of a process is ps(1); a system that has neither is none of those we know.
describe.skipIf(Bun.which("ps") === null)("without /proc", () => {
  const hangups = `const { ignoresHangup } = await import("./runtime/system/terminal.ts");
    console.log(JSON.stringify([ignoresHangup(), ignoresHangup("${nowhere}")]))`;
  test.each([
    ["as usual", "", false],
    ["under nohup", 'trap "" HUP;', true],
  ])("whether a hangup is ignored is known all the same: %s", (_, before, ignored) => {
    expect(evaluated(before, hangups)).toEqual([ignored, ignored]);
  });

  test("the npm in front is found by ps", () => {
    const code = `const { npmAncestor } = await import("./scripts/setup/npm-parent.ts");
      console.log(JSON.stringify([npmAncestor(process.pid), npmAncestor(process.pid, "${nowhere}")]))`;
    const [known, byPs] = evaluated("", code, "npm exec bun") as number[];
    expect(known).toBeGreaterThan(0);
    expect(byPs).toBe(known as number);
    expect(evaluated("", code)).toEqual([null, null]);
  });

  test("whoever holds the data directory is noticed, if not named", async () => {
    const data_dir = join(path, "data");
    const folder = join(data_dir, "storaged");
    mkdirSync(folder, { recursive: true });
    const code = `const { lockDirectory } = await import("./runtime/store/lock.ts"); lockDirectory(process.argv.at(-1));
      console.log("held"); await Bun.stdin.text()`;
    const holder = Bun.spawn([process.execPath, "-e", code, folder], {
      cwd: root,
      stdio: ["pipe", "pipe", "inherit"],
    });
    for await (const _ of holder.stdout) break;
    const config = configWith({ data_dir });
    expect(owner(config, false, nowhere)).toMatchObject({ state: "missing", required: true });
    expect(owner(config, false, nowhere).fix).toContain("lsof");
    expect(owner(config, true, nowhere).state).toBe("ok");
    await holder.stdin.end();
    await holder.exited;
    expect(owner(config, false, nowhere).state).toBe("ok");
  });
});

test("without systemd no library of Linux is loaded, by a start or a reload", async () => {
  mock.module("bun:ffi", () => ({
    FFIType: {},
    dlopen: (name: string) => {
      throw new Error(`there is no ${name}`);
    },
  }));
  const before = process.env.NOTIFY_SOCKET;
  delete process.env.NOTIFY_SOCKET;
  const { notifyReloading, notifySystemd } = await import(
    `../../runtime/system/notify.ts?${crypto.randomUUID()}`
  );
  expect(notifyReloading()).toBeUndefined();
  expect(notifySystemd("READY=1")).toBeUndefined();
  process.env.NOTIFY_SOCKET = join(path, "notify");
  // Where one waits and cannot be told, that is said, and the start goes on.
  expect(notifyReloading()).toContain("there is no lib");
  if (before === undefined) delete process.env.NOTIFY_SOCKET;
  else process.env.NOTIFY_SOCKET = before;
  mock.restore();
});
