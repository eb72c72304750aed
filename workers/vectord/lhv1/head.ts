/** The head of an LHV1 object: its first section, a JSON object of a known shape. */
import type { Static, TObject } from "@sinclair/typebox";
import { check } from "../../../runtime/contract/contract.ts";
import { corrupt, type FrameReader, type FrameWriter } from "./frame.ts";

/** Frames the head. */
export function encodeHead(frame: FrameWriter, head: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(head));
  return frame.section("HEAD", text.length, (payload) => payload.set(text));
}

/** Reads the head, which must have the schema's shape. Throws `corrupt`. */
export async function decodeHead<S extends TObject>(frame: FrameReader, schema: S): Promise<Static<S>> {
  const payload = await frame.expect("HEAD");
  try {
    return check(schema, JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload)), "the head");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw corrupt(frame.key, `its head is not what it should be (${why})`, cause);
  }
}
