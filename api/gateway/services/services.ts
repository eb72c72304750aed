/** The services behind the gateway: their contracts under /v1, streams passed on, and how each of them is. */
export { diskOf, memoryTable } from "./memory.ts";
export { mountServices } from "./mount.ts";
export { maintenanceOf, reasonsOf, servicesOf } from "./state.ts";
