import { expect, test } from "vitest";
import type { AgentEvent } from "../api/types";
import { joined } from "./activity";

const event = (id: string): AgentEvent => ({ id, event: "agent_ready", data: {}, timestamp: "2026-01-01T00:00:00.000Z" });

test("what was kept and what came while it was read: in order, once", () => {
  expect(joined([event("1"), event("2")], [event("2"), event("3")]).map(({ id }) => id)).toEqual(["1", "2", "3"]);
});
