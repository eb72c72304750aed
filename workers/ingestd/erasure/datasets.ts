/** A dataset without a subject: its rows go from the latest version, with what files hide, and every earlier version that has either. */
import type { ErasureReport } from "../../../runtime/contract/contract.ts";
import { isNamed, removedAt, reportOf } from "../../../runtime/erasure/erasure.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { quoteText } from "../../../runtime/sql/sql.ts";
import { changeRows, deletion, rewriting } from "../changes/changes.ts";
import { isOfDocuments } from "../documents/documents.ts";
import { type DatasetManifest, rejectsSuffix } from "../jobs/jobs.ts";
import type { Call } from "./erasure.ts";
import { countOf, documentsOf, isNotRead, mentions, rowsOf, saysCell } from "./finding.ts";
import { filesThatHide, filesThatStay } from "./hidden.ts";

/** Longest wait for the removal of what an expiry lists, in milliseconds. */
const removalTimeoutMs = 30 * 60 * 1000;
const pageSize = 100;

/** Of a dataset that is there; run again it finds what a kill has left. */
export async function eraseFromDataset(name: string, call: Call): Promise<ErasureReport> {
  const { subject, dryRun, reading } = call;
  const manifest = await manifestOf(name, call);
  if (!manifest) return reportOf();
  const place = `catalogd/${name}`;
  const named = reportOf(namesIn(manifest, call), await rejectedOf(manifest, call));
  const matched = await rowsOf(manifest, subject, reading);
  if (typeof matched === "string")
    return reportOf(named, { removed: [], left: [unreadable(manifest, matched)] });
  const documents =
    matched > 0 && isOfDocuments(manifest) ? await documentsOf(manifest, subject, reading) : [];
  const what = documents.length > 0 ? "documents" : "rows";
  const rows = removedAt(place, what, documents.length || matched);
  if (matched > 0 && !dryRun) await removeRows(name, documents, call);
  const hidden = await eraseHidden(name, call);
  const isIn = matched > 0 || hidden.removed.length > 0;
  return reportOf(named, rows, hidden, await expireVersions(name, call, isIn));
}

/** Of the version that is the latest now. A table that is read here and not written keeps them, which is told. */
async function eraseHidden(name: string, call: Call): Promise<ErasureReport> {
  const manifest = await manifestOf(name, call);
  if (!manifest) return reportOf();
  const keys = await filesThatHide(manifest, call);
  const report = removedAt(`catalogd/${name}`, "files with rows or columns that no query shows", keys.size);
  if (keys.size === 0 || call.dryRun) return report;
  try {
    await change(name, (base) => rewriting(base, keys), call);
    return report;
  } catch (cause) {
    if (!isNotRead(cause)) throw cause;
    const why = `${keys.size} files hold it where no query shows it, and are not written here: ${cause.message}`;
    const remedy = "rewrite them with the engine that wrote them, then erase again";
    return { removed: [], left: [{ place: `catalogd/${name}`, why, remedy }] };
  }
}

/** Of a dataset that was dropped: its versions could be brought back. */
export const eraseDropped = (name: string, call: Call): Promise<ErasureReport> =>
  expireVersions(name, call, false);

/** Undefined where there is none: it was dropped, or is the drop itself. */
async function manifestOf(
  name: string,
  { parts, requestId }: Call,
  version?: number,
): Promise<DatasetManifest | undefined> {
  const asked = { name, ...(version !== undefined && { version }) };
  return await parts.deps.peers.catalogd.verbs.manifest(asked, { requestId }).catch((cause) => {
    if (cause instanceof ServiceError && cause.type === "not_found") return undefined;
    throw cause;
  });
}

/** A document is about one person: all of its chunks go, also those that do not name the subject. */
async function removeRows(name: string, documents: readonly string[], call: Call): Promise<void> {
  const inDocuments = `document IN (${documents.map(quoteText).join(", ")})`;
  await change(
    name,
    (base) => deletion(base, documents.length > 0 ? inDocuments : mentions(base, call.subject)),
    call,
  );
}

const change = (name: string, planOf: Parameters<typeof changeRows>[1], call: Call) => {
  const { parts, requestId, signal, lifetime } = call;
  return changeRows({ name }, planOf, { context: { requestId, signal }, parts, lifetime });
};

