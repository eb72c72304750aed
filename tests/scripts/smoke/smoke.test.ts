import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  expectEqual,
  expectError,
  expectStatus,
  runSmoke,
  type Smoke,
} from "../../../scripts/smoke-product/stage.ts";

const script = join(import.meta.dir, "../../../scripts/smoke/smoke.ts");

async function run(smoke: Smoke, gateway?: string) {
  const lines: string[] = [];
  const outcome = await runSmoke("x", smoke, { gateway, mode: "one", print: (line) => lines.push(line) });
  return { ...outcome, told: lines.join("\n") };
}

describe("a smoke", () => {
  test("goes on after a failed check and counts both", async () => {
    const outcome = await run({
      about: "two checks",
      run: async ({ check }) => {
        await check("one and one", () => expectEqual(1 + 1, 3));
        await check("two and two", () => expectEqual(2 + 2, 4));
      },
    });
    expect(outcome).toMatchObject({ passed: 1, failed: 1 });
    expect(outcome.told).toContain("FAIL  x: one and one");
    expect(outcome.told).toContain("ok    x: two and two");
  });

  test("that breaks outside of its checks has failed", async () => {
    const outcome = await run({
      about: "breaks",
      run: () => Promise.reject(new Error("broken")),
    });
    expect(outcome).toMatchObject({ passed: 0, failed: 1 });
    expect(outcome.told).toContain("broken");
  });

  test("of its own product is not run against another's", async () => {
    const own: Smoke = { about: "kills", ownProduct: true, run: () => Promise.reject(new Error("was run")) };
    expect(await run(own, "http://localhost:1")).toMatchObject({ passed: 0, failed: 0 });
  });

  test("looks at a product that runs elsewhere, with its token", async () => {
    await using elsewhere = Bun.serve({
      port: 0,
      fetch: ({ headers }) => Response.json({ bearer: headers.get("authorization") }),
    });
    const lines: string[] = [];
    const smoke: Smoke = {
      about: "asks",
      run: async ({ check, lake }) => {
        const { send } = await lake();
        await check("bearer", async () =>
          expectEqual((await send("/v1/system")).body, { bearer: "Bearer t" }),
        );
      },
    };
    const gateway = `http://localhost:${elsewhere.port}`;
    expect(
      await runSmoke("x", smoke, { gateway, token: "t", mode: "one", print: (line) => lines.push(line) }),
    ).toEqual({
      passed: 1,
      failed: 0,
    });
  });

  test("expects the one shape of errors", () => {
    const headers = new Headers();
    const error = { message: "none", type: "not_found", code: 404, request_id: "r" };
    expect(expectError({ status: 404, headers, body: { error } }, 404, "not_found")).toBe("none");
    expect(() =>
      expectError({ status: 404, headers, body: { error: { ...error, code: 400 } } }, 404, "not_found"),
    ).toThrow();
    expect(() => expectError({ status: 404, headers, body: {} }, 404, "not_found")).toThrow();
    expect(() => expectStatus({ status: 500, headers, body: "oops" }, 200)).toThrow(
      'expected 200, got 500: "oops"',
    );
  });
});

test("an unknown smoke lists those there are", () => {
  const { exitCode, stdout } = Bun.spawnSync([process.execPath, script, "d7"]);
  expect(exitCode).toBe(2);
  for (const name of ["d1", "d2", "d3", "d4", "d5", "d6", "storaged_cap", "auth"])
    expect(stdout.toString()).toContain(`  ${name} `);
});
