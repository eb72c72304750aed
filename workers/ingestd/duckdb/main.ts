/** The program of a child process of ingestd. */
import { serveChild } from "../../../runtime/child/child.ts";
import { ingestEngine } from "./duckdb.ts";
import { openDuckDb } from "./instance.ts";

await serveChild(ingestEngine, async (_init, scratch) => ({ verbs: await openDuckDb(scratch) }));
