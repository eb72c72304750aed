/** SCRAM-SHA-256 (RFC 5802, RFC 7677): the client shows that it has a token without sending it. */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";
import { tokensOf } from "../../../runtime/auth/auth.ts";
import type { Config } from "../../../runtime/config/config.ts";
import { protocolViolation, SqlFailure } from "../protocol/protocol.ts";

export interface Credentials {
  /** Whether there are tokens at all. */
  isNeeded: () => boolean;
  /** Whether the text is one of the tokens. */
  matches: (password: string) => boolean;
  /** One exchange: what answers the client's first message, and then its last. Throws `28P01`. */
  exchange: () => { first: (message: string) => string; final: (message: string) => string };
}

/** PostgreSQL's own default (`SCRAM_SHA_256_DEFAULT_ITERATIONS`). */
const iterations = 4096;
const mac = (key: Uint8Array, text: string): Buffer => createHmac("sha256", key).update(text).digest();
const hash = (bytes: Uint8Array | string): Buffer => createHash("sha256").update(bytes).digest();

interface Secrets {
  auth: Config["auth"];
  salt: Buffer;
  tokens: Buffer[];
  /** Of each token; one matches. */
  keys: { stored: Buffer; server: Buffer }[];
}

/** `current` gives the rules of the moment: tokens may be rotated while clients come. */
export function createCredentials(current: () => Config["auth"]): Credentials {
  let made: Secrets | undefined;
  const secrets = (): Secrets => {
    const auth = current();
    if (made?.auth === auth) return made;
    const salt = randomBytes(16);
    const all = tokensOf(auth);
    const keys = all.map((token) => {
      const salted = pbkdf2Sync(token, salt, iterations, 32, "sha256");
      return { stored: hash(mac(salted, "Client Key")), server: mac(salted, "Server Key") };
    });
    made = { auth, salt, keys, tokens: all.map(hash) };
    return made;
  };
  return {
    isNeeded: () => tokensOf(current()).length > 0,
    matches: (password) =>
      secrets()
        .tokens.map((token) => timingSafeEqual(token, hash(password)))
        .includes(true),
    exchange: () => {
      const { salt, keys } = secrets();
      let firstBare = "";
      let header = "";
      let offered = "";
      let nonce = "";
      return {
        first: (message) => {
          const [, gs2 = "", bare = "", given] =
            /^((?:n|y),(?:a=[^,]*)?,)((?:m=[^,]*,)?n=[^,]*,r=([^,]+).*)$/s.exec(message) ?? [];
          if (given === undefined) throw protocolViolation("SASL: expected a first message of SCRAM-SHA-256");
          header = gs2;
          firstBare = bare;
          nonce = given + randomBytes(18).toString("base64");
          offered = `r=${nonce},s=${salt.toString("base64")},i=${iterations}`;
          return offered;
        },
        final: (message) => {
          const [, withoutProof = "", channel, given, proof = ""] =
            /^(c=([^,]*),r=([^,]*)(?:,.*)?),p=([A-Za-z0-9+/=]+)$/s.exec(message) ?? [];
          if (given !== nonce || channel !== Buffer.from(header).toString("base64"))
            throw protocolViolation("SASL: the last message does not belong to the first");
          const signed = `${firstBare},${offered},${withoutProof}`;
          // Every token is compared, so that timing does not reveal which one matched.
          const found = keys.map(({ stored, server }) =>
            isProof(proof, stored, signed) ? server : undefined,
          );
          const server = found.find((key) => key !== undefined);
          if (!server) throw wrongPassword();
          return `v=${mac(server, signed).toString("base64")}`;
        },
      };
    },
  };
}

function isProof(proof: string, stored: Buffer, signed: string): boolean {
  const signature = mac(stored, signed);
  const given = Buffer.from(proof, "base64");
  if (given.length !== signature.length) return false;
  const key = given.map((byte, at) => byte ^ (signature[at] as number));
  return timingSafeEqual(hash(key), stored);
}

export const wrongPassword = (): SqlFailure =>
  new SqlFailure("28P01", "the password is no valid token", true);
