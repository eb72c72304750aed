"""DuckDB with its extension for PostgreSQL: the datasets as an attached database."""

import importlib.metadata
import sys

import duckdb
from findings import say, text

host, port, token = sys.argv[1:4]
files = importlib.metadata.files("duckdb-extension-postgres-scanner") or []
extension = next(str(path.locate()) for path in files if str(path).endswith(".duckdb_extension"))
connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
connection.execute(f"LOAD '{extension}'")
connection.execute(
    f"ATTACH 'host={host} port={port} user=reader password={token} dbname=lakehouse' AS lake (TYPE postgres, READ_ONLY)")


def rows(sql):
    return connection.execute(sql).fetchall()


say(count=text(rows("SELECT count(*) FROM lake.main.things")[0][0]),
    filtered=[row[0] for row in rows("SELECT title FROM lake.main.things WHERE id = 7")],
    tables=sorted(row[0] for row in rows("SELECT name FROM (SHOW ALL TABLES) WHERE database = 'lake'")),
    columns=[row[0] for row in rows("DESCRIBE lake.main.things")],
    agree=[row[0] for row in rows("SELECT id FROM lake.main.things ORDER BY id")]
    == [row[0] for row in rows("SELECT * FROM postgres_query('lake', 'SELECT id FROM things ORDER BY id')")])
