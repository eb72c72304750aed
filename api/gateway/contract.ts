/** The gateway's own endpoints; those of the services are mounted beside them under /v1. */
import { closed, contract, get, t } from "../../runtime/contract/contract.ts";
import { Maintenance } from "../../workers/ingestd/contract.ts";

const Service = closed({
  name: t.String(),
  state: t.String({
    description: "starting, ready, not_ready, hung, restarting, failed, stopping, stopped or unreachable",
  }),
  address: t.String(),
  uptime_seconds: t.Optional(t.Number()),
  restarts: t.Optional(t.Integer()),
  last_error: t.Optional(t.String()),
});

export const Memory = closed({
  available_bytes: t.Number({ description: "The machine's, or the least limit of its control groups." }),
  planned_bytes: t.Number({ description: "All parts together, when each is at its limit." }),
  resident_bytes: t.Number({ description: "Of this process, without its child processes." }),
  parts: t.Array(
    closed({
      name: t.String({ description: "The setting that bounds it." }),
      what: t.String(),
      limit_bytes: t.Number(),
      used_bytes: t.Optional(t.Number()),
    }),
  ),
});

export const gateway = contract("gateway", {
  system: get("/v1/system", {
    summary:
      "Every service: state, address, uptime, restarts, last error; what may be taken of memory, and is; and what maintenance did.",
    reply: closed({
      ready: t.Boolean(),
      services: t.Array(Service),
      memory: Memory,
      /** Absent while ingestd does not answer. */
      maintenance: t.Optional(Maintenance),
    }),
  }),
});
export type Gateway = typeof gateway;
