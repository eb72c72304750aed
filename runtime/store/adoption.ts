/**
 * `--adopt=PLACE,…`: what an operator accepts as it is, though the store expected something else. Each acceptance is
 * told; nothing that it replaces is deleted.
 */
import type { Log } from "../telemetry/telemetry.ts";
import type { Adopted } from "./open.ts";

export interface Adoption {
  /**
   * To be asked about a place that would be refused, for the reason given. A bucket and a service's folder go by their
   * names, a log by its path in the data directory, as `pathwayd/traces.log`: accepting a folder accepts its logs.
   */
  adopted: Adopted;
  /** The places that would be refused, and those that were accepted. */
  asked: () => string[];
}

export function createAdoption(given: readonly string[], log: Pick<Log, "warn">): Adoption {
  const asked = new Set<string>();
  return {
    adopted: (place, reason) => {
      const folder = place.split("/")[0] ?? "";
      const isAccepted = given.includes(place) || given.includes(folder);
      const isNew = !asked.has(place);
      if (isAccepted || reason !== undefined) asked.add(place);
      if (isAccepted && isNew)
        log.warn("adopted: what is there is accepted from now on", { place, accepted: reason });
      return isAccepted;
    },
    asked: () => [...asked],
  };
}

/** Whether an accepted place is one that was asked about, or the folder of one. */
export const isUsed = (given: string, asked: readonly string[]): boolean =>
  asked.some((place) => place === given || place.startsWith(`${given}/`));
