/** Calls of the C library that Bun has no names for. Linux alone. */
import { dlopen, type FFIFunction } from "bun:ffi";

/** The C library has one name with glibc and one with musl. */
export function openLibc<const S extends Record<string, FFIFunction>>(symbols: S) {
  const names = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
  for (const name of names.slice(0, -1)) {
    try {
      return dlopen(name, symbols).symbols;
    } catch {
      // The other one is tried.
    }
  }
  return dlopen(names.at(-1) as string, symbols).symbols;
}

/** getrlimit(2): the number of descriptors that a process may have open. */
export const RLIMIT_NOFILE = 7;
