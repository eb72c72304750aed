/** The inside of a child process: it is confined before its program runs, and serves one contract to its parent. */
export type { Confinement } from "./confine.ts";
export { socketDescriptor } from "./descriptor.ts";
export { beginVerb, inFlightMax, restVerb, serveChild } from "./serve.ts";
