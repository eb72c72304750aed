/** What clients are told of the storage: where S3 is, and keys only where the operator gives some and the client asks. */
import { expect, test } from "bun:test";
import type { S3Keys } from "../../../../runtime/secrets/secrets.ts";
import { storageConfig } from "../../../../workers/catalogd/rest/storage-config.ts";

const s3 = {
  ...{ kind: "s3" as const, url: "s3://lake", endpoint: "http://127.0.0.1:9000" },
  ...{ region: "eu-1", path_style: true },
};
const ours: S3Keys = { accessKeyId: "OURS", secretAccessKey: "our-secret" };
const reader = { accessKeyId: "READER", secretAccessKey: "reader-secret", sessionToken: "session" };
const where = {
  "s3.endpoint": "http://127.0.0.1:9000",
  "s3.region": "eu-1",
  "client.region": "eu-1",
  "s3.path-style-access": "true",
};
const vended = {
  ...where,
  "s3.access-key-id": "READER",
  "s3.secret-access-key": "reader-secret",
  "s3.session-token": "session",
};

test.each([
  [
    "a disk has no keys",
    { kind: "local" as const, path: "/x" },
    "vended-credentials",
    { ...ours, reader },
    {},
  ],
  ["ours are never given", s3, "vended-credentials", ours, where],
  ["readers' to whoever asks", s3, "remote-signing, vended-credentials", { ...ours, reader }, vended],
  ["and to none else", s3, "remote-signing", { ...ours, reader }, where],
  ["nor without the header", s3, undefined, { ...ours, reader }, where],
])("%s", (_, place, asked, keys, expected) => {
  const headers = asked === undefined ? {} : { "x-iceberg-access-delegation": asked };
  const request = new Request("http://localhost/", { headers });
  const storage = storageConfig(place, request, {
    s3: (bucket) => (bucket === "primary" ? keys : undefined),
  });
  expect(storage.config).toEqual(expected);
  const prefixes = storage["storage-credentials"]?.map(
    ({ prefix, config }) => config === storage.config && prefix,
  );
  expect(prefixes).toEqual(expected === vended ? ["s3://lake/", "s3://lake/_catalog/iceberg/"] : undefined);
});
