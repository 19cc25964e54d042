// What is approved or reviewed hides nothing: what turns the direction of text, cannot be seen, or controls has a visible sign in its place.
import assert from "node:assert/strict";
import { DESK, agent, api, inBrowser, is, open, spawnFake, tell, until, url } from "./kit.mjs";
import { repositoryIn } from "./repository.mjs";

/** What no page may hold as it is. */
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/u;

await inBrowser(async (browser) => {
  const ids = await Promise.all(["commands", "plans", "edits"].map((name) => spawnFake(name)));
  for (const id of ids) {
    await tell(id, "do ask about it");
    await until("a question", async () => is((await agent(id)).attention !== undefined, true));
  }
  const [commands, plans, edits] = ids;
  const context = await browser(DESK);
  const page = await context.newPage();
  // No agent here asks so: the terminal that it asks in lets little of this through.
  const asked = {
    [commands]: {
      text: "Run \u202ethis\u202c?",
      danger: "It\u200b warns",
      tool: { name: "Ba\u00adsh", input: { command: "rm\u2066 -rf\u200d build\u001b[8m && echo\u0085", cwd: "/srv/\u{e0041}", more: ["\ufeff"] } },
      options: [{ id: "yes", label: "Y\u200ees", description: "de\u2060scribed", preview: "`pre\u202aview`" }],
    },
    [plans]: { kind: "plan", plan: "# Plan\n\nDelete &#x202E;nothing&#x200b; of **it\u2067**, `co\u061cde`, ![pic&#x202e;ture](http://127.0.0.1:9/x.png)" },
    [edits]: { tool: { name: "Edit", input: { file_path: "/srv/a\u202eb.rs", old_string: "if a\u200b {\r\n", new_string: "\tif b {\u2069 // \u202e⚠\ufe0f\n" } } },
  };
  await page.route(/\/api\/managed-agents\?limit=500/, async (route) => {
    const response = await route.fetch();
    const json = await response.json();
    for (const known of json.agents) Object.assign(known.attention ?? {}, asked[known.id]);
    await route.fulfill({ response, json });
  });
  await page.goto(`${url}/#/inbox`);
  const card = (name) => page.locator("main .attention", { hasText: name });
  await page.locator("main .plan .markdown h1").waitFor();
  await page.locator("main .option + .markdown code").waitFor();
  for (const summary of await page.locator("main .attention summary").all()) await summary.click();
  for (const name of ["commands", "plans", "edits"]) assert.doesNotMatch(await card(name).evaluate(({ textContent }) => textContent), HIDDEN, name);
  const words = await card("commands").evaluate(({ textContent }) => textContent);
  for (const shown of ["Run �this�?", "It� warns", "Ba�sh", "rm� -rf� build^[[8m && echo�", "/srv/�", "Y�es", "de�scribed", "pre�view"]) assert.ok(words.includes(shown), `${shown} in ${words}`);
  const plan = await card("plans").locator(".plan").evaluate(({ textContent }) => textContent);
  for (const shown of ["Delete �nothing� of it�", "co�de", "pic�ture"]) assert.ok(plan.includes(shown), `${shown} in ${plan}`);
  const change = await card("edits").locator(".tool").evaluate(({ textContent }) => textContent);
  for (const shown of ["/srv/a�b.rs", "- if a� {^M\n", "+ \tif b {� // �⚠\ufe0f\n"]) assert.ok(change.includes(shown), `${shown} in ${change}`);
  await page.close();

  // A diff, before it is committed.
  const repository = repositoryIn((await agent(commands)).workdir);
  try {
    const worker = await spawnFake("worker", { workspace: { repo: repository.path } });
    const body = "const role = \"user\u202e \u2066// check if admin\u2069 \u2066\";\r\nzero\u200bwidth\n";
    const put = await fetch(`${url}/api/managed-agents/${worker}/files/trojan.js`, { method: "PUT", headers: { "content-type": "application/octet-stream" }, body });
    assert.equal(put.status, 201);
    const review = await open(context, `/agents/${worker}?view=changes`);
    await review.getByRole("button", { name: /trojan\.js/ }).click();
    await review.locator(".diff .is-added", { hasText: "zero�width" }).waitFor();
    const diff = await review.locator(".diff").evaluate(({ textContent }) => textContent);
    assert.doesNotMatch(diff, HIDDEN);
    assert.ok(diff.includes("const role = \"user� �// check if admin� �\";^M"), diff);
    await api("DELETE", `/managed-agents/${worker}`);
  } finally {
    repository.remove();
  }
});
