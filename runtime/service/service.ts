/** The life of a service in its Worker: what it is given, its clients of others, its folder, and how it is inspected and reloaded. */
export type { Deps, ServiceState, ServiceStatus } from "./declaration.ts";
export { durable } from "./durable-endpoints.ts";
export { beginFolders, serviceFolder, stampedDirectory } from "./folder.ts";
export type { FromWorker, Init, PeerLink, ToWorker } from "./protocol.ts";
export { type Live, planReload, refuseOpenBinds } from "./reload.ts";
export { runService } from "./worker.ts";
