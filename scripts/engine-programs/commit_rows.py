"""Writers to one table at once: commit_rows.py URI TOKEN TABLE NAMESPACE ENGINE ROWS FIRST COMMITS WRITERS STRIDE [JARS].

Writer w makes commits of ROWS rows, whose `id` is FIRST + w * STRIDE + the commit's number, which its snapshot names as
`campaign`. Each is made again until the table has it: after a refusal at once, after anything else when it is not there.
Prints a line of JSON a commit.
"""
import random
import sys
import threading
import time

from findings import ask, iceberg_catalog, namespace, suffix, tell

engine = sys.argv[5]
rows, first, commits, writers, stride = (int(word) for word in sys.argv[6:11])
table = f"{namespace}.{suffix}"


def spark_writer():
    from pyspark.errors.exceptions.base import PySparkException
    from py4j.protocol import Py4JJavaError
    from spark_session import spark_session

    spark = spark_session(sys.argv[11])

    def append(id):
        frame = spark.range(rows).selectExpr(f"{id}L AS id", "'spark' AS name").coalesce(1)
        frame.writeTo(f"lake.{table}").option("snapshot-property.campaign", str(id)).append()

    def refused(error):
        words = str(error)
        of_spark = isinstance(error, (PySparkException, Py4JJavaError))
        return of_spark and "CommitFailedException" in words and "CommitStateUnknown" not in words

    return lambda: append, refused


def pyiceberg_writer():
    import pyarrow as pa
    from pyiceberg.exceptions import CommitFailedException

    def writer():
        catalog = None

        def append(id):
            nonlocal catalog
            catalog = catalog or iceberg_catalog()
            added = pa.table({"id": pa.array([id] * rows, pa.int64()), "name": ["pyiceberg"] * rows})
            catalog.load_table(table).append(added, snapshot_properties={"campaign": str(id)})

        return append

    return writer, lambda error: isinstance(error, CommitFailedException)


def is_there(id):
    loaded = ask(f"/iceberg/v1/main/namespaces/{namespace}/tables/{suffix}")
    return any(each["summary"].get("campaign") == str(id) for each in loaded["metadata"]["snapshots"])


def persist(id, append):
    unknown = False
    for attempt in range(1_000_000):
        try:
            if not (unknown and is_there(id)):
                unknown = True
                append(id)
            return tell(committed=id)
        except Exception as error:
            if refused(error):
                unknown = False
            tell(failed=id, refused=not unknown, why=f"{type(error).__name__}: {error}"[:300])
            time.sleep(random.uniform(0, min(2, 0.05 * 2 ** min(attempt, 10))))


def write(writer):
    append = new_writer()
    for at in range(commits):
        persist(first + writer * stride + at, append)


new_writer, refused = {"spark": spark_writer, "pyiceberg": pyiceberg_writer}[engine]()
threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
