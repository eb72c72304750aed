/** Distributed engines that statements may name: whether each answers, and has started. */
import { SQL } from "bun";
import type { Config } from "../../runtime/config/config.ts";
import { loadSecrets } from "../../runtime/secrets/secrets.ts";
import { fetchUpstream, quoted, textOf } from "../../runtime/upstream/upstream.ts";
import { messageOf } from "../subprocess/subprocess.ts";
import { type Check, missing, ok } from "./check.ts";
import { answerTimeoutMs, unreachable } from "./providers.ts";

/** Some hundred bytes: the version and how long it runs. */
const infoBytesMax = 1024 * 1024;

interface Probe {
  name: string;
  probe: () => Promise<Check>;
}

/** One probe a configured engine. */
export const engineProbes = ({ queryd, vectord, secrets_path: secrets }: Config): Probe[] => [
  ...Object.entries(queryd.engines).map(([engine, { url }]) => ({
    name: `engine ${engine}`,
    probe: () => probe(engine, String(url).replace(/\/+$/, "")),
  })),
  ...Object.entries(vectord.engines).map(([engine, { kind, url }]) => ({
    name: `vector engine ${engine}`,
    probe: () => probeVectors(engine, String(kind), { url: String(url), secrets }),
  })),
];

/** What an engine says of itself at a path. */
async function versionAt(url: string, headers: Record<string, string>): Promise<string> {
  const response = await fetchUpstream(url, { headers, signal: AbortSignal.timeout(answerTimeoutMs) });
  const tooMuch = () => new Error(`${url} answers more than an engine says of itself`);
  const text = await textOf(response, { bytesMax: infoBytesMax, tooMuch });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return `version ${(JSON.parse(text) as { version?: string }).version ?? "unknown"}`;
}

const rootOf = ({ href }: URL): string => href.replace(/\/+$/, "");

/** What each kind of vector engine says of its version. */
const versions: Record<string, (url: URL, key: string | undefined) => Promise<string>> = {
  weaviate: (at, key) =>
    versionAt(`${rootOf(at)}/v1/meta`, key === undefined ? {} : { authorization: `Bearer ${key}` }),
  qdrant: (at, key) => versionAt(`${rootOf(at)}/`, key === undefined ? {} : { "api-key": key }),
  pgvector: async (at, key) => {
    const socket = at.searchParams.get("host");
    const mode = at.searchParams.get("sslmode") ?? "";
    const sql = new SQL({
      adapter: "postgres",
      ...(socket
        ? { path: `${socket}/.s.PGSQL.${at.port || 5432}` }
        : { hostname: at.hostname, port: Number(at.port || 5432) }),
      username: decodeURIComponent(at.username) || "postgres",
      database: decodeURIComponent(at.pathname.slice(1)) || "postgres",
      ...(key !== undefined && { password: key }),
      ...(["require", "verify-full"].includes(mode) && {
        tls: { rejectUnauthorized: mode === "verify-full" },
      }),
      ...{ max: 1, connectionTimeout: answerTimeoutMs / 1000 },
    });
    try {
      const [row] =
        await sql`SELECT default_version AS version FROM pg_available_extensions WHERE name = 'vector'`;
      if (!row) throw new Error("it has no pgvector: install it there");
      return `pgvector ${row.version}`;
    } finally {
      await sql.close({ timeout: 0 });
    }
  },
};

async function probeVectors(
  engine: string,
  kind: string,
  { url, secrets }: { url: string; secrets: string },
): Promise<Check> {
  const name = `vector engine ${engine}`;
  const fix = `start it, or correct [vectord.engines.${engine}] url and [providers.${engine}] api_key`;
  const version = versions[kind];
  if (!version) return missing(name, true, `kind '${kind}' is not known`, fix);
  const key = loadSecrets(secrets).provider(engine);
  try {
    return ok(name, true, `${new URL(url).host}: ${await version(new URL(url), key)}`);
  } catch (cause) {
    return missing(name, true, quoted(messageOf(cause), key), fix);
  }
}

async function probe(engine: string, url: string): Promise<Check> {
  const name = `engine ${engine}`;
  const fix = `start it, or correct [queryd.engines.${engine}] url`;
  try {
    const response = await fetchUpstream(`${url}/v1/info`, { signal: AbortSignal.timeout(answerTimeoutMs) });
    const text = await textOf(response, {
      bytesMax: infoBytesMax,
      tooMuch: () => new Error(`${url}/v1/info answers more than an engine says of itself`),
    });
    if (!response.ok) return missing(name, true, `${url}/v1/info answered ${response.status}`, fix);
    const { starting, nodeVersion } = JSON.parse(text) as {
      starting?: boolean;
      nodeVersion?: { version?: string };
    };
    if (starting === true) return missing(name, true, `${url} is starting`, "wait until it has started");
    return ok(name, true, `${url}: version ${nodeVersion?.version ?? "unknown"}`);
  } catch (cause) {
    const found =
      cause instanceof SyntaxError
        ? `${url}/v1/info answers something that is no JSON: ${messageOf(cause)}`
        : unreachable(url, cause);
    return missing(name, true, found, fix);
  }
}
