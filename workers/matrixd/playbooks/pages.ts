/** Pages of playbooks, newest first, without those of traces that were retired. */
import type { InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { pageToken, readPageToken } from "../../../runtime/pages/pages.ts";
import type { Matrixd } from "../contract.ts";
import type { PlaybookEntry, PlaybookFields } from "./state.ts";
import type { PlaybookStore } from "./store.ts";
import type { PlaybookTraces } from "./traces.ts";

const pageSizeDefault = 100;

interface Parts {
  store: Pick<PlaybookStore, "state">;
  traces: PlaybookTraces;
}

/** One page. Throws `invalid_field` for a token that is none, `unavailable` when pathwayd must say and does not. */
export async function pageOf(
  { store, traces }: Parts,
  input: InputOf<Matrixd["endpoints"]["playbooks"]>,
  signal: AbortSignal,
): Promise<ReplyOf<Matrixd["endpoints"]["playbooks"]>> {
  const { corpus, tag, include_retired = false, page_size: size = pageSizeDefault, page_token } = input;
  const after = page_token === undefined ? undefined : placeOf(page_token);
  const source = corpus === undefined ? store.state.all() : store.state.ofCorpus(corpus);
  const rest = [...source]
    .filter(({ playbook }) => tag === undefined || playbook.tags.includes(tag))
    .reverse()
    .sort(({ playbook: a }, { playbook: b }) => newestFirst(a, b))
    .filter(({ playbook }) => after === undefined || newestFirst(playbook, after) > 0);
  const found: PlaybookEntry[] = [];
  // One more than the page tells whether another follows.
  for (let from = 0; from < rest.length && found.length <= size; from += size + 1) {
    const some = rest.slice(from, from + size + 1);
    found.push(...(include_retired ? some : await living(traces, some, signal)));
  }
  const playbooks = found.slice(0, size).map(({ playbook }) => playbook);
  const last = playbooks.at(-1);
  return { playbooks, ...(last && found.length > size && { next_page_token: tokenOf(last) }) };
}

async function living(
  traces: PlaybookTraces,
  entries: readonly PlaybookEntry[],
  signal: AbortSignal,
): Promise<PlaybookEntry[]> {
  try {
    return await traces.alive(entries, { signal });
  } catch (cause) {
    if (!(cause instanceof ServiceError)) throw cause;
    throw fail(
      "unavailable",
      "pathwayd does not answer, which says whose traces were retired; include_retired=true lists all",
      { retryAfterSeconds: 1, cause },
    );
  }
}

type Place = Pick<PlaybookFields, "created_at" | "playbook_id">;

const newestFirst = (a: Place, b: Place): number =>
  compare(b.created_at, a.created_at) || compare(b.playbook_id, a.playbook_id);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const tokenOf = ({ created_at, playbook_id }: Place): string => pageToken(`${created_at} ${playbook_id}`);

function placeOf(token: string): Place {
  const form = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (\S{1,200})$/;
  const [created_at = "", playbook_id = ""] = readPageToken(token, form);
  return { created_at, playbook_id };
}
