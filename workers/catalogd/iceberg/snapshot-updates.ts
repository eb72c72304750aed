/** Updates of snapshots and of the branches and tags that name them. */
import { type Id, sameId } from "./json.ts";
import { badRequest, commitFailed } from "./refusals.ts";
import { formatMax, noSnapshot, type Snapshot, type TableMetadata } from "./table-metadata.ts";
import type { Draft, Update } from "./updates.ts";

export const mainBranch = "main";

const snapshotOf = (table: TableMetadata, id: Id): Snapshot | undefined =>
  table.snapshots.find((snapshot) => sameId(snapshot["snapshot-id"], id));

/** A stale sequence number is a conflict: the client tries again on what is current. */
export function addSnapshot({ table, staged }: Draft, { snapshot }: Update): void {
  if (typeof snapshot !== "object" || snapshot === null) throw badRequest("Expected snapshot as an object");
  const added = snapshot as Snapshot;
  const id = added["snapshot-id"];
  if (snapshotOf(table, id)) throw badRequest(`Snapshot already exists for id: ${id}`);
  const [sequence, last] = [BigInt(added["sequence-number"] ?? 0), BigInt(table["last-sequence-number"])];
  const hasParent = added["parent-snapshot-id"] !== undefined && added["parent-snapshot-id"] !== null;
  if (table["format-version"] > 1 && hasParent && sequence <= last)
    throw commitFailed(
      `Cannot add snapshot with sequence number ${sequence} older than last sequence number ${last}`,
    );
  if (table["format-version"] >= formatMax) takeRowIds(table, added);
  table.snapshots.push(added);
  staged.add(String(id));
  if (sequence > last) table["last-sequence-number"] = added["sequence-number"];
  table["last-updated-ms"] = Math.max(added["timestamp-ms"], table["last-updated-ms"]);
}

/** Format 3: rows have ids, and a snapshot takes the next ones. */
function takeRowIds(table: TableMetadata, added: Snapshot): void {
  const next = BigInt(table["next-row-id"] ?? 0);
  const first = added["first-row-id"] as Id | undefined;
  if (first === undefined || first === null || BigInt(first) < next)
    throw commitFailed(`Cannot add a snapshot, first-row-id is behind table next-row-id: ${first} < ${next}`);
  const after = next + BigInt((added["added-rows"] as Id | undefined) ?? 0);
  table["next-row-id"] = after <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(after) : after;
}

export function setRef({ table, staged }: Draft, { action: _, "ref-name": name, ...ref }: Update): void {
  const id = ref["snapshot-id"] as Id;
  const snapshot = snapshotOf(table, id);
  if (!snapshot) throw badRequest(`Cannot set ${name} to unknown snapshot: ${id}`);
  const before = Object.hasOwn(table.refs, name) ? table.refs[name] : undefined;
  checkRef(name, ref.type);
  table.refs[name] = ref as TableMetadata["refs"][string];
  if (name !== mainBranch) return;
  table["current-snapshot-id"] = id;
  if (sameId(before?.["snapshot-id"], id)) return;
  const time = staged.has(String(id)) ? snapshot["timestamp-ms"] : table["last-updated-ms"];
  table["snapshot-log"].push({ "timestamp-ms": time, "snapshot-id": id });
}

/** Longer names do not fit into requests that engines name them in. */
const nameCharactersMax = 1024;

function checkRef(name: unknown, type: unknown): void {
  if (typeof name !== "string" || name === "__proto__") throw badRequest("Expected ref-name as text");
  if (name.trim() === "" || name.length > nameCharactersMax || /\p{Cc}/u.test(name))
    throw badRequest(
      `Invalid ref-name: expected 1 to ${nameCharactersMax} characters, none of them a control character`,
    );
  if (type !== "branch" && type !== "tag")
    throw badRequest(
      `Invalid type of ${name}: expected branch or tag, got ${JSON.stringify(type)?.slice(0, 100)}`,
    );
  if (name === mainBranch && type !== "branch")
    throw badRequest(`Cannot make ${mainBranch} a tag: it is the branch that readers read`);
}

/** The log of snapshots stays: a table that is replaced loses its branch, and gets it back. */
export function removeRef(table: TableMetadata, name: string): void {
  delete table.refs[name];
  if (name === mainBranch) table["current-snapshot-id"] = noSnapshot;
}

export function removeSnapshots({ table }: Draft, { "snapshot-ids": ids }: Update): void {
  if (!Array.isArray(ids)) throw badRequest("Expected snapshot-ids as a list");
  const gone = new Set(ids.map(String));
  const stays = (entry: { "snapshot-id": Id }) => !gone.has(String(entry["snapshot-id"]));
  table.snapshots = table.snapshots.filter(stays);
  for (const [name, ref] of Object.entries(table.refs)) if (!stays(ref)) removeRef(table, name);
  // A log with a gap would say of a time what does not hold: it begins behind the last one.
  const left = new Set(table.snapshots.map((snapshot) => String(snapshot["snapshot-id"])));
  const lastGone = table["snapshot-log"].findLastIndex((entry) => !left.has(String(entry["snapshot-id"])));
  table["snapshot-log"] = table["snapshot-log"].slice(lastGone + 1);
  table.statistics = (table.statistics ?? []).filter(stays);
  table["partition-statistics"] = (table["partition-statistics"] ?? []).filter(stays);
}
