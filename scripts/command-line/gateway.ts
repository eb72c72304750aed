/** The durable endpoints of the services, as `fsck` and `backup` call them through the gateway. */

export interface Gateway {
  /** As http://127.0.0.1:3110. */
  url: string;
  token: string;
}

/** The gateway's own endpoint is at its root; the others are behind it. */
const durablePath = (service: string): string =>
  service === "gateway" ? "/durable/gateway" : `/v1/durable/${service}`;

/** Requests a path of the gateway, without a timeout; rejects when nothing answers. */
export function ask({ url, token }: Gateway, path: string, method = "GET"): Promise<Response> {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  // A proxy must not see the token of this machine.
  const isLocal = /^https?:\/\/(localhost|127\.|\[::1\])/.test(url);
  const init = { method, headers, timeout: false, ...(isLocal && { proxy: false }) };
  return fetch(url + path, init as RequestInit);
}

/** Requests a path of a service's durable endpoints, such as `/inspect`. */
export const askDurable = (
  gateway: Gateway,
  service: string,
  path: string,
  method?: string,
): Promise<Response> => ask(gateway, durablePath(service) + path, method);

/** An answer that ended early: the service reported an error, or the connection broke. */
export class IncompleteAnswer extends Error {}

/** NDJSON lines as they arrive, without the end marker. Throws IncompleteAnswer when the marker is missing or counts other lines. */
export async function* linesOf({ body }: Response): AsyncGenerator<object> {
  const decoder = new TextDecoder();
  let rest = "";
  let count = 0;
  try {
    for await (const chunk of body ?? []) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const text of lines) {
        const line = JSON.parse(text) as { end?: { count: number }; error?: { message: string } };
        if (line.error) throw new IncompleteAnswer(line.error.message);
        if (line.end && line.end.count === count) return;
        if (line.end) throw new IncompleteAnswer(`it counts ${line.end.count} lines, and ${count} arrived`);
        count += 1;
        yield line;
      }
    }
  } catch (cause) {
    if (cause instanceof IncompleteAnswer) throw cause;
    throw new IncompleteAnswer((cause as Error).message, { cause });
  }
  throw new IncompleteAnswer("it ended without an end");
}
