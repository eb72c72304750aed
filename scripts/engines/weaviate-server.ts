/** A Weaviate cluster of three nodes on this machine, built by `go install`. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { home, say } from "../python/python.ts";
import { runStep } from "../subprocess/subprocess.ts";
import { freePort } from "./trino-server.ts";
import { tableOf, untilUp, type VectorServer } from "./vector-servers.ts";

const version = "v1.35.2";
const module = "github.com/weaviate/weaviate/cmd/weaviate-server";
const buildTimeoutMs = 60 * 60_000;

async function findServer(): Promise<string> {
  const folder = join(home(), `weaviate-${version}`);
  const program = join(folder, "weaviate-server");
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  const step = {
    name: `building Weaviate ${version} (some 15 minutes)`,
    command: ["env", `GOBIN=${folder}`, "go", "install", `${module}@${version}`] as const,
    timeoutMs: buildTimeoutMs,
    otherwise: ["fix: install Go, and let its module proxy be reached; then run it again"],
  };
  if (!(await runStep(step, say))) throw new Error("Weaviate could not be built (see above)");
  return program;
}

interface Node {
  name: string;
  data: string;
  log: string;
  url: string;
  env: Record<string, string>;
  child?: Bun.Subprocess;
}

const ofAll = {
  ...{ DISABLE_TELEMETRY: "true", AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED: "true", ENABLE_MODULES: "" },
  ...{
    DEFAULT_VECTORIZER_MODULE: "none",
    CLUSTER_BIND_ADDR: "127.0.0.1",
    CLUSTER_ADVERTISE_ADDR: "127.0.0.1",
  },
  ...{ CLUSTER_IN_LOCALHOST: "true", GO_PROFILING_DISABLE: "true", LOG_LEVEL: "warning" },
  ...{ GOMEMLIMIT: "600MiB", DISK_USE_READONLY_PERCENTAGE: "99", MEMORY_READONLY_PERCENTAGE: "0" },
};
const nodeCount = 3;

/** Nodes find each other by gossip, whose port is followed by the one of their data. */
function pairOfPorts(): number {
  for (;;) {
    const port = freePort();
    try {
      using _ = Bun.serve({ port: port + 1, hostname: "127.0.0.1", fetch: () => new Response() });
      return port;
    } catch {
      // The next one is taken: another pair.
    }
  }
}

function nodesIn(folder: string): Node[] {
  const gossip = Array.from({ length: nodeCount }, pairOfPorts);
  const raft = Array.from({ length: nodeCount }, pairOfPorts);
  const join_ = raft.map((port, at) => `node${at + 1}:${port}`).join(",");
  return gossip.map((port, at) => {
    const [name, data] = [`node${at + 1}`, join(folder, `node${at + 1}`)];
    return {
      ...{ name, data, log: join(folder, `${name}.log`), url: `http://127.0.0.1:${freePort()}` },
      env: {
        ...{ ...ofAll, PERSISTENCE_DATA_PATH: data, CLUSTER_HOSTNAME: name, GRPC_PORT: String(freePort()) },
        ...{ CLUSTER_GOSSIP_BIND_PORT: String(port), CLUSTER_DATA_BIND_PORT: String(port + 1) },
        ...{ RAFT_PORT: String(raft[at]), RAFT_INTERNAL_RPC_PORT: String((raft[at] ?? 0) + 1) },
        ...{ RAFT_BOOTSTRAP_EXPECT: String(nodeCount), RAFT_JOIN: join_ },
        ...(at > 0 && { CLUSTER_JOIN: `127.0.0.1:${gossip[0]}` }),
      },
    };
  });
}

const isWhole = async ({ url }: Node): Promise<boolean> =>
  fetch(`${url}/v1/nodes`).then(
    async (answer) => {
      const { nodes = [] } = (await answer.json()) as { nodes?: { status: string }[] };
      return nodes.length === nodeCount && nodes.every(({ status }) => status === "HEALTHY");
    },
    () => false,
  );

const listens = ({ env }: Node): Promise<boolean> =>
  Bun.connect({
    ...{ hostname: "127.0.0.1", port: Number(env.CLUSTER_GOSSIP_BIND_PORT) },
    socket: { data: () => undefined },
  }).then(
    (socket) => {
      socket.end();
      return true;
    },
    () => false,
  );

/** The product talks to the first node; the second is the one that is killed, the third the one that is frozen. */
export async function startWeaviate(): Promise<VectorServer> {
  const program = await findServer();
  const folder = mkdtempSync(join(tmpdir(), "lakehouse-weaviate-"));
  const nodes = nodesIn(folder);
  const [first, second, third] = nodes as [Node, Node, Node];
  const launch = (node: Node) => {
    mkdirSync(node.data, { recursive: true });
    const { port } = new URL(node.url);
    node.child = Bun.spawn([program, "--scheme", "http", "--host", "127.0.0.1", "--port", port], {
      ...{ cwd: node.data, env: { ...process.env, ...node.env } },
      stdio: ["ignore", Bun.file(node.log), Bun.file(node.log)],
    });
  };
  const start = async () => {
    const isDown = ({ child }: Node) =>
      child === undefined || child.exitCode !== null || child.signalCode !== null;
    const down = nodes.filter(isDown);
    for (const node of down) {
      launch(node);
      // The others join it, and give up where it does not listen.
      if (node === first)
        await untilUp(
          () => listens(node),
          node.log,
          () => isDown(node),
        );
    }
    await untilUp(
      () => isWhole(first),
      first.log,
      () => nodes.some(isDown),
    );
  };
  const end = async (some: Node[], signal: NodeJS.Signals) => {
    for (const node of some) node.child?.kill(signal);
    await Promise.all(some.map(({ child }) => child?.exited));
  };
  let kept = 0;
  await start();
  return {
    env: (engine) => ({
      LH_VECTORD_ENGINES: tableOf(engine, {
        ...{ kind: "weaviate", url: first.url, shards: nodeCount, timeout_ms: 5000 },
      }),
    }),
    start,
    kill: () => end([second], "SIGKILL"),
    freeze: () => third.child?.kill("SIGSTOP"),
    thaw: () => third.child?.kill("SIGCONT"),
    keep: async () => {
      await end(nodes, "SIGTERM");
      const copy = join(folder, `kept-${++kept}`);
      for (const { name, data } of nodes) cpSync(data, join(copy, name), { recursive: true });
      await start();
      return copy;
    },
    putBack: async (copy) => {
      await end(nodes, "SIGKILL");
      for (const { name, data } of nodes) {
        rmSync(data, { recursive: true });
        cpSync(join(copy, name), data, { recursive: true });
      }
      await start();
    },
    end: async () => {
      await end(nodes, "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
