/** The tables `[ingestd.watch.*]`: places whose files are taken as they appear. */
import { isAbsolute } from "node:path";
import type { Static } from "@sinclair/typebox";
import type { Config } from "../../../runtime/config/config.ts";
import { checkTable, closed, fits, t } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { TableName } from "../../catalogd/contract.ts";
import { ingestd } from "../contract.ts";
import { type IngestInput, takenSuffix } from "../jobs/jobs.ts";
import { readingOf } from "../requests/requests.ts";

const {
  name: _,
  url: _url,
  key: _key,
  mode: _mode,
  source: _source,
  query: _query,
  ...parameters
} = ingestd.endpoints.ingest.query.properties;
const WatchTable = closed({
  from: t.String(),
  files: t.Optional(t.String({ minLength: 1, maxLength: 1024 })),
  dataset: t.Optional(t.String()),
  mode: t.Union([t.Literal("append"), t.Literal("replace")]),
  ...parameters,
});

/** One watch as configured. */
export interface Watch {
  name: string;
  /** A directory, or `s3://bucket/prefix`. */
  from: string;
  place: { directory: string } | { bucket: string; prefix: string };
  /** A pattern for names below it. */
  files: string;
  input: IngestInput & { mode: "append" | "replace" };
  /** The dataset of the files that were taken. */
  taken: string;
}

/** Checks every table. Throws an Error that names table and field. */
export function readWatches({ ingestd: { watch }, buckets }: Pick<Config, "ingestd" | "buckets">): Watch[] {
  return Object.entries(watch).map(([name, given]) => {
    const place = `[ingestd.watch.${name}]`;
    const { from, files = "*", dataset = name, ...rest } = checked(given, place);
    if (!fits(TableName, dataset))
      throw new Error(
        `${place} dataset: expected the name of a dataset, as jobs or sales.jobs, got '${dataset}'`,
      );
    const taken = dataset + takenSuffix;
    if (!fits(TableName, taken))
      throw new Error(`${place} dataset: '${dataset}' is too long: there must be room for ${takenSuffix}`);
    const input = { name: dataset, ...rest };
    try {
      readingOf(input);
    } catch (cause) {
      throw new Error(`${place} ${cause instanceof ServiceError ? cause.message : "is not valid"}`, {
        cause,
      });
    }
    return { name, from, place: placeOf(from, buckets, place), files, input, taken };
  });
}

function checked(given: unknown, place: string): Static<typeof WatchTable> {
  const table = Object(given) as Record<string, unknown>;
  if (typeof table.from !== "string" || !/^(\/|s3:\/\/[^/?#]+(\/|$))/.test(table.from))
    throw new Error(
      `${place} from: expected a directory, as /srv/incoming, or s3://bucket/prefix of a bucket that is configured, got ${JSON.stringify(table.from) ?? "nothing"}`,
    );
  return checkTable(WatchTable, given, place);
}

function placeOf(from: string, buckets: Config["buckets"], place: string): Watch["place"] {
  if (isAbsolute(from)) return { directory: from };
  const [, bucket = "", prefix = ""] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(from) ?? [];
  if (!Object.hasOwn(buckets, bucket))
    throw new Error(
      `${place} from: there is no bucket '${bucket}'; [buckets] has ${Object.keys(buckets).join(", ")}`,
    );
  return { bucket, prefix: prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/` };
}
