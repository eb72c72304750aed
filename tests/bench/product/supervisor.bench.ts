/** What the callers of a service see when it is ended: how soon they are told, and how soon it serves again. */
import { expect, test } from "bun:test";
import { median, report } from "../../support/campaigns/measure.ts";
import { startKillable } from "../../support/product/killable.ts";

const rounds = 9;

for (const name of ["catalogd", "queryd", "ingestd"]) {
  test(`${name} is ended and restarted`, async () => {
    const product = await startKillable();
    const paths: Record<string, string> = {
      catalogd: "/v1/catalog/list",
      queryd: "/v1/sql/queries",
      ingestd: "/v1/ingest/jobs",
    };
    const ask = async () => {
      const response = await fetch(product.url + paths[name]);
      const body = (await response.json()) as { error?: { type: string } };
      return body.error?.type ?? "answered";
    };
    const told: number[] = [];
    const back: number[] = [];
    for (let round = 0; round < rounds; round++) {
      expect(await ask()).toBe("answered");
      const before = (await product.status(name))?.restarts ?? 0;
      const ended = performance.now();
      product.kill(name);
      while ((await ask()) !== "unavailable");
      told.push(performance.now() - ended);
      while ((await ask()) !== "answered");
      back.push(performance.now() - ended);
      await product.restarted(name, before);
    }
    report(`supervisor.${name}`, {
      "callers told after ms": median(told),
      "at most": Math.max(...told),
      "served again after ms": median(back),
      "at most ms": Math.max(...back),
    });
    expect(await product.stop()).toBe(0);
  });
}
