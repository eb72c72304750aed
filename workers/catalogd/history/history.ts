/** The past: versions by number and by time, and the list of them. */
import pMap from "p-map";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { isDamaged } from "../registry/registry.ts";
import { firstOf, isLive, type Manifest, type Version } from "../versions/versions.ts";
import { type ChainReader, createChainReader, type HistoryDeps, isNotFound } from "./chain-reader.ts";
import { type Difference, differenceOf } from "./diff.ts";
import { type VersionsPage, versionsPage } from "./page.ts";
import { timeFrom } from "./time.ts";

export { type ChainReader, createChainReader } from "./chain-reader.ts";
export { timeFrom } from "./time.ts";

/** Which version of a dataset is meant; the latest where neither is given. */
interface Which {
  version?: number;
  /** RFC 3339. */
  as_of?: string;
}

export interface History {
  /** The version that is meant. Throws `not_found` saying what there is, `corrupt` where it cannot be read. */
  manifest: (name: string, which: Which) => Promise<Manifest>;
  /** The same of a name in whatever case: why there is none, or nothing where there never was such a dataset. */
  find: (asked: Which & { name: string }) => Promise<{ manifest?: Manifest; problem?: string }>;
  /** Every dataset that there was at that time and can be read, by name. */
  everything: (time: number, concurrency: number) => Promise<Manifest[]>;
  /** The latest version, or the tombstone; throws `not_found` and `corrupt`. */
  latest: (name: string) => Version;
  /** What a dataset was before its drop; the dataset itself where it was not dropped. */
  beforeDrop: (name: string) => Promise<Manifest>;
  /** How two versions differ; to the latest where `to` is absent. */
  difference: (name: string, versions: { from: number; to?: number }) => Promise<Difference>;
  /** The first version that was not replaced before that time. */
  firstSince: (name: string, time: number) => Promise<number>;
  page: (name: string, asked: { token: string | undefined; size: number }) => Promise<VersionsPage>;
}

export function createHistory(deps: HistoryDeps): History {
  const { registry } = deps;
  const chain = createChainReader(deps);
  const manifest: History["manifest"] = async (name, { version, as_of }) => {
    if (version !== undefined && as_of !== undefined)
      throw invalidField("as_of", "expected either version or as_of, got both");
    if (version !== undefined) return byNumber(chain, name, version);
    return as_of === undefined ? registry.manifest(name) : byTime(chain, name, as_of);
  };
  return {
    manifest,
    find: async ({ name, ...which }) => {
      let problem: string | undefined;
      for (const spelling of registry.spellings(name))
        try {
          return { manifest: await manifest(spelling, which) };
        } catch (cause) {
          if (!isNotFound(cause)) throw cause;
          problem ??= cause.message;
        }
      return problem === undefined ? {} : { problem };
    },
    everything: async (time, concurrency) => {
      const damaged = new Set(registry.damaged().map(({ name }) => name));
      const names = [...registry.names()].filter((name) => !damaged.has(name)).sort();
      const found = await pMap(names, (name) => chain.atTime(name, time), { concurrency });
      return found.filter(isLive);
    },
    latest: chain.latest,
    beforeDrop: async (name) => {
      const head = chain.latest(name);
      return isLive(head) ? head : byNumber(chain, name, head.parent ?? head.version);
    },
    difference: async (name, { from, to }) => {
      const before = await manifest(name, { version: from });
      return differenceOf(before, await manifest(name, to === undefined ? {} : { version: to }));
    },
    firstSince: async (name, time) =>
      (await chain.atTime(name, time))?.version ?? firstOf(chain.latest(name)),
    page: (name, asked) => versionsPage(chain, name, asked),
  };
}

async function byNumber({ latest, numbered }: ChainReader, name: string, number: number): Promise<Manifest> {
  const head = latest(name);
  const first = firstOf(head);
  if (number > head.version || number < first) {
    const what =
      number < first
        ? `version ${number} of '${name}' was expired`
        : `there is no version ${number} of '${name}'`;
    throw fail("not_found", `${what}: ${range(head)}`, { details: { first, latest: head.version } });
  }
  const found = await numbered(name, number);
  if (isDamaged(found)) throw fail("corrupt", `dataset '${name}': ${found.reason}`);
  if (isLive(found)) return found;
  throw fail("not_found", `version ${number} of '${name}' is its drop, which holds nothing: ${range(head)}`);
}

const range = (head: Version): string => {
  const { name, version, operation } = head;
  const first = firstOf(head);
  const isDropped = operation === "drop";
  const last = isDropped ? version - 1 : version;
  const versions = last <= first ? `version ${first} alone` : `versions ${first} to ${last}`;
  return `'${name}' has ${versions}${isDropped ? ", and was dropped" : ""}`;
};

async function byTime(
  { atTime, latest, numbered }: ChainReader,
  name: string,
  text: string,
): Promise<Manifest> {
  const found = await atTime(name, timeFrom(text));
  if (isLive(found)) return found;
  const dropped = found && `it was dropped at ${found.created_at}, by version ${found.version}`;
  throw fail("not_found", `there was no dataset '${name}' at ${text}: ${dropped ?? (await beginning())}`);

  async function beginning(): Promise<string> {
    const number = firstOf(latest(name));
    const first = await numbered(name, number);
    if (isDamaged(first)) return first.reason;
    const which = number === 1 ? "its first version" : `versions before ${number} were expired, and that one`;
    return `${which} is of ${first.created_at}`;
  }
}
