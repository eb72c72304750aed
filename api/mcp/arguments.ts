/** The command line and environment of `bun run mcp`. */
import { readFileSync, statSync } from "node:fs";
import { parseArgs } from "node:util";

export interface Settings {
  gateway: string;
  /** Read again for each call where it comes from a file. Throws when the file is missing or readable by everyone. */
  token: () => string | undefined;
  /** Whether there are tools that load data and remember. */
  writes: boolean;
}

export const usage = `usage: bun run mcp [--gateway URL] [--token-file PATH] [--writes]
  --gateway URL      the gateway's address, http://127.0.0.1:3110 unless told
  --token-file PATH  a file with the gateway's token; without it the environment's AUTH_TOKEN
  --writes           let the client load data, add documents and remember, too
An MCP server over stdio: a client starts it. docs/mcp.md tells how.`;

const gatewayDefault = "http://127.0.0.1:3110";

/** Throws an Error that says what is wrong; no message holds a token. */
export function readArguments(
  args: readonly string[],
  env: Record<string, string | undefined>,
): Settings | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      gateway: { type: "string", default: gatewayDefault },
      "token-file": { type: "string" },
      // Declared only to be refused with a message that does not repeat it.
      token: { type: "string" },
      writes: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
    allowPositionals: false,
  });
  if (values.help) return "help";
  if (values.token !== undefined) {
    throw new Error(
      "--token is refused: command lines are visible to every user of the machine. Set AUTH_TOKEN, or give --token-file PATH",
    );
  }
  const token = tokenOf(values["token-file"], env.AUTH_TOKEN);
  token();
  return { gateway: gatewayOf(values.gateway), token, writes: values.writes };
}

function gatewayOf(text: string): string {
  const expected = "expected --gateway as http://HOST:PORT or https://HOST";
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) throw new Error(`${expected}, got '${text.slice(0, 200)}'`);
  if (url.username !== "" || url.password !== "")
    throw new Error(`${expected}, without user or password; set AUTH_TOKEN instead`);
  if (url.search !== "" || url.hash !== "") throw new Error(`${expected}, without ? and #`);
  return `${url.origin}${url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "")}`;
}

function tokenOf(path: string | undefined, fromEnv: string | undefined): () => string | undefined {
  if (path === undefined) return () => sound(fromEnv, "AUTH_TOKEN");
  return () => {
    const { mode } = statSync(path);
    if ((mode & 0o007) !== 0) throw new Error(`${path} is open to everyone: run chmod 600 ${path}`);
    const token = sound(readFileSync(path, "utf8").trim(), path);
    if (token === undefined) throw new Error(`${path} is empty; expected the gateway's token`);
    return token;
  };
}

/** The token, where it can stand in a header; undefined when it is empty. */
function sound(token: string | undefined, source: string): string | undefined {
  if (token === undefined || token === "") return undefined;
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new Error(`${source} holds spaces or characters that no token has`);
  return token;
}
