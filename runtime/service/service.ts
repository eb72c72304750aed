/** The life of a service in its Worker: what it is given, its folder, its messages, and how it is reloaded. */
export type { Deps, ServiceDefinition, ServiceState, ServiceStatus } from "./declaration.ts";
export {
  beginFolders,
  type FolderState,
  folderState,
  refusingIdempotency,
  refusingService,
  serviceFolder,
  stampedDirectory,
  withFolderState,
} from "./folder.ts";
export type { FromWorker, Init, Live, PeerLink, ToWorker } from "./protocol.ts";
