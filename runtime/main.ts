/** `bun run supervisor …`: what it takes and does is in product.ts. */
import { becomeProgram } from "./image/image.ts";

await import(await becomeProgram("runtime/product.ts"));
