/** Asks one service of a running Lakehouse to read again what it keeps. */
import type { Finding, Progress } from "../../runtime/durable.ts";

export interface Gateway {
  url: string;
  token: string;
}

/** Nothing can be checked at all; the message says why and what to do. */
export class Unreachable extends Error {}

export interface Listener {
  finding: (finding: Finding) => void;
  progress: (progress: Progress) => void;
}

/** The gateway's own door is at its port; the others are behind it. */
const pathOf = (service: string): string =>
  service === "gateway" ? "/durable/gateway/inspect" : `/v1/durable/${service}/inspect`;

const send = ({ url, token }: Gateway, path: string): Promise<Response> => {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  // An inspection takes as long as it takes, and a proxy has no business with the token of this machine.
  const isLocal = /^https?:\/\/(localhost|127\.|\[::1\])/.test(url);
  return fetch(url + path, { headers, timeout: false, ...(isLocal && { proxy: false }) } as RequestInit);
};

/** Whether a Lakehouse answers there. */
export async function isRunning(gateway: Gateway): Promise<boolean> {
  try {
    const health = await (await send(gateway, "/health")).text();
    if (/"service":\s*"gateway"/.test(health)) return true;
  } catch {
    return false;
  }
  throw new Unreachable(`${gateway.url} is not the gateway of a Lakehouse: name it with --gateway URL`);
}

/**
 * Tells the listener what the service finds as it comes. Resolves to why the service could not be checked to its end;
 * undefined when it was. Throws Unreachable when no other service could be checked either.
 */
export async function inspectService(
  gateway: Gateway,
  service: string,
  listener: Listener,
): Promise<string | undefined> {
  let response: Response;
  try {
    response = await send(gateway, pathOf(service));
  } catch (cause) {
    throw new Unreachable(`${gateway.url} does not answer any more: ${(cause as Error).message}`);
  }
  if (!response.ok) return refusal(gateway, service, response);
  let count = 0;
  try {
    for await (const line of linesOf(response)) {
      if ("finding" in line) listener.finding(line.finding as Finding);
      if ("progress" in line) listener.progress(line.progress as Progress);
      if (isEnd(line, count)) return undefined;
      count += 1;
    }
    return broken("its answer ended without an end");
  } catch (cause) {
    return broken(`its answer broke off (${(cause as Error).message})`);
  }
}

const isEnd = (line: object, count: number): boolean =>
  "end" in line && (line.end as { count?: number }).count === count;

const broken = (what: string): string =>
  `${what}: not everything was checked. See the log of the service, and ask again`;

async function refusal(gateway: Gateway, service: string, response: Response): Promise<string> {
  const { url } = gateway;
  const text = await response.text();
  const message = messageIn(text) ?? text.slice(0, 300);
  if (response.status === 401)
    throw new Unreachable(
      `${url} refuses the token: ${message}. Set AUTH_TOKEN, or auth.token in --config FILE`,
    );
  if (response.status === 403) throw new Unreachable(`${url} refuses this machine: ${message}`);
  return `${response.status}: ${message}${await whyDown(gateway, service)}`;
}

/** What the supervisor knows of a service that does not serve. */
async function whyDown(gateway: Gateway, service: string): Promise<string> {
  try {
    const { services } = (await (await send(gateway, "/v1/system")).json()) as System;
    const { state, last_error } = services.find(({ name }) => name === service) ?? {};
    return state === undefined || state === "ready" ? "" : `; it is ${state}: ${last_error ?? "see its log"}`;
  } catch {
    return "";
  }
}

interface System {
  services: { name: string; state: string; last_error?: string }[];
}

function messageIn(text: string): string | undefined {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return undefined;
  }
}

/** Lines of JSON as they come. A last one without a line end is no line. */
async function* linesOf({ body }: Response): AsyncGenerator<object> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
}
