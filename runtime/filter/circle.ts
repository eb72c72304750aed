/** Places on the earth, and circles around them. */
import { invalidField } from "../errors/errors.ts";
import { isObject } from "../json/json.ts";

interface Place {
  /** Degrees, north and east positive. */
  lat: number;
  lon: number;
}

export interface Circle extends Place {
  radiusM: number;
}

/** The mean radius of the earth in metres (IUGG): distances on the sphere are within 0.6 % of those on the ellipsoid. */
const earthM = 6_371_008.8;

const isDegrees = (value: unknown, most: number): value is number =>
  typeof value === "number" && Math.abs(value) <= most;

/** The place that an object of metadata says, `{lat, lon}`; undefined where it says none. */
export const placeOf = ({ lat, lon }: Record<string, unknown>): Place | undefined =>
  isDegrees(lat, 90) && isDegrees(lon, 180) ? { lat, lon } : undefined;

/** Whether a place lies in the circle, its edge included: by the haversine formula. */
export function isInside(place: Place, { lat, lon, radiusM }: Circle): boolean {
  const radians = (degrees: number) => (degrees * Math.PI) / 180;
  const halfSine = (degrees: number) => Math.sin(radians(degrees) / 2) ** 2;
  const chord =
    halfSine(place.lat - lat) +
    Math.cos(radians(lat)) * Math.cos(radians(place.lat)) * halfSine(place.lon - lon);
  return 2 * earthM * Math.asin(Math.sqrt(Math.min(1, chord))) <= radiusM;
}

/** `{lat, lon, radius_m}`. Throws `invalid_field` naming the place of what is wrong. */
export function parseCircle(operand: unknown, place: string): Circle {
  if (!isObject(operand))
    throw invalidField(place, 'expected {"lat": degrees, "lon": degrees, "radius_m": metres}');
  const { lat, lon, radius_m: radiusM, ...rest } = operand;
  const [stray] = Object.keys(rest);
  if (stray !== undefined)
    throw invalidField(`${place}.${stray.slice(0, 100)}`, "expected lat, lon and radius_m alone");
  if (!isDegrees(lat, 90)) throw invalidField(`${place}.lat`, "expected degrees from -90 to 90");
  if (!isDegrees(lon, 180)) throw invalidField(`${place}.lon`, "expected degrees from -180 to 180");
  if (typeof radiusM !== "number" || !(radiusM >= 0) || radiusM === Number.POSITIVE_INFINITY)
    throw invalidField(`${place}.radius_m`, "expected metres, 0 or more");
  return { lat, lon, radiusM };
}
