/**
 * A real S3 server for tests: Ceph's RGW from Debian's packages, on free ports, its objects in memory. It is up in
 * two seconds, so every test process has its own, and it ends with that process, however that ends.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../runtime/clock.ts";
import { createLog } from "../../runtime/log.ts";
import { createS3Connection, type S3Server } from "../../workers/storaged/s3-connection.ts";

export interface TestS3 {
  endpoint: string;
  keys: { accessKeyId: string; secretAccessKey: string };
  /** Makes a bucket with a new name, and returns that. */
  newBucket: () => Promise<string>;
  /** How to reach a bucket, with short limits. */
  server: (bucket: string, changes?: Partial<S3Server>) => S3Server;
  stop: () => Promise<void>;
}

const packages = ["radosgw", "ceph-mon", "ceph-osd", "ceph-common", "ceph-base"];
const programs = ["radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool"];
const keys = { accessKeyId: "LAKEHOUSETEST", secretAccessKey: "lakehouse-test-secret" };

const here = globalThis as { lakehouseTestS3?: Promise<TestS3> };

/** The server of this process, started at the first call; once more if that fails, as when a port was just taken. Rejects, saying why, when it cannot be had. */
export function testS3(): Promise<TestS3> {
  here.lakehouseTestS3 ??= start().catch(start);
  return here.lakehouseTestS3;
}

/**
 * Whether tests against it can run here. Where they must (`CI=true`) the answer is yes, and they fail if they
 * cannot; elsewhere a missing server is said aloud and its tests are skipped.
 */
export async function hasTestS3(): Promise<boolean> {
  if (process.env.CI === "true") return true;
  try {
    await testS3();
    return true;
  } catch (error) {
    process.stderr.write(`S3 TESTS ARE SKIPPED: ${(error as Error).message}\n`);
    return false;
  }
}

