import { expect, test } from "vitest";
import { Attempt } from "./attempt";
import { Problem } from "./problem";

/** The name that a call had, which then failed with this, or not. */
async function nameOf(attempt: Attempt, content: string, failure?: unknown): Promise<string> {
  let name = "";
  const made = attempt.make(content, async (key) => {
    name = key;
    if (failure !== undefined) throw failure;
  });
  await made.catch(() => undefined);
  return name;
}

const LOST = [new Problem(0, "UNREACHABLE", ""), new Problem(503, "RUNTIME_UNAVAILABLE", ""), new Problem(504, "TIMEOUT", ""), new TypeError("network error")];
const REFUSED = [new Problem(409, "AGENT_BUSY", ""), new Problem(400, "VALIDATION_ERROR", ""), new Problem(502, "AGENT_FAILED", "")];

test("what got lost is tried again under its name", async () => {
  for (const lost of LOST) {
    const attempt = new Attempt();
    const name = await nameOf(attempt, "a", lost);
    expect(await nameOf(attempt, "a", lost)).toBe(name);
    expect(await nameOf(attempt, "a")).toBe(name);
    expect(await nameOf(attempt, "a")).not.toBe(name);
  }
});

test("what was refused, or is something else, is another attempt", async () => {
  for (const refused of REFUSED) {
    const attempt = new Attempt();
    const name = await nameOf(attempt, "a", refused);
    expect(await nameOf(attempt, "a")).not.toBe(name);
  }
  const attempt = new Attempt();
  const name = await nameOf(attempt, "a", LOST[0]);
  expect(await nameOf(attempt, "b", LOST[0])).not.toBe(name);
  expect(await nameOf(attempt, "a")).not.toBe(name);
});

test("names are long and of plain letters", async () => expect(await nameOf(new Attempt(), "a")).toMatch(/^[0-9a-f]{32}$/));
