/** What runs in the background: the schedule, and what each loop does. */
export { type ChatCalls, followChatCalls } from "./chat-calls.ts";
export { overseerCorrections } from "./corrections.ts";
export { errorAnalysis, escalation } from "./error-analysis.ts";
export { type Loop, type Loops, startLoops } from "./schedule.ts";
