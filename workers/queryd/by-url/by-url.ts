/**
 * Questions in a URL, as spreadsheets and dashboards ask: a statement, a dataset as a file, and a query that is saved
 * under a name.
 */

import { bufferedResponse } from "../../../runtime/bodies/bodies.ts";
import type { Config } from "../../../runtime/config/config.ts";
import type { ClientOf, InputOf, Peer, RawContext, RawOf } from "../../../runtime/contract/contract.ts";
import { searchOf } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import type { Limiter } from "../../../runtime/scheduling/scheduling.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import { type Catalogd, viewIn } from "../../catalogd/contract.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { Queryd } from "../contract.ts";
import { type Components, checkWhere, limited, type SqlQuery } from "../queries/queries.ts";
import { datasetEtag, datasetSql, fileOf, formatsByName, versionName } from "./dataset.ts";
import { filled, refuseSearch, savedFile, shown } from "./saved.ts";
import { sendStored, storedFile } from "./stored-file.ts";

export { savedVerbs } from "./saved.ts";

/** What a question becomes: the fields of a statement's request, and the media type that is asked for. */
interface Question {
  sql: string;
  accept: string | null;
  params?: Record<string, unknown>;
  limit?: number;
  as_of?: string;
  timeout_ms?: number;
  shape?: "rows" | "full";
  numbers?: SqlQuery["numbers"];
  tag?: SqlQuery["tag"];
}

interface Parts {
  components: Components;
  limiter: Limiter;
  config: Config;
  catalogd: Pick<ClientOf<Catalogd>, "manifest" | "definition">;
  storaged: Pick<Peer<Storaged>, "fetch">;
  ask: (question: Question, context: RawContext) => Promise<Response>;
}

type Endpoints = Queryd["endpoints"];

export function byUrl(parts: Parts): Pick<RawOf<Queryd>, "sqlByUrl" | "datasetByUrl" | "savedByUrl"> {
  return {
    sqlByUrl: ({ format, ...input }, context) => {
      const accept = format === undefined ? context.request.headers.get("accept") : formatsByName[format];
      return parts.ask({ ...input, accept }, context);
    },
    datasetByUrl: (input, context) => answerDataset(parts, input, context),
    savedByUrl: (input, context) => answerSaved(parts, input, context),
  };
}

/**
 * The version that is the latest now, read as that version: the etag is of what is sent. A view has no version of its rows:
 * its etag is of what it reads, as is that of a question with an expression.
 */
async function answerDataset(
  parts: Parts,
  { file, numbers, version: asked, ...question }: InputOf<Endpoints["datasetByUrl"]>,
  context: RawContext,
): Promise<Response> {
  const { components, limiter, config, catalogd, storaged, ask } = parts;
  const { request, requestId, signal } = context;
  const { name, format } = fileOf(file);
  const of = { name, ...(asked !== undefined && { version: asked }) };
  const found = await manifestOrView(catalogd.manifest(of, { requestId, signal }));
  const isView = typeof found === "string";
  if (isView && asked !== undefined)
    throw invalidField("version", `'${found}' is a view: what it reads has versions, its rows have none`);
  const whole = { ...question, format, numbers: numbers ?? config.queryd.numbers };
  const etag = isView ? undefined : datasetEtag(found, whole);
  const known = request.headers.get("if-none-match");
  if (etag !== undefined && known?.includes(etag))
    return new Response(null, { status: 304, headers: { etag } });
  const stored = isView || etag === undefined ? undefined : storedFile(found, format, question);
  if (etag !== undefined && stored !== undefined)
    return sendStored(storaged, stored, { etag, request, signal });
  const { where } = question;
  if (where !== undefined) await limited(limiter, signal, () => checkWhere(components, where, signal));
  const sql = datasetSql(isView ? quoteName(found) : versionName(name, found.version), question);
  const tag = etag === undefined ? { tag: { of: JSON.stringify([sql, whole]), known } } : {};
  const how = { accept: formatsByName[format], ...(numbers && { numbers }) };
  const response = await ask({ sql, ...how, ...tag }, context);
  if (etag !== undefined) response.headers.set("etag", etag);
  if (etag !== undefined) response.headers.set("cache-control", "no-cache");
  return response;
}

/** The dataset, or the name of the view that is asked for as one. */
const manifestOrView = <M>(asked: Promise<M>): Promise<M | string> =>
  asked.catch((cause: unknown) => viewIn(cause) ?? Promise.reject(cause));

/** The rows of a saved query, or what it is. */
async function answerSaved(
  { config, catalogd, ask }: Parts,
  { name: file, version, ...how }: InputOf<Endpoints["savedByUrl"]>,
  context: RawContext,
): Promise<Response> {
  const { request, requestId, signal } = context;
  const { name, format } = savedFile(file);
  const search = searchOf(request.url) ?? new URLSearchParams();
  if (!format) refuseSearch(search, name);
  const which = { kind: "query" as const, name, ...(version !== undefined && { version }) };
  const saved = await catalogd.definition(which, { requestId, signal });
  const known = request.headers.get("if-none-match");
  if (!format) {
    const etag = `"${saved.version}"`;
    if (known?.includes(etag)) return new Response(null, { status: 304, headers: { etag } });
    return bufferedResponse(new TextEncoder().encode(JSON.stringify(shown(saved))), {
      headers: { "content-type": "application/json", etag },
    });
  }
  const { of, ...statement } = filled(saved, search);
  const numbers = how.numbers ?? config.queryd.numbers;
  const asked = JSON.stringify([of, format, how.shape, numbers]);
  const tag = { of: asked, known };
  return ask({ ...statement, ...how, tag, accept: formatsByName[format] }, context);
}
