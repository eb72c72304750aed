import {
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  type Smoke,
} from "../smoke-product/smoke-product.ts";

interface System {
  ready: boolean;
  services: { name: string; state: string; address: string }[];
}

export const d1: Smoke = {
  about: "every service is up: health, readiness, metrics, one shape of errors",
  async run({ check, lake }) {
    const { send } = await lake();
    const system = await send("/v1/system");
    const { services = [] } = system.body as Partial<System>;

    await check("/v1/system lists the services as ready", () => {
      expectStatus(system, 200);
      const names = services.map(({ name }) => name);
      const missing = ["gateway", "storaged", "catalogd", "ingestd", "queryd"].filter(
        (name) => !names.includes(name),
      );
      expectEqual(missing, []);
      expectEqual(
        services.filter(({ state }) => state !== "ready"),
        [],
      );
    });
    for (const { name, address } of services) {
      await check(`${name} answers /health, /livez and /readyz`, async () => {
        const health = await send(`${address}/health`);
        expectStatus(health, 200);
        expectEqual(health.body, { status: "ok", service: name });
        for (const path of ["/livez", "/readyz"]) expectStatus(await send(address + path), 200);
      });
    }
    await check("/metrics is Prometheus text", async () => {
      const metrics = await send("/metrics");
      expectStatus(metrics, 200);
      expectTrue(/^# TYPE \w+ (counter|gauge|histogram)$/m.test(String(metrics.body)), "no # TYPE line");
    });
    await check("/v1/system/settings says where values come from", async () => {
      const { body } = await send("/v1/system/settings");
      const { settings = [] } = body as { settings?: { key: string; source: string }[] };
      expectTrue(
        settings.some(({ key }) => key === "gateway.bind"),
        "the settings lack gateway.bind",
      );
    });
    await check("/v1/system/log has the newest lines, and no service that is not there", async () => {
      expectStatus(await send("/v1/system/log?level=info&limit=5"), 200);
      expectError(await send("/v1/system/log?service=nobody"), 404, "not_found");
    });
    await check("a path that is not there is a 404 in the shape of errors", async () => {
      expectError(await send("/v1/nothing-here"), 404, "not_found");
    });
    await check("the request id comes back", async () => {
      const answer = await send("/v1/system", { headers: { "x-request-id": "smoke-d1" } });
      expectEqual(answer.headers.get("x-request-id"), "smoke-d1");
    });
    await check("the API page and its document are served", async () => {
      const page = await send("/docs");
      expectStatus(page, 200);
      const policy = page.headers.get("content-security-policy") ?? "";
      expectTrue(policy.startsWith("default-src 'none'"), `the API page has the policy '${policy}'`);
      const document = await send("/v1/openapi.json");
      expectStatus(document, 200);
      expectTrue("/v1/sql" in (document.body as { paths: object }).paths, "the document lacks /v1/sql");
    });
  },
};
