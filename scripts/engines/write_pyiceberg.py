"""Makes and changes an open table with PyIceberg: write_pyiceberg.py URI TOKEN NAMESPACE. Prints findings as JSON."""
import json
import sys

import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DoubleType, LongType

uri, token, namespace = sys.argv[1:4]
catalog = load_catalog("lakehouse", type="rest", uri=uri, **({"token": token} if token else {}))


def tell(**found):
    print(json.dumps(found), flush=True)


def rows(first, last, **more):
    ids = list(range(first, last))
    columns = {"id": pa.array(ids, pa.int64()), "part": [f"p{i % 2}" for i in ids]}
    return pa.table({**columns, **{name: [value] * len(ids) for name, value in more.items()}})


def content(scan):
    ids = scan.to_arrow()["id"].to_pylist()
    return [len(ids), sum(ids)]


catalog.create_namespace(namespace)
name = f"{namespace}.jobs"
table = catalog.create_table(name, rows(0, 1).schema)
table.append(rows(0, 100))
table.append(rows(100, 150))
tell(appended=content(table.scan()))
with table.update_schema() as update:
    update.rename_column("part", "shard")
    update.add_column("score", DoubleType())
with table.update_spec() as update:
    update.add_identity("shard")
table.append(rows(150, 160, score=0.5).rename_columns(["id", "shard", "score"]))
tell(evolved=content(table.scan()))
table.delete("id < 10")
tell(deleted=content(table.scan()))
table.overwrite(rows(500, 510, score=1.5).rename_columns(["id", "shard", "score"]), overwrite_filter="id >= 150")
tell(overwritten=content(table.scan()))
table.manage_snapshots().create_tag(table.snapshots()[0].snapshot_id, "first").commit()
tell(tagged=content(table.scan(snapshot_id=table.refs()["first"].snapshot_id)))
with table.transaction() as both:
    both.append(rows(600, 601, score=2.5).rename_columns(["id", "shard", "score"]))
    both.set_properties(owner="engines")
tell(last=content(catalog.load_table(name).scan()), names=[field.name for field in table.schema().fields])
catalog.rename_table(name, f"{namespace}.moved")
copy = catalog.create_table(f"{namespace}.gone", table.schema())
copy.append(table.scan().to_arrow())
catalog.purge_table(f"{namespace}.gone")
tell(tables=sorted(each for _, each in catalog.list_tables(namespace)))
