import { expect, test } from "vitest";
import { asTyped, nameFor } from "./attachments";

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
  expect(asTyped("/tmp/$(x);ä'\n")).toBe("/tmp/\\$\\(x\\)\\;ä\\'\\\n");
});
