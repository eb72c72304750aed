/** Ceph's RGW from Debian's packages: one monitor, one OSD and one gateway on addresses of their own, the objects in memory. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownHost, ownPort } from "../product/addresses.ts";
import { holdDaemons, installPackages, newRoot } from "./daemons.ts";
import type { RunningS3, S3Keys } from "./server.ts";

const packages = ["radosgw", "ceph-mon", "ceph-osd", "ceph-common", "ceph-base"];
const programs = ["radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool"];

const configuration = (root: string, fsid: string, monPort: number): string => `[global]
fsid = ${fsid}
mon_host = v1:${ownHost}:${monPort}
public_addr = ${ownHost}
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

/** ceph-osd sometimes asks its monitor too early ("wrong fsid") and gives up; then it is started again. */
const script = `daemon ceph-mon -i a -f; mon=$!
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
daemon radosgw -n client.admin -f --rgw-frontends="beast endpoint=$HOST:$PORT tcp_nodelay=1"
`;

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
      `v1:${ownHost}:${monPort}`,
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

/** Starts it, two seconds on an idle machine. Throws, saying why, when it cannot be had or does not start. */
export async function startRgw({ accessKeyId, secretAccessKey }: S3Keys): Promise<RunningS3> {
  installPackages(programs, packages);
  const root = newRoot();
  for (const folder of ["mon", "osd", "run"]) mkdirSync(join(root, folder));
  const fsid = crypto.randomUUID();
  const [monPort, port] = [ownPort(), ownPort()];
  writeFileSync(join(root, "ceph.conf"), configuration(root, fsid, monPort));
  const environment = { ...process.env, CEPH_CONF: join(root, "ceph.conf") } as Record<string, string>;
  makeKeyring(root, environment, monPort, fsid);
  const stop = await holdDaemons(root, script, {
    ...environment,
    OSD: crypto.randomUUID(),
    HOST: ownHost,
    PORT: String(port),
    KEY: accessKeyId,
    SECRET: secretAccessKey,
  });
  return { endpoint: `http://${ownHost}:${port}`, ...stop };
}
