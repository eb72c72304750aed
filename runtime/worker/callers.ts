/** The callers of a service: their channels, and how they are told of its end. */
import type { Contract, Running } from "../contract/contract.ts";
import type { Listening } from "../http/http.ts";
import { servePort } from "../rpc/rpc.ts";
import { systemClock } from "../scheduling/scheduling.ts";

interface Callers {
  running: Pick<Running<Contract>, "drain" | "giveUp">;
  listening: Listening;
  inbound: ReturnType<typeof createInbound>;
}

/** Waits until callers have their answers, and gives up what is open after `drainMs`. */
export async function endCallers(drainMs: number, { running, listening, inbound }: Callers): Promise<void> {
  const drained = running.drain?.();
  const closed = listening.close(drainMs);
  if (drainMs === 0) inbound.close();
  await Promise.race([Promise.all([closed, inbound.idle(), drained]), systemClock.sleep(drainMs)]);
  running.giveUp?.();
  await closed;
}

/** The channels that callers in this process have to this service. */
export function createInbound(options: Parameters<typeof servePort>[1]) {
  const ports = new Map<MessagePort, { idle: () => Promise<void> }>();
  return {
    serve: (port: MessagePort): void => void ports.set(port, servePort(port, options)),
    idle: async (): Promise<void> => {
      await Promise.all([...ports.values()].map(({ idle }) => idle()));
    },
    close: () => {
      for (const port of ports.keys()) port.close();
    },
  };
}
