/** Which texts may be the uid of a trace: pathwayd's own rule, at every endpoint that takes one. */
import { fits } from "../../runtime/validate.ts";
import { TraceUid } from "../pathwayd/contract.ts";

export const isTraceUid = (value: unknown): value is string => fits(TraceUid, value);
