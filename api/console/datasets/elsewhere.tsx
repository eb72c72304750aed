/** @jsxImportSource hono/jsx */
/** How other tools open a dataset or a view. */

export const Elsewhere = ({ name, isView = false }: { name: string; isView?: boolean }) => (
  <details>
    <summary>Open it with other tools</summary>
    <pre tabindex={0}>{`${isView ? "" : iceberg(name)}# psql, where [pgwire] bind = "127.0.0.1:3223"
psql -h 127.0.0.1 -p 3223 lakehouse -c 'SELECT * FROM "${name}"'

# curl
curl -sS http://127.0.0.1:3110/v1/sql -H 'Accept: text/csv' -d '{"sql":"SELECT * FROM \\"${name}\\""}'`}</pre>
  </details>
);

/** Views are not in Iceberg's catalog: their SQL is of the engine here. */
const iceberg = (name: string): string => `# PyIceberg
from pyiceberg.catalog import load_catalog
load_catalog("lakehouse", type="rest", uri="http://127.0.0.1:3110/iceberg").load_table("main.${name}").scan().to_arrow()

-- DuckDB
ATTACH 'main' AS lake (TYPE iceberg, ENDPOINT 'http://127.0.0.1:3110/iceberg', AUTHORIZATION_TYPE 'none', DEFAULT_SCHEMA 'main');
SELECT * FROM lake.main.${name};

-- Spark, started with a catalog named lake of type rest and uri http://127.0.0.1:3110/iceberg
SELECT * FROM lake.main.${name};

`;
