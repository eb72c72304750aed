/** Every kind of file that the product keeps: what findings call it, and which deeds may be refused while it is damaged. */
import { basename, dirname } from "node:path";

export interface StoredKind {
  name: string;
  /** Its path in the data directory; in a bucket of S3, its key after `buckets/<bucket>/`. */
  path: RegExp;
  /** Any of these in a finding names the file; its path does unless told. */
  names?: (path: string, all: readonly string[]) => string[];
  /** Deeds (`trace`), or single ones (`dataset#2`), that may be refused while it is damaged. */
  bears: (path: string, all: readonly string[]) => string[];
  /** Where a last record ends: what is left when it is cut off; absent where a file is one record. */
  withoutLast?: (bytes: Buffer) => Buffer;
  /** Each has a name of its own for ever; instead of an older copy another one of the kind is put in its place. */
  isNeverReplaced?: true;
  /** Tried in a start of its own: what it bears is everything. */
  isAlone?: true;
}

const bucket = "buckets/primary/";
const sha256 = (text: string): string => new Bun.CryptoHasher("sha256").update(text).digest("hex");

/** Keys of the objects among the files. */
export const keysIn = (all: readonly string[]): string[] =>
  all
    .filter((path) => path.startsWith(bucket) && !path.includes("/.lakehouse/"))
    .map((path) => path.slice(bucket.length));

const withoutLastLine = (bytes: Buffer): Buffer =>
  bytes.subarray(0, bytes.lastIndexOf(10, bytes.length - 2) + 1);
/** The END section: letters, number, length, three integers, checksum. */
const withoutEnd = (bytes: Buffer): Buffer => bytes.subarray(0, Math.max(0, bytes.length - 48));
const withoutPage = (bytes: Buffer): Buffer => bytes.subarray(0, Math.max(0, bytes.length - 4096));

const none = () => [];
const keyOf = (path: string): string => path.slice(bucket.length);
const every = [
  "object",
  "dataset",
  "version",
  "vectors",
  "alias",
  "trace",
  "keyed",
  "corpus",
  "playbook",
  "profile",
  "event",
  "erased",
  "dropped",
  "large",
  "papers",
  "original",
  "open",
  "query",
];

