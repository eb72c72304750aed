/** Node's clients of PostgreSQL, each by itself: what they find, as one line of JSON. */

import knexOf from "knex";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import Cursor from "pg-cursor";
import QueryStream from "pg-query-stream";
import postgres from "postgres";
import { QueryTypes, Sequelize } from "sequelize";
import { DataSource, EntitySchema } from "typeorm";

const url = process.argv[2];
const countOf = async (rows) => {
  let count = 0;
  for await (const piece of rows) count += Array.isArray(piece) ? piece.length : 1;
  return count;
};

async function byPostgres() {
  const sql = postgres(url);
  const found = {
    bare: (await sql`SELECT ${"bare"} AS x`)[0].x,
    any: (await sql`SELECT id FROM things WHERE id = ANY(${[1, 2]})`).length,
    names: (await sql`SELECT ${sql(["id", "title"])} FROM ${sql("things")} WHERE id IN ${sql([1, 2, 3])}`)
      .length,
    cursor: await countOf(sql`SELECT id FROM things`.cursor(100)),
  };
  await sql.end();
  return found;
}

async function byStream() {
  const client = new pg.Client(url);
  await client.connect();
  const count = await countOf(client.query(new QueryStream("SELECT id FROM things WHERE id >= $1", [0])));
  await client.end();
  return count;
}

async function byKnex() {
  const knex = knexOf({ client: "pg", connection: url });
  const found = [Object.keys(await knex("things").columnInfo()).join(), await knex.schema.hasTable("things")];
  await knex.destroy();
  return found;
}

async function byKysely() {
  const pool = new pg.Pool({ connectionString: url });
  const db = new Kysely({ dialect: new PostgresDialect({ pool, cursor: Cursor }) });
  const tables = (await db.introspection.getTables()).map(({ name, isView }) => `${name} ${isView}`);
  const streamed = await countOf(db.selectFrom("things").select("id").stream(100));
  await db.destroy();
  return [tables, streamed];
}

async function bySequelize() {
  const sequelize = new Sequelize(url, { logging: false });
  const table = { tableName: "things", schema: "main" };
  const columns = Object.keys(await sequelize.getQueryInterface().describeTable(table));
  const rows = await sequelize.query("SELECT id FROM things WHERE id = $1", {
    bind: [3],
    type: QueryTypes.SELECT,
  });
  await sequelize.close();
  return [columns.length, rows];
}

async function byTypeorm() {
  const columns = { id: { type: "bigint", primary: true }, title: { type: "varchar" } };
  const thing = new EntitySchema({ name: "Thing", tableName: "things", columns });
  const source = new DataSource({ type: "postgres", url, entities: [thing], schema: "main" });
  await source.initialize();
  const things = source.getRepository(thing);
  const found = [(await things.findOneBy({ id: 3 })).title, await things.count()];
  await source.destroy();
  return found;
}

const found = {
  postgres: await byPostgres(),
  stream: await byStream(),
  knex: await byKnex(),
  kysely: await byKysely(),
  sequelize: await bySequelize(),
  typeorm: await byTypeorm(),
};
process.stdout.write(`${JSON.stringify(found)}\n`);
