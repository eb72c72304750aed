"""Reads the tables of a catalog with PyIceberg."""
from findings import iceberg_catalog, suffix, tell, tell_refusal, text
from pyiceberg.expressions import GreaterThanOrEqual

catalog = iceberg_catalog()
names = [name for _, name in catalog.list_tables("main") if name.endswith(suffix)]
tell(tables=sorted(names))
grown = catalog.load_table(f"main.grown_{suffix}")
ids = grown.scan().to_arrow()["id"].to_pylist()
tell(rows=[len(ids), sum(ids)])
late = grown.scan(row_filter=GreaterThanOrEqual("id", 2100))
tell(filtered=late.to_arrow().num_rows, planned=len(list(late.plan_files())))
tell(travel=[grown.scan(snapshot_id=each.snapshot_id).to_arrow().num_rows for each in grown.snapshots()])
[row] = catalog.load_table(f"main.types_{suffix}").scan().to_arrow().to_pylist()
tell(types=[text(value) for value in row.values()])
bare = catalog.load_table(f"main.bare_{suffix}").scan().to_arrow()
tell(without_ids=sorted(bare["word"].to_pylist()))
rows = catalog.load_table(f"main.evolved_{suffix}").scan().to_arrow().to_pylist()
tell(evolved=sorted(f"{row['id']} {row['title']} {row['note'] or ''}".strip() for row in rows))
tell_refusal(lambda: grown.append(grown.scan().to_arrow()))
