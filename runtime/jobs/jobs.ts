/** Lists of jobs: pages of them, and one of them as server-sent events. */
export { jobEvents } from "./events.ts";
export { pageById, pageOf } from "./pages.ts";