/** `isIn`: the version that is the latest now has just lost such rows, so that those before it have them. */
async function expireVersions(name: string, call: Call, isIn: boolean): Promise<ErasureReport> {
  const { parts, subject, dryRun, requestId, signal, reading } = call;
  const { verbs } = parts.deps.peers.catalogd;
  const earlier = await earlierVersions(name, call);
  let holds = isIn;
  const unread: ErasureReport["left"] = [];
  for (const version of holds ? [] : earlier) {
    const manifest = await manifestOf(name, call, version);
    const matched = manifest ? await rowsOf(manifest, subject, reading) : 0;
    if (manifest && typeof matched === "string") unread.push(unreadable(manifest, matched));
    else if (Number(matched) > 0) holds = true;
    if (holds) break;
  }
  if (!holds) return { removed: [], left: [...unread, ...(await staying(name, call, []))] };
  const expired = await verbs.expire(
    { name, keep_versions: 1, older_than_days: 0, table_rules: false, dry_run: dryRun },
    { signal, requestId, timeoutMs: removalTimeoutMs },
  );
  const going = expired.objects.map(({ key }) => key);
  return reportOf(removedAt(`catalogd/${name}`, "earlier versions", expired.versions.length), {
    removed: [],
    left: await staying(name, call, going),
  });
}

/** Files of an open table that hold it and are of no version: a snapshot of a branch or a tag has them, or nothing has. */
async function staying(name: string, call: Call, going: readonly string[]): Promise<ErasureReport["left"]> {
  const manifest = await manifestOf(name, call);
  const keys = manifest ? await filesThatStay(manifest, new Set(going), call) : [];
  return keys.map((key) => ({
    place: key,
    why: `it holds it, and the latest version of ${name} does not have it: a branch or a tag does, gc.enabled forbids its removal, or a writer left it less than a day ago`,
    remedy: "drop the branch or tag, or remove the file, then erase again",
  }));
}

const unreadable = ({ name, version }: Pick<DatasetManifest, "name" | "version">, why: string) => ({
  place: `catalogd/${name}`,
  why: `version ${version} cannot be read, so that it is not known what it holds: ${why}`,
  remedy: `make it readable, or let the version go by POST /v1/catalog/expire/${name}; then erase again`,
});

/** Numbers of the versions before the latest that hold something. */
async function earlierVersions(name: string, { parts, requestId }: Call): Promise<number[]> {
  const numbers: number[] = [];
  for (let page_token: string | undefined; ; ) {
    const page = await parts.deps.peers.catalogd.verbs.versions(
      { name, page_size: pageSize, ...(page_token !== undefined && { page_token }) },
      { requestId },
    );
    numbers.push(...page.versions.map(({ version }) => version));
    page_token = page.next_page_token;
    if (page_token === undefined) return numbers.slice(1);
  }
}

/** Rejected rows are texts, in which no cell is known: those of a dataset with such a column that say the value are told. */
async function rejectedOf(manifest: DatasetManifest, call: Call): Promise<ErasureReport> {
  const { name } = manifest;
  if (call.subject.cells.length === 0 || !name.endsWith(rejectsSuffix)) return reportOf();
  const { columns = [] } = (await manifestOf(name.slice(0, -rejectsSuffix.length), call)) ?? {};
  const cells = call.subject.cells.filter((cell) => columns.some((column) => isNamed(column.name, cell)));
  const isOurs = manifest.columns.some((column) => column.name === "text" && column.type === "VARCHAR");
  if (cells.length === 0 || !isOurs) return reportOf();
  const count = await countOf(manifest, saysCell(cells), call.reading);
  const why = `${count} rejected rows have such a value in their text, where it is not known of which column`;
  const remedy = "look at them, and delete those that are meant, or erase the value as a text";
  return { removed: [], left: count === 0 ? [] : [{ place: `catalogd/${name}`, why, remedy }] };
}

/** Names that say whom it is about: no row goes with them. */
function namesIn({ name, columns }: DatasetManifest, { subject }: Call): ErasureReport {
  const left = (what: string, remedy: string) => ({
    removed: [],
    left: [{ place: "catalogd", why: `the name of ${what} says whom it is about`, remedy }],
  });
  return reportOf(
    ...(subject.isIn(name) ? [left("a dataset", "drop the dataset, then erase again")] : []),
    ...(columns.some((column) => subject.isMentioned([column.name, column.type, column.comment ?? ""]))
      ? [left(`a column of ${name}, or its comment,`, "rename or drop the column, then erase again")]
      : []),
  );
}
