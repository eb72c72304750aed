"""PyIceberg: what it reads of datasets; makes, changes, reads back, renames and purges tables."""
import sys

from findings import append_here, arrow_rows, both, expire_here, iceberg_catalog, namespace, step, suffix, tables_here, tell, tell_refusal, text, travelled
from pyiceberg.expressions import GreaterThanOrEqual
from pyiceberg.types import DoubleType

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

if not namespace:
    sys.exit()


def content(**more):
    found = table.scan(**more).to_arrow()
    ids = found["id"].to_pylist()
    return [len(ids), sum(ids), found.column_names]


def scored(first, last, score):
    return arrow_rows(first, last, score=score).rename_columns(["id", "shard", "score"])


catalog.create_namespace(namespace)
name = f"{namespace}.jobs"
table = catalog.create_table(name, arrow_rows(0, 1).schema)
step("make", content())
table.append(arrow_rows(0, 100))
step("append", content())
append_here("id,part\n700,p0\n701,p1\n")
table = catalog.load_table(name)
step("ours", content())
with table.update_schema() as update:
    update.rename_column("part", "shard")
    update.add_column("score", DoubleType())
with table.update_spec() as update:
    update.add_identity("shard")
table.append(scored(150, 160, 0.5))
step("evolve", content())
table.delete("id < 10")
step("delete", content())
table.overwrite(scored(500, 510, 1.5), overwrite_filter="id >= 150 and id < 600")
step("overwrite", content())
table.upsert(scored(505, 515, 2.5), join_cols=["id"])
step("merge", content())
travelled("append", content(snapshot_id=table.snapshots()[0].snapshot_id))
table.manage_snapshots().create_tag(table.snapshots()[0].snapshot_id, "first").commit()
step("tag", content())
with table.transaction() as two:
    two.append(scored(600, 601, 3.5))
    two.set_properties(owner="engines")
step("transaction", content())
table.maintenance.expire_snapshots().by_id(table.snapshots()[1].snapshot_id).commit()
step("expire_snapshots", content())
expire_here()
table = catalog.load_table(name)
step("expired here", content())
catalog.rename_table(name, f"{namespace}.moved")
copy = catalog.create_table(f"{namespace}.gone", table.schema())
copy.append(table.scan().to_arrow())
catalog.purge_table(f"{namespace}.gone")
there = sorted(each for _, each in catalog.list_tables(namespace))
both("rename", there, tables_here())
