/** The services behind the gateway, under /v1, in the order of the API page. */
import { catalogd } from "../../workers/catalogd/contract.ts";
import { chatd } from "../../workers/chatd/contract.ts";
import { embedd } from "../../workers/embedd/contract.ts";
import { ingestd } from "../../workers/ingestd/contract.ts";
import { matrixd } from "../../workers/matrixd/contract.ts";
import { observerd } from "../../workers/observerd/contract.ts";
import { pathwayd } from "../../workers/pathwayd/contract.ts";
import { queryd } from "../../workers/queryd/contract.ts";
import { storaged } from "../../workers/storaged/contract.ts";
import { vectord } from "../../workers/vectord/contract.ts";

export const mounted = {
  ingestd,
  catalogd,
  queryd,
  vectord,
  embedd,
  pathwayd,
  matrixd,
  observerd,
  chatd,
  storaged,
};
export type Mounted = typeof mounted;
