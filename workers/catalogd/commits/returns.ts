/** The verbs that make a version of what another one holds: the way back, another name, other columns. */
import type { CallContext, VerbsOf } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Catalogd } from "../contract.ts";
import type { History } from "../history/history.ts";
import type { Registry } from "../registry/registry.ts";
import {
  checkName,
  isLive,
  type Manifest,
  planDrop,
  planEvolution,
  planRename,
  planRollback,
  planUndrop,
} from "../versions/versions.ts";
import type { Change, Committing } from "./commit.ts";
import type { ObjectCheck } from "./object-check.ts";

export type Return = "rollback" | "undrop" | "rename" | "evolve";

export function returnVerbs(
  { clock, metrics, newId }: Pick<Deps, "clock" | "metrics" | "newId">,
  {
    registry,
    history,
    commit,
    checkObjects,
    resolveUnknown,
    made,
  }: { registry: Registry; history: History; checkObjects: ObjectCheck } & Pick<
    Committing,
    "commit" | "resolveUnknown" | "made"
  >,
): Pick<VerbsOf<Catalogd>, Return> {
  const returns = metrics.counter(
    "catalogd_returns_total",
    "Versions made of what another one holds, by verb.",
  );
  const given = (context: CallContext) => ({ now: clock.now(), newId, operationId: context.operation?.id });

  /** What the operation made before a kill, or what the changes make: the version of the first of them. */
  const once = async (
    name: string,
    context: CallContext,
    changes: () => Promise<{ changes: Change[]; objects?: Manifest["objects"] }>,
  ): Promise<Manifest> => {
    const { operation, requestId } = context;
    await resolveUnknown(name, requestId);
    const before = operation?.again ? await made(name, operation.id, requestId) : undefined;
    if (isLive(before)) return before;
    const { objects = [], ...proposal } = await changes();
    // What goes on being named was there; what comes back may have been deleted by hand.
    const check = () => checkObjects(objects, context);
    const [first] = await commit({ ...proposal, check }, context);
    if (!isLive(first?.version)) throw new Error("a version made of another one is a tombstone");
    if (first.changed) returns.add(1, { verb: first.version.operation });
    return first.version;
  };

  return {
    rollback: ({ name, version, if_match: ifMatch }, context) =>
      once(name, context, async () => {
        const old = await history.manifest(name, { version });
        const plan: Change["plan"] = (head) => planRollback(head, { old, ifMatch }, given(context));
        return { changes: [{ name, plan }], objects: old.objects };
      }),
    evolve: ({ name, if_match: ifMatch, ...asked }, context) =>
      once(name, context, async () => {
        const plan: Change["plan"] = (head) => planEvolution(head, { name, asked, ifMatch }, given(context));
        return { changes: [{ name, plan }] };
      }),
    undrop: ({ name }, context) =>
      once(name, context, async () => {
        const old = await history.beforeDrop(name);
        const plan: Change["plan"] = (head) => {
          registry.refuseCaseClash(name);
          return planUndrop(head, old, given(context));
        };
        return { changes: [{ name, plan }], objects: old.objects };
      }),
    rename: ({ name, to, if_match: ifMatch }, context) =>
      once(to, context, async () => {
        checkName(to);
        if (to === name) throw invalidField("to", `expected another name than '${name}'`);
        await resolveUnknown(name, context.requestId);
        const arrive: Change["plan"] = (head) => {
          const from = registry.manifest(name);
          registry.refuseCaseClash(to);
          return planRename(head, { from, to, ifMatch }, given(context));
        };
        const leave: Change["plan"] = (head) => planDrop(head, name, { ...given(context), renamedTo: to });
        return {
          changes: [
            { name: to, plan: arrive },
            { name, plan: leave },
          ],
        };
      }),
  };
}
