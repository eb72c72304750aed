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
  const bad: [name: string, buckets: Config["buckets"], text: string][] = [
    ["no primary", { cold: local }, "[buckets.primary] is missing"],
    ["no kind", { primary: {} }, '[buckets.primary] kind: expected "local" or "s3", got undefined'],
    ["an unknown kind", { primary: { kind: "ftp" } }, 'expected "local" or "s3", got "ftp"'],
    ["a kind that is a property of all objects", { primary: { kind: "constructor" } }, 'got "constructor"'],
    ["an unknown field", { primary: { kind: "local", pth: "/x" } }, "unknown field 'pth'"],
    ["a field of another kind", { primary: { kind: "local", region: "x" } }, "unknown field 'region'"],
    ["a path that is a number", { primary: { kind: "local", path: 7 } }, "path"],
    ["an empty path", { primary: { kind: "local", path: "" } }, "path"],
    ["a name with a slash", { primary: local, "a/b": local }, "[buckets.a/b]: expected a name"],
    ["a name with a space", { primary: local, "a b": local }, "expected a name"],
    [
      "two buckets in one folder",
      { primary: { ...local, path: "/d" }, cold: { ...local, path: "/d/" } },
      "share a folder",
    ],
    [
      "a bucket in another",
      { primary: { ...local, path: "/d" }, cold: { ...local, path: "/d/e" } },
      "share a folder: /d and /d/e",
    ],
    ["an endpoint without a scheme", { primary: { kind: "s3", endpoint: "localhost:9000" } }, "endpoint"],
    ["an endpoint with a path", { primary: { kind: "s3", endpoint: "http://h/path" } }, "endpoint"],
    ["an endpoint with a password", { primary: { kind: "s3", endpoint: "http://me:secret@h" } }, "endpoint"],
    ["path_style in words", { primary: { kind: "s3", path_style: "yes" } }, "path_style"],
    [
      "keys in the configuration",
      { primary: { kind: "s3", secret_access_key: "x" } },
      "unknown field 'secret_access_key'",
    ],
    ["an S3 bucket name no server takes", { primary: { kind: "s3", bucket: "My_Bucket" } }, "bucket"],
  ];
  for (const [name, buckets, text] of bad) {
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
