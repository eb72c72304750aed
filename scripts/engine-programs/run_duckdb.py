"""Reads the tables of a catalog with DuckDB's iceberg extension."""
import importlib.util
import os
import sys

import duckdb
from findings import append_here, namespace, step, suffix, tell, tell_refusal, text, token, travelled, uri

db = duckdb.connect()
for name in ("avro", "httpfs", "iceberg"):
    folder = os.path.dirname(importlib.util.find_spec(f"duckdb_extension_{name}").origin)
    db.execute(f"LOAD '{folder}/extensions/v{duckdb.__version__}/{name}.duckdb_extension'")
access = f"TOKEN '{token}'" if token else "AUTHORIZATION_TYPE 'none'"
db.execute(f"ATTACH 'main' AS lake (TYPE iceberg, ENDPOINT '{uri}', {access}, DEFAULT_SCHEMA 'main')")


def rows(sql):
    return db.execute(sql).fetchall()


tell(tables=sorted(name for (_, _, name, *_) in rows("SHOW ALL TABLES") if name.endswith(suffix)))
grown = f"lake.main.grown_{suffix}"
tell(rows=list(rows(f"SELECT count(*), sum(id)::BIGINT FROM {grown}")[0]))
tell(filtered=rows(f"SELECT count(*) FROM {grown} WHERE id >= 2100")[0][0])
snapshots = rows(f"SELECT snapshot_id FROM iceberg_snapshots('{grown}') ORDER BY sequence_number")
tell(travel=[rows(f"SELECT count(*) FROM {grown} AT (VERSION => {id})")[0][0] for (id,) in snapshots])
tell(types=[text(value) for value in rows(f"FROM lake.main.types_{suffix}")[0]])
tell(without_ids=sorted(word for (word,) in rows(f"SELECT word FROM lake.main.bare_{suffix}")))
evolved = rows(f"SELECT concat_ws(' ', id, title, note) FROM lake.main.evolved_{suffix} ORDER BY id")
tell(evolved=[text for (text,) in evolved])
tell_refusal(lambda: db.execute(f"INSERT INTO {grown} VALUES (1, 'more')"))

if not namespace:
    sys.exit()
jobs = f"lake.{namespace}.jobs"


def content(at=""):
    names = [name for name, *_ in rows(f"DESCRIBE FROM {jobs} {at}")]
    return [*rows(f"SELECT count(*), sum(id)::BIGINT FROM {jobs} {at}")[0], names]


db.execute(f"CREATE SCHEMA lake.{namespace}")
db.execute(f"CREATE TABLE {jobs} AS SELECT i::BIGINT AS id, 'p' || i % 2 AS part FROM range(100) r(i)")
step("make", content())
db.execute(f"INSERT INTO {jobs} SELECT i, 'p' || i % 2 FROM range(100, 150) r(i)")
step("append", content())
append_here("id,part\n700,p0\n701,p1\n")
step("ours", content())
db.execute(f"DELETE FROM {jobs} WHERE id < 10")
step("delete", content())
db.execute(f"UPDATE {jobs} SET id = id + 1000 WHERE id >= 140 AND id < 150")
step("update", content())
db.execute(f"ALTER TABLE {jobs} ADD COLUMN score DOUBLE")
db.execute(f"INSERT INTO {jobs} VALUES (5000, 'p0', 2.5)")
step("evolve", content())
source = "SELECT i::BIGINT AS id, 'm' AS part, 3.5 AS score FROM range(95, 105) r(i)"
db.execute(
    f"MERGE INTO {jobs} t USING ({source}) s ON t.id = s.id AND s.id < 100"
    " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id + 6000, s.part, s.score)"
)
step("merge", content())
first, second, *_ = rows(f"SELECT snapshot_id FROM iceberg_snapshots('{jobs}') ORDER BY sequence_number")
travelled("append", content(f"AT (VERSION => {second[0]})"))
