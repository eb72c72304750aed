/** dbt: it connects, and says clearly that nothing can be built here. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { interpreter } from "../python/python.ts";
import { expectTrue, type Smoke } from "../smoke-product/smoke-product.ts";
import { run } from "../subprocess/subprocess.ts";
import { startServer } from "./server.ts";

const packages = ["dbt-core==1.11.16", "dbt-postgres==1.10.2"];
const timeoutMs = 20 * 60_000;

export const dbt: Smoke = {
  about: "dbt-postgres 1.10.2: debug, and a run that is refused",
  ownProduct: true,
  run: async (stage) => {
    const { host, port, token } = await startServer(stage);
    const directory = stage.directory();
    const project = { name: "tried", version: "1.0", profile: "tried", "model-paths": ["models"] };
    const target = { type: "postgres", host, port: Number(port), user: "reader", password: token };
    const output = { ...target, dbname: "lakehouse", schema: "main", threads: 1 };
    mkdirSync(join(directory, "models"));
    // JSON is YAML.
    writeFileSync(join(directory, "dbt_project.yml"), JSON.stringify(project));
    writeFileSync(
      join(directory, "profiles.yml"),
      JSON.stringify({ tried: { target: "here", outputs: { here: output } } }),
    );
    writeFileSync(join(directory, "models", "one.sql"), "select count(*) as n from main.things");
    const python = await interpreter("dbt", packages);
    const dbtOf = async (word: string) => {
      const words = ["-B", "-m", "dbt.cli.main", word, "--no-use-colors", "--profiles-dir", directory];
      const command = [python, ...words, "--project-dir", directory];
      const env = { ...process.env, DBT_SEND_ANONYMOUS_USAGE_STATS: "false" } as Record<string, string>;
      return run(command, { timeoutMs, cwd: directory, env });
    };
    await stage.check("debug finds all well", async () => {
      const { out, err } = await dbtOf("debug");
      expectTrue(out.includes("Connection test: [OK connection ok]"), out + err);
    });
    await stage.check("run fails, and says that only reading statements run", async () => {
      const { code, out } = await dbtOf("run");
      expectTrue(code !== 0 && out.includes("only reading statements run"), out);
    });
  },
};
