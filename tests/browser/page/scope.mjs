// A token that may only look: nothing is offered that would be refused, and terminals are watched.
import assert from "node:assert/strict";
import { DESK, PHONE, api, inBrowser, is, open, until, url } from "./kit.mjs";

const WORKS = "let-me-work-with-this-server";
const LOOKS = "let-me-look-at-this-server";

await inBrowser(async (browser) => {
  const { id } = await api("POST", "/managed-agents", { name: "looked-at", type: "fake" }, WORKS);
  try {
    await until("it to be ready", async () => is((await api("GET", `/managed-agents/${id}`, undefined, LOOKS)).status, "ready"));
    await api("POST", `/managed-agents/${id}/send`, { message: "do ask about it" }, WORKS);
    await until("a question", async () => is((await api("GET", `/managed-agents/${id}`, undefined, LOOKS)).attention !== undefined, true));
    assert.deepEqual(await api("GET", "/whoami", undefined, LOOKS), { scope: "view", access: "token", proxiesPorts: true });
    assert.equal((await fetch(`${url}/api/presets`, { headers: { authorization: `Bearer ${LOOKS}` } })).status, 403);
    assert.equal((await fetch(`${url}/api/push`, { headers: { authorization: `Bearer ${LOOKS}` } })).status, 403);

    const refused = [];
    const signedIn = async (kind, token, address) => {
      const page = await open(await browser(kind), address);
      page.on("response", (response) => response.status() === 403 && refused.push(response.url()));
      await page.getByLabel("Token", { exact: true }).fill(token);
      await page.getByRole("button", { name: "Continue" }).click();
      await page.locator(".connection.live").waitFor();
      return page;
    };
    // A deep link survives the sign-in.
    const page = await signedIn(DESK, LOOKS, `/agents/${id}`);
    await page.getByRole("heading", { name: "looked-at", level: 1 }).waitFor();
    await page.getByText("Your token may look, and not answer.").first().waitFor();
    await page.locator(".xterm").waitFor();
    const names = async () => (await page.getByRole("button").allInnerTexts()).map((text) => text.trim());
    const forbidden = ["Spawn", "Stop", "Restart", "Interrupt", "Send", "Fit to my window", "Several …", "Attach", "Yes", "No", "Add a pattern", "Run …", "Tell this device"];
    for (const address of [`/agents/${id}`, "/", "/inbox", "/runs", "/more", "/terminals", "/search", "/activity"]) {
      await page.goto(new URL(`#${address}`, page.url()).href);
      await page.waitForLoadState("networkidle").catch(() => undefined);
      const offered = (await names()).filter((name) => forbidden.some((word) => name === word || name.endsWith(` ${word}`)));
      assert.deepEqual(offered, [], address);
    }
    await page.keyboard.press("Control+k");
    await page.getByPlaceholder("Go to an agent").fill("spawn an agent");
    assert.equal(await page.getByRole("option", { name: "Spawn an agent", exact: true }).count(), 0);
    assert.deepEqual(refused, [], "nothing was asked for that is refused");

    // Who may, is offered all of it.
    const worker = await signedIn(PHONE, WORKS, "/inbox");
    await worker.locator(".attention").getByRole("button", { name: "Yes", exact: false }).first().tap();
    await worker.getByText("Nobody waits for you.").waitFor();
  } finally {
    await api("DELETE", `/managed-agents/${id}`, undefined, WORKS);
  }
});
