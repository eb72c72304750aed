/** What islands are made of: the API from a page, elements, and a grid of rows. */
export { ApiError, call, errorOf, linesOf, told } from "./api.ts";
export { byId, confirmed, copied, element, filled, notice, tableOf } from "./elements.ts";
export { isNumber, type Rows, showGrid } from "./table.ts";
