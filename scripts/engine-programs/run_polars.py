"""Polars over PyIceberg: reads; appends to tables and overwrites them."""
import polars as pl
from findings import iceberg_catalog, suffix, tell
from pyiceberg_steps import change_table

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


def content(table, **more):
    found = pl.scan_iceberg(table, **more).collect()
    return [found.height, found["id"].sum(), found.columns]


change_table(pl.from_arrow, content)
