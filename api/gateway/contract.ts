/** The gateway's own endpoints; those of the services are mounted beside them under /v1. */
import { closed, contract, get, t } from "../../runtime/contract.ts";

export const Service = closed({
  name: t.String(),
  state: t.String({
    description: "starting, ready, not_ready, hung, restarting, failed, stopping, stopped or unreachable",
  }),
  address: t.String(),
  uptime_seconds: t.Optional(t.Number()),
  restarts: t.Optional(t.Integer()),
  last_error: t.Optional(t.String()),
});

export const gateway = contract("gateway", {
  system: get("/v1/system", {
    summary: "Every service: state, address, uptime, restarts, last error.",
    reply: closed({ ready: t.Boolean(), services: t.Array(Service) }),
  }),
});
export type Gateway = typeof gateway;
