"""Spark with Iceberg's runtime, whose jars are the last word."""
import sys

from findings import append_here, both, namespace, step, suffix, tables_here, tell, tell_refusal, text, token, travelled, uri
from pyspark.sql import SparkSession

settings = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.memory": "1200m",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.jars": sys.argv[5],
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.lake.type": "rest",
    "spark.sql.catalog.lake.uri": uri,
    # Else what others commit is seen half a minute later.
    "spark.sql.catalog.lake.cache-enabled": "false",
    **({"spark.sql.catalog.lake.token": token} if token else {}),
}
builder = SparkSession.builder.master("local[2]")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")


def rows(sql):
    return [list(row) for row in spark.sql(sql).collect()]


def counts(table):
    return rows(f"SELECT count(*), coalesce(sum(id), 0) FROM {table}")[0]


grown = f"lake.main.grown_{suffix}"
tell(tables=sorted(name for (_, name, *_) in rows("SHOW TABLES IN lake.main") if name.endswith(suffix)))
tell(rows=counts(grown), filtered=counts(f"{grown} WHERE id >= 2100")[0])
snapshots = [id for (id,) in rows(f"SELECT snapshot_id FROM {grown}.snapshots ORDER BY committed_at")]
tell(travel=[counts(f"{grown} VERSION AS OF {id}")[0] for id in snapshots])
[row] = spark.sql(f"SELECT * FROM lake.main.types_{suffix}").collect()
tell(types=[text(value) for value in row])
tell(without_ids=sorted(word for (word,) in rows(f"SELECT word FROM lake.main.bare_{suffix}")))
evolved = rows(f"SELECT concat_ws(' ', id, title, note) FROM lake.main.evolved_{suffix} ORDER BY id")
tell(evolved=[line for (line,) in evolved])
tell_refusal(lambda: spark.sql(f"INSERT INTO {grown} VALUES (1, 'more')"))

if not namespace:
    sys.exit()
jobs = f"lake.{namespace}.jobs"


def content(table=jobs):
    return [*counts(table), spark.sql(f"SELECT * FROM {table}").columns]


spark.sql(f"CREATE NAMESPACE lake.{namespace}")
spark.sql(f"CREATE TABLE {jobs} USING iceberg AS SELECT id, concat('p', id % 2) AS part FROM range(100)")
step("make", content())
spark.sql(f"INSERT INTO {jobs} SELECT id, concat('p', id % 2) FROM range(100, 150)")
step("append", content())
append_here("id,part\n700,p0\n701,p1\n")
step("ours", content())
spark.sql(f"ALTER TABLE {jobs} ADD COLUMN score double")
spark.sql(f"ALTER TABLE {jobs} RENAME COLUMN part TO shard")
step("evolve", content())
spark.sql(f"UPDATE {jobs} SET score = 1.5, id = id + 1000 WHERE id >= 140 AND id < 150")
step("update", content())
source = "SELECT id, concat('m', id) AS shard, 2.5D AS score FROM range(95, 105)"
spark.sql(
    f"MERGE INTO {jobs} t USING ({source}) s ON t.id = s.id AND s.id < 100"
    " WHEN MATCHED AND s.id < 97 THEN DELETE WHEN MATCHED THEN UPDATE SET *"
    " WHEN NOT MATCHED THEN INSERT (id, shard, score) VALUES (s.id + 5000, s.shard, s.score)"
)
step("merge", content())
spark.sql(f"DELETE FROM {jobs} WHERE id < 10")
step("delete", content())
# Rows are marked as deleted, and their files stay.
spark.sql(f"ALTER TABLE {jobs} SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')")
spark.sql(f"DELETE FROM {jobs} WHERE id % 10 = 3")
step("mark deleted", content())
snapshots = [id for (id,) in rows(f"SELECT snapshot_id FROM {jobs}.snapshots ORDER BY committed_at")]
travelled("append", content(f"{jobs} VERSION AS OF {snapshots[1]}"))
spark.sql(f"ALTER TABLE {jobs} CREATE TAG merged AS OF VERSION {snapshots[5]}")
step("tag", content())
rewritten, *_ = rows(f"CALL lake.system.rewrite_data_files(table => '{namespace}.jobs', options => map('rewrite-all', 'true'))")
tell(compacted=rewritten[0] > 1)
step("rewrite_data_files", content())
spark.sql(f"CALL lake.system.rewrite_manifests('{namespace}.jobs')")
step("rewrite_manifests", content())
spark.sql(f"CALL lake.system.rollback_to_snapshot('{namespace}.jobs', {snapshots[4]})")
step("rollback_to_snapshot", content())
expired = rows(
    f"CALL lake.system.expire_snapshots(table => '{namespace}.jobs', older_than => TIMESTAMP '2100-01-01 00:00:00', retain_last => 1)"
)[0]
tell(expired=expired[0] > 0)
step("expire_snapshots", content())
rows(f"CALL lake.system.remove_orphan_files(table => '{namespace}.jobs', dry_run => true)")
step("remove_orphan_files", content())
spark.sql(f"CREATE TABLE lake.{namespace}.parted USING iceberg PARTITIONED BY (bucket(4, id), days(at)) AS SELECT id, current_timestamp() AS at FROM range(100)")
spark.sql(f"CREATE TABLE lake.{namespace}.gone USING iceberg AS SELECT 1 AS id")
spark.sql(f"ALTER TABLE lake.{namespace}.parted RENAME TO {namespace}.moved")
spark.sql(f"DROP TABLE lake.{namespace}.gone PURGE")
there = sorted(name for (_, name, *_) in rows(f"SHOW TABLES IN lake.{namespace}"))
both("rename", there, tables_here())
