/** Apache Iceberg's REST compatibility kit: 105 tests of a catalog, by JUnit. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fetchJars, findJava } from "../java/java.ts";
import { expectEqual, expectTrue, type Smoke } from "../smoke-product/smoke-product.ts";
import { run } from "../subprocess/subprocess.ts";

const version = "1.11.0";
const javaMin = 17;
const timeoutMs = 30 * 60_000;
/** Where the kit puts tables, whatever catalog it tests, and where it says that data files are, which it never opens. */
const places = { kit_newdb: "/tmp/newdb", kit_ns: "/tmp/ns" };
const files = "/path";
const className = "org.apache.iceberg.rest.RESTCompatibilityKitCatalogTests";
/** What a catalog may be without: `rck.*` of the kit. Namespaces have one level here, and none that is there by itself. */
const properties = {
  "rck.local": false,
  "rck.requires-namespace-create": true,
  "rck.supports-serverside-retry": true,
  "rck.overrides-requested-location": false,
  "org.slf4j.simpleLogger.defaultLogLevel": "error",
};

const count = (text: string, what: string): number =>
  Number(new RegExp(`\\[\\s*(\\d+) tests ${what}`).exec(text)?.[1] ?? Number.NaN);

export const rck: Smoke = {
  about: `Iceberg's REST compatibility kit ${version}: what Java's client expects of a catalog`,
  ownProduct: true,
  run: async ({ check, lake }) => {
    for (const place of Object.values(places))
      if (existsSync(place))
        throw new Error(`the kit puts tables into ${place}, which is there: remove it first`);
    const [java, jars] = [
      await findJava(javaMin, "the kit"),
      await fetchJars("rck", join(import.meta.dir, "rck.xml")),
    ];
    const plain = (path: string) =>
      `{ kind = "local", layout = "plain"${path === "" ? "" : `, path = "${path}"`} }`;
    const buckets = [
      'primary = { kind = "local" }',
      `warehouse = ${plain("")}`,
      ...Object.entries(places).map(([name, path]) => `${name} = ${plain(path)}`),
    ];
    const allowed = [...Object.values(places), files].map((path) => `file://${path}`);
    try {
      const product = await lake({
        env: { LH_BUCKETS: `{ ${buckets.join(", ")} }`, LH_CATALOGD_OPEN_LOCATIONS: allowed.join(",") },
      });
      const flags = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`);
      const launcher = "org.junit.platform.console.ConsoleLauncher";
      const words = ["execute", "--disable-banner", "--disable-ansi-colors", "--details=tree"];
      const { out, err } = await run(
        [java, "-Xmx700m", ...flags, "-cp", jars, launcher, ...words, `--select-class=${className}`],
        {
          timeoutMs,
          env: {
            ...(process.env as Record<string, string>),
            CATALOG_URI: `${product.gateway}/iceberg`,
            CATALOG_WAREHOUSE: "main",
          },
        },
      );
      const failed = out.split("\n").filter((line) => line.includes("✘"));
      await check("no test fails", () =>
        expectTrue(count(out, "failed") === 0, failed.join("\n") || `${out}\n${err}`.slice(-3000)),
      );
      await check("95 pass, and the 10 of namespaces that there are not here are passed over", () =>
        expectEqual([count(out, "started"), count(out, "successful"), count(out, "aborted")], [105, 95, 10]),
      );
    } finally {
      for (const place of Object.values(places)) rmSync(place, { recursive: true, force: true });
    }
  },
};
