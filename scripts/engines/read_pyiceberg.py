"""Reads the tables of a catalog with PyIceberg: read_pyiceberg.py URI TOKEN SUFFIX. Prints findings as JSON."""
import datetime
import json
import sys

from pyiceberg.catalog import load_catalog
from pyiceberg.expressions import GreaterThanOrEqual

uri, token, suffix = sys.argv[1:4]
catalog = load_catalog("lakehouse", type="rest", uri=uri, **({"token": token} if token else {}))


def tell(**found):
    print(json.dumps(found), flush=True)


def text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    return str(value)


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
try:
    grown.append(grown.scan().to_arrow())
    tell(refused="")
except Exception as error:
    tell(refused=f"{type(error).__name__}: {error}")
