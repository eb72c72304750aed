"""asyncpg."""

import asyncio
import io
import sys

import asyncpg
from findings import say, text

host, port, token, types = sys.argv[1:5]


async def main():
    connection = await asyncpg.connect(host=host, port=int(port), user="reader", password=token, database="lakehouse")
    count = text(await connection.fetchval("SELECT count(*) FROM things"))
    rows = await connection.fetch("SELECT title FROM things WHERE id = $1 AND active = $2", 7, False)
    values = [text(one) for one in await connection.fetchrow(types)]
    fetched = []
    async with connection.transaction():
        async for row in connection.cursor("SELECT id FROM things ORDER BY id", prefetch=100):
            fetched.append(row[0])
    copied = io.BytesIO()
    await connection.copy_from_query("SELECT id FROM things WHERE id >= $1 ORDER BY id", 0, output=copied)
    same = [int(line) for line in copied.getvalue().split()] == fetched == list(range(1000))
    tables = [row[0] for row in await connection.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = ANY($1::text[])", ["main"])]
    try:
        await connection.fetch("SELECT * FROM nothing_of_this_name")
        error = None
    except asyncpg.PostgresError as cause:
        error = cause.sqlstate
    await connection.reset()
    await connection.close()
    say(count=count, filtered=[row[0] for row in rows], types=values, tables=tables, error=error, agree=same)


asyncio.run(main())
