"""Reads the tables of a catalog with ClickHouse, embedded as chdb."""
import json
import os

from chdb import session
from findings import suffix, tell, token, uri

# ClickHouse reads files below its working directory alone.
os.chdir("/")

db = session.Session()


def rows(sql):
    return [json.loads(line) for line in str(db.query(sql, "JSONCompactEachRow")).splitlines() if line]


access = f", auth_header = 'Authorization: Bearer {token}'" if token else ""
db.query("SET allow_database_iceberg = 1")
db.query("SET output_format_json_quote_64bit_integers = 0")
db.query(f"CREATE DATABASE lake ENGINE = DataLakeCatalog('{uri}/v1') SETTINGS catalog_type = 'rest', warehouse = 'main', vended_credentials = false{access}")
tell(tables=sorted(name.removeprefix("main.") for (name,) in rows("SHOW TABLES FROM lake") if name.endswith(suffix)))
grown = f"lake.`main.grown_{suffix}`"
tell(rows=rows(f"SELECT count(), sum(id) FROM {grown}")[0])
tell(filtered=rows(f"SELECT count() FROM {grown} WHERE id >= 2100")[0][0])
tell(without_ids=sorted(word for (word,) in rows(f"SELECT word FROM lake.`main.bare_{suffix}`")))
evolved = rows(f"SELECT id, title, note FROM lake.`main.evolved_{suffix}` ORDER BY id")
tell(evolved=[" ".join(str(value) for value in row if value is not None) for row in evolved])
