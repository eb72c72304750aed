/** The API described, from the contracts alone: the OpenAPI document and the page made of it. */
export { openApi } from "./document.ts";
export { docsHeaders, docsPage } from "./page.ts";
