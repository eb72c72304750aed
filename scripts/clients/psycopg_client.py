"""psycopg 3."""

import sys

import psycopg
from findings import say, text

host, port, token, types = sys.argv[1:5]
connection = psycopg.connect(host=host, port=port, user="reader", password=token, dbname="lakehouse")
count = text(connection.execute("SELECT count(*) FROM things").fetchone()[0])
filtered = [row[0] for row in connection.execute("SELECT title FROM things WHERE id = %s AND active = %s", (7, False))]
by_text = [text(one) for one in connection.execute(types).fetchone()]
by_binary = [text(one) for one in connection.cursor(binary=True).execute(types).fetchone()]
with connection.cursor(name="some") as cursor:
    cursor.itersize = 100
    fetched = [row[0] for row in cursor.execute("SELECT id FROM things ORDER BY id")]
with connection.cursor().copy("COPY (SELECT id FROM things ORDER BY id) TO STDOUT") as copy:
    copied = [int(row[0]) for row in copy.rows()]
connection.commit()
tables = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'main'")]
connection.rollback()
try:
    connection.execute("SELECT * FROM nothing_of_this_name")
    error = None
except psycopg.Error as cause:
    error = cause.sqlstate
say(count=count, filtered=filtered, types=by_text, tables=tables, error=error,
    agree=by_text == by_binary and fetched == copied == list(range(1000)))
