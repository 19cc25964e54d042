// A pattern: added, refused with its line, run, approved.
import assert from "node:assert/strict";
import { DESK, inBrowser, is, open, settled, until } from "./kit.mjs";

const PATTERN = `name: one-step
description: Says something, and asks a person.
inputs:
  task: {description: What to say}
structure:
  roles:
    writer: {agentType: fake, managed: true, briefing: false}
workflow:
  steps:
    - {id: write, type: assign, role: writer, task: "do say \${input.task}"}
    - {id: check, type: approve, approver: user, subject: "\${write}"}
  output: \${write}
`;

await inBrowser(async (browser) => {
  const page = await open(await browser(DESK), "/runs");
  await page.getByText("The library is empty.").waitFor();
  await page.getByRole("button", { name: "Add a pattern" }).click();
  const adding = page.getByRole("dialog", { name: "Add a pattern" });
  await adding.getByLabel("The file (YAML)").fill(PATTERN.replace("role: writer,", "role: nobody,"));
  await adding.getByRole("button", { name: "Add" }).click();
  await adding.getByText(/Line 10/).waitFor();
  // What is wrong leads to its line.
  await adding.getByRole("button", { name: /Line 10/ }).click();
  const selected = await adding.getByLabel("The file (YAML)").evaluate(({ value, selectionStart }) => value.slice(0, selectionStart).split("\n").length);
  assert.equal(selected, 10);
  await adding.getByLabel("The file (YAML)").fill(PATTERN);
  // What can be run is drawn.
  await adding.getByText("The file can be run.").waitFor();
  await adding.locator(".role", { hasText: "writer" }).waitFor();
  await adding.getByRole("button", { name: "Add" }).click();

  await page.locator(".card", { hasText: "one-step" }).getByRole("button", { name: "Run …" }).click();
  const starting = page.getByRole("dialog", { name: "Run one-step" });
  await starting.getByLabel(/task/).fill("hello from the team");
  await starting.getByRole("button", { name: "Run" }).click();

  await page.locator(".steps li", { hasText: "write" }).locator(".badge", { hasText: "completed" }).waitFor();
  const question = page.getByRole("region", { name: "Run of one-step: approval" });
  await question.waitFor();
  // It waits in the inbox, too.
  const inbox = await open(page.context(), "/inbox");
  const waiting = inbox.getByRole("region", { name: "Run of one-step: approval" });
  await waiting.getByRole("button", { name: "Approve" }).waitFor();
  // In one key.
  await waiting.focus();
  await settled(waiting.getByRole("button", { name: "Approve" }));
  await inbox.keyboard.press("1");
  await page.locator(".page-head .badge", { hasText: "completed" }).waitFor();
  await page.locator(".card", { hasText: "hello from the team" }).waitFor();
  await inbox.getByText("Nobody waits for you.").waitFor();
  await page.locator(".steps summary").first().click();
  await page.locator(".step-result", { hasText: "hello from the team" }).first().waitFor();

  // The chart has the team, and the run as it was at each moment.
  const chart = page.getByRole("region", { name: "Org chart" });
  await chart.locator(".role", { hasText: "writer" }).locator(".role-agent.gone").waitFor();
  const slider = page.getByRole("slider", { name: "Moment" });
  const end = Number(await slider.getAttribute("max"));
  assert.ok(end > 8, `${end} events`);
  await slider.fill("1");
  await page.getByText("No step has begun.").waitFor();
  assert.equal(await chart.locator(".role-agent").count(), 0);
  assert.match(page.url(), /at=1/);
  await page.locator(".page-head .badge", { hasText: "running" }).waitFor();
  // An event leads to its moment, which has an address.
  await page.locator(".run-events").evaluate((list) => (list.scrollTop = 0));
  await page.getByRole("button", { name: /writer 1 joins/ }).click();
  await chart.locator(".role-agent:not(.gone)").waitFor();
  const moment = await open(page.context(), new URL(page.url()).hash.slice(1));
  await moment.locator(".role-agent:not(.gone)").waitFor();
  await moment.close();
  // Played, it comes to its end.
  await page.getByRole("button", { name: "Replay the run" }).click();
  await page.locator(".page-head .badge", { hasText: "completed" }).waitFor();
  await until("the end", async () => is(Number(await slider.inputValue()), end));
  // Started by the address, with a form that knows what is wanted.
  const form = await open(page.context(), "/runs?start=one-step");
  await form.getByRole("dialog", { name: "Run one-step" }).getByLabel(/task/).waitFor();
});
