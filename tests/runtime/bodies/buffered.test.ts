import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bufferedContent, bufferedResponse, jsonResponse } from "../../../runtime/bodies/bodies.ts";

test("an answer that is there already is read as any Response, once, and as often as it is cloned", async () => {
  const answer = jsonResponse({ name: "Ann" }, { etag: '"1"' }, 201);
  const copy = answer.clone();
  const text = '{"name":"Ann"}';
  expect(bufferedContent(answer)).toBe(text);
  expect([answer.status, answer.headers.get("etag"), answer.bodyUsed]).toEqual([201, '"1"', false]);
  expect(await answer.json()).toEqual({ name: "Ann" });
  expect(answer.bodyUsed).toBe(true);
  expect(answer.text()).rejects.toThrow("already used");
  expect([copy.status, await copy.text()]).toEqual([201, text]);
  const streamed = jsonResponse({ name: "Ann" });
  expect(await new Response(streamed.body, streamed).text()).toBe(text);
  for (const read of ["bytes", "arrayBuffer", "blob"] as const) {
    const content = await jsonResponse({ name: "Ann" })[read]();
    expect(await new Response(content).text()).toBe(text);
  }
  expect(bufferedContent(new Response(text))).toBeUndefined();
});

test("what is there already is there for native code, too", async () => {
  const bytes = new TextEncoder().encode('{"name":"Ann"}');
  const path = join(tmpdir(), `lakehouse-buffered-${process.pid}`);
  for (const answer of [bufferedResponse(bytes, {}), jsonResponse({ name: "Ann" })]) {
    await Bun.write(path, answer);
    expect(await Bun.file(path).bytes()).toEqual(bytes);
  }
  await Bun.file(path).delete();
});
