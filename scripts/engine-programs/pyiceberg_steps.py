"""What engines over PyIceberg do with a table: it is made by PyIceberg, and they append to it, read and overwrite it."""
import sys

from findings import append_here, arrow_rows, iceberg_catalog, namespace, step, travelled


def change_table(from_arrow, content):
    """`from_arrow` makes the engine's frame; `content` is what it reads of a table: rows, the sum of ids, columns."""
    from pyiceberg.types import DoubleType

    if not namespace:
        sys.exit()
    catalog = iceberg_catalog()
    catalog.create_namespace(namespace)
    table = catalog.create_table(f"{namespace}.jobs", arrow_rows(0, 1).schema)
    from_arrow(arrow_rows(0, 100)).write_iceberg(table, mode="append")
    step("append", content(table))
    append_here("id,part\n700,p0\n701,p1\n")
    table = catalog.load_table(f"{namespace}.jobs")
    step("ours", content(table))
    # By PyIceberg: they have no words for it.
    with table.update_schema() as update:
        update.add_column("score", DoubleType())
    table.delete("id < 10")
    step("marked", content(table))
    travelled("append", content(table, snapshot_id=table.snapshots()[0].snapshot_id))
    from_arrow(arrow_rows(0, 50, score=1.5)).write_iceberg(table, mode="overwrite")
    step("overwrite", content(table))
