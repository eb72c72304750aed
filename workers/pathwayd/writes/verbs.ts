/** The verbs that change traces: checked, decided by `plan.ts`, answered when they are durable. */
import type { CallContext, VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Pathwayd } from "../contract.ts";
import {
  type Contents,
  checkContent,
  checkTexts,
  checkVector,
  type Facts,
  factsOf,
  parseTime,
  type Scope,
  traceOf,
} from "../traces/traces.ts";
import type { Draft } from "./draft.ts";
import { planAdd, planAddIdempotent, planReplay, planRetire, planRevise, planUpdate } from "./plan.ts";
import { resuming, type Write } from "./resume.ts";
import type { Writer } from "./writer.ts";

type Given = {
  content?: unknown;
  tags?: string[];
  embedding?: number[];
  scope?: Scope;
  valid_from?: string;
  valid_to?: string;
  uid?: string;
  new_uid?: string;
  reason?: string;
};

/** Estimated bytes of a line without content and embedding, and of one number of an embedding. */
const lineBytes = 400;
const numberBytes = 22;

export function writeVerbs(
  { config, newId, metrics }: Pick<Deps, "config" | "newId" | "metrics">,
  { write }: Writer,
): Pick<VerbsOf<Pathwayd>, Write> {
  const { max_content_bytes, max_traces } = config.pathwayd;
  const limits = { tracesMax: max_traces };
  const changes = metrics.counter("pathwayd_changes_total", "Changes stored, by kind.");
  const commit = async <R>(
    kind: string,
    given: Given,
    { signal, operation }: CallContext,
    plan: (draft: Draft) => R,
  ): Promise<R> => {
    const bytes = checked(given, max_content_bytes);
    const value = await write({
      plan,
      bytes,
      signal,
      operation: operation?.id,
      ...(kind === "retire" && { always: true }),
    });
    changes.add(1, { kind });
    return value;
  };
  return resuming({
    add: async (input, context) => {
      const contents = { ...contentsOf(input), uid: input.uid ?? newId() };
      return traceOf(await commit("add", input, context, (draft) => planAdd(draft, contents, limits)));
    },
    addIdempotent: async (input, context) => {
      const contents = { ...contentsOf(input), uid: input.uid, newUid: newId() };
      const plan = (draft: Draft) => planAddIdempotent(draft, contents, limits);
      const { head, created } = await commit("add_idempotent", input, context, plan);
      return { trace: traceOf(head), created };
    },
    update: async (input, context) => {
      const { content, tags, embedding, uid } = input;
      const facts = factsGiven(input);
      if (content === undefined && !tags && !embedding && Object.keys(facts).length === 0)
        throw fail(
          "bad_request",
          "expected at least one of content, tags, embedding, scope, valid_from and valid_to to update",
        );
      const change = {
        ...{ uid, ...facts },
        ...(content !== undefined && { content }),
        ...(tags && { tags }),
        ...(embedding && { embedding }),
      };
      return traceOf(await commit("update", input, context, (draft) => planUpdate(draft, change)));
    },
    revise: async (input, context) => {
      const { uid, content, tags, embedding, reason } = input;
      const facts = factsGiven(input);
      const revision = { uid, newUid: input.new_uid ?? newId(), content, tags, embedding, reason, ...facts };
      return traceOf(await commit("revise", input, context, (draft) => planRevise(draft, revision, limits)));
    },
    retire: async ({ uid, reason }, context) =>
      traceOf(
        await commit("retire", { uid, ...(reason !== undefined && { reason }) }, context, (draft) =>
          planRetire(draft, { uid, reason }),
        ),
      ),
    replay: async ({ uid }, context) =>
      traceOf(await commit("replay", {}, context, (draft) => planReplay(draft, uid))),
  });
}

/** Checks what the schema cannot express; returns the estimated bytes in the log. */
function checked(
  { content, tags = [], embedding = [], scope = {}, uid, new_uid, reason }: Given,
  bytesMax: number,
): number {
  checkTexts("uid", uid === undefined ? [] : [uid]);
  checkTexts("new_uid", new_uid === undefined ? [] : [new_uid]);
  checkTexts("reason", reason === undefined ? [] : [reason]);
  checkTexts("tags", tags);
  checkTexts("scope", Object.values(scope));
  if (embedding.length > 0) checkVector("embedding", embedding);
  const contentBytes = content === undefined ? 0 : checkContent(content, bytesMax);
  const texts = [...tags, ...Object.values(scope), reason ?? ""].reduce(
    (sum, text) => sum + 3 * text.length,
    0,
  );
  return contentBytes + texts + embedding.length * numberBytes + lineBytes;
}

const contentsOf = ({ content, tags = [], embedding, ...facts }: Given): Contents => ({
  content,
  tags,
  ...(embedding && { embedding }),
  ...factsGiven(facts),
});

/** Throws `invalid_field` for times that are none. */
const factsGiven = ({ scope, valid_from, valid_to }: Given): Facts =>
  factsOf({
    scope,
    valid_from: valid_from === undefined ? undefined : parseTime(valid_from, "valid_from"),
    valid_to: valid_to === undefined ? undefined : parseTime(valid_to, "valid_to"),
  });
