/** Resources, their completions, and notifications of what changed about them. */
import {
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  type Server,
} from "@modelcontextprotocol/server";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { type CatalogWatch, failureText } from "../gateway/gateway.ts";
import { datasetUri, type Resources } from "../tools/tools.ts";

/** Resources that one client may subscribe to. */
const subscriptionsMax = 200;

export interface ResourceParts {
  resources: Resources;
  watch: CatalogWatch;
  log: Log;
  redact: (text: string) => string;
}

/** `all`: what stands before the server knows what its client subscribed to, as with the newer protocol on stdio. */
export type Pushes = "subscribed" | "all" | "none";

export function answerResources(server: Server, parts: ResourceParts, pushes: Pushes): void {
  const { resources, redact } = parts;
  server.setRequestHandler("resources/list", ({ params }, { mcpReq }) =>
    asProtocolError(redact, () => resources.list(params?.cursor, mcpReq.signal)),
  );
  server.setRequestHandler("resources/templates/list", () => resources.templates());
  server.setRequestHandler("resources/read", async ({ params: { uri } }, { mcpReq }) => {
    const reading = resources.read(uri, mcpReq.signal);
    if (!reading) throw new ResourceNotFoundError(uri);
    return asProtocolError(redact, () => reading, uri);
  });
  const subscribed = new Set<string>();
  server.setRequestHandler("resources/subscribe", async ({ params: { uri } }, { mcpReq }) => {
    const found = resources.find(uri, mcpReq.signal);
    if (!found) throw new ResourceNotFoundError(uri);
    await asProtocolError(redact, () => found, uri);
    if (subscribed.size >= subscriptionsMax && !subscribed.has(uri))
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `this client has ${subscriptionsMax} subscriptions, and more are not taken: unsubscribe from some`,
      );
    subscribed.add(uri);
    await parts.watch.based();
    return {};
  });
  server.setRequestHandler("resources/unsubscribe", ({ params: { uri } }) => {
    subscribed.delete(uri);
    return {};
  });
  // Clients of the older protocol may be sent nothing before they send `initialized`.
  if (pushes === "subscribed")
    server.oninitialized = () => follow(server, parts, (uri) => subscribed.has(uri));
  if (pushes === "all") follow(server, parts, () => true);
}

/** Notifies of changes until the client is gone: of the list's, and of the resources that `wants` names. */
function follow(
  server: Server,
  { watch, log }: Pick<ResourceParts, "watch" | "log">,
  wants: (uri: string) => boolean,
): void {
  const send = (work: Promise<void>) =>
    void work.catch((cause) => log.debug("the client was not notified", describe(cause)));
  const leave = watch.follow((names) => {
    send(server.sendResourceListChanged());
    for (const uri of names.map(datasetUri)) if (wants(uri)) send(server.sendResourceUpdated({ uri }));
  });
  const inner = server.onclose;
  server.onclose = () => {
    leave();
    inner?.();
  };
}

/** Failures of resources have no `isError`: they are protocol errors, with the same words. */
export async function asProtocolError<T>(
  redact: ResourceParts["redact"],
  work: () => Promise<T>,
  uri?: string,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { type } = cause as { type?: string };
    if (uri !== undefined && (type === "not_found" || type === "invalid_field" || type === "invalid_name"))
      throw new ResourceNotFoundError(uri);
    const isCallers = type === "invalid_field" || type === "bad_request";
    const code = isCallers ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
    throw new ProtocolError(code, redact(failureText(cause, "resources/list has the datasets.")));
  }
}
