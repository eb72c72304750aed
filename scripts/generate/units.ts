/** `bun run units`: writes deploy/systemd from the topology, which is the one definition of who needs whom. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { settings } from "../../runtime/config/config.ts";
import { topology } from "../../runtime/topology.ts";

type Name = keyof typeof topology;

/** Where the product lies on a host that runs these units; REPLICATION.md puts it there. */
const home = "/opt/lakehouse";
const configuration = "/etc/lakehouse";

const about: Readonly<Record<Name, string>> = {
  storaged: "objects in buckets",
  catalogd: "the registry of datasets",
  ingestd: "files into datasets",
  queryd: "SQL over datasets",
  vectord: "vector indexes",
  embedd: "text into vectors",
  pathwayd: "memory of traces",
  matrixd: "retrieval over corpora",
  chatd: "one door to language models",
  observerd: "operations and what to learn from them",
  gateway: "the public door",
};

/**
 * What a unit may do. JavaScript is compiled at run time, so that memory must be writable and executable
 * (no MemoryDenyWriteExecute); everything else that systemd can take away is taken.
 */
const hardening = [
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "PrivateTmp=yes",
  "PrivateDevices=yes",
  "PrivateUsers=yes",
  "ProtectClock=yes",
  "ProtectControlGroups=yes",
  "ProtectHostname=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectProc=invisible",
  "RemoveIPC=yes",
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "LockPersonality=yes",
  "CapabilityBoundingSet=",
  "AmbientCapabilities=",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@privileged @resources",
  "SystemCallErrorNumber=EPERM",
  "UMask=0077",
];

interface Unit {
  description: string;
  /** Units that must run; their stop stops this one. */
  requires: readonly string[];
  /** Units that are started beside this one. */
  wants: readonly string[];
  arguments: string;
  environmentFiles: readonly string[];
  limits: { memory: string; tasks: number };
  conflicts?: readonly string[];
}

const unitOf = (name: string): string => `lakehouse-${name}.service`;

function service(unit: Unit): string {
  const after = ["network-online.target", ...unit.requires, ...unit.wants];
  return `${[
    "# Written by `bun run units` from runtime/topology.ts.",
    "[Unit]",
    `Description=Lakehouse: ${unit.description}`,
    `Documentation=file://${home}/REPLICATION.md`,
    `Wants=${["network-online.target", ...unit.wants].join(" ")}`,
    ...(unit.requires.length > 0 ? [`Requires=${unit.requires.join(" ")}`] : []),
    `After=${after.join(" ")}`,
    ...(unit.conflicts ? [`Conflicts=${unit.conflicts.join(" ")}`] : ["PartOf=lakehouse.target"]),
    "StartLimitIntervalSec=300",
    "StartLimitBurst=10",
    "",
    "[Service]",
    "Type=notify",
    "NotifyAccess=main",
    "User=lakehouse",
    "Group=lakehouse",
    `WorkingDirectory=${home}`,
    `ExecStart=${home}/node_modules/.bin/bun ${home}/runtime/main.ts ${unit.arguments}`,
    "ExecReload=/bin/kill -HUP $MAINPID",
    // The signal is only sent by then; a reload takes milliseconds, and `systemctl reload` is to return after it.
    "ExecReload=/bin/sleep 1",
    "Environment=LH_DATA_DIR=/var/lib/lakehouse",
    `Environment=LH_AUTH_ENV_FILE=${configuration}/auth.env`,
    ...unit.environmentFiles.map((file) => `EnvironmentFile=-${configuration}/${file}`),
    "StateDirectory=lakehouse",
    "StateDirectoryMode=0700",
    "ReadWritePaths=/var/lib/lakehouse",
    "Restart=on-failure",
    "RestartSec=1",
    "TimeoutStartSec=120",
    "TimeoutStopSec=60",
    "KillMode=mixed",
    "LimitNOFILE=65536",
    `MemoryMax=${unit.limits.memory}`,
    `TasksMax=${unit.limits.tasks}`,
    ...hardening,
    "",
    "[Install]",
    `WantedBy=${unit.conflicts ? "multi-user.target" : "lakehouse.target"}`,
  ].join("\n")}\n`;
}

/** Services that hold much in memory by design; the others stay small. */
const memory: Partial<Record<Name, string>> = { queryd: "8G", ingestd: "8G", vectord: "16G", matrixd: "4G" };

/** One environment file a provider with a key, so that each can be rotated alone. */
const providerFiles = ["ollama_cloud", "openrouter", "opencode", "kimi", "openai"].map(
  (provider) => `chat-${provider}.env`,
);
const keyFiles: Partial<Record<Name, readonly string[]>> = {
  chatd: providerFiles,
  embedd: ["chat-openai.env"],
};

/** Every file of deploy/systemd: name → content. */
export function unitFiles(): Map<string, string> {
  const names = Object.keys(topology) as Name[];
  const files = new Map<string, string>();
  for (const name of names) {
    const { calls, needs } = topology[name];
    files.set(
      unitOf(name),
      service({
        description: `${name}, ${about[name]} (port ${settings[name].bind.default.split(":").at(-1)})`,
        requires: needs.map(unitOf),
        wants: calls.filter((callee) => !needs.includes(callee)).map(unitOf),
        arguments: `--only ${name} --config ${configuration}/lakehouse.toml`,
        environmentFiles: ["auth.env", ...(keyFiles[name] ?? [])],
        limits: { memory: memory[name] ?? "2G", tasks: 512 },
      }),
    );
  }
  files.set(
    "lakehouse.service",
    service({
      description: "all services in one process",
      requires: [],
      wants: [],
      arguments: `--config ${configuration}/lakehouse.toml`,
      environmentFiles: ["auth.env", ...providerFiles],
      limits: { memory: "24G", tasks: 2048 },
      conflicts: ["lakehouse.target"],
    }),
  );
  files.set(
    "lakehouse.target",
    `${[
      "# Written by `bun run units` from runtime/topology.ts.",
      "[Unit]",
      "Description=Lakehouse: one process a service",
      `Documentation=file://${home}/REPLICATION.md`,
      `Wants=${names.map(unitOf).join(" ")}`,
      "Conflicts=lakehouse.service",
      "",
      "[Install]",
      "WantedBy=multi-user.target",
    ].join("\n")}\n`,
  );
  return files;
}

if (import.meta.main) {
  const folder = join(import.meta.dir, "../../deploy/systemd");
  await mkdir(folder, { recursive: true });
  const files = unitFiles();
  for (const name of await readdir(folder)) if (!files.has(name)) await rm(join(folder, name));
  for (const [name, content] of files) await Bun.write(join(folder, name), content);
}
