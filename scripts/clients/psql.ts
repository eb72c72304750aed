/** psql, as Debian's postgresql-client has it: what people type. */
import { expectEqual, expectTrue, type Smoke } from "../smoke-product/smoke-product.ts";
import { run } from "../subprocess/subprocess.ts";
import { expected, typesSql } from "./expected.ts";
import { type Server, startServer } from "./server.ts";

const timeoutMs = 10 * 60_000;

/** What psql prints, without decoration. */
async function psqlOf({ host, port, token }: Server, ...commands: string[]): Promise<string> {
  const words = commands.flatMap((command) => ["-c", command]);
  const command = [
    "psql",
    "-X",
    "-A",
    "-t",
    "-h",
    host,
    "-p",
    port,
    "-U",
    "reader",
    "-d",
    "lakehouse",
    ...words,
  ];
  const { code, out, err } = await run(command as [string, ...string[]], {
    timeoutMs,
    env: { ...process.env, PGPASSWORD: token, PGCLIENTENCODING: "UTF8" } as Record<string, string>,
  });
  if (code !== 0) throw new Error(`psql ended with ${code}: ${err}`);
  return out.trim();
}

export const psql: Smoke = {
  about: "psql: queries, \\l, \\dn, \\dt, \\d, \\copy",
  ownProduct: true,
  run: async (stage) => {
    const server = await startServer(stage);
    const { check } = stage;
    await check("a query", async () =>
      expectEqual(await psqlOf(server, "SELECT count(*) FROM things"), expected.count),
    );
    await check("values of each type", async () =>
      expectEqual(
        (await psqlOf(server, typesSql)).split("|"),
        expected.types.map((text) => ({ true: "t", null: "", "1,2,null": "{1,2,NULL}" })[text] ?? text),
      ),
    );
    await check("\\dt", async () => expectEqual(await psqlOf(server, "\\dt"), "main|things|table|lakehouse"));
    await check("\\d", async () => expectEqual(await psqlOf(server, "\\d"), "main|things|table|lakehouse"));
    await check("\\l", async () => {
      const lines = (await psqlOf(server, "\\l")).split("\n").map((line) => line.split("|")[0] ?? "");
      // Privileges go on in lines of their own.
      const names = lines.filter((name) => !name.includes("="));
      expectEqual(names, ["lakehouse", "template0", "template1"]);
    });
    await check("\\dn, \\du and \\dt of a pattern", async () =>
      expectEqual(
        [await psqlOf(server, "\\dn"), await psqlOf(server, "\\du"), await psqlOf(server, "\\dt th*")].map(
          (text) => text.split("|").slice(0, 2),
        ),
        [
          ["main", "lakehouse"],
          ["lakehouse", ""],
          ["main", "things"],
        ],
      ),
    );
    await check("\\d things", async () =>
      expectEqual(
        (await psqlOf(server, "\\d things")).split("\n").map((line) => line.split("|")[0]),
        expected.columns,
      ),
    );
    await check("\\copy as CSV", async () => {
      const copied = await psqlOf(
        server,
        "\\copy (SELECT id, title FROM things ORDER BY id) TO STDOUT CSV HEADER",
      );
      expectEqual(copied.split("\n").slice(0, 2), ["id,title", "0,title 0"]);
      expectEqual(copied.split("\n").length, 1001);
    });
    await check("an error with its place", async () => {
      const refused = await psqlOf(server, "SELECT nope FROM things").catch((cause: Error) => cause.message);
      expectTrue(/LINE 1: SELECT nope/.test(refused), refused);
    });
  },
};
