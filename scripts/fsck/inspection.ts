/** Has one service of a running Lakehouse inspect its stored data. */
import type { Finding, Progress } from "../../runtime/durable/durable.ts";
import { ask, askDurable, type Gateway, IncompleteAnswer, linesOf } from "../command-line/command-line.ts";

/** No service can be inspected; the message says why and what to do. */
export class Unreachable extends Error {}

interface Listener {
  finding: (finding: Finding) => void;
  progress: (progress: Progress) => void;
}

/** Whether a Lakehouse answers there. */
export async function isRunning(gateway: Gateway): Promise<boolean> {
  try {
    const health = await (await ask(gateway, "/health")).text();
    if (/"service":\s*"gateway"/.test(health)) return true;
  } catch {
    // Nobody there: the caller says so, and starts a product of its own.
    return false;
  }
  throw new Unreachable(`${gateway.url} is not the gateway of a Lakehouse: name it with --gateway URL`);
}

/**
 * Passes the findings of the service to the listener as they arrive. Resolves to why the service could not be checked to its end;
 * undefined when it was. Throws Unreachable when no other service could be checked either.
 */
export async function inspectService(
  gateway: Gateway,
  service: string,
  listener: Listener,
): Promise<string | undefined> {
  let response: Response;
  try {
    response = await askDurable(gateway, service, "/inspect");
  } catch (cause) {
    throw new Unreachable(`${gateway.url} does not answer any more: ${(cause as Error).message}`);
  }
  if (!response.ok) return refusal(gateway, service, response);
  try {
    for await (const line of linesOf(response)) {
      if ("finding" in line) listener.finding(line.finding as Finding);
      if ("progress" in line) listener.progress(line.progress as Progress);
    }
    return undefined;
  } catch (cause) {
    if (cause instanceof IncompleteAnswer) return broken(cause.message);
    throw cause;
  }
}

const broken = (why: string): string =>
  `its answer broke off (${why}): not everything was checked. See the log of the service, and ask again`;

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
    const { services } = (await (await ask(gateway, "/v1/system")).json()) as System;
    const { state, last_error } = services.find(({ name }) => name === service) ?? {};
    return state === undefined || state === "ready" ? "" : `; it is ${state}: ${last_error ?? "see its log"}`;
  } catch {
    // Only details of a refusal that is reported anyway.
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
    // Not an error of ours: its text is shown as it is.
    return undefined;
  }
}
