/** Pages of operations, newest first, and of failure clusters: a token says what the page before it ended with. */
import type { InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import type { Observerd, Operation } from "../contract.ts";
import { type FailureCluster, inOrder, normaliseEndpoint } from "../failures/failures.ts";
import { inUtc } from "./intake.ts";
import type { Ring } from "./ring.ts";

type Endpoints = Observerd["endpoints"];

/** Items on a page that names no size. */
const pageSizeUsual = 100;

const wrap = (text: string): string => Buffer.from(text).toString("base64url");
const noToken = () => invalidField("page_token", "expected the next_page_token of an earlier answer");

/** What the token holds after its kind; undefined without a token. Throws `invalid_field` for one that is none. */
function unwrap(token: string | undefined, form: RegExp): string[] | undefined {
  if (token === undefined) return undefined;
  const parts = form.exec(Buffer.from(token, "base64url").toString("latin1"));
  if (!parts) throw noToken();
  return parts.slice(1);
}

/** The operations of the ring that fit the query. Operations that come meanwhile shift nothing. */
export function eventsPage(ring: Ring, query: InputOf<Endpoints["events"]>): ReplyOf<Endpoints["events"]> {
  const { page_size: size = pageSizeUsual, page_token: token } = query;
  const before = Number(unwrap(token, /^below:(-?\d{1,15})$/)?.[0] ?? Number.POSITIVE_INFINITY);
  const fits = eventFilter(query);
  const events: Operation[] = [];
  let last = 0;
  for (const { ordinal, operation } of ring.newestFirst()) {
    if (ordinal >= before || !fits(operation)) continue;
    if (events.length === size) return { events, next_page_token: wrap(`below:${last}`) };
    events.push(operation);
    last = ordinal;
  }
  return { events };
}

function eventFilter(query: InputOf<Endpoints["events"]>): (operation: Operation) => boolean {
  const { source, endpoint, success, run_id } = query;
  const since = query.since === undefined ? "" : inUtc(query.since, "since");
  return (operation) =>
    (source === undefined || operation.source === source) &&
    (endpoint === undefined || operation.endpoint === endpoint) &&
    (success === undefined || operation.success === success) &&
    (run_id === undefined || operation.run_id === run_id) &&
    operation.timestamp >= since;
}

/** The clusters, which are in order, that fit the query. */
export function failuresPage(
  clusters: readonly FailureCluster[],
  query: InputOf<Endpoints["failures"]>,
): ReplyOf<Endpoints["failures"]> {
  const { page_size: size = pageSizeUsual, page_token: token } = query;
  const endpoint = query.endpoint === undefined ? undefined : normaliseEndpoint(query.endpoint);
  const since = query.since === undefined ? "" : inUtc(query.since, "since");
  const [count, signature = ""] = unwrap(token, /^after:(\d{1,15}):([0-9a-f]{16})$/) ?? [];
  const isNext = (cluster: FailureCluster) =>
    count === undefined || inOrder({ count: Number(count), signature }, cluster) < 0;
  const fitting = clusters.filter(
    (cluster) =>
      (endpoint === undefined || cluster.endpoint === endpoint) &&
      cluster.last_seen >= since &&
      isNext(cluster),
  );
  const page = fitting.slice(0, size);
  const last = page.at(-1);
  if (!last || fitting.length <= size) return { clusters: page };
  return { clusters: page, next_page_token: wrap(`after:${last.count}:${last.signature}`) };
}
