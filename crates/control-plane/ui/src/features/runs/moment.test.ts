import { expect, test } from "vitest";
import type { RunEvent } from "../../api/types";
import { momentAfter, stepNames, wordsOfEvent } from "./moment";

let n = 0;
const event = (name: string, data: object): RunEvent => ({ id: String(++n), event: name, data, timestamp: `2026-01-01T00:00:0${n % 10}.000Z` }) as RunEvent;

const events = [
  event("execution_started", { pattern: "team", input: {} }),
  event("step_started", { step: "0", id: "write", type: "assign", attempt: 1, role: "dev" }),
  event("agent_joined", { member: { agentId: "a", role: "dev", number: 1, type: "fake" } }),
  event("message_sent", { key: "k", step: "0", kind: "task", role: "dev", agentId: "a", text: "do it" }),
  event("question_asked", { question: { id: "q", role: "dev", text: "which?" } }),
  event("question_routed", { id: "q", depth: 1, to: ["lead"], why: "" }),
  event("message_sent", { key: "k2", step: "0", kind: "question", role: "lead", agentId: "b", text: "which?" }),
  event("question_answered", { id: "q", by: "lead", answer: {} }),
  event("message_answered", { key: "k", text: "done" }),
  event("step_ended", { step: "0", attempt: 1, status: "completed", result: "done" }),
  event("agent_left", { agentId: "a", role: "dev", reason: "over" }),
  event("execution_ended", { status: "completed" }),
  event("something_new", { x: 1 }),
];

test("a run at each moment", () => {
  expect(momentAfter(events, 0)).toMatchObject({ status: "running", steps: [], members: [], at: undefined });
  const working = momentAfter(events, 4);
  expect(working.steps).toMatchObject([{ path: "0", id: "write", status: "running" }]);
  expect(working.members).toMatchObject([{ role: "dev", present: true, worksOn: "0" }]);
  expect(working.flows).toMatchObject([{ from: "run", to: "dev", kind: "task" }]);
  const asking = momentAfter(events, 7);
  expect(asking.questions).toMatchObject([{ role: "dev", to: ["lead"] }]);
  // The question climbs from the one who asks to the one who is asked.
  expect(asking.flows.at(-1)).toMatchObject({ from: "dev", to: "lead", kind: "question" });
  const after = momentAfter(events, events.length);
  expect(after).toMatchObject({ status: "completed", questions: [], flows: [], messages: 2 });
  expect(after.steps).toMatchObject([{ status: "completed", result: "done" }]);
  expect(after.members).toMatchObject([{ present: false, worksOn: undefined }]);
});

test("every event has words, also one that is not known", () => {
  for (const one of events) expect(wordsOfEvent(one)).not.toBe("");
  expect(wordsOfEvent(events.at(-1)!)).toBe("something new");
  expect(wordsOfEvent(events[9]!, stepNames(events))).toBe("write completed");
});
