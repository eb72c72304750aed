"""Daft over PyIceberg: reads; appends to tables and overwrites them."""
import daft
from findings import iceberg_catalog, suffix, tell
from pyiceberg_steps import change_table

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


def content(table, **more):
    found = daft.read_iceberg(table, **more).to_arrow()
    ids = found["id"].to_pylist()
    return [len(ids), sum(ids), found.column_names]


change_table(daft.from_arrow, content)
