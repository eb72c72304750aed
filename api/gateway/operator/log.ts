/** The newest log lines of all services, as one list. */
import type { Contract, Peer } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { type Level, levels, recentLines } from "../../../runtime/telemetry/telemetry.ts";

interface Line {
  time: string;
  level: string;
  service: string;
  msg: string;
}

const [askTimeoutMs, limitUsual] = [2000, 200];

/** Of the services and of the gateway itself, the newest first. */
export async function newestLines(
  peers: Readonly<Record<string, Peer<Contract>>>,
  { service, level = "debug", limit = limitUsual }: { service?: string; level?: Level; limit?: number },
): Promise<{ lines: Line[]; away: string[] }> {
  const names = ["gateway", ...Object.keys(peers)];
  if (service !== undefined && !names.includes(service))
    throw fail("not_found", `there is no service '${service}'; expected ${names.join(", ")}`);
  const asked = service === undefined ? names : [service];
  const away: string[] = [];
  const linesOf = async (name: string): Promise<string> => {
    const peer = peers[name];
    if (peer === undefined) return recentLines().join("");
    const signal = AbortSignal.timeout(askTimeoutMs);
    const answer = await peer.fetch("/log", { signal }).catch(() => undefined);
    if (answer?.ok) return answer.text();
    away.push(name);
    return "";
  };
  const texts = await Promise.all(asked.map(linesOf));
  const least = levels.indexOf(level);
  const lines = texts
    .flatMap((text) => text.split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)
    .filter((line) => levels.indexOf(line.level as Level) >= least);
  // Lines of one moment stay in the order in which they were logged.
  lines.reverse().sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0));
  return { lines: lines.slice(0, limit), away };
}
