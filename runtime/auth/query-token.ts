/** A token in a URL, for what can send no header: spreadsheets and dashboards. Only where the operator lets it be. */
import { type HttpRequest, searchOf } from "../contract/contract.ts";

/**
 * The request as if the token in its query had come in its header, and its URL without it: nothing behind this sees it.
 * Of reading requests alone: an address that changes something is one that a link can follow.
 */
export function withQueryToken(request: HttpRequest): HttpRequest {
  const { method, url } = request;
  if ((method !== "GET" && method !== "HEAD") || !/[?&]token=/.test(url)) return request;
  const search = searchOf(url);
  const token = search.get("token") ?? "";
  search.delete("token");
  const headers = new Headers(request.headers);
  if (!headers.has("authorization")) headers.set("authorization", `Bearer ${token}`);
  const path = url.slice(0, url.indexOf("?"));
  return {
    method,
    url: search.size > 0 ? `${path}?${search}` : path,
    headers,
    signal: request.signal,
    body: null,
    bytes: async () => new Uint8Array(),
  };
}
