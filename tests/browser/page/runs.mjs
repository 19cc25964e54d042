// A pattern: added, refused with its line, run, approved.
import { DESK, inBrowser, open } from "./kit.mjs";

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
  await adding.getByLabel("The file (YAML)").fill(PATTERN);
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
  await inbox.getByRole("region", { name: "Run of one-step: approval" }).getByRole("button", { name: "Approve" }).click();
  await page.locator(".page-head .badge", { hasText: "completed" }).waitFor();
  await page.locator(".card", { hasText: "hello from the team" }).waitFor();
  await inbox.getByText("Nobody waits for you.").waitFor();
  await page.locator(".steps summary").first().click();
  await page.locator(".step-result", { hasText: "hello from the team" }).first().waitFor();
});
