/** Messages that were sent, kept for a while so that a client whose connection broke is sent what it missed. */
import type { EventStore, JSONRPCMessage } from "@modelcontextprotocol/server";
import { LRUCache } from "lru-cache";

export interface SentEvents {
  /** The events of one session, and what forgets them. */
  ofSession: () => { store: EventStore; forget: () => void };
}

/** Bytes beside a message's text: its place in the cache, its key and its stream. */
const besideBytes = 300;

interface Sent {
  stream: string;
  /** The message as JSON: what it takes is known. */
  text: string;
}

/** All sessions together take at most `bytesMax`, two bytes a character; the oldest go first. */
export function createSentEvents(bytesMax: number): SentEvents {
  const kept = new LRUCache<string, Sent>({
    maxSize: Math.max(1, bytesMax),
    sizeCalculation: ({ text }) => text.length * 2 + besideBytes,
  });
  return {
    ofSession: () => {
      const session = crypto.randomUUID();
      const keyOf = (number: number) => `${session}.${number}`;
      let last = 0;
      const store: EventStore = {
        storeEvent: async (stream, message) => {
          last++;
          kept.set(keyOf(last), { stream, text: JSON.stringify(message) });
          return String(last);
        },
        // Without it the answer is 400: what the client missed cannot be told any more.
        getStreamIdForEventId: async (id) =>
          isNumber.test(id) ? kept.peek(keyOf(Number(id)))?.stream : undefined,
        replayEventsAfter: async (id, { send }) => {
          const stream = kept.peek(keyOf(Number(id)))?.stream ?? "";
          const until = last;
          for (let number = Number(id) + 1; number <= until; number++) {
            const event = kept.peek(keyOf(number));
            // Nobody knows whether it was of this stream: a gap is reported, never passed over.
            if (!event) throw new Error(`event ${number} is not kept any more`);
            if (event.stream === stream) await send(String(number), JSON.parse(event.text) as JSONRPCMessage);
          }
          return stream;
        },
      };
      const forget = () => {
        for (let number = last; number > 0 && kept.delete(keyOf(number)); ) number--;
      };
      return { store, forget };
    },
  };
}

const isNumber = /^\d{1,15}$/;
