/** What watches a service asks: whether it lives, whether it is ready, its metrics, and what it logged lately. */
import { jsonResponse } from "../bodies/bodies.ts";
import type { HttpMethod } from "../contract/contract.ts";
import { type Metrics, recentLines } from "../telemetry/telemetry.ts";
import type { Excused, Handler } from "./guard.ts";

export interface HealthDeps {
  name: string;
  notReady: () => string[] | Promise<string[]>;
  metrics: Metrics;
}

export function addHealth(
  add: (method: HttpMethod, pattern: string, handler: Handler, options: Excused) => void,
  deps: HealthDeps,
): void {
  const health = () => jsonResponse({ status: "ok", service: deps.name });
  const ready = async () => {
    const reasons = await deps.notReady();
    return jsonResponse({ ready: reasons.length === 0, reasons }, {}, reasons.length === 0 ? 200 : 503);
  };
  const metrics = () =>
    new Response(deps.metrics.text(), {
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    });
  const log = () =>
    new Response(recentLines().join(""), {
      headers: { "content-type": "application/x-ndjson", "cache-control": "no-store" },
    });
  for (const method of ["GET", "HEAD"] as const) {
    add(method, "/health", health, { open: true, unlimited: true });
    add(method, "/livez", health, { open: true, unlimited: true });
    add(method, "/readyz", ready, { unlimited: true });
    add(method, "/metrics", metrics, { unlimited: true });
    add(method, "/log", log, { unlimited: true });
  }
}
