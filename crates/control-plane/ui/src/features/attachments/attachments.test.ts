import { expect, test } from "vitest";
import type { Agent } from "../../api/types";
import { asTyped, nameFor, pathOf, whyNotTyped } from "./attachments";

const at = new Date("2026-01-02T03:04:05.678Z");
const name = (name: string, type = ""): string => nameFor({ name, type }, at);

test("names lead nowhere and replace nothing", () => {
  expect(name("shot.png")).toBe("attached-20260102030405678-shot.png");
  expect(name("../../etc/passwd")).toBe("attached-20260102030405678-etc-passwd");
  expect(name(".bashrc")).toBe("attached-20260102030405678-bashrc");
  expect(name("Größe ä.txt")).toBe("attached-20260102030405678-Größe-ä.txt");
  expect(name("", "image/png")).toBe("attached-20260102030405678-picture.png");
  expect(name("x".repeat(300)).length).toBeLessThan(120);
});

test("a path is typed as one word, and runs nothing", () => {
  expect(asTyped("/srv/my project/attached-1-a.png")).toBe("/srv/my\\ project/attached-1-a.png");
  expect(asTyped("/tmp/$(x);ä'")).toBe("/tmp/\\$\\(x\\)\\;ä\\'");
});

test("a path that holds keys is not typed", () => {
  for (const key of ["\n", "\r", "\t", "\x03", "\x1b[201~", "\x7f", "\x9b", "\u202e", "\u2066", "\ud800"])
    expect(() => asTyped(`/srv/my${key}project/a.png`), JSON.stringify(key)).toThrow(/that control or cannot be seen/);
  expect(() => asTyped("/srv/a\nb")).toThrow("/srv/a\ufffdb");
  expect(asTyped("/srv/👩\u200d💻/a.png")).toBe("/srv/\\👩\\\u200d\\💻/a.png");
});

test("where the agent has the file: in a container, its directory has another name", () => {
  const agent = { workdir: "/srv/project/" } as Agent;
  expect(pathOf(agent, "local", "attached-1-a.png")).toBe("/srv/project/attached-1-a.png");
  for (const kind of ["docker", "kubernetes", undefined] as const) expect(pathOf(agent, kind, "attached-1-a.png")).toBe("attached-1-a.png");
  expect(pathOf({} as Agent, "local", "attached-1-a.png")).toBe("attached-1-a.png");
});

test("a path is typed where it was meant for, and answers nothing", () => {
  const now = { isSame: true, isConnected: true, status: "ready", asks: false } as const;
  expect(whyNotTyped(now)).toBeUndefined();
  expect(whyNotTyped({ ...now, status: "busy" })).toBeUndefined();
  expect(whyNotTyped({ ...now, isSame: false })).toMatch(/closed/);
  expect(whyNotTyped({ ...now, isConnected: false })).toMatch(/not connected/);
  for (const status of ["starting", "stopped"] as const) expect(whyNotTyped({ ...now, status })).toMatch(/not there/);
  expect(whyNotTyped({ ...now, asks: true })).toMatch(/asks something/);
});
