"""Makes and changes an open table with DuckDB's iceberg extension: write_duckdb.py URI TOKEN NAMESPACE. Prints findings as JSON."""
import importlib.util
import json
import os
import sys

import duckdb

uri, token, namespace = sys.argv[1:4]
db = duckdb.connect()
for name in ("avro", "httpfs", "iceberg"):
    folder = os.path.dirname(importlib.util.find_spec(f"duckdb_extension_{name}").origin)
    db.execute(f"LOAD '{folder}/extensions/v{duckdb.__version__}/{name}.duckdb_extension'")
access = f"TOKEN '{token}'" if token else "AUTHORIZATION_TYPE 'none'"
db.execute(f"ATTACH 'main' AS lake (TYPE iceberg, ENDPOINT '{uri}', {access}, DEFAULT_SCHEMA 'main')")
table = f"lake.{namespace}.moved"


def tell(**found):
    print(json.dumps(found), flush=True)


def content():
    return list(db.execute(f"SELECT count(*), sum(id)::BIGINT FROM {table}").fetchone())


db.execute(f"CREATE SCHEMA lake.{namespace}")
db.execute(f"CREATE TABLE {table} AS SELECT i::BIGINT AS id, 'p' || i % 2 AS shard FROM range(100) r(i)")
db.execute(f"INSERT INTO {table} SELECT i, 'p' || i % 2 FROM range(100, 150) r(i)")
tell(appended=content())
db.execute(f"DELETE FROM {table} WHERE id < 10")
tell(deleted=content())
db.execute(f"UPDATE {table} SET id = id + 1000 WHERE id >= 140")
tell(overwritten=content())
db.execute(f"ALTER TABLE {table} ADD COLUMN score DOUBLE")
db.execute(f"INSERT INTO {table} VALUES (5000, 'p0', 2.5)")
tell(last=content(), names=[name for name, *_ in db.execute(f"DESCRIBE {table}").fetchall()])
