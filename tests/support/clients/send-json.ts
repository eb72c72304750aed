/** Sends JSON, or nothing, and gives the answer's; undefined where it has no body. Throws with its text unless it is a success. */
// biome-ignore lint/suspicious/noExplicitAny: answers of many endpoints.
export async function sendJson(url: string, method: string, body?: object): Promise<any> {
  const response = await fetch(url, {
    method,
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}
