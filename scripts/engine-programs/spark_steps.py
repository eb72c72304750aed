"""What Spark and Sail, which speak the same SQL, both do: read the datasets; make a table and append to it."""
import sys

from findings import append_here, ask, namespace, step, suffix, tell, text

jobs = f"lake.{namespace}.jobs"


class SparkSteps:
    """The first steps in a session whose catalog `lake` is the product's; ends the program where no table is to be made."""

    def __init__(self, spark):
        self.spark = spark
        self.read_datasets()
        if not namespace:
            sys.exit()
        self.make_table()

    def rows(self, sql):
        return [list(row) for row in self.spark.sql(sql).collect()]

    def counts(self, table):
        return self.rows(f"SELECT count(*), coalesce(sum(id), 0) FROM {table}")[0]

    def content(self, table=jobs):
        return [*self.counts(table), self.spark.sql(f"SELECT * FROM {table}").columns]

    def read_datasets(self):
        names = [name for (_, name, *_) in self.rows("SHOW TABLES IN lake.main")]
        tell(tables=sorted(name for name in names if name.endswith(suffix)))
        grown = f"lake.main.grown_{suffix}"
        tell(rows=self.counts(grown), filtered=self.counts(f"{grown} WHERE id >= 2100")[0])
        tell(travel=[self.counts(f"{grown} VERSION AS OF {id}")[0] for id in snapshots("main", f"grown_{suffix}")])
        [row] = self.spark.sql(f"SELECT * FROM lake.main.types_{suffix}").collect()
        tell(types=[text(value) for value in row])
        tell(without_ids=sorted(word for (word,) in self.rows(f"SELECT word FROM lake.main.bare_{suffix}")))
        evolved = self.rows(f"SELECT concat_ws(' ', id, title, note) FROM lake.main.evolved_{suffix} ORDER BY id")
        tell(evolved=[line for (line,) in evolved])

    def make_table(self):
        self.spark.sql(f"CREATE NAMESPACE lake.{namespace}")
        self.spark.sql(f"CREATE TABLE {jobs} USING iceberg AS SELECT id, concat('p', id % 2) AS part FROM range(100)")
        step("make", self.content())
        self.spark.sql(f"INSERT INTO {jobs} SELECT id, concat('p', id % 2) AS part FROM range(100, 150)")
        step("append", self.content())
        append_here("id,part\n700,p0\n701,p1\n")
        step("ours", self.content())


def snapshots(parent, table):
    """Their ids by the catalog, as Sail has no table of them."""
    loaded = ask(f"/iceberg/v1/main/namespaces/{parent}/tables/{table}")
    return [each["snapshot-id"] for each in loaded["metadata"]["snapshots"]]
