/** An OTLP collector in this process: keeps the spans that it is sent, with the service that sent them. */

export interface CollectedSpan {
  service: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  status: { code: number };
}

interface Body {
  resourceSpans: {
    resource: { attributes: { key: string; value: { stringValue?: string } }[] };
    scopeSpans: { spans: CollectedSpan[] }[];
  }[];
}

export function startCollector() {
  const spans: CollectedSpan[] = [];
  const watchers = new Set<() => void>();
  const parents: (string | null)[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      parents.push(request.headers.get("traceparent"));
      for (const { resource, scopeSpans } of ((await request.json()) as Body).resourceSpans) {
        const service =
          resource.attributes.find(({ key }) => key === "service.name")?.value.stringValue ?? "";
        for (const span of scopeSpans.flatMap(({ spans: all }) => all)) spans.push({ ...span, service });
      }
      for (const watch of [...watchers]) watch();
      return Response.json({});
    },
  });
  return {
    port: server.port,
    /** Of each export. */
    parents: parents as readonly (string | null)[],
    stop: (isAtOnce: boolean) => server.stop(isAtOnce),
    /** Resolves with the trace's spans once these are among them. */
    until: (traceId: string, names: readonly string[]): Promise<CollectedSpan[]> =>
      new Promise((resolve) => {
        const watch = () => {
          const found = spans.filter((span) => span.traceId === traceId);
          if (!names.every((name) => found.some((span) => span.name === name))) return;
          watchers.delete(watch);
          resolve(found);
        };
        watchers.add(watch);
        watch();
      }),
  };
}
