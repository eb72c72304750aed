"""SQLAlchemy over psycopg 3."""

import sys

import sqlalchemy
from findings import say, text

host, port, token = sys.argv[1:4]
engine = sqlalchemy.create_engine(f"postgresql+psycopg://reader:{token}@{host}:{port}/lakehouse")
inspector = sqlalchemy.inspect(engine)
tables = inspector.get_table_names()
columns = [column["name"] for column in inspector.get_columns("things")]
keys = [inspector.get_pk_constraint("things")["constrained_columns"], inspector.get_foreign_keys("things"),
        inspector.get_indexes("things"), inspector.get_view_names()]
things = sqlalchemy.Table("things", sqlalchemy.MetaData(), autoload_with=engine)
with engine.connect() as connection:
    count = text(connection.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(things)))
    chosen = sqlalchemy.select(things.c.title).where(things.c.id == 7, things.c.price < 100)
    filtered = [row[0] for row in connection.execute(chosen)]
say(count=count, filtered=filtered, tables=tables, columns=columns, agree=keys == [[], [], [], []])
