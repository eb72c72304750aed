/**
 * What every service that listens has: where, how many callers at once, and how long it waits for them; who may call, and
 * the door of PostgreSQL.
 */
import {
  address,
  addresses,
  bytes,
  choice,
  flag,
  GiB,
  integer,
  KiB,
  list,
  MiB,
  minute,
  ms,
  second,
  text,
  token,
  url,
} from "./setting.ts";

export const listening = (bind: string) => ({
  bind: text(bind, "address and port to listen on", address),
  url: text("", "where callers in other processes reach it; empty: http:// and the bind address", url),
  allow_nonloopback: flag(false, "start on a non-loopback address even without auth.token"),
  max_connections: integer(
    1024,
    [1, 65_535],
    "requests served at once, without those whose body is awaited; more get 503",
  ),
  max_requests_per_address: integer(
    4096,
    [1, 1_000_000],
    "requests of one address at once, with those whose body is awaited; more get 429",
  ),
  head_timeout_ms: integer(
    minute,
    [second, 255 * second],
    "how long a connection may stay without a whole request head, also between requests",
  ),
  body_timeout_ms: ms(
    minute,
    [10, 24 * 60 * minute],
    "longest silence of a caller whose body is awaited",
    "; bodies of up to 64 KiB are whole by then",
  ),
  max_json_bytes: bytes(8 * MiB, [KiB, GiB], "largest JSON request body"),
});

/** `[pgwire]`: PostgreSQL's wire protocol, served by the gateway. */
export const pgwireSettings = {
  bind: text("", "address and port for clients of PostgreSQL, as 127.0.0.1:3223; empty: none", {
    pattern: /^((\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):\d{1,5})?$/,
    expected: "host:port, as 127.0.0.1:3223 or [::1]:3223, or nothing",
  }),
  allow_nonloopback: flag(false, "start on a non-loopback address even without auth.token"),
  auth_method: choice(
    "scram",
    ["scram", "cleartext"],
    "how a client shows its token, which is its password; cleartext: on loopback or with TLS alone",
  ),
  tls_cert_file: text(
    "",
    "PEM file of the certificate for TLS, with those that it depends on; empty: no TLS",
  ),
  tls_key_file: text("", "PEM file of its private key"),
  max_connections: integer(256, [1, 65_535], "clients at once; more are refused"),
  max_message_bytes: bytes(
    8 * MiB,
    [64 * KiB, GiB],
    "longest message of a client: a statement, its parameters",
  ),
  startup_timeout_ms: ms(
    10 * second,
    [100, 10 * minute],
    "how long a client may take for each message before it is known",
  ),
  idle_timeout_ms: ms(60 * minute, [second, 24 * 60 * minute], "longest silence between messages"),
  write_timeout_ms: ms(minute, [100, 60 * minute], "how long a client may not read what it is sent"),
};

/** The section `[auth]`: who may call. */
export const authSettings = {
  token: text("", "bearer token every request must carry; empty: none", { ...token, secret: true }),
  env_file: text(
    "",
    "file of AUTH_TOKEN= and AUTH_SECONDARY_TOKEN= lines that a reload reads again; it stands in for the environment",
  ),
  token_env: text("AUTH_TOKEN", "environment variable that gives the token when auth.token is empty", {
    pattern: /^[A-Za-z_][A-Za-z0-9_]*$/,
    expected: "the name of a variable",
  }),
  secondary_tokens: list([], "tokens accepted beside the first, while rotating", { ...token, secret: true }),
  allowed_ips: list([], "addresses or CIDRs that may call; empty: all", addresses),
  trusted_proxies: list([], "addresses or CIDRs of proxies whose X-Forwarded-For is believed", addresses),
};
