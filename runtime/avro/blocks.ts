/** An Avro file of any size, block by block. */
import { open } from "node:fs/promises";
import { fail, ServiceError } from "../errors/errors.ts";
import { unpack } from "./codecs.ts";
import { AvroReader, type AvroSchema } from "./encoding.ts";
import { readHeader, syncBytes } from "./header.ts";

/** A header holds a schema; of a block's beginning two numbers are read. */
const headBytesMax = 16 * 1024 * 1024;
const numbersBytes = 20;
/** Largest block as it is stored. */
const blockBytesMax = 256 * 1024 * 1024;

interface Block {
  records: number;
  bytes: AvroReader;
}

/** The schema of the file at the path, and its blocks, unpacked. Both throw `corrupt`, saying why. */
export async function avroBlocks(
  path: string,
): Promise<{ schema: AvroSchema; blocks: AsyncGenerator<Block> }> {
  const file = Bun.file(path);
  const head = new AvroReader(await file.slice(0, headBytesMax).bytes());
  const header = await readable(() => readHeader(head));
  const { size } = file;
  async function* blocks(): AsyncGenerator<Block> {
    const handle = await open(path);
    const read = async (at: number, bytes: number) => {
      const into = Buffer.alloc(Math.min(bytes, size - at));
      await handle.read(into, 0, into.length, at);
      return new AvroReader(into);
    };
    try {
      for (let at = head.at; at < size; ) {
        const numbers = await read(at, numbersBytes);
        const [records, length] = await readable(() => [numbers.count(), numbers.count()] as const);
        if (records < 0 || length < 0 || length > blockBytesMax)
          throw fail("corrupt", "it does not read as Avro: a block has an impossible length");
        const block = await read(at + numbers.at, length + syncBytes);
        const bytes = await readable(() => unpack(header.codec, block.take(length)));
        if (!Buffer.from(await readable(() => block.take(syncBytes))).equals(header.sync))
          throw fail("corrupt", "it does not read as Avro: a block does not end where it should");
        at += numbers.at + length + syncBytes;
        yield { records, bytes: new AvroReader(bytes) };
      }
    } finally {
      await handle.close();
    }
  }
  return { schema: header.schema, blocks: blocks() };
}

/** Whatever damaged bytes do to their reader is `corrupt`. */
async function readable<T>(work: () => T): Promise<T> {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof ServiceError) throw cause;
    throw fail("corrupt", "it does not read as Avro", { cause });
  }
}
