/** The verbs that make versions of datasets. */
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { twiceNamed } from "../../../runtime/sql/sql.ts";
import type { Catalogd } from "../contract.ts";
import type { Registry, Removals } from "../registry/registry.ts";
import {
  checkRegistration,
  isLive,
  type Manifest,
  planCompaction,
  planDrop,
  planRegistration,
  type Registration,
} from "../versions/versions.ts";
import type { Change, Commit, Committed, Committing } from "./commit.ts";
import type { ObjectCheck } from "./object-check.ts";

export type Write = "register" | "commit" | "compact" | "drop";

export function writeVerbs(
  { clock, metrics, newId }: Pick<Deps, "clock" | "metrics" | "newId">,
  {
    registry,
    commit,
    checkObjects,
    removals,
    made,
  }: { registry: Registry; checkObjects: ObjectCheck; removals: Pick<Removals, "release"> } & Pick<
    Committing,
    "commit" | "made"
  >,
): Pick<VerbsOf<Catalogd>, Write> {
  const registers = metrics.counter("catalogd_registers_total", "Registrations by what they made.");
  const drops = metrics.counter("catalogd_drops_total", "Datasets dropped.");
  const conflicts = metrics.counter(
    "catalogd_conflicts_total",
    "Registrations refused as conflicts, by type.",
  );
  const counted = async (work: Promise<Committed[]>): Promise<Manifest[]> => {
    try {
      return (await work).map(({ version, changed }) => {
        if (!isLive(version)) throw new Error("a registration made a tombstone");
        registers.add(1, {
          outcome: !changed ? "unchanged" : version.parent === undefined ? "created" : version.operation,
        });
        return version;
      });
    } catch (error) {
      if (error instanceof ServiceError && error.status === 409) conflicts.add(1, { type: error.type });
      throw error;
    }
  };

  const registerAll = (
    registrations: readonly Registration[],
    context: Parameters<Commit>[1],
    operationId: string | undefined,
  ): Promise<Manifest[]> => {
    for (const registration of registrations) checkRegistration(registration);
    const changes = registrations.map((registration): Change => {
      const { name } = registration;
      const plan: Change["plan"] = (head) => {
        registry.refuseCaseClash(name);
        return planRegistration(head, registration, { now: clock.now(), newId, operationId });
      };
      return { name, plan };
    });
    const objects = registrations.flatMap((registration) => registration.objects);
    const check = () => checkObjects(objects, context);
    return counted(commit({ changes, check }, context));
  };

  return {
    register: async (registration, context) => {
      const { operation, requestId } = context;
      const before = operation?.again ? await made(registration.name, operation.id, requestId) : undefined;
      if (isLive(before)) return before;
      const [manifest] = await registerAll([registration], context, operation?.id);
      return manifest as Manifest;
    },
    commit: async ({ registrations, operation_id: operationId }, context) => {
      const names = registrations.map(({ name }) => name);
      const twice = twiceNamed(names);
      if (twice !== undefined)
        throw fail("unprocessable", `'${twice}' is there twice: a commit changes each dataset once`);
      const manifests = await registerAll(registrations, context, operationId);
      // Services hold what they are about to commit.
      for (const { objects } of registrations) removals.release(objects);
      return { manifests };
    },
    compact: async (compaction, context) => {
      const plan: Change["plan"] = (head) => planCompaction(head, compaction, { now: clock.now(), newId });
      const objects = compaction.runs.map(({ object }) => object);
      const check = () => checkObjects(objects, context);
      const made = await counted(commit({ changes: [{ name: compaction.name, plan }], check }, context));
      removals.release(objects);
      return made[0] as Manifest;
    },
    drop: async ({ name }, context) => {
      const { operation, requestId } = context;
      if (operation?.again && (await made(name, operation.id, requestId))) return { name, dropped: true };
      const plan: Change["plan"] = (head) =>
        planDrop(head, name, { now: clock.now(), operationId: operation?.id });
      await commit({ changes: [{ name, drops: true, plan }] }, context);
      drops.add();
      return { name, dropped: true };
    },
  };
}
