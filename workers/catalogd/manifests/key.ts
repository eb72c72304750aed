/** Where manifests are: `_catalog/manifests/<name>/v<8 digits>.parquet` in bucket `primary`. */
import { openNameForm } from "../schemas/schemas.ts";

export const manifestPrefix = "_catalog/manifests/";

/** The folder of one dataset's versions, with its `/`. */
export const manifestFolder = (name: string): string => `${manifestPrefix}${name}/`;

export const manifestKey = (name: string, version: number): string =>
  `${manifestFolder(name)}v${String(version).padStart(8, "0")}.parquet`;

const form = new RegExp(
  `^_catalog/manifests/([A-Za-z_][A-Za-z0-9_]{0,127}|${openNameForm})/v(\\d{8})\\.parquet$`,
);

/** The inverse of `manifestKey`; undefined for a key that is no manifest's. */
export function parseManifestKey(key: string): { name: string; version: number } | undefined {
  const [, name, digits] = form.exec(key) ?? [];
  const version = Number(digits);
  return name === undefined || version === 0 ? undefined : { name, version };
}
