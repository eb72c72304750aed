/** What every service that listens has: where, how many callers at once, and how long it waits for them. */
import { address, bytes, flag, GiB, integer, KiB, MiB, minute, ms, second, text, url } from "./setting.ts";

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
