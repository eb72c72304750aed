/** JSON: an array of row objects, or with `?shape=full` an object with the columns and a summary around it. */
import { type Column, createSink, rowObjects, takeBytes, writeAscii, writeText } from "../values/values.ts";
import type { ResultEncoder, ResultFormat, ResultSummary } from "./format.ts";

const head = (columns: readonly Column[]): string => {
  const shown = columns.map(({ name, type }) => ({ name, type: type.name }));
  return `{"columns":${JSON.stringify(shown)},"rows":`;
};

const tail = (queryId: string, { rows, truncated, elapsedMs }: ResultSummary): string => {
  const elapsed = Math.round(elapsedMs * 1000) / 1000;
  return `,"row_count":${rows},"truncated":${truncated},"elapsed_ms":${elapsed},"query_id":${JSON.stringify(queryId)}}`;
};

export const json: ResultFormat = {
  mediaType: "application/json",
  contentType: "application/json",
  open: (columns, { queryId, full, numbers }): ResultEncoder => {
    const sink = createSink();
    const writeRows = rowObjects(columns, { before: ",", after: "", numbers });
    writeText(sink, full ? `${head(columns)}[` : "[");
    return {
      add: (batch) => writeRows(sink, batch),
      finish: (summary) => {
        writeAscii(sink, "]");
        if (full) writeText(sink, tail(queryId, summary));
      },
      pending: () => sink.length,
      take: () => (sink.length > 0 ? takeBytes(sink) : null),
    };
  },
};
