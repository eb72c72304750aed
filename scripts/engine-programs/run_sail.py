"""Sail: Spark's protocol, answered by a server in Rust that starts here."""
import json
import os
import sys

catalog = {"name": "lake", "type": "iceberg-rest", "uri": sys.argv[1], "warehouse": "main"}
if sys.argv[2]:
    catalog["bearer_access_token"] = sys.argv[2]
os.environ["SAIL_CATALOG__LIST"] = "[" + "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in catalog.items()) + "}" + "]"
os.environ["SAIL_CATALOG__DEFAULT_CATALOG"] = "lake"

from findings import namespace, step, travelled  # noqa: E402
from pysail.spark import SparkConnectServer  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402
from spark_steps import SparkSteps, jobs, snapshots  # noqa: E402

server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
_, port = server.listening_address
spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
steps = SparkSteps(spark)
content = steps.content

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
travelled("append", content(f"{jobs} VERSION AS OF {snapshots(namespace, 'jobs')[1]}"))
spark.sql(f"INSERT OVERWRITE {jobs} SELECT id, 'x' AS part FROM range(7)")
step("overwrite", content())
