"""Polars over PyIceberg: reads; appends to tables and overwrites them."""
import sys

import polars as pl
from findings import append_here, arrow_rows, iceberg_catalog, namespace, step, suffix, tell, travelled
from pyiceberg.types import DoubleType

catalog = iceberg_catalog()
grown = catalog.load_table(f"main.grown_{suffix}")
frame = pl.scan_iceberg(grown)
tell(rows=list(frame.select(pl.len(), pl.col("id").sum()).collect().row(0)))
tell(filtered=frame.filter(pl.col("id") >= 2100).collect().height)
tell(travel=[pl.scan_iceberg(grown, snapshot_id=each.snapshot_id).collect().height for each in grown.snapshots()])
bare = pl.scan_iceberg(catalog.load_table(f"main.bare_{suffix}")).collect()
tell(without_ids=sorted(bare["word"].to_list()))
rows = pl.scan_iceberg(catalog.load_table(f"main.evolved_{suffix}")).sort("id").collect()
tell(evolved=[" ".join(str(row[name]) for name in ("id", "title", "note") if row[name] is not None) for row in rows.to_dicts()])

if not namespace:
    sys.exit()


def content(**more):
    found = pl.scan_iceberg(table, **more).collect()
    return [found.height, found["id"].sum(), found.columns]


catalog.create_namespace(namespace)
table = catalog.create_table(f"{namespace}.jobs", arrow_rows(0, 1).schema)
pl.from_arrow(arrow_rows(0, 100)).write_iceberg(table, mode="append")
step("append", content())
append_here("id,part\n700,p0\n701,p1\n")
table = catalog.load_table(f"{namespace}.jobs")
step("ours", content())
# By PyIceberg: Polars has no words for it.
with table.update_schema() as update:
    update.add_column("score", DoubleType())
table.delete("id < 10")
step("marked", content())
travelled("append", content(snapshot_id=table.snapshots()[0].snapshot_id))
pl.from_arrow(arrow_rows(0, 50, score=1.5)).write_iceberg(table, mode="overwrite")
step("overwrite", content())