/** What is kept under the key: an object of somebody's, or a service's. */
function bearsOfKey(key: string): string[] {
  const [, drill] = /(?:drill_|drill\/)(\d+)(?:\/|\.txt)/.exec(key) ?? [];
  const [, corpus] = /matrix-corpus-(\d+)-/.exec(key) ?? [];
  if (key.startsWith("drill/")) return [`object#${drill}`];
  if (key.startsWith("documents/")) return ["original"];
  if (/^(?:datasets|_catalog\/manifests)\/papers\//.test(key)) return ["papers", "original"];
  if (key.startsWith("vectors/matrix-papers-")) return ["papers"];
  if (/^_catalog\/(?:manifests\/open\.|namespaces\/|addresses\.json)/.test(key)) return ["open"];
  if (key.startsWith("vectors/_")) return ["alias"];
  if (key.startsWith("vectors/drill/")) return ["vectors", "alias"];
  if (key.startsWith("vectors/")) return corpus === undefined ? [] : [`corpus#${corpus}`];
  if (key.includes("/gone/")) return ["dropped"];
  if (drill !== undefined) return [`dataset#${drill}`];
  return key.includes("/versions/") ? ["version"] : [];
}

/** What findings call what is kept under the key. */
function namesOfKey(key: string): string[] {
  const [, dataset] = /^(?:datasets|_catalog\/manifests)\/([^/]+)\//.exec(key) ?? [];
  const [, index] = /^vectors\/([^/]+)\//.exec(key) ?? [];
  const [, documents] = /^documents\/([^/]+)\//.exec(key) ?? [];
  const owner = dataset ?? index ?? documents;
  return [`primary://${key}`, key, ...(owner === undefined ? [] : [`'${owner}'`])];
}

const object = (name: string, path: RegExp, more: Partial<StoredKind> = {}): StoredKind => ({
  name,
  path,
  names: (file) => namesOfKey(keyOf(file)),
  bears: (file) => bearsOfKey(keyOf(file)),
  ...more,
});

const logOf = (name: string, path: RegExp, bears: string[], more: Partial<StoredKind> = {}): StoredKind => ({
  name,
  path,
  bears: () => bears,
  // `/readyz` of a service calls its own files by their names.
  names: (file) => [file, basename(file)],
  withoutLast: withoutLastLine,
  ...more,
});

/** Written by an engine of somebody's, plain: what is in it is known to the table's format alone. */
const openTable = (name: string, path: RegExp): StoredKind => ({
  name,
  path: new RegExp(`^buckets/warehouse/(?!\\.lakehouse).*${path.source}`),
  names: (file) => [file.slice("buckets/warehouse/".length)],
  bears: () => ["open"],
});

/** The key that a sidecar belongs to. */
const keyOfSidecar = (path: string, all: readonly string[]): string | undefined =>
  keysIn(all).find((key) => path.endsWith(`${sha256(key)}.json`));

/** What the marks of each service speak of. */
const bearsOfMarks: Record<string, string[]> = {
  catalogd: ["dataset", "version", "dropped", "papers", "original", "open", "query"],
  storaged: ["object", "original"],
  vectord: ["vectors", "alias", "corpus", "papers"],
  pathwayd: ["trace", "keyed"],
  matrixd: ["corpus", "papers", "playbook", "profile"],
  observerd: ["event"],
  gateway: ["erased"],
};

/** The first that fits counts. A file that none fits is one that nobody has thought of: its kind belongs here. */
export const storedKinds: readonly StoredKind[] = [
  { name: "lock", path: /^(?:\w+\/lock\.sqlite(?:-journal)?|store\.lock)$/, bears: none },
  logOf("remembered answers", /^\w+\/idempotency-\d+\.log$/, ["keyed"]),
  { name: "store id", path: /^store\.json$/, bears: () => every, isAlone: true },
  logOf("marks", /^marks\/\w+\.log$/, [], {
    bears: (path) => bearsOfMarks[/(\w+)\.log$/.exec(path)?.[1] ?? ""] ?? [],
  }),
  {
    name: "bucket's format",
    path: /^buckets\/\w+\/\.lakehouse\/format\.json$/,
    bears: () => every,
    isAlone: true,
  },
  {
    name: "folder's store id",
    path: /^\w+\/stamp\.json$/,
    names: (path) => [`the folder of ${dirname(path)}`],
    bears: () => every,
    isAlone: true,
  },
  {
    name: "lease of a bucket",
    path: /^buckets\/\w+\/\.lakehouse\/lease\.json$/,
    names: (path) => [path, "bucket 'primary'"],
    bears: () => every,
    isAlone: true,
  },
  {
    name: "bucket's store id",
    path: /^buckets\/\w+\/\.lakehouse\/stamp\.json$/,
    names: (path) => [path, `bucket '${path.split("/")[1]}'`],
    bears: (path) => (path.startsWith(bucket) ? every : path.includes("/warehouse/") ? ["open"] : []),
    isAlone: true,
  },
  {
    name: "sidecar",
    path: /^buckets\/\w+\/\.lakehouse\/meta\/..\/\w+\.json$/,
    names: (path, all) => [path, ...namesOfKey(keyOfSidecar(path, all) ?? path)],
    bears: (path, all) => bearsOfKey(keyOfSidecar(path, all) ?? ""),
  },
  {
    name: "checksums of a large object",
    path: /^buckets\/\w+\/\.lakehouse\/sums\//,
    names: (path) => [path, "large.bin"],
    bears: () => ["large"],
  },
  object("latest catalog manifest", /^buckets\/primary\/_catalog\/manifests\/(?!versions)/, {
    isNeverReplaced: true,
  }),
  object("catalog manifest in a history", /^buckets\/primary\/_catalog\/manifests\/versions\//, {
    isNeverReplaced: true,
  }),
  object("namespace of open tables", /^buckets\/primary\/_catalog\/namespaces\//),
  object("addresses that tables had", /^buckets\/primary\/_catalog\/addresses\.json$/),
  object("data object", /^buckets\/primary\/datasets\//, { isNeverReplaced: true }),
  object("original of a document", /^buckets\/primary\/documents\//, { isNeverReplaced: true }),
  object("aliases of indexes", /^buckets\/primary\/vectors\/_aliases\.json$/),
  object("index manifest", /^buckets\/primary\/vectors\/[^/]+\/manifest\.lhv1$/, { withoutLast: withoutEnd }),
  object("index segment", /^buckets\/primary\/vectors\/[^/]+\/[^/]+\/segments\//, {
    isNeverReplaced: true,
    withoutLast: withoutEnd,
  }),
  object("index checkpoint", /^buckets\/primary\/vectors\/[^/]+\/[^/]+\/checkpoints\/.*\.lhv1$/, {
    isNeverReplaced: true,
    withoutLast: withoutEnd,
  }),
  object("index checkpoint's engine", /^buckets\/primary\/vectors\/[^/]+\/[^/]+\/checkpoints\/.*\.engine$/, {
    isNeverReplaced: true,
  }),
  object("large object", /^buckets\/primary\/large\.bin$/, { bears: () => ["large"] }),
  object("object of somebody's", /^buckets\/primary\/(?!\.lakehouse)/),
  { name: "folder of an open table", path: /^buckets\/warehouse\/.*\/\.keep$/, bears: none },
  openTable("metadata of an open table", /\/metadata\/[^/]+\.json$/),
  openTable("manifest of an open table", /\/metadata\/[^/]+\.avro$/),
  openTable("data file of an open table", /\/data\//),
  { name: "copy of an object in the cache", path: /^queryd\/cache\/\w+\.\w+\.parquet$/, bears: none },
  {
    name: "what is known of a lease",
    path: /^storaged\/leases\/[\w.-]+\.json$/,
    bears: () => every,
    isAlone: true,
  },
  {
    name: "inventory of a bucket",
    path: /^storaged\/inventory\/[\w.-]+\.sqlite(?:-wal)?$/,
    bears: none,
    withoutLast: withoutPage,
    // Without it nothing in the bucket is known to be missing.
    isAlone: true,
  },
  logOf("journal of storage errors", /^storaged\/errors\.\d+\.jsonl$/, []),
  logOf("log of saved queries and views", /^catalogd\/definitions\.log$/, ["query"]),
  logOf("trace log", /^pathwayd\/traces\.log$/, ["trace", "keyed"]),
  logOf("log of playbooks", /^matrixd\/playbooks\.log$/, ["playbook"]),
  logOf("log of profiles", /^matrixd\/profiles\.log$/, ["profile"]),
  logOf("log of corpora's jobs", /^matrixd\/jobs\.jsonl$/, []),
  {
    name: "corpus record",
    path: /^matrixd\/corpora\/[^/]+\/corpus\.json$/,
    names: (path) => [path, dirname(path), ...corpusNames(path)],
    bears: (path) => corpusNames(path).map((name) => name.replaceAll("'", "").replace("corpus-", "corpus#")),
  },
  {
    name: "words of a corpus",
    path: /^matrixd\/corpora\/[^/]+\/\w+\.sqlite$/,
    names: (path) => [path, dirname(path), ...corpusNames(path)],
    bears: (path) => corpusNames(path).map((name) => name.replaceAll("'", "").replace("corpus-", "corpus#")),
    withoutLast: withoutPage,
  },
  logOf("log of operations", /^observerd\/operations-\d+\.log$/, ["event"]),
  logOf("log of reviews", /^observerd\/reviews\.log$/, []),
  logOf("log of erasures", /^gateway\/erasures\.log$/, ["erased"]),
  { name: "spend of providers", path: /^chatd\/spend\.json$/, bears: none },
];

function corpusNames(path: string): string[] {
  const [, name] = /corpora\/([^/]+)\.\w+\//.exec(path) ?? [];
  return name === undefined ? [] : [`'${name}'`];
}

export const kindOf = (path: string): StoredKind | undefined =>
  storedKinds.find((kind) => kind.path.test(path));
