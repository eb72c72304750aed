/** JDBC: what Java's tools connect by, DBeaver and Metabase among them. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { say } from "../python/python.ts";
import { expectEqual, type Smoke } from "../smoke-product/smoke-product.ts";
import { run, runStep } from "../subprocess/subprocess.ts";
import { expected } from "./expected.ts";
import { startServer } from "./server.ts";

const version = "42.7.7";
const timeoutMs = 20 * 60_000;

/** The driver, fetched by Maven first where it is missing. */
async function findDriver(): Promise<string> {
  const path = join(
    homedir(),
    `.m2/repository/org/postgresql/postgresql/${version}/postgresql-${version}.jar`,
  );
  if (existsSync(path)) return path;
  const artifact = `-Dartifact=org.postgresql:postgresql:${version}`;
  const step = {
    name: `installing org.postgresql:postgresql ${version}`,
    command: ["mvn", "-q", "dependency:get", artifact, "-Dtransitive=false"] as [string, ...string[]],
    timeoutMs,
    otherwise: ["fix: install Maven and a JDK, and let Maven Central be reached; then run it again"],
  };
  if (!(await runStep(step, say))) throw new Error("the driver could not be installed (see above)");
  return path;
}

export const jdbc: Smoke = {
  about: `org.postgresql:postgresql ${version}: metadata, parameters, a part of the rows at a time`,
  ownProduct: true,
  run: async (stage) => {
    const { host, port, token } = await startServer(stage);
    const program = join(import.meta.dir, "JdbcClient.java");
    const command = ["java", "-cp", await findDriver(), program, host, port, token];
    const { code, out, err } = await run(command, { timeoutMs });
    if (code !== 0) throw new Error(`java ended with ${code}: ${out}${err}`);
    const found = Object.fromEntries(out.split("\n").map((line) => line.split("=", 2)));
    const wanted = {
      ...{
        product: "PostgreSQL",
        schemas: "main",
        tables: expected.tables.join(),
        columns: expected.columns.join(),
      },
      ...{
        keys: "",
        types: "true",
        count: expected.count,
        filtered: "title 7",
        sum: "499500",
        error: expected.error,
      },
    };
    for (const [what, value] of Object.entries(wanted))
      await stage.check(what, () => expectEqual(found[what], value));
  },
};
