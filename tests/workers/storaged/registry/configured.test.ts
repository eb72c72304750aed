import { afterAll, describe, expect, test } from "bun:test";
import type { Config } from "../../../../runtime/config/settings.ts";
import { storaged } from "../../../../workers/storaged/contract.ts";
import { readBucketSettings, s3ServerOf } from "../../../../workers/storaged/registry/configured.ts";
import { createStoraged } from "../../../../workers/storaged/service.ts";
import { configWith, startInProcess, temporaryDirectory } from "../../../support/stacks/in-process.ts";

const directory = temporaryDirectory("registry");
afterAll(() => directory.remove());
const local = { kind: "local" };
const configOf = (buckets: Config["buckets"]) => configWith({ data_dir: directory.path, buckets });

describe("bucket configuration", () => {
  const bad: { name: string; buckets: Config["buckets"]; text: string }[] = [
    { name: "no primary", buckets: { cold: local }, text: "[buckets.primary] is missing" },
    {
      name: "no kind",
      buckets: { primary: {} },
      text: '[buckets.primary] kind: expected "local" or "s3", got undefined',
    },
    {
      name: "an unknown kind",
      buckets: { primary: { kind: "ftp" } },
      text: 'expected "local" or "s3", got "ftp"',
    },
    {
      name: "a kind that is a property of all objects",
      buckets: { primary: { kind: "constructor" } },
      text: 'got "constructor"',
    },
    {
      name: "an unknown field",
      buckets: { primary: { kind: "local", pth: "/x" } },
      text: "unknown field 'pth'",
    },
    {
      name: "a field of another kind",
      buckets: { primary: { kind: "local", region: "x" } },
      text: "unknown field 'region'",
    },
    { name: "a path that is a number", buckets: { primary: { kind: "local", path: 7 } }, text: "path" },
    { name: "an empty path", buckets: { primary: { kind: "local", path: "" } }, text: "path" },
    {
      name: "a name with a slash",
      buckets: { primary: local, "a/b": local },
      text: "[buckets.a/b]: expected a name",
    },
    { name: "a name with a space", buckets: { primary: local, "a b": local }, text: "expected a name" },
    {
      name: "two buckets in one folder",
      buckets: { primary: { ...local, path: "/d" }, cold: { ...local, path: "/d/" } },
      text: "share a folder",
    },
    {
      name: "a bucket in another",
      buckets: { primary: { ...local, path: "/d" }, cold: { ...local, path: "/d/e" } },
      text: "share a folder: /d and /d/e",
    },
    {
      name: "an endpoint without a scheme",
      buckets: { primary: { kind: "s3", endpoint: "localhost:9000" } },
      text: "endpoint",
    },
    {
      name: "an endpoint with a path",
      buckets: { primary: { kind: "s3", endpoint: "http://h/path" } },
      text: "endpoint",
    },
    {
      name: "an endpoint with a password",
      buckets: { primary: { kind: "s3", endpoint: "http://me:secret@h" } },
      text: "endpoint",
    },
    {
      name: "path_style in words",
      buckets: { primary: { kind: "s3", path_style: "yes" } },
      text: "path_style",
    },
    {
      name: "keys in the configuration",
      buckets: { primary: { kind: "s3", secret_access_key: "x" } },
      text: "unknown field 'secret_access_key'",
    },
    {
      name: "an S3 bucket name no server takes",
      buckets: { primary: { kind: "s3", bucket: "My_Bucket" } },
      text: "bucket",
    },
  ];
  for (const { name, buckets, text } of bad) {
    test(`refuses ${name}`, () => expect(() => readBucketSettings(configOf(buckets))).toThrow(text));
  }

  test("an S3 bucket without keys says where to put them", () => {
    const config = configOf({});
    const keys = { accessKeyId: "id", secretAccessKey: "secret" };
    const far = { name: "far", kind: "s3" } as const;
    const withKeys = { config, secrets: { s3: () => keys, provider: () => undefined } };
    expect(() =>
      s3ServerOf({ config, secrets: { s3: () => undefined, provider: () => undefined } }, far),
    ).toThrow(
      `[buckets.far] has no keys: add [s3.far] with access_key_id and secret_access_key to ${config.secrets_path}`,
    );
    expect(s3ServerOf(withKeys, far)).toMatchObject({
      bucket: "far",
      endpoint: "https://s3.us-east-1.amazonaws.com",
      pathStyle: false,
    });
    const own = { ...far, bucket: "lake", endpoint: "http://localhost:9000/" };
    expect(s3ServerOf(withKeys, own)).toMatchObject({
      bucket: "lake",
      endpoint: "http://localhost:9000",
      pathStyle: true,
    });
  });

  test("buckets beside each other are fine", () => {
    const settings = readBucketSettings(
      configOf({ primary: { ...local, path: "/d/a" }, b: { ...local, path: "/d/ab" } }),
    );
    expect(settings.map(({ name }) => name)).toEqual(["primary", "b"]);
  });

  test("an unreachable S3 bucket does not stop the start, and is named by readyz", async () => {
    const config = configWith({
      data_dir: directory.path,
      storaged: { s3_retries: 0, s3_timeout_ms: 1000 },
      buckets: { primary: local, far: { kind: "s3", endpoint: "http://127.0.0.1:1" } },
    });
    const secrets = {
      s3: () => ({ accessKeyId: "id", secretAccessKey: "a-secret" }),
      provider: () => undefined,
    };
    const service = await startInProcess(
      { contract: storaged, create: createStoraged },
      { config, secrets, peers: {} },
    );
    expect(
      (await service.send(new Request("http://localhost/storage/put/a", { method: "PUT", body: "x" })))
        .status,
    ).toBe(201);
    const far = await service.send(new Request("http://localhost/storage/get/a?bucket=far"));
    expect(far.status).toBe(502);
    const text = await far.text();
    expect(text).toContain("no answer from http://127.0.0.1:1");
    expect(text).not.toContain("a-secret");
    const ready = await (await service.send(new Request("http://localhost/readyz"))).text();
    expect(ready).toContain("bucket 'far'");
    expect(JSON.stringify(service.log)).not.toContain("a-secret");
    const { buckets } = await service.peer.verbs.buckets({});
    expect(buckets[1]).toEqual({
      name: "far",
      kind: "s3",
      endpoint: "http://127.0.0.1:1",
      region: "us-east-1",
      conditional_writes: "unknown",
    });
    await service.stop();
  });
});
