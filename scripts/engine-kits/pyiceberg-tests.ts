/** PyIceberg's own tests of catalogs, from its source, on the product's. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { interpreter } from "../python/python.ts";
import { expectTrue, type Smoke } from "../smoke-product/smoke-product.ts";
import { run } from "../subprocess/subprocess.ts";

const version = "0.12.0";
const packages = [
  `pyiceberg[pyarrow,sql-sqlite,pyiceberg-core]==${version}`,
  ...["pytest==9.2.0", "pytest-lazy-fixtures==1.4.1", "pytest-mock==3.17.0", "requests-mock==1.12.1"],
  ...["moto[server]==5.2.5", "s3fs==0.4.2", "thrift==0.25.0"],
];
/** A checkout of apache/iceberg-python at that version: the package on PyPI has no tests. */
const source = "PYICEBERG_SOURCE";
const timeoutMs = 20 * 60_000;
const passedMin = 38;

export const pyicebergTests: Smoke = {
  about: `PyIceberg ${version}: its own tests of catalogs, from a checkout that ${source} names`,
  ownProduct: true,
  run: async ({ check, lake }) => {
    const checkout = process.env[source] ?? "";
    const test = join(checkout, "tests/integration/test_catalog.py");
    if (checkout === "" || !existsSync(test))
      throw new Error(
        `set ${source} to a checkout of apache/iceberg-python at pyiceberg-${version}: expected ${test}`,
      );
    const python = await interpreter("pyiceberg-tests", packages);
    const { gateway } = await lake();
    const { out, err } = await run(
      [python, "-B", "-m", "pytest", "-q", test, "-p", "no:cacheprovider", "-k", "rest_test_catalog"],
      {
        timeoutMs,
        cwd: checkout,
        env: {
          ...(process.env as Record<string, string>),
          PYTHONPATH: checkout,
          PYICEBERG_TEST_CATALOG: "lh",
          PYICEBERG_CATALOG__LH__TYPE: "rest",
          PYICEBERG_CATALOG__LH__URI: `${gateway}/iceberg`,
        },
      },
    );
    const number = (what: string) => Number(new RegExp(`(\\d+) ${what}`).exec(out)?.[1] ?? 0);
    const shown = `${out}\n${err}`.slice(-3000);
    await check("no test fails", () => expectTrue(number("failed") + number("error") === 0, shown));
    await check(`${passedMin} pass at least`, () => expectTrue(number("passed") >= passedMin, shown));
  },
};
