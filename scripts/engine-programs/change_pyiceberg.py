"""Tables that PyIceberg makes and the product changes: change_pyiceberg.py URI TOKEN NAMESPACE. Prints findings as JSON.

Of each table PyIceberg makes the partitions, writes and deletes rows; the product deletes, updates and upserts; PyIceberg
reads all rows again, and by filters that it looks up in partitions and bounds alone.
"""
import datetime as dt
import decimal
import json
import sys
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import EqualTo, IsNull
from pyiceberg.transforms import parse_transform

uri, token, namespace = sys.argv[1:4]
gateway = uri.removesuffix("/iceberg")
catalog = load_catalog("lakehouse", type="rest", uri=uri, **({"token": token} if token else {}))
utc = dt.timezone.utc
epoch = dt.datetime(1970, 1, 1, 12, 30, 15, 123456)
schema = pa.schema(
    [
        ("id", pa.int64()),
        ("whole", pa.int32()),
        ("word", pa.string()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us")),
        ("zoned", pa.timestamp("us", tz="UTC")),
        ("money", pa.decimal128(10, 2)),
        ("key", pa.binary(16) if not hasattr(pa, "uuid") else pa.uuid()),
        ("raw", pa.binary()),
        ("flag", pa.bool_()),
    ]
)


def row(n):
    """Values on both sides of zero, and none in each seventh row."""
    if n % 7 == 6:
        return {"id": n, **{name: None for name in schema.names[1:]}}
    signed = (n * 37 if n % 2 else -n * 53) + n
    moment = epoch + dt.timedelta(hours=signed * 5)
    return {
        "id": n,
        "whole": signed,
        "word": f"né {'x' * (n % 5)}{n % 11}",
        "day": moment.date(),
        "at": moment,
        "zoned": moment.replace(tzinfo=utc),
        "money": decimal.Decimal(signed * 7 + 5).scaleb(-2),
        "key": uuid.UUID(int=n * 0x1234567890ABCDEF1234567 % 2**128).bytes,
        "raw": bytes([n % 256, (n * 3) % 256, (n * 7) % 256]),
        "flag": n % 3 == 0,
    }


def rows(ids):
    return pa.Table.from_pylist([row(n) for n in ids], schema=schema)


def post(path, body):
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(f"{gateway}/v1{path}", json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{path}: {error.code} {error.read().decode()}") from error


def same(found, expected):
    found = {each["id"]: each for each in found.to_pylist()}
    wrong = [n for n in set(found) ^ set(expected)]
    for n, values in expected.items():
        for name, value in values.items():
            got = found.get(n, {}).get(name)
            got = got.bytes if isinstance(got, uuid.UUID) else got
            if got != value:
                wrong.append((n, name, str(got), str(value)))
    return wrong


def changed(name, parts, order=None):
    table = catalog.create_table(f"{namespace}.{name}", schema)
    with table.update_spec() as update:
        for column, transform in parts:
            update.add_field(column, parse_transform(transform))
    if order:
        with table.update_sort_order() as update:
            update.asc(*order)
    table.append(rows(range(0, 120)))
    table.append(rows(range(120, 160)))
    table.delete("id >= 20 and id < 25")
    expected = {n: row(n) for n in range(160) if not 20 <= n < 25}
    where = f"/catalog/datasets/{namespace}.{name}"
    matched = post(f"{where}/delete", {"where": "id % 10 = 3"})["rows_matched"]
    gone = [n for n in expected if n % 10 == 3]
    for n in gone:
        del expected[n]
    wrong = [] if matched == len(gone) else [f"delete matched {matched}, not {len(gone)}"]
    post(f"{where}/update", {"set": {"whole": "whole + 1000", "day": "day + 400", "word": "'new ' || id"}, "where": "id % 10 = 4"})
    for n, values in expected.items():
        if n % 10 == 4:
            values["word"] = f"new {n}"
            if values["whole"] is not None:
                values["whole"] += 1000
                values["day"] += dt.timedelta(days=400)
    put = [{"id": n, "whole": n, "word": f"put {n}", "day": "2001-02-03", "money": "1.25"} for n in (5, 65, 500)]
    post(f"{where}/upsert", {"key": ["id"], "rows": put})
    for each in put:
        empty = {column: None for column in schema.names}
        typed = {"day": dt.date(2001, 2, 3), "money": decimal.Decimal("1.25")}
        expected[each["id"]] = {**empty, **each, **typed}
    table.refresh()
    wrong += same(table.scan().to_arrow(), expected)
    for column, _ in parts or [("id", "")]:
        for n in (0, 1, 4, 5, 9, 14, 30, 101, 500):
            # PyArrow compares no UUIDs.
            if n not in expected or column == "key":
                continue
            value = expected[n][column]
            condition = IsNull(column) if value is None else EqualTo(column, value)
            alike = {m: values for m, values in expected.items() if values[column] == value}
            wrong += [(column, str(value), each) for each in same(table.scan(row_filter=condition).to_arrow(), alike)]
    total = int(table.current_snapshot().summary["total-records"])
    if total != len(expected):
        wrong.append(f"the summary says {total} rows, not {len(expected)}")
    # And PyIceberg goes on with it.
    table.delete("id < 10")
    table.append(rows(range(900, 905)))
    kept = {n: values for n, values in expected.items() if n >= 10} | {n: row(n) for n in range(900, 905)}
    wrong += same(table.scan().to_arrow(), kept)
    return wrong


def together(writers=4, each=6):
    """Half of the writers are PyIceberg's, half the product's, on one table with partitions."""
    name = f"{namespace}.together"
    table = catalog.create_table(name, schema)
    with table.update_spec() as update:
        update.add_field("id", parse_transform("bucket[3]"))

    def append(writer):
        for at in range(each):
            while True:
                try:
                    mine = catalog.load_table(name)
                    mine.append(rows([writer * 100 + at]))
                    if at % 3 == 2:
                        while True:
                            try:
                                catalog.load_table(name).delete(EqualTo("id", writer * 100 + at))
                                break
                            except CommitFailedException:
                                conflicts.append(writer)
                    break
                except CommitFailedException:
                    conflicts.append(writer)

    def change(writer):
        where = f"/catalog/datasets/{name}"
        for at in range(each):
            n = 10_000 + writer * 100 + at
            send(f"{where}/upsert", {"key": ["id"], "rows": [{"id": n, "whole": 1}]})
            send(f"{where}/update", {"set": {"whole": "whole + 1"}, "where": f"id = {n}"})
            if at % 3 == 2:
                send(f"{where}/delete", {"where": f"id = {n}"})

    def send(path, body):
        while True:
            try:
                return post(path, body)
            except SystemExit as error:
                if ": 409 " not in str(error):
                    raise
                refused.append(path)

    conflicts, refused = [], []
    with ThreadPoolExecutor(2 * writers) as pool:
        work = [pool.submit(each_, writer) for writer in range(writers) for each_ in (append, change)]
        for one in work:
            one.result()
    table.refresh()
    expected = {w * 100 + at: row(w * 100 + at) for w in range(writers) for at in range(each) if at % 3 != 2}
    empty = {column: None for column in schema.names}
    ours = [10_000 + w * 100 + at for w in range(writers) for at in range(each) if at % 3 != 2]
    expected |= {n: {**empty, "id": n, "whole": 2} for n in ours}
    found = table.scan().to_arrow()
    wrong = same(found, expected)
    if found.num_rows != len(expected):
        wrong.append(f"{found.num_rows} rows, not {len(expected)}")
    print(f"together: {len(conflicts)} conflicts, {len(refused)} refused", file=sys.stderr)
    return wrong


catalog.create_namespace(namespace)
cases = {
    "plain": [],
    "identities": [("word", "identity"), ("flag", "identity")],
    "days": [("day", "day")],
    "months": [("at", "month"), ("whole", "truncate[100]")],
    "years": [("zoned", "year"), ("day", "year")],
    "hours": [("zoned", "hour")],
    "numbers": [("id", "bucket[4]"), ("whole", "bucket[3]")],
    "words": [("word", "bucket[5]")],
    "beginnings": [("word", "truncate[4]")],
    "times": [("at", "bucket[3]"), ("day", "bucket[4]"), ("zoned", "bucket[2]")],
    "sums": [("money", "bucket[7]")],
    "rounded": [("money", "truncate[50]"), ("raw", "truncate[1]")],
    "bytes": [("key", "bucket[4]"), ("raw", "bucket[3]")],
    "exact": [("money", "identity"), ("day", "identity")],
}
found = {}
for name, parts in cases.items():
    found[name] = [str(each) for each in changed(name, parts)[:5]]
by_word = ("word", parse_transform("identity"))
found["together"] = [str(each) for each in together()[:5]]
found["sorted"] = [str(each) for each in changed("sorted", [("flag", "identity")], order=by_word)[:5]]
print(json.dumps({"changed": found}), flush=True)
