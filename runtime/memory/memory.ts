/** Memory that a process may have, and what its services may fill of it. */
export { createMemoryBudget, type MemoryBudget, type Room } from "./budget.ts";
export { heapBytes } from "./heap-bytes.ts";
export { machineMemory } from "./machine.ts";
