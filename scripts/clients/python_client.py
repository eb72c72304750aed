"""The product's own client, as pip installs it: what it is asked, and what comes."""

import sys
import tempfile
import urllib.request
from pathlib import Path

import pandas
import polars
import pyarrow
from findings import say
from IPython.core.interactiveshell import InteractiveShell
from lakehouse_client import Lakehouse, LakehouseError

url, token = sys.argv[1:3]
lake = Lakehouse(url, token=token)


def refused(work):
    try:
        work()
        return None
    except LakehouseError as cause:
        return [cause.type, cause.status]


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "2024 Jobs.csv"
    path.write_text("id,zip,pay,posted\n1,02134,12.50,2024-02-03\n9007199254740993,60605,,2024-02-04\n")
    loaded = lake.load(path)
say(loaded=[loaded["manifest"]["name"], loaded["rows_loaded"]])
put = urllib.request.Request(f"{url}/v1/storage/put/in/box.csv", b"id\n1\n2\n", {"authorization": f"Bearer {token}"}, method="PUT")
urllib.request.urlopen(put).close()
say(fetched=[lake.load(None, "fetched", url="s3://primary/in/box.csv")["rows_loaded"],
             refused(lambda: lake.load(None, "fetched", url="http://127.0.0.1/box.csv")),
             refused(lambda: lake.load(None, "fetched", source="nobody", table="a.b"))])
jobs = lake.sql("SELECT * FROM _2024_jobs ORDER BY id")
say(rows=[[str(value) for value in row.values()] for row in jobs.rows()],
    pandas=[str(jobs.pandas()["id"].iloc[1]), int(jobs.pandas()["pay"].isna().sum())],
    polars=[jobs.polars().height, str(jobs.polars()["zip"][0])],
    arrow=jobs.arrow().column_names, shown=repr(jobs).splitlines()[-1], html="<td>02134</td>" in jobs._repr_html_())
frame = pandas.DataFrame({"id": [1, 2], "name": ["Ann", "Łukasz"]})
for name, table in {"from_pandas": frame, "from_polars": polars.from_pandas(frame), "from_arrow": pyarrow.Table.from_pandas(frame)}.items():
    lake.load(table, name)
lake.load(b"id,name\n3,Kim\n", "from_pandas", mode="append")
say(tables=[lake.sql(f"SELECT string_agg(name, ' ' ORDER BY id) AS names FROM {name}").rows()[0]["names"]
            for name in ("from_pandas", "from_polars", "from_arrow")])
seen = 0
for batch in lake.sql("SELECT range AS n FROM range(1000000)").batches():
    seen += batch.num_rows
say(batches=seen, params=lake.sql("SELECT name FROM from_pandas WHERE id = $id", {"id": 2}).rows())
job = lake.matrixd.build(name="people", sql="SELECT * FROM from_pandas", id_column="id", text_columns=["name"])["job_id"]
events = [line for line in lake.matrixd.jobEvents(job_id=job).iter_lines() if line.startswith("event:")]
found = lake.search("Kim", corpora=["people"], k=1)
say(job=events[-1], hit=[found["hits"][0]["id"], found["errors"]])
once = [lake.pathwayd.add(content={"text": "a note"}, idempotency_key="one")["uid"] for _ in range(2)]
say(versions=len(lake.catalogd.versions(name="from_pandas")["versions"]), once=once[0] == once[1],
    help="version" in str(lake.catalogd.manifest.__signature__), services="drop" in dir(lake.catalogd))
say(errors=[refused(lambda: lake.sql("SELECT * FROM nothing_here").rows()), refused(lambda: Lakehouse(url, token="wrong").sql("SELECT 1").rows()),
            refused(lambda: Lakehouse("http://127.0.0.1:1", retries=0).sql("SELECT 1").rows()),
            refused(lambda: list(lake.chat("hello"))), refused(lambda: lake.load(b"id,name\n1,Ann\n2\n", "bad"))])
shell = InteractiveShell.instance()
shell.user_ns["lake"] = lake
shell.run_line_magic("load_ext", "lakehouse_client")
line = shell.run_line_magic("sql", "--polars SELECT count(*) AS n FROM from_pandas")
cell = shell.run_cell_magic("sql", "", "SELECT name\nFROM from_pandas ORDER BY id")
say(magic=[type(line).__module__.split(".")[0], line["n"][0], [row["name"] for row in cell]])


def words(work):
    try:
        return work()
    except ValueError as cause:
        return str(cause)


say(settings=[words(lambda: Lakehouse("nonsense")), words(lambda: Lakehouse(url, token="a b")),
              Lakehouse(url, token=token + "\n").sql("SELECT 1 AS a").rows()])
