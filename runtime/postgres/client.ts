/** Connections to a PostgreSQL server, by Bun's own client. */
import { SQL } from "bun";

/** `postgres://user@host:port/database`, with `sslmode=require` or `verify-full`, and `host=/folder` of a socket. */
export function connectPostgres({
  url,
  password,
  connections,
  timeoutMs,
}: {
  url: string;
  password: string | undefined;
  connections: number;
  timeoutMs: number;
}): SQL {
  const at = new URL(url);
  const [socket, mode] = [at.searchParams.get("host"), at.searchParams.get("sslmode") ?? ""];
  const port = at.port || "5432";
  return new SQL({
    adapter: "postgres",
    ...(socket ? { path: `${socket}/.s.PGSQL.${port}` } : { hostname: at.hostname, port: Number(port) }),
    username: decodeURIComponent(at.username) || "postgres",
    database: decodeURIComponent(at.pathname.slice(1)) || "postgres",
    ...(password !== undefined && { password }),
    ...(["require", "verify-full"].includes(mode) && { tls: { rejectUnauthorized: mode === "verify-full" } }),
    max: connections,
    connectionTimeout: Math.max(1, Math.ceil(timeoutMs / 1000)),
    connection: { application_name: "lakehouse" },
  });
}
