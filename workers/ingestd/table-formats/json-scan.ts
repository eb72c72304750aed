/** Follows a JSON document byte by byte, by its brackets, strings and keys: where values begin and end, and at which path. */
import { fail } from "../../../runtime/errors/errors.ts";

/** A bracket that is open. */
export interface Level {
  bracket: number;
  /** The key that was read last in an object. */
  key: string;
  /** The values that ended before. */
  index: number;
  /** `first`: a value, or the end. */
  wants: "first" | "key" | "colon" | "value" | "end";
}

interface Heard {
  /** A value begins with the byte at this place of the piece. */
  begin: (at: number, byte: number, levels: readonly Level[]) => void;
  /** A value ended before this place. */
  end: (at: number, levels: readonly Level[]) => void;
}

/** Deeper nesting than any document has. */
const depthMax = 1000;
const [quote, backslash, comma, colon] = [34, 92, 44, 58];
const [curly, square] = [123, 91];
const openedBy: Readonly<Record<number, number>> = { 125: curly, 93: square };
const isSpace = (byte: number) => byte === 32 || byte === 10 || byte === 13 || byte === 9;

export class JsonScan {
  readonly #heard: Heard;
  readonly #levels: Level[] = [];
  /** Within a string; of a key its bytes are kept. */
  #string: "none" | "key" | "value" = "none";
  #key: number[] = [];
  #isEscaped = false;
  #isScalar = false;
  #isOver = false;
  #before = 0;
  constructor(heard: Heard) {
    this.#heard = heard;
  }

  /** Throws `unprocessable` where the document is not one. */
  push(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at] as number;
      if (this.#string !== "none") this.#inString(byte, at);
      else if (this.#isScalar && !isSpace(byte) && byte !== comma && openedBy[byte] === undefined) continue;
      else {
        if (this.#isScalar) this.#ended(at);
        this.#isScalar = false;
        if (!isSpace(byte)) this.#token(byte, at);
      }
    }
    this.#before += piece.length;
  }

  /** To be called at the end of the bytes. */
  finish(): void {
    if (this.#before === 0)
      throw fail("unprocessable", "the file is empty: expected a JSON array of objects, or one object");
    if (this.#isScalar) this.#isOver = true;
    if (this.#levels.length > 0 || !this.#isOver)
      this.#refuse(0, "more: the document ends in its middle, as files do that were cut off");
  }

  #refuse(at: number, expected: string): never {
    throw fail("unprocessable", `not valid JSON at byte ${this.#before + at + 1}: expected ${expected}`);
  }

  #inString(byte: number, at: number): void {
    if (byte < 32) this.#refuse(at, "a string that is closed, without bare control characters");
    const isEnd = byte === quote && !this.#isEscaped;
    this.#isEscaped = byte === backslash && !this.#isEscaped;
    if (!isEnd) {
      if (this.#string === "key") this.#key.push(byte);
      return;
    }
    const was = this.#string;
    this.#string = "none";
    const top = this.#levels.at(-1);
    if (was === "value" || !top) this.#ended(at + 1);
    else {
      top.key = this.#keyText(at);
      top.wants = "colon";
    }
  }

  #keyText(at: number): string {
    const text = Buffer.from(this.#key).toString("utf8");
    this.#key = [];
    if (!text.includes("\\")) return text;
    try {
      return JSON.parse(`"${text}"`) as string;
    } catch {
      return this.#refuse(at, "a key with the escapes of JSON");
    }
  }

  #token(byte: number, at: number): void {
    if (this.#isOver) this.#refuse(at, "the end: one JSON document; format=ndjson is for one object a line");
    const top = this.#levels.at(-1);
    if (openedBy[byte] !== undefined) this.#close(byte, at, top);
    else if (byte === comma) {
      if (top?.wants !== "end") this.#refuse(at, "a value before ','");
      top.wants = top.bracket === curly ? "key" : "value";
    } else if (byte === colon) {
      if (top?.wants !== "colon") this.#refuse(at, "a value");
      top.wants = "value";
    } else if (top?.bracket === curly && (top.wants === "first" || top.wants === "key")) {
      if (byte !== quote) this.#refuse(at, "a key in quotes");
      this.#string = "key";
    } else if (top && top.wants !== "first" && top.wants !== "value")
      this.#refuse(
        at,
        top.wants === "colon" ? "':'" : `',' or the end of the ${top.bracket === curly ? "object" : "array"}`,
      );
    else this.#begin(byte, at);
  }

  #begin(byte: number, at: number): void {
    this.#heard.begin(at, byte, this.#levels);
    if (byte === curly || byte === square) {
      if (this.#levels.length >= depthMax)
        throw fail("unprocessable", `nested deeper than ${depthMax} levels`);
      this.#levels.push({ bracket: byte, key: "", index: 0, wants: "first" });
    } else if (byte === quote) this.#string = "value";
    else this.#isScalar = true;
  }

  #close(byte: number, at: number, top: Level | undefined): void {
    if (!top || top.bracket !== openedBy[byte]) this.#refuse(at, top ? "another bracket" : "a value");
    if (top.wants !== "first" && top.wants !== "end") this.#refuse(at, "a value before the bracket");
    this.#levels.pop();
    this.#ended(at + 1);
  }

  #ended(at: number): void {
    const top = this.#levels.at(-1);
    this.#heard.end(at, this.#levels);
    if (!top) this.#isOver = true;
    else {
      top.index += 1;
      top.wants = "end";
    }
  }
}
