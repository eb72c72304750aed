"""Spark with Iceberg's runtime, whose jars are the last word."""
import sys

from findings import both, namespace, step, suffix, tables_here, tell, tell_refusal, travelled
from spark_session import spark_session
from spark_steps import SparkSteps, jobs

spark = spark_session(sys.argv[5])
tell_refusal(lambda: spark.sql(f"INSERT INTO lake.main.grown_{suffix} VALUES (1, 'more')"))
steps = SparkSteps(spark)
rows, content = steps.rows, steps.content

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
rows(f"CALL lake.system.remove_orphan_files(table => '{namespace}.jobs', dry_run => true, prefix_listing => true)")
step("remove_orphan_files", content())
spark.sql(f"CREATE TABLE lake.{namespace}.parted USING iceberg PARTITIONED BY (bucket(4, id), days(at)) AS SELECT id, current_timestamp() AS at FROM range(100)")
spark.sql(f"CREATE TABLE lake.{namespace}.gone USING iceberg AS SELECT 1 AS id")
spark.sql(f"ALTER TABLE lake.{namespace}.parted RENAME TO {namespace}.moved")
spark.sql(f"DROP TABLE lake.{namespace}.gone PURGE")
there = sorted(name for (_, name, *_) in rows(f"SHOW TABLES IN lake.{namespace}"))
both("rename", there, tables_here())
