/** An endpoint and its input as an HTTP request: what of the one input object stands in path, query and body. */
import type { TObject } from "@sinclair/typebox";
import { type Place, placesOf, prefixOf, type Raw, type Verb } from "../../../runtime/contract/contract.ts";

type Input = Readonly<Record<string, unknown>>;

/** Path and query of a call, as `/v1/catalog/manifest/jobs?version=2`. */
export function requestPath(endpoint: Verb | Raw, input: Input, prefix: string): string {
  const place = placeOf(endpoint, input);
  const path = prefixOf(endpoint, prefix) + filled(place.path, input);
  const query = new URLSearchParams(given(place.query, input).flatMap(pairs));
  return query.size > 0 ? `${path}?${query}` : path;
}

/** The fields of the input that the body has, where the endpoint has a body. */
export const bodyOf = ({ body }: Verb, input: Input): string | undefined =>
  body && JSON.stringify(Object.fromEntries(given(body, input)));

const given = (schema: TObject | undefined, input: Input): [string, unknown][] =>
  Object.keys(schema?.properties ?? {}).flatMap((name): [string, unknown][] =>
    input[name] === undefined ? [] : [[name, input[name]]],
  );

/** A list is its name several times; an object is JSON. */
const pairs = ([name, value]: [string, unknown]): [string, string][] =>
  Array.isArray(value)
    ? value.map((item): [string, string] => [name, String(item)])
    : [[name, typeof value === "object" ? JSON.stringify(value) : String(value)]];

/** The endpoint's path, or the one that takes its last name in the query: no URL holds `.` or `..` as a name. */
function placeOf(endpoint: Verb | Raw, input: Input): Place {
  const [own, byQuery] = placesOf(endpoint);
  const segments = Object.keys(endpoint.params?.properties ?? {}).flatMap((name) =>
    String(input[name]).split("/"),
  );
  const place = segments.some((segment) => /^\.\.?$/.test(segment)) ? byQuery : own;
  return place ?? own ?? endpoint;
}

const filled = (path: string, input: Input): string =>
  path
    .replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(input[name])))
    .replace(/\*$/, () => String(input.key).split("/").map(encodeURIComponent).join("/"));
