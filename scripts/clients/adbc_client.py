"""ADBC's driver of PostgreSQL."""

import sys

import adbc_driver_postgresql.dbapi
from findings import say, text

host, port, token = sys.argv[1:4]
with adbc_driver_postgresql.dbapi.connect(f"postgresql://reader:{token}@{host}:{port}/lakehouse") as connection:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM things")
        count = text(cursor.fetchone()[0])
        cursor.execute("SELECT title FROM things WHERE id = $1", (7,))
        filtered = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT id, price, posted FROM things ORDER BY id")
        table = cursor.fetch_arrow_table()
    objects = connection.adbc_get_objects(depth="tables", db_schema_filter="main").read_all().to_pylist()
    tables = [table["table_name"] for catalog in objects for schema in catalog["catalog_db_schemas"] or []
              for table in schema["db_schema_tables"] or []]
    columns = connection.adbc_get_table_schema("things", db_schema_filter="main").names
say(count=count, filtered=filtered, tables=tables, columns=columns,
    agree=table.column("id").to_pylist() == list(range(1000)))
