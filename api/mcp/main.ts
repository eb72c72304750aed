/** `bun run mcp [--gateway URL]`: the product as MCP tools over stdio. Nothing but protocol reaches stdout. */
import { Console } from "node:console";
import { type ServeStdioOptions, StdioServerTransport, serveStdio } from "@modelcontextprotocol/server/stdio";
import { systemClock } from "../../runtime/scheduling/scheduling.ts";
import { createLog, describe, type Level, levels } from "../../runtime/telemetry/telemetry.ts";
import { readArguments, type Settings, usage } from "./arguments.ts";
import { createCatalogWatch, createGatewayClient, createObservation, isLoopback } from "./gateway/gateway.ts";
import { createServers, limitMessages } from "./protocol/protocol.ts";
import { createResources, createTools } from "./tools/tools.ts";

/** Longest wait for the last observations when the session ends. */
const flushTimeoutMs = 1000;

// Output of packages must not mix with the messages.
Object.assign(globalThis.console, new Console(process.stderr, process.stderr));

const level = levels.find((name) => name === process.env.LH_LOG_LEVEL) ?? ("info" satisfies Level);
const log = createLog("mcp", level);

function settingsOrExit(): Settings {
  try {
    const settings = readArguments(process.argv.slice(2), process.env);
    if (settings !== "help") return settings;
    process.stderr.write(`${usage}\n`);
    process.exit(0);
  } catch (cause) {
    process.stderr.write(`${(cause as Error).message}\n${usage}\n`);
    process.exit(2);
  }
}

/** Serves one client until it closes its end, or a signal. */
async function serve({ gateway: url, token, writes }: Settings): Promise<void> {
  const gateway = createGatewayClient({ url, token });
  const observation = createObservation({ gateway, log });
  const watch = createCatalogWatch({ gateway, clock: systemClock, log });
  const create = createServers({
    ...{
      tools: createTools(gateway, systemClock, { writes }),
      resources: createResources(gateway),
      observation,
      watch,
    },
    ...{ clock: systemClock, log, redact: (text: string) => redacted(text, token) },
  });
  const runId = crypto.randomUUID();
  const factory: Parameters<typeof serveStdio>[0] = ({ era }) =>
    create(runId, era === "modern" ? "all" : "subscribed");
  const { transport, closed } = stdio();
  const options: ServeStdioOptions = {
    transport,
    onerror: (cause) => log.warn("message not understood", { reason: cause.message.slice(0, 500) }),
  };
  const session = serveStdio(factory, options);
  if (url.startsWith("http:") && !isLoopback(url))
    log.warn("the gateway is on another machine and not behind https: token and data are sent in the clear");
  log.info("serving", { gateway: url, protocol: "MCP over stdio" });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => session.close());
  await closed();
  watch.stop();
  await Promise.race([observation.flushed(), systemClock.sleep(flushTimeoutMs)]);
}

/** The transport over this process's stdin and stdout, and its end. */
function stdio(): { transport: StdioServerTransport; closed: () => Promise<void> } {
  const limited = limitMessages(({ bytes, why, id }) => {
    log.warn("message dropped", { bytes, why });
    if (id !== undefined)
      transport.send({ jsonrpc: "2.0", id, error: { code: -32600, message: why } }).catch(() => undefined);
  });
  const transport = new StdioServerTransport(process.stdin.pipe(limited), process.stdout);
  const closed = () =>
    new Promise<void>((resolve) => {
      // serveStdio has put its own listener there, and looks at it when the transport ends.
      const inner = transport.onclose;
      transport.onclose = () => {
        inner?.();
        resolve();
      };
    });
  return { transport, closed };
}

/** A shorter one may be part of a word by chance. */
const tokenCharsMin = 6;

/** The text without the token, should anything have repeated it. */
function redacted(text: string, token: Settings["token"]): string {
  try {
    const secret = token();
    return secret === undefined || secret.length < tokenCharsMin ? text : text.replaceAll(secret, "[hidden]");
  } catch {
    return text;
  }
}

// Calls are independent: an unexpected failure of one is logged, and the session continues.
process.on("unhandledRejection", (cause) => log.error("unhandled rejection", describe(cause)));
process.on("uncaughtException", (cause) => log.error("uncaught exception", describe(cause)));

await serve(settingsOrExit());
process.exit(0);
