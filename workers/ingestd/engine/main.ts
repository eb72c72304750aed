/** The program of a child process of ingestd. */
import { serveChild } from "../../../runtime/child-main/child-main.ts";
import { ingestEngine } from "./child.ts";
import { openDuckDb } from "./duckdb.ts";

await serveChild(ingestEngine, async (_init, scratch) => ({ verbs: await openDuckDb(scratch) }));
