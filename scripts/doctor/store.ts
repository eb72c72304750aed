/** Whether what the store has begun is there: looked at, and nothing is changed. */

import type { Config } from "../../runtime/config/config.ts";
import { serviceFolder } from "../../runtime/service/service.ts";
import { type Stamped, visitStore } from "../../runtime/store/store.ts";
import { topology } from "../../runtime/topology.ts";
import { type Check, missing, ok } from "./check.ts";

const fix = "bring back what belongs there, or accept the loss as it says";

/** Why the place is not what the store has begun; undefined when it is, or where there is no store yet. */
export async function refusalOf(place: Stamped, dataDir: string): Promise<string | undefined> {
  const store = await visitStore(dataDir);
  const verdict = await store?.look(place);
  return typeof verdict === "object" ? verdict.refusal : undefined;
}

/** The folders of all services. */
export async function folders({ data_dir }: Config): Promise<Check> {
  const name = "store";
  const places = Object.keys(topology).map((service) => serviceFolder(data_dir, service));
  const refusals = await Promise.all(places.map((place) => refusalOf(place, data_dir)));
  const doubt = (await visitStore(data_dir))?.doubt;
  const found = [doubt, ...refusals].filter((reason) => reason !== undefined);
  if (found.length > 0) return missing(name, true, found.join("; "), fix);
  return ok(name, true, "every folder that was begun is there");
}
