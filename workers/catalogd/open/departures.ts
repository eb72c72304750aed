/** Tables that go: dropped, renamed, taken back. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import { mainBranch, noSnapshot, refusals, sameId } from "../iceberg/iceberg.ts";
import { isLive, isOpen, type Manifest, planDrop, planRename, type Version } from "../versions/versions.ts";
import { checkNamePart } from "./namespaces.ts";
import { removeFiles } from "./purge.ts";
import { type Asking, type Identifier, identifierOf, liveHead, nameOf, type State, shown } from "./state.ts";
import type { TableChange } from "./table-change.ts";

const given = ({ deps }: State) => ({ now: deps.clock.now(), newId: deps.newId });

export async function dropTable(
  state: State,
  { table, purge }: { table: Identifier; purge: boolean },
  asking: Asking,
): Promise<void> {
  const head = await liveHead(state, table, asking.requestId);
  const name = nameOf(table);
  const plan = (now: Version | undefined) => planDrop(now, name, given(state));
  await state.inTurn([name], () => state.deps.commit({ changes: [{ name, drops: true, plan }] }, asking));
  if (!purge) return;
  // The table is gone whatever becomes of its files.
  await removeFiles(state, head).catch((cause) =>
    state.deps.log.warn("files of a purged table are left", { table: name, ...describe(cause) }),
  );
}

export async function renameTable(
  state: State,
  { from, to }: { from: Identifier; to: Identifier },
  asking: Asking,
): Promise<void> {
  await liveHead(state, from, asking.requestId);
  await state.namespaces.read(to.namespace);
  checkNamePart("table", to.name);
  const { registry, deps } = state;
  const [source, target] = [nameOf(from), nameOf(to)];
  const taken = () => refusals.alreadyExists(`Table already exists: ${shown(to)}`);
  if (source === target) throw taken();
  await state.inTurn([source, target], async () => {
    await deps.resolveUnknown(target, asking.requestId);
    const arrive = (head: Version | undefined): Version => {
      if (isLive(head)) throw taken();
      registry.refuseCaseClash(target);
      const names = { from: registry.manifest(source), to: target, ifMatch: undefined };
      return planRename(head, names, given(state));
    };
    const leave = (head: Version | undefined): Version =>
      planDrop(head, source, { ...given(state), renamedTo: target });
    const changes = [
      { name: target, plan: arrive },
      { name: source, plan: leave },
    ];
    await deps.commit({ changes }, asking);
  });
}

/** Sets the branch `main` to the snapshot that an earlier version has, or takes it away where that has none, by `commit`. */
export async function rollBackTable(
  state: State,
  old: Manifest,
  commit: (change: TableChange) => Promise<unknown>,
): Promise<Manifest> {
  if (!isOpen(old))
    throw fail("conflict", `version ${old.version} of '${old.name}' is of before it was opened`);
  const head = state.registry.manifest(old.name);
  if (head.dataset_id !== old.dataset_id)
    throw fail(
      "conflict",
      `version ${old.version} of '${old.name}' is of another table of this name, which was dropped: an engine can register its metadata, ${old.metadata_location}, under another name`,
    );
  const now = isOpen(head) ? await state.files.read(head.metadata_location) : undefined;
  const metadata = await state.files.read(old.metadata_location);
  const id = metadata["current-snapshot-id"];
  if (now && sameId(now["current-snapshot-id"], id)) return head;
  const ref = { "ref-name": mainBranch };
  const update = sameId(id, noSnapshot)
    ? { action: "remove-snapshot-ref", ...ref }
    : { action: "set-snapshot-ref", ...ref, type: "branch", "snapshot-id": id };
  const identifier = identifierOf(old.name);
  await commit({ identifier, requirements: [], updates: [update], operation: "rollback" }).catch((cause) => {
    if (!(cause instanceof ServiceError) || cause.type !== "bad_request") throw cause;
    throw fail("conflict", `the snapshot ${id} of version ${old.version} was expired by an engine`, {
      cause,
    });
  });
  return state.registry.manifest(old.name);
}
