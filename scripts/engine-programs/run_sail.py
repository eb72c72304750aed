"""Sail: Spark's protocol, answered by a server in Rust that starts here."""
import json
import os
import sys

catalog = {"name": "lake", "type": "iceberg-rest", "uri": sys.argv[1], "warehouse": "main"}
if sys.argv[2]:
    catalog["bearer_access_token"] = sys.argv[2]
os.environ["SAIL_CATALOG__LIST"] = "[" + "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in catalog.items()) + "}" + "]"
os.environ["SAIL_CATALOG__DEFAULT_CATALOG"] = "lake"

from findings import append_here, ask, namespace, step, suffix, tell, text, travelled  # noqa: E402
from pysail.spark import SparkConnectServer  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
_, port = server.listening_address
spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()


def rows(sql):
    return [list(row) for row in spark.sql(sql).collect()]


def counts(table):
    return rows(f"SELECT count(*), coalesce(sum(id), 0) FROM {table}")[0]


def snapshots(name):
    """Their ids, which Sail has no table of."""
    parent, table = name.split(".")
    loaded = ask(f"/iceberg/v1/main/namespaces/{parent}/tables/{table}")
    return [each["snapshot-id"] for each in loaded["metadata"]["snapshots"]]


grown = f"lake.main.grown_{suffix}"
tell(tables=sorted(name for (_, name, *_) in rows("SHOW TABLES IN lake.main") if name.endswith(suffix)))
tell(rows=counts(grown), filtered=counts(f"{grown} WHERE id >= 2100")[0])
tell(travel=[counts(f"{grown} VERSION AS OF {id}")[0] for id in snapshots(f"main.grown_{suffix}")])
[row] = spark.sql(f"SELECT * FROM lake.main.types_{suffix}").collect()
tell(types=[text(value) for value in row])
evolved = rows(f"SELECT concat_ws(' ', id, title, note) FROM lake.main.evolved_{suffix} ORDER BY id")
tell(evolved=[line for (line,) in evolved])
tell(without_ids=sorted(word for (word,) in rows(f"SELECT word FROM lake.main.bare_{suffix}")))

if not namespace:
    sys.exit()
jobs = f"lake.{namespace}.jobs"


def content(table=jobs):
    return [*counts(table), spark.sql(f"SELECT * FROM {table}").columns]


spark.sql(f"CREATE DATABASE lake.{namespace}")
spark.sql(f"CREATE TABLE {jobs} USING iceberg AS SELECT id, concat('p', id % 2) AS part FROM range(100)")
step("make", content())
spark.sql(f"INSERT INTO {jobs} SELECT id, concat('p', id % 2) AS part FROM range(100, 150)")
step("append", content())
append_here("id,part\n700,p0\n701,p1\n")
step("ours", content())
spark.sql(f"DELETE FROM {jobs} WHERE id < 10")
step("delete", content())
spark.sql(f"UPDATE {jobs} SET id = id + 1000 WHERE id >= 140 AND id < 150")
step("update", content())
source = "SELECT id, concat('m', id) AS part FROM range(95, 105)"
spark.sql(
    f"MERGE INTO {jobs} t USING ({source}) s ON t.id = s.id AND s.id < 100"
    " WHEN MATCHED THEN UPDATE SET part = s.part WHEN NOT MATCHED THEN INSERT (id, part) VALUES (s.id + 5000, s.part)"
)
step("merge", content())
travelled("append", content(f"{jobs} VERSION AS OF {snapshots(f'{namespace}.jobs')[1]}"))
spark.sql(f"INSERT OVERWRITE {jobs} SELECT id, 'x' AS part FROM range(7)")
step("overwrite", content())
