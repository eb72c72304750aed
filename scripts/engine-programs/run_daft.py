"""Daft over PyIceberg: reads; appends to tables and overwrites them."""
import sys

import daft
from findings import append_here, arrow_rows, iceberg_catalog, namespace, step, suffix, tell, travelled
from pyiceberg.types import DoubleType

catalog = iceberg_catalog()


def read(name, **more):
    return daft.read_iceberg(catalog.load_table(f"main.{name}_{suffix}"), **more)


rows = read("grown").to_pydict()["id"]
tell(rows=[len(rows), sum(rows)], filtered=read("grown").where(daft.col("id") >= 2100).count_rows())
snapshots = catalog.load_table(f"main.grown_{suffix}").snapshots()
tell(travel=[read("grown", snapshot_id=each.snapshot_id).count_rows() for each in snapshots])

# It does not read lists of these files, nor files without field ids.
rows = read("evolved").sort("id").to_pylist()
tell(evolved=[f"{row['id']} {row['title']} {row['note'] or ''}".strip() for row in rows])

if not namespace:
    sys.exit()


def content(**more):
    found = daft.read_iceberg(table, **more).to_arrow()
    ids = found["id"].to_pylist()
    return [len(ids), sum(ids), found.column_names]


catalog.create_namespace(namespace)
table = catalog.create_table(f"{namespace}.jobs", arrow_rows(0, 1).schema)
daft.from_arrow(arrow_rows(0, 100)).write_iceberg(table, mode="append")
step("append", content())
append_here("id,part\n700,p0\n701,p1\n")
table = catalog.load_table(f"{namespace}.jobs")
step("ours", content())
# By PyIceberg: Daft has no words for it.
with table.update_schema() as update:
    update.add_column("score", DoubleType())
table.delete("id < 10")
step("marked", content())
travelled("append", content(snapshot_id=table.snapshots()[0].snapshot_id))
daft.from_arrow(arrow_rows(0, 50, score=1.5)).write_iceberg(table, mode="overwrite")
step("overwrite", content())
