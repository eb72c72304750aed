/**
 * An OTLP/HTTP collector with its faults, as a process: `status` is what it answers while `failures` last, with
 * `retryAfter` as its header; `rejects` is how many spans of each batch it says it rejected, `echo` repeats the key.
 */
import { type FakeServer, type Received, serveFake, startFakeServer } from "../model-servers/fake-server.ts";

export const startOtlpCollector = (): Promise<FakeServer> => startFakeServer("../clients/otlp-collector.ts");

export interface CollectedSpan {
  traceId: string;
  spanId: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
  status: { code: number; message?: string };
}

/** The spans of one request. */
export const spansOf = ({ body }: Received): CollectedSpan[] => {
  const { resourceSpans } = body as { resourceSpans: { scopeSpans: { spans: CollectedSpan[] }[] }[] };
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
};

if (import.meta.main)
  serveFake(({ path, headers }, { settings, json, text, failing }) => {
    const { status = 200, retryAfter, location, rejects, echo } = settings;
    if (path === "/elsewhere") return json(200, {});
    if (Number(status) >= 300 && failing()) {
      const more: Record<string, string> = {
        ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
        ...(location !== undefined && { location: String(location) }),
      };
      return json(Number(status), { message: `refused with ${headers.authorization}` }, more);
    }
    if (settings.plain) return text(200, "ok");
    if (rejects === undefined) return json(200, {});
    const errorMessage = echo ? `not with ${headers.authorization}` : "too old";
    return json(200, { partialSuccess: { rejectedSpans: String(rejects), errorMessage } });
  });
