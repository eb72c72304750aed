/** NDJSON: one row object a line, each line ended with LF. */
import { createSink, rowObjects, takeBytes } from "../values/values.ts";
import type { ResultFormat } from "./format.ts";

export const ndjson: ResultFormat = {
  mediaType: "application/x-ndjson",
  contentType: "application/x-ndjson",
  open: (columns, { numbers }) => {
    const sink = createSink();
    const writeRows = rowObjects(columns, { before: "", after: "\n", numbers });
    return {
      add: (batch) => writeRows(sink, batch),
      finish: () => {},
      pending: () => sink.length,
      take: () => (sink.length > 0 ? takeBytes(sink) : null),
    };
  },
};
