/** What PostgreSQL's wire protocol says, version 3: the messages of a server, and the types of columns. */
export { connectPostgres } from "./client.ts";
export { commandComplete, type Described, message, rowDescription } from "./messages.ts";
export { oidOf, type PostgresForm, type PostgresType, postgresType, typeOfOid } from "./postgres-types.ts";
