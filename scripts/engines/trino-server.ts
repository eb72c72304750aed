/** A Trino server of our own: 800 MB from Maven Central, and 1.5 GB of memory. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { findJava } from "../java/java.ts";
import { home, say } from "../python/python.ts";
import { runStep } from "../subprocess/subprocess.ts";

export const version = "476";
const javaMin = 24;
const artifact = `io.trino:trino-server:${version}:tar.gz`;
/** The plugins that are used; the others are 2 GB. All are unpacked first: their jars are hard links of each other. */
const plugins = new Set(["iceberg", "tpch", "memory"]);
const startTimeoutMs = 10 * 60_000;

/** The unpacked server, fetched by Maven first where it is missing. */
async function findServer(): Promise<string> {
  const server = join(home(), `trino-server-${version}`);
  if (existsSync(join(server, "installed"))) return server;
  const archive = join(
    homedir(),
    `.m2/repository/io/trino/trino-server/${version}/trino-server-${version}.tar.gz`,
  );
  mkdirSync(home(), { recursive: true });
  rmSync(server, { recursive: true, force: true });
  const steps: [string, ...string[]][] = [
    ["mvn", "-q", "dependency:get", `-Dartifact=${artifact}`, "-Dtransitive=false"],
    ["tar", "-xzf", archive, "-C", home()],
  ];
  for (const command of existsSync(archive) ? steps.slice(1) : steps) {
    const step = {
      name: `installing Trino ${version} (800 MB)`,
      command,
      timeoutMs: 60 * 60_000,
      otherwise: ["fix: install Maven, and let Maven Central be reached; then run it again"],
    };
    if (!(await runStep(step, say))) throw new Error("Trino could not be installed (see above)");
  }
  for (const each of readdirSync(join(server, "plugin")))
    if (!plugins.has(each)) rmSync(join(server, "plugin", each), { recursive: true });
  await Bun.write(join(server, "installed"), version);
  return server;
}

/** A port that nobody listens on now. */
export function freePort(): number {
  using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  return server.port as number;
}

interface Trino {
  end: () => Promise<void>;
}

/** Where files are: on this disk, or on S3. Of keys that catalogs give out Trino takes those with a session token alone. */
export type Files = "disk" | { endpoint: string; region: string; accessKey: string; secretKey: string };

const filesLines = (files: Files): string[] =>
  files === "disk"
    ? ["fs.hadoop.enabled=true"]
    : [
        "fs.native-s3.enabled=true",
        `s3.endpoint=${files.endpoint}`,
        `s3.region=${files.region}`,
        "s3.path-style-access=true",
        `s3.aws-access-key=${files.accessKey}`,
        `s3.aws-secret-key=${files.secretKey}`,
      ];

/** Starts it with the catalog of a product: `lake`, which it may read alone, and `open`, which it may change. */
export async function startTrino(port: number, catalog: string, where: Files): Promise<Trino> {
  const [java, server] = [await findJava(javaMin, `Trino ${version}`), await findServer()];
  const directory = mkdtempSync(join(tmpdir(), "lakehouse-trino-"));
  const lake = [
    "connector.name=iceberg",
    "iceberg.catalog.type=rest",
    `iceberg.rest-catalog.uri=${catalog}`,
    "iceberg.rest-catalog.warehouse=main",
    ...filesLines(where),
  ];
  const files = {
    "etc/config.properties": [
      "coordinator=true",
      "node-scheduler.include-coordinator=true",
      `http-server.http.port=${port}`,
      `discovery.uri=http://127.0.0.1:${port}`,
      "query.max-memory=512MB",
      "query.max-memory-per-node=512MB",
      "memory.heap-headroom-per-node=300MB",
    ],
    "etc/catalog/lake.properties": [...lake, "iceberg.security=read_only"],
    "etc/catalog/open.properties": lake,
  };
  for (const [name, lines] of Object.entries(files))
    await Bun.write(join(directory, name), `${lines.join("\n")}\n`);
  const settings = {
    "node.environment": "test",
    "node.id": "one",
    "node.data-dir": join(directory, "data"),
    "node.internal-address": "127.0.0.1",
    "catalog.config-dir": "etc/catalog",
    "plugin.dir": join(server, "plugin"),
    config: "etc/config.properties",
  };
  const child = Bun.spawn(
    [
      java,
      "-Xmx1500M",
      "--add-modules=jdk.incubator.vector",
      "-Djdk.attach.allowAttachSelf=true",
      "--sun-misc-unsafe-memory-access=allow",
      ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`),
      "-cp",
      join(server, "lib/*"),
      "io.trino.server.TrinoServer",
    ],
    { cwd: directory, stdio: ["ignore", Bun.file(join(directory, "log")), Bun.file(join(directory, "log"))] },
  );
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(directory, { recursive: true, force: true });
  };
  const until = performance.now() + startTimeoutMs;
  for (;;) {
    const info = await fetch(`http://127.0.0.1:${port}/v1/info`).then(
      (answer) => answer.json() as Promise<{ starting?: boolean }>,
      () => undefined,
    );
    if (info?.starting === false) return { end };
    if (child.exitCode !== null || performance.now() > until) {
      const log = await Bun.file(join(directory, "log")).text();
      await end();
      throw new Error(`Trino did not start:\n${log.slice(-2000)}`);
    }
    await Bun.sleep(500);
  }
}
