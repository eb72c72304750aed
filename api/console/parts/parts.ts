/** What pages are made of. Templates are JSX: whatever is put into them is escaped. */

export { Action, Bad, Empty, Failure, Fields, Stat, State, Table } from "./elements.tsx";
export { bytes, count, duration, moment, shortened, since } from "./format.ts";
export { Layout, nonceOf, type Page, type PageContext, pageResponse } from "./layout.tsx";
