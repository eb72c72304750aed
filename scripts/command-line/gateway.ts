/** The doors of a running Lakehouse to what its services keep, as `fsck` and `backup` reach them through the gateway. */

export interface Gateway {
  /** As http://127.0.0.1:3110. */
  url: string;
  token: string;
}

/** The gateway's own door is at its port; the others are behind it. */
const doorOf = (service: string): string =>
  service === "gateway" ? "/durable/gateway" : `/v1/durable/${service}`;

/** Asks the gateway for a path. It may take as long as it takes; rejects when nobody answers. */
export function ask({ url, token }: Gateway, path: string, method = "GET"): Promise<Response> {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  // A proxy has no business with the token of this machine.
  const isLocal = /^https?:\/\/(localhost|127\.|\[::1\])/.test(url);
  const init = { method, headers, timeout: false, ...(isLocal && { proxy: false }) };
  return fetch(url + path, init as RequestInit);
}

/** Knocks at a service's door, with `path` behind its name, as `/inspect`. */
export const knock = (gateway: Gateway, service: string, path: string, method?: string): Promise<Response> =>
  ask(gateway, doorOf(service) + path, method);

/** An answer that is not whole: the service said why, or it broke off. */
export class BrokenOff extends Error {}

/** Lines of JSON as they come, without the one that ends them. Throws BrokenOff when that is missing or counts others. */
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
        if (line.error) throw new BrokenOff(line.error.message);
        if (line.end && line.end.count === count) return;
        if (line.end) throw new BrokenOff(`it tells ${line.end.count} lines, and ${count} arrived`);
        count += 1;
        yield line;
      }
    }
  } catch (cause) {
    if (cause instanceof BrokenOff) throw cause;
    throw new BrokenOff((cause as Error).message, { cause });
  }
  throw new BrokenOff("it ended without an end");
}
