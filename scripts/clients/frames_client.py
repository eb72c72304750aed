"""Data frames and mappers: pandas by SQLAlchemy over three drivers, Polars by connectorx, Ibis, and Django's inspectdb."""

import io
import sys

import django
import ibis
import pandas
import polars
import sqlalchemy
from django.conf import settings
from django.core.management import call_command
from findings import say, text

host, port, token = sys.argv[1:4]
place = f"reader:{token}@{host}:{port}/lakehouse"
everything = "SELECT id, title, price, posted, active FROM things ORDER BY id"

engines = [sqlalchemy.create_engine(f"postgresql+{driver}://{place}") for driver in ["psycopg", "psycopg2", "pg8000"]]
frames = [pandas.read_sql(everything, engine) for engine in engines]
streamed = pandas.concat(pandas.read_sql(
    everything, engines[0].connect().execution_options(stream_results=True), chunksize=300))
by_polars = polars.read_database_uri(everything, f"postgresql://{place}")
in_parts = polars.read_database_uri("SELECT id FROM things", f"postgresql://{place}", partition_on="id", partition_num=3)

lake = ibis.postgres.connect(host=host, port=int(port), user="reader", password=token, database="lakehouse", schema="main")
things = lake.table("things")
filtered = things.filter(things.id == 7).title.execute().tolist()

database = {"ENGINE": "django.db.backends.postgresql", "NAME": "lakehouse", "USER": "reader", "PASSWORD": token,
            "HOST": host, "PORT": port, "OPTIONS": {"options": "-c search_path=main"}}
settings.configure(DATABASES={"default": database}, INSTALLED_APPS=[])
django.setup()
models = io.StringIO()
call_command("inspectdb", stdout=models)

ids = list(range(1000))
say(count=text(things.count().execute()), filtered=filtered, tables=lake.list_tables(), columns=list(things.columns),
    agree=all(frame.equals(frames[0]) for frame in frames[1:]) and streamed.id.tolist() == ids
    and by_polars["id"].to_list() == ids == sorted(in_parts["id"].to_list())
    and "posted = models.DateField(" in models.getvalue())
