/** Where programs of others find objects: as paths of a disk, or in S3. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import type { Storaged } from "../../storaged/contract.ts";

type Asked = Peer<Storaged>["verbs"]["place"];
export type Place = Awaited<ReturnType<Asked>>;

/** The address of a bucket. Paths are as they are: readers of Iceberg do not decode them. */
export const rootOf = (place: Place): string => (place.kind === "local" ? `file://${place.path}` : place.url);

/** Addresses of objects by the keys of the catalog, which may name another bucket. Each bucket is asked for once. */
export function createPlaces(ask: Asked): {
  primary: () => Promise<Place>;
  uriOf: (key: string) => Promise<string>;
} {
  const known = new Map<string, Promise<Place>>();
  const placeOf = (bucket: string): Promise<Place> => {
    let asked = known.get(bucket);
    if (!asked) {
      asked = ask({ bucket });
      // What failed is asked for again; who asked now hears of it.
      asked.catch(() => known.delete(bucket));
      known.set(bucket, asked);
    }
    return asked;
  };
  return {
    primary: () => placeOf("primary"),
    uriOf: async (key) => {
      const [, bucket = "primary", rest = key] = /^([A-Za-z0-9][A-Za-z0-9._-]*):\/\/(.*)$/s.exec(key) ?? [];
      return `${rootOf(await placeOf(bucket))}/${rest}`;
    },
  };
}
