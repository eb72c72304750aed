/** What the operating system gives and says: calls of the C library, descriptors, threads' processor time, the terminal, systemd. */
export {
  addressList,
  addressRanges,
  forwardedFor,
  isAddressRange,
  isListed,
  isLoopback,
} from "./addresses.ts";
export { claimDescriptors, keepReserve } from "./descriptors.ts";
export { lackingVariables } from "./environment.ts";
export { writeByMemory } from "./memory-file.ts";
export { notifyReloading, notifySystemd } from "./notify.ts";
export { watchTerminal } from "./terminal.ts";
export { ownThreadId, type ReadThread, readThread } from "./thread-time.ts";
