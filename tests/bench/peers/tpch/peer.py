"""An engine beside ours: jobs come in as lines of JSON, and each is answered by a line with the milliseconds it took."""
import json
import sys
import time

engine, version = sys.argv[1], None

if engine == "duckdb":
    import duckdb

    version = duckdb.__version__
    connection = duckdb.connect()

    def load(csv, out):
        connection.execute(f"COPY (FROM read_csv('{csv}')) TO '{out}' (FORMAT parquet, COMPRESSION zstd)")

    def open_table(name, files, native):
        kind = "TABLE" if native else "VIEW"
        connection.execute(f"CREATE OR REPLACE {kind} {name} AS FROM read_parquet({files})")

    def query(sql):
        return connection.execute(sql).fetchall()

elif engine == "polars":
    import polars

    version = polars.__version__

    def load(csv, out):
        polars.scan_csv(csv, try_parse_dates=True).sink_parquet(out, compression="zstd")

elif engine == "chdb":
    from chdb import session

    import chdb

    version = chdb.__version__
    connection = session.Session()

    def load(csv, out):
        connection.query(
            f"INSERT INTO FUNCTION file('{out}', Parquet) SELECT * FROM file('{csv}', CSVWithNames)"
            " SETTINGS output_format_parquet_compression_method = 'zstd', engine_file_truncate_on_insert = 1"
        )

print(json.dumps({"version": version}), flush=True)
for line in sys.stdin:
    job = json.loads(line)
    kind = job.pop("job")
    started = time.perf_counter()
    try:
        found = {"load": load, "open": globals().get("open_table"), "query": globals().get("query")}[kind](**job)
        answer = {"ms": (time.perf_counter() - started) * 1000}
        if kind == "query":
            answer["rows"] = [[None if cell is None else str(cell) for cell in row] for row in found]
    except Exception as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
