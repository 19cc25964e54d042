// What is sent is gone from the box, whatever is looked at meanwhile; what is written meanwhile is not. Sent again after an answer that got
// lost, it is the same.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { DESK, api, inBrowser, is, open, spawnFake, until } from "./kit.mjs";

const png = readFileSync(new URL("../../kit/pictures/shot.png", import.meta.url));

await inBrowser(async (browser) => {
  const id = await spawnFake("listener");
  const page = await open(await browser(DESK), `/agents/${id}`);
  const box = page.getByLabel("Message", { exact: true });
  const said = async () => (await api("GET", `/managed-agents/${id}/messages`)).messages.filter(({ role }) => role === "user").map(({ content }) => content);
  await box.waitFor();

  // A server that takes its time.
  let release;
  await page.route("**/send", async (route) => {
    await new Promise((resolve) => (release = resolve));
    await route.continue();
  });
  const held = () => until("it to be on its way", () => is(release !== undefined, true));
  const goesOn = () => {
    release();
    release = undefined;
  };
  await box.fill("looked away");
  await box.press("Enter");
  await held();
  await page.getByRole("tab", { name: "Activity" }).click();
  await box.waitFor({ state: "detached" });
  goesOn();
  await until("it to arrive", async () => is((await said()).join(), "looked away"));
  await page.getByRole("tab", { name: "Conversation" }).click();
  await until("the box to be empty", async () => is(await box.inputValue(), ""));

  // Who comes back before it has arrived cannot send it twice.
  await box.fill("looked back");
  await box.press("Enter");
  await held();
  await page.getByRole("tab", { name: "Activity" }).click();
  await box.waitFor({ state: "detached" });
  await page.getByRole("tab", { name: "Conversation" }).click();
  assert.equal(await box.inputValue(), "looked back");
  assert.equal(await page.getByRole("button", { name: "Send", exact: true }).isDisabled(), true);
  await box.press("Enter");
  goesOn();
  await until("the box to be empty", async () => is(await box.inputValue(), ""));
  await until("it to arrive once", async () => is((await said()).join(), "looked away,looked back"));

  // What is written and shown meanwhile stays.
  const previews = page.getByRole("list", { name: "Images to send" }).getByRole("img");
  const attach = (name) => page.getByLabel("Attach files").setInputFiles({ name, mimeType: "image/png", buffer: png });
  await attach("given.png");
  await page.getByRole("img", { name: "given.png" }).waitFor();
  await box.fill("with an image");
  await box.press("Enter");
  await held();
  await box.fill("the next thought");
  await attach("later.png");
  await page.getByRole("img", { name: "later.png" }).waitFor();
  goesOn();
  await page.getByRole("img", { name: "given.png" }).waitFor({ state: "detached" });
  assert.equal(await previews.count(), 1);
  assert.equal(await box.inputValue(), "the next thought");
  await page.unroute("**/send");

  // An answer that gets lost: sent again, it is the same message. Changed, it is another one, and so it is after it was sent.
  const names = [];
  /** The server gets it, the page does not hear of it. */
  const loses = async (route) => {
    names.push(route.request().headers()["idempotency-key"]);
    await route.fetch();
    await route.abort();
  };
  const hears = async (route) => {
    names.push(route.request().headers()["idempotency-key"]);
    await route.continue();
  };
  await until("the others to be sent", async () => is((await said()).length, 3));
  await page.getByRole("button", { name: "Remove later.png" }).click();
  await box.fill("only once");
  await page.route("**/send", loses, { times: 1 });
  await box.press("Enter");
  await page.getByText("The server does not answer.").first().waitFor();
  assert.equal(await box.inputValue(), "only once");
  await page.route("**/send", hears);
  await box.press("Enter");
  await until("the box to be empty", async () => is(await box.inputValue(), ""));
  await box.fill("only once");
  await box.press("Enter");
  await until("the box to be empty", async () => is(await box.inputValue(), ""));
  assert.equal(names[0], names[1]);
  assert.notEqual(names[1], names[2]);
  assert.deepEqual((await said()).slice(3), ["only once", "only once"]);
  await page.unroute("**/send");

  // An agent is spawned once, too: a name that is taken would be refused.
  await page.getByRole("button", { name: "Spawn" }).click();
  const form = page.getByRole("dialog", { name: "Spawn an agent" });
  await form.getByLabel("Name", { exact: true }).fill("spawned-once");
  await form.getByLabel("Type").selectOption("fake");
  await page.route("**/api/managed-agents", loses, { times: 1 });
  await form.getByRole("button", { name: "Spawn", exact: true }).click();
  await form.getByRole("alert").filter({ hasText: "The server does not answer." }).waitFor();
  await form.getByRole("button", { name: "Spawn", exact: true }).click();
  await page.getByRole("heading", { name: "spawned-once" }).waitFor();
  const { agents } = await api("GET", "/managed-agents");
  assert.equal(agents.filter(({ name }) => name === "spawned-once").length, 1);
});
