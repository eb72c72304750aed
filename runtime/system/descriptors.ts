/**
 * Descriptors of this process: enough for a start, and some kept for files however many connections come.
 *
 * Connections and files share one limit, and a server takes connections for as long as it may. So the soft limit is
 * kept below the hard one by a reserve. When the descriptors below it run out, new connections are left waiting in the
 * kernel, and then files may use the reserve: that is, until connections have gone. Linux alone.
 */
import { FFIType, ptr } from "bun:ffi";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { openLibc, RLIMIT_NOFILE } from "../libc/libc.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import type { Log } from "../telemetry/telemetry.ts";

const { i32, pointer } = FFIType;
const symbols = {
  getrlimit: { args: [i32, pointer], returns: i32 },
  setrlimit: { args: [i32, pointer], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  epoll_ctl: { args: [i32, i32, i32, pointer], returns: i32 },
} as const;
type Libc = ReturnType<typeof openLibc<typeof symbols>>;

/** Idle, 11 services have 96 open; each with work under way takes some more for logs, indexes and child processes. */
const neededFiles = (services: number): number => 64 + 16 * services;

/** Kept for files, of the limit: a quarter, as far as that is of use. */
const reserveOf = (limit: number): number => Math.max(64, Math.min(1024, Math.floor(limit / 4)));
/** So many below the soft limit new connections are left waiting; they are let in when twice as many are free. */
const step = 32;
/** How often descriptors are counted: connections in between meet the soft limit. */
const lookEveryMs = 50;
/** The same while connections wait. */
const lookAgainMs = 10;
/** Sockets that take connections are looked for every two seconds: a millisecond, as /proc is read. */
const looksPerSearch = 40;

function readLimit(libc: Libc): { soft: number; hard: number } {
  const [soft = 0n, hard = 0n] = limitOf(libc);
  return { soft: Number(soft), hard: Number(hard) };
}

function limitOf(libc: Libc): BigUint64Array {
  const limit = new BigUint64Array(2);
  libc.getrlimit(RLIMIT_NOFILE, ptr(limit));
  return limit;
}

function setSoftLimit(libc: Libc, soft: number): void {
  const [, hard = 0n] = limitOf(libc);
  libc.setrlimit(RLIMIT_NOFILE, ptr(BigUint64Array.of(BigInt(soft), hard)));
}

/** Raises the soft limit to the hard one. Throws where that is too little for so many services. */
export function claimDescriptors(services: number): void {
  if (process.platform !== "linux") return;
  const libc = openLibc(symbols);
  const { hard } = readLimit(libc);
  const needed = neededFiles(services);
  if (hard < needed)
    throw new Error(
      `${needed} open files are needed for ${services} services, and ${hard} are allowed: ` +
        `raise the limit (ulimit -Hn ${needed} as root, or LimitNOFILE=65536 in the unit), 65536 if many clients connect`,
    );
  setSoftLimit(libc, hard);
}

/** Keeps the reserve from now on. */
export function keepReserve({ clock, log }: { clock: Clock; log: Log }): void {
  if (process.platform !== "linux") return;
  const libc = openLibc(symbols);
  const { hard } = readLimit(libc);
  const soft = hard - reserveOf(hard);
  // Known beforehand: when they are needed there is no descriptor to find them with.
  let listeners: Listener[] = [];
  /** The soft limit; above its usual place while connections wait. */
  let allowed = soft;
  let isPaused = false;
  let isReported = false;
  let looks = 0;
  const allow = (limit: number) => {
    allowed = limit;
    setSoftLimit(libc, limit);
  };
  const pause = () => {
    isPaused = true;
    for (const each of listeners) listen(libc, each, 0);
  };
  const resume = () => {
    if (isReported) log.info("connections are taken again");
    isPaused = false;
    isReported = false;
    allow(soft);
    for (const each of listeners) listen(libc, each, each.events);
  };
  /** Who was taking connections goes on until the limit is met once more: so the reserve is given in small parts. */
  const giveReserve = (next: number) => {
    if (next + step > allowed) return allow(Math.min(hard, Math.min(next, allowed) + step));
    if (isReported) return;
    isReported = true;
    log.warn("connections wait: as many descriptors are in use as may be", {
      limit: hard,
      kept_for_files: hard - soft,
    });
  };
  const look = () => {
    const next = nextDescriptor();
    if (!isPaused && next >= soft - step) pause();
    else if (isPaused && next < soft - 2 * step) resume();
    else if (isPaused) giveReserve(next);
    else if (looks++ % looksPerSearch === 0) listeners = findListeners(libc);
    clock.after(isPaused ? lookAgainMs : lookEveryMs, look);
  };
  allow(soft);
  look();
}

/** The lowest number that is free: so many are in use at least. */
function nextDescriptor(): number {
  try {
    const descriptor = openSync("/dev/null", "r");
    closeSync(descriptor);
    return descriptor;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** A socket that takes connections, in the epoll instance that waits for them: proc(5), fdinfo. */
interface Listener {
  epoll: number;
  socket: number;
  events: number;
  data: bigint;
  /** The socket's own number, which no other ever has: socket(7), SO_COOKIE. */
  cookie: bigint | undefined;
}

const watched = /tfd:\s*(\d+) events:\s*([0-9a-f]+) data:\s*([0-9a-f]+)/g;

function findListeners(libc: Libc): Listener[] {
  return namesIn("/proc/self/fdinfo").flatMap((epoll) =>
    [...readOrEmpty(`/proc/self/fdinfo/${epoll}`).matchAll(watched)]
      .map(([, socket, events = "", data]) => ({
        epoll: Number(epoll),
        socket: Number(socket),
        events: Number.parseInt(events, 16),
        data: BigInt(`0x${data}`),
        cookie: cookieOf(libc, Number(socket)),
      }))
      .filter(({ socket }) => isListening(libc, socket)),
  );
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // There is none to read it with, or no /proc here: then nothing can be kept waiting.
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It was closed meanwhile.
  }
}

/** The same on x86_64 and arm64: asm-generic/socket.h. */
const [SOL_SOCKET, SO_ACCEPTCONN, SO_COOKIE] = [1, 30, 57];

function isListening(libc: Libc, socket: number): boolean {
  const [value, length] = [new Int32Array(1), Int32Array.of(4)];
  return libc.getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, ptr(value), ptr(length)) === 0 && value[0] === 1;
}

function cookieOf(libc: Libc, socket: number): bigint | undefined {
  const [value, length] = [new BigUint64Array(1), Int32Array.of(8)];
  return libc.getsockopt(socket, SOL_SOCKET, SO_COOKIE, ptr(value), ptr(length)) === 0 ? value[0] : undefined;
}

const EPOLL_CTL_MOD = 3;

/** Waits for these events alone, unless the socket was closed meanwhile; of none, connections wait in the kernel. */
function listen(libc: Libc, { epoll, socket, data, cookie }: Listener, events: number): void {
  if (cookie === undefined || cookieOf(libc, socket) !== cookie) return;
  // The structure is packed on x86_64 and nowhere else.
  const event = new DataView(new ArrayBuffer(16));
  event.setUint32(0, events, true);
  event.setBigUint64(process.arch === "x64" ? 4 : 8, data, true);
  libc.epoll_ctl(epoll, EPOLL_CTL_MOD, socket, ptr(new Uint8Array(event.buffer)));
}
