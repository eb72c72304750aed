/** TLS, and a password in the clear: with a certificate that openssl makes here. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type PgwireCase, startPgwire } from "../../support/clients/pgwire-case.ts";

const directory = mkdtempSync(join(tmpdir(), "lakehouse-tls-"));
const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
const made = Bun.which("openssl")
  ? Bun.spawnSync([
      ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", key, "-out", cert, "-days", "30", "-subj", "/CN=localhost"],
    ]).success
  : false;
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.skipIf(!made)("with a certificate", () => {
  let server: PgwireCase;
  beforeAll(async () => {
    server = await startPgwire({
      LH_PGWIRE_TLS_CERT_FILE: cert,
      LH_PGWIRE_TLS_KEY_FILE: key,
      LH_PGWIRE_AUTH_METHOD: "cleartext",
    });
  });
  afterAll(() => server?.end());

  test("a client that asks for TLS has it, for large results too", async () => {
    const client = await server.connect({ ssl: { rejectUnauthorized: false } });
    const { rows } = await client.query(
      "SELECT count(x) AS n FROM (SELECT repeat('x', 100) AS x FROM range(50000))",
    );
    expect(rows).toEqual([{ n: "50000" }]);
    const many = await client.query("SELECT repeat('x', 100) AS x FROM range(50000)");
    expect(many.rows.length).toBe(50_000);
  });

  test("one that does not is served in the clear, on loopback", async () => {
    const client = await server.connect();
    expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  });

  test("a wrong password is refused", async () => {
    const client = new pg.Client({
      ...server.options,
      password: "wrong",
      ssl: { rejectUnauthorized: false },
    });
    expect((await client.connect().catch((error) => error)).code).toBe("28P01");
  });
});
