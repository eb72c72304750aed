/** Who may import whom: imports point down only. */
import { importsOf, isSource, packageOf, type Rule, type Tree } from "./tidy-tree.ts";

/** The supervisor's side of runtime/: it starts the services, so none of them may know it. */
const isSupervising = (path: string): boolean =>
  /^runtime\/(main|product|topology)\.ts$/.test(path) || path.startsWith("runtime/supervisor/");
const isKit = (path: string): boolean => path.startsWith("runtime/") && !isSupervising(path);
/** A large contract has its shapes in a file beside it. */
const isContract = (path: string): boolean =>
  /^workers\/[^/]+\/(contract|schemas(\/[a-z-]+)?)\.tsx?$/.test(path);
const serviceOf = (path: string): string => `${path.split("/").slice(0, 2).join("/")}/`;
const isFile = (target: string): boolean => /^(runtime|workers|api|scripts|tests)\//.test(target);

/** Why the file may not import the target, or undefined when it may. */
function layerFault(path: string, target: string): string | undefined {
  if (!isFile(target)) return undefined;
  if (target.startsWith("tests/")) return "only tests import tests";
  // Scripts are callers like any other, and take the client that callers are given.
  if (target === "api/client/lakehouse/lakehouse.ts" && path.startsWith("scripts/")) return undefined;
  // The topology is data, and scripts write files from it.
  if (target === "runtime/topology.ts" && path.startsWith("scripts/")) return undefined;
  if (isSupervising(target) && !isSupervising(path)) return "the supervisor's files are imported by none";
  if (path.startsWith("runtime/"))
    return target.startsWith("runtime/") ? undefined : "runtime/ imports itself alone";
  if (isContract(path)) {
    return target === "runtime/contract/contract.ts" || isContract(target)
      ? undefined
      : "a contract imports runtime/contract/contract.ts and other contracts alone";
  }
  const own = path.startsWith("workers/") ? target.startsWith(serviceOf(path)) : sameTop(path, target);
  return own || isKit(target) || isContract(target)
    ? undefined
    : "imports reach the kit, contracts and the own folder alone";
}

const sameTop = (path: string, target: string): boolean =>
  path.split("/")[0] === target.split("/")[0] && /^(api|scripts)\//.test(path);

/** Inside a service: worker → service → nouns → contract, and nouns never see Elysia, the HTTP face or the worker. */
function insideFault(path: string, target: string): string | undefined {
  const [, service, name] = /^workers\/([^/]+)\/(.+)\.tsx?$/.exec(path) ?? [];
  if (service === undefined || name === "worker") return undefined;
  if (target === `workers/${service}/worker.ts`) return "nobody imports worker.ts";
  if (name === "service") return undefined;
  if (target === `workers/${service}/service.ts`) return "nouns do not import service.ts";
  if (target === "runtime/http/http.ts" || packageOf(target) === "elysia")
    return "nouns do not see Elysia and the HTTP face";
  return undefined;
}

const eachImport = (tree: Tree, fault: (path: string, target: string) => string | undefined): string[] =>
  [...tree]
    .filter(([path]) => isSource(path) && !path.startsWith("tests/"))
    .flatMap(([path, text]) =>
      importsOf(path, text).flatMap((target) => {
        const found = fault(path, target);
        return found === undefined ? [] : [`${path} imports ${target}: ${found}`];
      }),
    );

export const layers: Rule = (tree) =>
  eachImport(tree, (path, target) => layerFault(path, target) ?? insideFault(path, target));

/** Native and format packages, each with the files that may import it. */
const owners: readonly (readonly [RegExp, readonly string[]])[] = [
  [
    /^@duckdb\/node-api$/,
    ["workers/ingestd/engine/duckdb.ts", "workers/queryd/engine/duckdb.ts", "scripts/doctor/toolchain.ts"],
  ],
  [
    /^hyparquet-writer$/,
    [
      "workers/catalogd/manifests/manifest.ts",
      "workers/catalogd/deletes/position-deletes.ts",
      "workers/observerd/dataset/rows.ts",
    ],
  ],
  [
    /^hyparquet$/,
    [
      "workers/catalogd/manifests/manifest.ts",
      "workers/catalogd/deletes/position-deletes.ts",
      "runtime/parquet/parquet.ts",
    ],
  ],
  [/^faiss-node$/, ["workers/vectord/native/faiss.ts", "scripts/faiss/probe.ts"]],
  [/^usearch$/, ["workers/vectord/native/usearch.ts", "scripts/doctor/toolchain.ts"]],
  [/^@duckdb\/node-bindings$/, ["workers/queryd/engine/memory.ts"]],
  [/^openai$/, ["workers/embedd/providers/openai.ts", "workers/chatd/providers/openai.ts"]],
  [/^elysia$/, ["runtime/http/routes.ts"]],
  // Those of scripts/ stand alone and open what has no log: a lock, or nothing.
  [
    /^bun:sqlite$/,
    [
      "runtime/sqlite/sqlite.ts",
      "scripts/setup/setup.ts",
      "scripts/doctor/toolchain.ts",
      "scripts/doctor/places.ts",
    ],
  ],
];

export const confinement: Rule = (tree) =>
  eachImport(tree, (path, target) => {
    const owner = owners.find(([pattern]) => pattern.test(packageOf(target)));
    return owner === undefined || owner[1].includes(path) ? undefined : `only ${owner[1].join(", ")} may`;
  });

/** A service imports the contracts only of those it declared to call. */
export const declaredCalls =
  (calls: Readonly<Record<string, readonly string[]>>): Rule =>
  (tree) =>
    eachImport(tree, (path, target) => {
      const caller = /^(?:workers|api)\/([^/]+)\//.exec(path)?.[1] ?? "";
      const [, callee] = /^workers\/([^/]+)\/contract\.tsx?$/.exec(target) ?? [];
      const declared = calls[caller];
      if (callee === undefined || callee === caller || declared === undefined || isContract(path))
        return undefined;
      return declared.includes(callee)
        ? undefined
        : `runtime/topology.ts does not let ${caller} call ${callee}`;
    });

/** What a service may call by the topology, its worker hands to `runService` as a peer. */
export const givenPeers =
  (calls: Readonly<Record<string, readonly string[]>>): Rule =>
  (tree) =>
    Object.entries(calls).flatMap(([service, callees]) => {
      const path = `workers/${service}/worker.ts`;
      const imported = importsOf(path, tree.get(path) ?? "");
      return callees
        .filter((callee) => tree.has(path) && !imported.includes(`workers/${callee}/contract.ts`))
        .map((callee) => `${path}: ${callee} is in the topology's calls, and not among the peers`);
    });
