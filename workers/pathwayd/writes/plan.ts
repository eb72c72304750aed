/** What each request changes, decided from the state alone, without clock or disk. */
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import {
  type Contents,
  erasedUid,
  type Facts,
  factsOf,
  type Head,
  isLive,
  isSameContent,
  unknownUid,
} from "../traces/traces.ts";
import type { Draft } from "./draft.ts";

interface Limits {
  tracesMax: number;
}

/** A live trace, or throws `not_found` or `conflict`. */
function liveHead(draft: Draft, uid: string, toDo: string): Head {
  const head = draft.find(uid);
  if (!head) throw unknownUid(uid);
  if (isLive(head)) return head;
  throw fail("conflict", `trace '${uid}' ${stateOf(head)} and cannot be ${toDo}`, {
    details: { uid, retired: head.retired !== undefined, successor: head.successor },
  });
}

const stateOf = ({ retired, successor, erased }: Head): string =>
  erased
    ? "was erased"
    : retired
      ? "is retired"
      : successor === undefined
        ? "exists"
        : `was superseded by '${successor}'`;

function refuseTaken(draft: Draft, uid: string, { tracesMax }: Limits): void {
  const head = draft.find(uid);
  if (head)
    throw fail("conflict", `uid '${uid}' is taken: that trace ${stateOf(head)}`, {
      details: { uid, retired: head.retired !== undefined, successor: head.successor },
    });
  if (draft.size() >= tracesMax)
    throw fail(
      "too_many_requests",
      `${draft.size()} traces are kept, as many as pathwayd.max_traces allows: raise it`,
    );
}

function contentsOf(contents: Contents) {
  const { content, tags, embedding } = contents;
  checkTimes(contents);
  return { content, tags: [...tags], ...(embedding && { embedding: [...embedding] }), ...factsOf(contents) };
}

function checkTimes({ valid_from, valid_to }: Facts): void {
  if (valid_from !== undefined && valid_to !== undefined && valid_from >= valid_to)
    throw invalidField("valid_to", "lies not after valid_from, so that it would never be true");
}

export function planAdd(
  draft: Draft,
  { uid, ...contents }: Contents & { uid: string },
  limits: Limits,
): Head {
  refuseTaken(draft, uid, limits);
  return draft.make({ kind: "add", uid, ...contentsOf(contents) });
}

/** `uid` is what the caller named, `newUid` what a new trace gets without it. */
export function planAddIdempotent(
  draft: Draft,
  { uid, newUid, ...contents }: Contents & { uid: string | undefined; newUid: string },
  limits: Limits,
): { head: Head; created: boolean } {
  const named = uid === undefined ? undefined : draft.find(uid);
  const known = uid === undefined ? draft.findSame(contents) : named;
  if (known && isLive(known) && isSameContent(known.content, contents.content))
    return { head: known, created: false };
  return { head: planAdd(draft, { ...contents, uid: uid ?? newUid }, limits), created: true };
}

export function planUpdate(
  draft: Draft,
  { uid, content, tags, embedding, ...facts }: { uid: string } & Partial<Contents>,
): Head {
  const head = liveHead(draft, uid, "updated");
  checkTimes({ ...head, ...facts });
  return draft.make({
    kind: "update",
    uid,
    ...(content !== undefined && { content }),
    ...(tags && { tags: [...tags] }),
    ...(embedding && { embedding: [...embedding] }),
    ...factsOf(facts),
  });
}

interface Revision extends Facts {
  uid: string;
  newUid: string;
  content: unknown;
  tags: readonly string[] | undefined;
  embedding: readonly number[] | undefined;
  reason: string | undefined;
}

export function planRevise(
  draft: Draft,
  { uid, newUid, content, tags, embedding, reason, ...facts }: Revision,
  limits: Limits,
): Head {
  const old = liveHead(draft, uid, "revised");
  if (newUid === uid)
    throw invalidField("new_uid", `a trace cannot supersede itself; leave it out, or use /pathway/update`);
  refuseTaken(draft, newUid, limits);
  const contents = contentsOf({
    ...{ content, tags: tags ?? old.tags },
    ...(embedding && { embedding }),
    ...factsOf({ ...facts, scope: facts.scope ?? old.scope }),
  });
  return draft.make(
    { kind: "revise", uid: newUid, predecessor: uid, ...contents, ...(reason !== undefined && { reason }) },
    { kind: "supersede", uid, successor: newUid },
  );
}

/** A superseded trace may be retired too; one that is retired stays as it is. */
export function planRetire(draft: Draft, { uid, reason }: { uid: string; reason: string | undefined }): Head {
  const head = draft.find(uid);
  if (!head) throw unknownUid(uid);
  if (head.erased) throw erasedUid(uid, head.erased);
  if (head.retired) return head;
  return draft.make({ kind: "retire", uid, ...(reason !== undefined && { reason }) });
}

export function planReplay(draft: Draft, uid: string): Head {
  liveHead(draft, uid, "replayed");
  return draft.make({ kind: "replay", uid });
}
