/** A request's body as it arrives: as fast as it is read, and no faster. */

import type { Bytes, Handle } from "./below-node-http.ts";

/** So much of a body may wait for its reader before the connection is not read any more: half of what Bun reads at once. */
const waitingBytesMax = 256 * 1024;

export class SentBody {
  readonly #handle: Handle;
  #chunks: Bytes[] = [];
  #waitingBytes = 0;
  #isPaused = false;
  #isWhole = false;
  #failure: unknown;
  #wake = (): void => {};
  /** The client sends it when it is told to. */
  #isExpected: boolean;
  #stream: ReadableStream<Bytes> | undefined;

  constructor(handle: Handle, expectsContinue: boolean) {
    this.#handle = handle;
    this.#isExpected = expectsContinue;
    handle.ondata = (bytes, isLast, event) => {
      // It ends the same way when the connection does, which is told by `fail`.
      if (event !== 0) return;
      if (bytes !== undefined && bytes.length > 0) this.#keep(bytes);
      if (isLast) this.#isWhole = true;
      this.#wake();
    };
  }

  /** What is still to come of it is not waited for any more by whoever sends it, or he was never told to send it. */
  get isUnasked(): boolean {
    return this.#isExpected;
  }
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get stream(): ReadableStream<Bytes> {
    this.#stream ??= new ReadableStream<Bytes>(
      {
        pull: async (controller) => {
          const bytes = await this.#next();
          if (bytes === undefined) controller.close();
          else controller.enqueue(bytes);
        },
        cancel: () => this.drop(),
      },
      { highWaterMark: 0 },
    );
    return this.#stream;
  }

  /** All of it; for short bodies, which are not read as streams. */
  async bytes(): Promise<Bytes> {
    const read: Bytes[] = [];
    this.#ask();
    for (;;) {
      for (let bytes = this.#take(); bytes !== undefined; bytes = this.#take()) read.push(bytes);
      if (this.#isWhole) return read.length === 1 && read[0] ? read[0] : Buffer.concat(read);
      await this.#more();
    }
  }

  /** Whoever reads it gets this error. */
  fail(error: unknown): void {
    if (this.#isWhole) return;
    this.#failure ??= error;
    this.#wake();
  }

  /** Nobody reads it any more: the rest is read from the connection and dropped, so that the next request is found. */
  drop(): void {
    this.#chunks = [];
    if (!this.#isWhole) this.#handle.ondata = undefined;
    this.#goOn();
  }

  #keep(bytes: Bytes): void {
    this.#chunks.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes < waitingBytesMax || this.#isPaused) return;
    this.#isPaused = true;
    this.#handle.pause();
  }

  #goOn(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#handle.resume();
  }

  #ask(): void {
    if (this.#isExpected) this.#handle.writeContinue();
    this.#isExpected = false;
  }

  #take(): Bytes | undefined {
    const bytes = this.#chunks.shift();
    this.#waitingBytes -= bytes?.length ?? 0;
    if (this.#chunks.length === 0) this.#goOn();
    return bytes;
  }

  async #next(): Promise<Bytes | undefined> {
    this.#ask();
    for (;;) {
      const bytes = this.#take();
      if (bytes !== undefined || this.#isWhole) return bytes;
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
