/** What the operating system gives and says: descriptors, files in memory, the terminal, systemd. */
export { claimDescriptors, keepReserve } from "./descriptors.ts";
export { writeByMemory } from "./memory-file.ts";
export { notifyReloading, notifySystemd } from "./notify.ts";
export { watchTerminal } from "./terminal.ts";
