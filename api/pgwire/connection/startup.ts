/** How a connection begins: encryption, a start or a cancellation, and who it is. */
import type { SecureContext } from "node:tls";
import {
  backend,
  readStartup,
  SqlFailure,
  type Startup,
  startupCodes,
  textOf,
} from "../protocol/protocol.ts";
import { type Credentials, wrongPassword } from "./scram.ts";
import type { Wire } from "./wire.ts";

export interface Greeting {
  /** Absent where no certificate is given. */
  tls: SecureContext | undefined;
  credentials: Credentials;
  method: "scram" | "cleartext";
  /** Whether what goes in the clear stays on this machine. */
  isLocal: boolean;
  /** Throws where the address may not call. */
  admit: (address: string | undefined) => void;
  timeoutMs: number;
  /** Longest message once the client is known. */
  messageBytesMax: number;
}

/** The longest message of a client that is not known yet. */
const passwordBytesMax = 10_000;

/** The start of a client that may come in, or the cancellation that it asks for. Throws `SqlFailure` with the refusal. */
export async function greet(wire: Wire, greeting: Greeting): Promise<Startup> {
  const startup = await firstMessage(wire, greeting);
  if (startup.code === startupCodes.cancel) return startup;
  if (startup.code >> 16 !== 3)
    throw new SqlFailure("0A000", `protocol version ${startup.code >> 16}: expected 3.0`, true);
  const options = [...startup.settings.keys()].filter((name) => name.startsWith("_pq_."));
  if ((startup.code & 0xffff) > 0 || options.length > 0) wire.put(backend.negotiateVersion(options));
  greeting.admit(wire.address);
  wire.begin(passwordBytesMax);
  if (greeting.credentials.isNeeded()) await authenticate(wire, greeting);
  wire.put(backend.authenticationOk);
  wire.begin(greeting.messageBytesMax);
  return startup;
}

/** Clients that want encryption ask for it first; each kind once. */
async function firstMessage(wire: Wire, { tls, timeoutMs }: Greeting): Promise<Startup> {
  for (let asked = 0; asked < 3; asked++) {
    const startup = readStartup((await wire.next(timeoutMs)).body);
    const isSsl = startup.code === startupCodes.ssl;
    if (!isSsl && startup.code !== startupCodes.gssapi) return startup;
    // What was sent in the clear before must not be taken for what is sent encrypted.
    if (wire.held() > 0) throw new SqlFailure("08P01", "bytes came before the answer to SSLRequest", true);
    const secures = isSsl && tls !== undefined && !wire.isSecure();
    wire.put(Buffer.from(secures ? "S" : "N"));
    await wire.flush();
    if (secures) wire.secure(tls);
  }
  throw new SqlFailure("08P01", "expected a start after SSLRequest and GSSENCRequest", true);
}

const mechanism = "SCRAM-SHA-256";

async function authenticate(
  wire: Wire,
  { credentials, method, isLocal, timeoutMs }: Greeting,
): Promise<void> {
  const answer = async (): Promise<Buffer> => {
    await wire.flush();
    const { letter, body } = await wire.next(timeoutMs);
    if (letter !== "p") throw new SqlFailure("08P01", "expected a password", true);
    return body;
  };
  if (method === "cleartext") {
    if (!isLocal && !wire.isSecure())
      throw new SqlFailure("28000", "a password in the clear needs TLS: connect with sslmode=require", true);
    wire.put(backend.authenticationCleartext);
    const body = await answer();
    if (!credentials.matches(textOf(body.subarray(0, Math.max(0, body.length - 1))))) throw wrongPassword();
    return;
  }
  wire.put(backend.authenticationSasl(mechanism));
  const first = await answer();
  const end = first.indexOf(0);
  if (textOf(first.subarray(0, Math.max(0, end))) !== mechanism)
    throw new SqlFailure("08P01", `expected the mechanism ${mechanism}`, true);
  const exchange = credentials.exchange();
  wire.put(backend.saslContinue(exchange.first(textOf(first.subarray(end + 5)))));
  wire.put(backend.saslFinal(exchange.final(textOf(await answer()))));
}
