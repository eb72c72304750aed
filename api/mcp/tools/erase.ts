/** Erasing a person: only where the operator lets tools write (`gateway.mcp_writes`, `--writes`). */
import { inputSchema } from "../../../runtime/contract/contract.ts";
import { gateway as contract } from "../../gateway/contract.ts";
import type { GatewayClient } from "../gateway/gateway.ts";
import { derive } from "./schemas.ts";
import { adding, type Tool } from "./tool.ts";

const { erase } = contract.endpoints;

export const erasePerson = (gateway: GatewayClient): Tool => ({
  name: "erase",
  description:
    "Erases a person or a thing wherever it is named, for good: memories, rows, documents, vectors, corpora, playbooks, operations. Call it with dry_run true first, show what would go, and erase only what the user has confirmed. Who asked, when and why is kept.",
  annotations: { ...adding("Erase a person"), destructiveHint: true, idempotentHint: true },
  input: derive(inputSchema(erase), {
    refine: {
      subject: { description: "Whom or what it is about: an address, an id, a name; found as whole words." },
      who: { description: "Who asks for it; it is kept." },
      why: { description: "Why, as by a case number; it is kept, and may not name the subject." },
      dry_run: { description: "true: only say what would go." },
    },
  }),
  output: erase.reply,
  lookUp: "a dry run says where the subject is named.",
  call: async (input, { signal }) => {
    const structured = await gateway.call(erase, input as never, { signal });
    const { dry_run, state, services } = structured;
    const verb = dry_run ? "would go" : "erased";
    const lines = services.flatMap(({ removed, left, problem, service }) => [
      ...removed.map(({ place, what, count }) => `${place}: ${count} ${what} ${verb}`),
      ...left.map(({ place, why, remedy }) => `${place} is left: ${why}; ${remedy}`),
      ...(problem === undefined ? [] : [`${service} has yet to do it: ${problem}`]),
    ]);
    if (lines.length === 0) lines.push("Nothing names it.");
    if (!dry_run)
      lines.push(state === "done" ? "The erasure is complete." : "It is open, and goes on by itself.");
    return { structured, text: lines.join("\n") };
  },
});
