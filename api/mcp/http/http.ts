/** MCP over Streamable HTTP: both protocols at one path, sessions for the older, none for the newer. */
import { createMcpHandler, isInitializeRequest, isLegacyRequest } from "@modelcontextprotocol/server";
import { readBytes } from "../../../runtime/bodies/bodies.ts";
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { parseJson } from "../../../runtime/json/json.ts";
import { createServers, type ServerParts } from "../protocol/protocol.ts";
import { datasetUri } from "../tools/tools.ts";
import { createSessions, type SessionLimits } from "./sessions.ts";

export interface McpOverHttp {
  answer: (request: HttpRequest) => Promise<Response>;
  /** Sessions there are. */
  sessions: () => number;
  /** Ends what only waits: streams of notifications. Nothing of that kind is begun any more. */
  drain: () => void;
  /** Ends every session, and the calls that are at work. */
  stop: () => Promise<void>;
}

interface Options extends SessionLimits {
  parts: ServerParts;
  /** The largest message. */
  messageBytesMax: number;
}

export function createMcpOverHttp({ parts, messageBytesMax, ...limits }: Options): McpOverHttp {
  const { clock, log, watch } = parts;
  const create = createServers(parts);
  const onerror = ({ message }: Error) => log.debug("MCP request refused", { reason: message.slice(0, 500) });
  const sessions = createSessions({ ...limits, clock, onerror, create: (id) => create(id, "subscribed") });
  const createHandler = () =>
    createMcpHandler(() => create(crypto.randomUUID(), "none"), {
      ...{ legacy: "reject", onerror, maxSubscriptions: limits.sessionsMax },
    });
  const modern = createHandler();
  // Subscriptions are streams that only wait: they have a handler of their own, which can be closed before the other.
  const subscriptions = createHandler();
  let leave: (() => void) | undefined;
  const follow = () => {
    leave ??= watch.follow((names) => {
      subscriptions.notify.resourcesChanged();
      for (const name of names) subscriptions.notify.resourceUpdated(datasetUri(name));
    });
  };
  let isDraining = false;

  const answer = async (request: HttpRequest): Promise<Response> => {
    if (isDraining && request.method === "GET") throw fail("unavailable", "the service stops");
    const { message, refusal } =
      request.method === "POST" ? await messageOf(request, messageBytesMax) : ({} as Read);
    if (refusal) return refusal;
    const sent = new Request(request.url, {
      ...{ method: request.method, headers: request.headers, signal: request.signal },
    });
    if (await isLegacyRequest(sent, message ?? null)) return answerLegacy(sent, message);
    if (!isOf(message, "subscriptions/listen")) return modern.fetch(sent, { parsedBody: message });
    follow();
    await watch.based();
    return subscriptions.fetch(sent, { parsedBody: message });
  };

  const answerLegacy = async (sent: Request, message: unknown): Promise<Response> => {
    const id = sent.headers.get("mcp-session-id");
    if (id !== null) {
      const session = sessions.find(id);
      if (session) return sessions.answer(session, sent, message);
      return refused(
        404,
        -32001,
        `there is no session '${id.slice(0, 100)}' any more: it ended, was idle for too long, or the product was restarted; send initialize again`,
      );
    }
    const isFirst = Array.isArray(message) ? message.some(isInitializeRequest) : isInitializeRequest(message);
    if (!isFirst)
      return refused(400, -32000, "expected initialize first, and then its Mcp-Session-Id in every request");
    const session = await sessions.begin();
    const response = await sessions.answer(session, sent, message);
    if (!response.ok) await session.transport.close();
    return response;
  };

  return {
    answer,
    sessions: sessions.count,
    drain: () => {
      isDraining = true;
      leave?.();
      sessions.endWaiting();
      void subscriptions.close();
    },
    stop: async () => {
      watch.stop();
      await Promise.all([modern.close(), sessions.stop()]);
    },
  };
}

const isOf = (message: unknown, method: string): boolean =>
  (message as { method?: unknown } | null)?.method === method;

/** An answer that is an error of JSON-RPC. */
const refused = (status: number, code: number, message: string, id: unknown = null): Response =>
  Response.json({ jsonrpc: "2.0", error: { code, message }, id }, { status });

interface Read {
  message?: unknown;
  refusal?: Response;
}

/** The message, or the answer to what is none. Numbers that would come back as others are refused (runtime/json). */
async function messageOf(request: HttpRequest, bytesMax: number): Promise<Read> {
  const text = new TextDecoder().decode(await readBytes(request, bytesMax));
  try {
    return { message: parseJson(text) };
  } catch (cause) {
    if (!(cause instanceof ServiceError))
      return { refusal: refused(400, -32700, `the body is not valid JSON: ${(cause as Error).message}`) };
    const { id = null } = JSON.parse(text);
    return { refusal: refused(400, -32600, cause.message, id) };
  }
}