function install(): void {
  if (programs.every((program) => Bun.which(program))) return;
  if (!Bun.which("apt-get")) throw new Error(`no apt-get here to install ${packages.join(" ")}`);
  const asRoot = userInfo().uid === 0 ? [] : ["sudo", "-n"];
  const apt = (...words: string[]) =>
    Bun.spawnSync([...asRoot, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q", ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
  const wanted = ["install", "--no-install-recommends", ...packages];
  if (apt(...wanted).exitCode === 0) return;
  apt("update");
  const { exitCode, stderr } = apt(...wanted);
  if (exitCode !== 0)
    throw new Error(`apt-get install ${packages.join(" ")} failed: ${stderr.toString().slice(-500)}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await new Promise((done) => server.close(done));
  return port;
}

const configuration = (root: string, fsid: string, monPort: number): string => `[global]
fsid = ${fsid}
mon_host = v1:127.0.0.1:${monPort}
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_bind_msgr2 = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 8589934592
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
rgw_gc_obj_min_wait = 1
rgw_gc_processor_period = 5
rgw_enable_usage_log = false
rgw_thread_pool_size = 64
admin_socket = ${root}/run/$name.asok
pid_file = ${root}/run/$name.pid
log_file = ${root}/log/$name.log
mon_data = ${root}/mon
osd_data = ${root}/osd
keyring = ${root}/keyring
`;

/**
 * Runs the daemons until its standard input closes: the kernel closes it when this process ends, however it ends.
 * ceph-osd sometimes asks its monitor too early ("wrong fsid") and gives up; then it is started again.
 */
const reaper = `trap 'kill -9 $mon $osd $rgw 2>/dev/null; exec >&-; read -r _; rm -rf "$ROOT"' EXIT
trap 'exit 1' INT TERM HUP
exec 2>>"$ROOT/log/out"
daemon() { "$@" >>"$ROOT/log/out" 2>&1 </dev/null & }
daemon ceph-mon -i a -f; mon=$!
until ceph --connect-timeout 5 -s >/dev/null; do kill -0 $mon || exit 1; sleep 0.05; done
ceph osd new "$OSD" -i /dev/null >/dev/null
ceph-osd -i 0 --mkfs --osd-uuid "$OSD" >>"$ROOT/log/out"
daemon ceph-osd -i 0 -f; osd=$!
left=200
until ceph osd stat | grep -q '1 up'; do
  left=$((left - 1)); [ $left -gt 0 ] || exit 1
  kill -0 $osd || { daemon ceph-osd -i 0 -f; osd=$!; }
  sleep 0.05
done
radosgw-admin user create --uid=lakehouse --display-name=lakehouse --access-key="$KEY" --secret="$SECRET" >>"$ROOT/log/out" || exit 1
daemon radosgw -n client.admin -f --rgw-frontends="beast endpoint=127.0.0.1:$PORT tcp_nodelay=1"; rgw=$!
echo ready
read -r _
`;
/** In a session of its own: what ends this process's children must not end the one that cleans up after them. */
const detached = 'exec 3<&0; setsid sh -c "$REAPER" <&3 & wait';

function makeKeyring(root: string, environment: Record<string, string>, monPort: number, fsid: string): void {
  const keyring = join(root, "keyring");
  const all = ["mon", "osd", "mgr"].flatMap((part) => ["--cap", part, "allow *"]);
  for (const command of [
    ["ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"],
    ["ceph-authtool", keyring, "--gen-key", "-n", "client.admin", ...all],
    [
      "monmaptool",
      "--create",
      "--addv",
      "a",
      `v1:127.0.0.1:${monPort}`,
      "--fsid",
      fsid,
      join(root, "monmap"),
    ],
    ["ceph-mon", "--mkfs", "-i", "a", "--monmap", join(root, "monmap"), "--keyring", keyring],
  ]) {
    const { exitCode, stderr } = Bun.spawnSync(command, {
      env: environment,
      stdio: ["ignore", "ignore", "pipe"],
    });
    if (exitCode !== 0) throw new Error(`${command[0]} failed: ${stderr.toString().slice(-500)}`);
  }
}

async function start(): Promise<TestS3> {
  install();
  const root = mkdtempSync(join(tmpdir(), "lakehouse-s3-"));
  for (const folder of ["mon", "osd", "run", "log"]) mkdirSync(join(root, folder));
  const fsid = crypto.randomUUID();
  const [monPort, port] = [await freePort(), await freePort()];
  writeFileSync(join(root, "ceph.conf"), configuration(root, fsid, monPort));
  const environment = { ...process.env, CEPH_CONF: join(root, "ceph.conf"), ROOT: root } as Record<
    string,
    string
  >;
  makeKeyring(root, environment, monPort, fsid);
  const child = Bun.spawn(["sh", "-c", detached], {
    env: {
      ...environment,
      REAPER: reaper,
      OSD: crypto.randomUUID(),
      PORT: String(port),
      KEY: keys.accessKeyId,
      SECRET: keys.secretAccessKey,
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.unref();
  const stop = async () => {
    child.stdin.end();
    await child.exited;
    rmSync(root, { recursive: true, force: true });
    delete here.lakehouseTestS3;
  };
  const said = new TextDecoder().decode((await child.stdout.getReader().read()).value);
  if (!said.includes("ready")) {
    const tails = logTails(join(root, "log"));
    await stop();
    throw new Error(`the S3 server did not start: ${tails}`);
  }
  const test = describeServer(`http://127.0.0.1:${port}`, stop);
  try {
    await test.newBucket();
  } catch (cause) {
    const tails = logTails(join(root, "log"));
    await stop();
    throw new Error(`the S3 server does not answer: ${tails}`, { cause });
  }
  return test;
}

const logTails = (folder: string): string =>
  readdirSync(folder)
    .map((name) => `${name}: ${readFileSync(join(folder, name), "utf8").slice(-1500)}`)
    .join("\n");

function describeServer(endpoint: string, stop: () => Promise<void>): TestS3 {
  const server = (bucket: string, changes: Partial<S3Server> = {}): S3Server => ({
    bucket,
    region: "us-east-1",
    endpoint,
    pathStyle: true,
    keys,
    timeoutMs: 10_000,
    // The server may still be opening its port when the first request comes.
    retries: 8,
    ...changes,
  });
  let made = 0;
  return {
    endpoint,
    keys,
    server,
    newBucket: async () => {
      made += 1;
      const bucket = `test-${process.pid}-${made}`;
      const connection = createS3Connection({
        name: bucket,
        server: server(bucket),
        clock: systemClock,
        log: createLog("test", "error"),
      });
      await connection.expect({ method: "PUT", signal: new AbortController().signal }, 200);
      return bucket;
    },
    stop,
  };
}
