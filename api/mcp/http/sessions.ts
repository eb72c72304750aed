/** Sessions of the older protocol: bounded in number, and by how long they may be idle. */
import { type Server, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { createSentEvents } from "./events.ts";

export interface SessionLimits {
  sessionsMax: number;
  idleMs: number;
  /** For what was sent, of all sessions. */
  replayBytesMax: number;
}

interface Session {
  transport: WebStandardStreamableHTTPServerTransport;
  /** Requests and streams that are open. */
  open: number;
  /** On the monotonic clock: when the last of them ended. */
  since: number;
  forget: () => void;
}

interface SessionsOptions extends SessionLimits {
  create: (id: string) => Server;
  clock: Pick<Clock, "elapsed" | "after">;
  /** Told of messages that are no part of the protocol. */
  onerror: (cause: Error) => void;
}

export interface Sessions {
  /** Undefined when there is none of this id. */
  find: (id: string) => Session | undefined;
  /** Throws `too_many_requests` when every session has something open. */
  begin: () => Promise<Session>;
  /** Answers a request of the session. */
  answer: (session: Session, request: Request, message: unknown) => Promise<Response>;
  count: () => number;
  /** Ends the streams that only wait for what may come; calls go on. */
  endWaiting: () => void;
  stop: () => Promise<void>;
}

/** How often idle sessions are looked for, as a part of the time that they may be idle. */
const lookPart = 1 / 4;

export function createSessions({
  create,
  clock,
  onerror,
  sessionsMax,
  idleMs,
  replayBytesMax,
}: SessionsOptions): Sessions {
  const sessions = new Map<string, Session>();
  const events = createSentEvents(replayBytesMax);
  const isIdle = ({ open }: Session) => open === 0;
  const end = (session: Session) => session.transport.close().catch(onerror);

  let stopLooking: (() => void) | undefined;
  const look = () => {
    for (const session of sessions.values())
      if (isIdle(session) && clock.elapsed() - session.since >= idleMs) void end(session);
    stopLooking = sessions.size > 0 ? clock.after(idleMs * lookPart, look) : undefined;
  };

  /** The longest idle one goes for a new one: many clients never say that they are done. */
  const makeRoom = async () => {
    if (sessions.size < sessionsMax) return;
    const [oldest] = [...sessions.values()].filter(isIdle).sort((a, b) => a.since - b.since);
    if (!oldest)
      throw fail(
        "too_many_requests",
        `all ${sessionsMax} MCP sessions are in use: end one, or try again later`,
        {
          retryAfterSeconds: 10,
        },
      );
    await end(oldest);
  };

  const begin = async () => {
    await makeRoom();
    const id = crypto.randomUUID();
    const { store, forget } = events.ofSession();
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      eventStore: store,
    });
    const session: Session = { transport, open: 0, since: clock.elapsed(), forget };
    await create(id).connect(transport);
    const inner = transport.onclose;
    transport.onclose = () => {
      sessions.delete(id);
      forget();
      inner?.();
    };
    sessions.set(id, session);
    stopLooking ??= clock.after(idleMs * lookPart, look);
    return session;
  };

  const answer = async (session: Session, request: Request, message: unknown) => {
    session.open++;
    const leave = () => {
      session.open--;
      session.since = clock.elapsed();
    };
    try {
      return watched(await session.transport.handleRequest(request, { parsedBody: message }), leave);
    } catch (cause) {
      leave();
      throw cause;
    }
  };

  return {
    find: (id) => sessions.get(id),
    begin,
    answer,
    count: () => sessions.size,
    endWaiting: () => {
      for (const { transport } of sessions.values()) transport.closeStandaloneSSEStream();
    },
    stop: async () => {
      stopLooking?.();
      await Promise.all([...sessions.values()].map(end));
    },
  };
}

/** The same answer; `done` is called once, when its body has ended or nobody reads it any more. */
function watched(response: Response, done: () => void): Response {
  const body = response.body?.getReader();
  if (!body) {
    done();
    return response;
  }
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { value, done: isOver } = await body.read();
        if (!isOver) return controller.enqueue(value);
        done();
        controller.close();
      },
      cancel: (reason) => {
        done();
        return body.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(stream, { status: response.status, headers: response.headers });
}
