"""Reads the tables of a catalog with DuckDB's iceberg extension."""
import importlib.util
import os

import duckdb
from findings import suffix, tell, tell_refusal, text, token, uri

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
