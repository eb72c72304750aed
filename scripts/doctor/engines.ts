/** Distributed engines that statements may name: whether each answers, and has started. */
import type { Config } from "../../runtime/config/config.ts";
import { fetchUpstream, textOf } from "../../runtime/upstream/upstream.ts";
import { messageOf } from "../subprocess/subprocess.ts";
import { type Check, missing, ok } from "./check.ts";
import { answerTimeoutMs, unreachable } from "./providers.ts";

/** Some hundred bytes: the version and how long it runs. */
const infoBytesMax = 1024 * 1024;

/** One probe a configured engine. */
export const engineProbes = ({ queryd }: Config): { name: string; probe: () => Promise<Check> }[] =>
  Object.entries(queryd.engines).map(([engine, { url }]) => ({
    name: `engine ${engine}`,
    probe: () => probe(engine, String(url).replace(/\/+$/, "")),
  }));

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
