/** The product's own client for Python, installed by pip from this tree as its users install it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findings, interpreter } from "../python/python.ts";
import { expectEqual, type Smoke } from "../smoke-product/smoke-product.ts";
import { run } from "../subprocess/subprocess.ts";

const packages = [
  ...["hatchling==1.33.0", "httpx==0.28.1", "pyarrow==26.0.1", "pandas==3.1.1", "polars==2.1.0"],
  "ipython==9.18.1",
];
const installTimeoutMs = 5 * 60_000;
const token = "a-token-of-the-clients";

/** What the program finds, by its words. */
const expected: Record<string, unknown> = {
  loaded: ["_2024_jobs", 2],
  fetched: [2, ["invalid_field", 400], ["invalid_field", 400]],
  rows: [
    ["1", "02134", "12.50", "2024-02-03"],
    ["9007199254740993", "60605", "None", "2024-02-04"],
  ],
  pandas: ["9007199254740993", 1],
  polars: [2, "02134"],
  arrow: ["id", "zip", "pay", "posted"],
  shown: "2 rows",
  html: true,
  tables: ["Ann Łukasz Kim", "Ann Łukasz", "Ann Łukasz"],
  batches: 1_000_000,
  params: [{ name: "Łukasz" }],
  job: "event: done",
  hit: ["3", []],
  versions: 2,
  once: true,
  help: true,
  services: true,
  errors: [
    ...[
      ["sql_error", 400],
      ["unauthorized", 401],
      ["unavailable", null],
      ["invalid_field", 400],
    ],
    ["rejected_rows", 422],
  ],
  settings: [
    "url: expected the gateway's address, as http://127.0.0.1:3110, got 'nonsense'",
    "token: expected letters, digits and signs, without spaces",
    [{ a: 1 }],
  ],
  magic: ["polars", 3, ["Ann", "Łukasz", "Kim"]],
};

export const pythonClient: Smoke = {
  about: "the product's own client for Python: pandas, Polars, Arrow, files, search, every endpoint, %sql",
  ownProduct: true,
  run: async ({ start, check }) => {
    const { gateway } = await start({ env: { AUTH_TOKEN: token } });
    const place = mkdtempSync(join(tmpdir(), "lakehouse-python-"));
    try {
      const python = await interpreter("lakehouse-client", packages);
      const source = join(import.meta.dir, "../../clients/python");
      // What it needs is there already: the tree's own source alone is built and installed anew.
      const words = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        place,
        source,
      ];
      const { code, err } = await run([python, ...words], { timeoutMs: installTimeoutMs });
      await check("pip installs it", () => expectEqual([code, code === 0 ? "" : err], [0, ""]));
      const script = join(import.meta.dir, "python_client.py");
      const env = { PYTHONPATH: place, IPYTHONDIR: place };
      const found = await findings("lakehouse-client", { packages, script, env }, [gateway, token]);
      for (const [what, value] of Object.entries(expected))
        await check(what, () => expectEqual(found[what], value));
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  },
};
