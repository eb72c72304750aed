"""What every program is told and how it tells what it found: run_NAME.py URI TOKEN SUFFIX NAMESPACE, lines of JSON.

First what the datasets that end with SUFFIX hold; then, unless NAMESPACE is empty, the engine makes and changes its
table `jobs` there. After each change a step says what the engine reads of it and what the product's SQL does.
"""
import datetime
import json
import sys
import urllib.request

uri, token, suffix, namespace = sys.argv[1:5]
gateway = uri.removesuffix("/iceberg")
versions = {}


def tell(**found):
    # In one piece: threads of a program tell beside each other.
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def text(value):
    """A value of a column as the expected ones are written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return " ".join(map(str, value.values()))
    if hasattr(value, "asDict"):
        return " ".join(map(str, value))
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    return str(value)


def tell_refusal(write):
    """What a write is refused with; empty when it is not."""
    try:
        write()
        tell(refused="")
    except Exception as error:
        tell(refused=f"{type(error).__name__}: {error}")


def ask(path, body=None, kind="application/json"):
    headers = {"content-type": kind, **({"authorization": f"Bearer {token}"} if token else {})}
    with urllib.request.urlopen(urllib.request.Request(gateway + path, body, headers)) as answer:
        return json.load(answer)


def here(name="jobs"):
    """What the product's SQL gives of the table: rows, the sum of ids, columns."""
    table = f'{namespace}."{name}"'
    sums, columns = (
        [list(row.values()) for row in ask("/v1/sql", json.dumps({"sql": sql}).encode())]
        for sql in (f"SELECT count(*), coalesce(sum(id), 0)::BIGINT FROM {table}", f"DESCRIBE {table}")
    )
    return [*sums[0], [column for column, *_ in columns]]


def both(name, there, here):
    tell(**{f"step {name}": {"there": there, "here": here}})


def step(name, there):
    """After a change: what the engine reads of the table, beside what SQL does."""
    both(name, there, here())
    versions[name] = ask(f"/v1/catalog/versions/{namespace}.jobs?page_size=1")["versions"][0]["version"]


def travelled(name, there):
    """What the engine reads of the table as it was at a step, beside SQL of that version."""
    both("travel", there, here(f"jobs@{versions[name]}"))


def append_here(csv):
    ask(f"/v1/ingest?name={namespace}.jobs&mode=append", csv.encode(), "text/csv")


def expire_here():
    """All snapshots and versions but the latest, and what tags need."""
    body = json.dumps({"keep_versions": 1, "older_than_days": 0}).encode()
    tell(expired=ask(f"/v1/catalog/expire/{namespace}.jobs", body))


def tables_here():
    sql = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{namespace}' ORDER BY 1"
    return [row["table_name"] for row in ask("/v1/sql", json.dumps({"sql": sql}).encode())]


def iceberg_catalog():
    """PyIceberg's catalog at the address."""
    from pyiceberg.catalog import load_catalog

    return load_catalog("lakehouse", type="rest", uri=uri, **({"token": token} if token else {}))


def arrow_rows(first, last, **more):
    """Rows of `id` and `part`, or of these and others, as a table of Arrow."""
    import pyarrow as pa

    ids = list(range(first, last))
    columns = {"id": pa.array(ids, pa.int64()), "part": [f"p{i % 2}" for i in ids]}
    return pa.table({**columns, **{name: [value] * len(ids) for name, value in more.items()}})
