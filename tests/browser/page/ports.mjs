// What an agent serves: a list of its ports, with links through the server where that is allowed.
//
//   node ports.mjs MODULES URL PROGRAM MODE
//
// PROGRAM serves with `--serve ADDRESS`. MODE is `plain`, `off` (the server proxies nothing), or the token that the server wants.
import assert from "node:assert/strict";
import { DESK, api, inBrowser, is, open, until, url } from "./kit.mjs";

const [program, mode] = process.argv.slice(4);
const token = ["plain", "off"].includes(mode) ? undefined : mode;

await inBrowser(async (browser) => {
  const { id } = await api("POST", "/managed-agents", { name: "server", type: "shell", ports: 2 }, token);
  const agent = () => api("GET", `/managed-agents/${id}`, undefined, token);
  try {
    await until("it to be ready", async () => is((await agent()).status, "ready"));
    const { first, last } = (await agent()).ports;
    const page = await open(await browser(DESK), `/agents/${id}?view=details`);
    if (token) {
      await page.getByLabel("Token", { exact: true }).fill(token);
      await page.getByRole("button", { name: "Continue" }).click();
    }
    const ports = page.getByRole("region", { name: "Ports" });
    await ports.getByText(`Its own: ${first} to ${last}.`).waitFor();
    await ports.getByText("Nothing listens.").waitFor();
    await api("POST", `/managed-agents/${id}/send`, { message: `${program} --serve 127.0.0.1:${first} >/dev/null 2>&1 &` }, token);
    await ports.getByText("parallax-fake-a").waitFor();
    const link = ports.getByRole("link", { name: String(first) });
    if (mode === "off") {
      await ports.getByText("it was not started with --proxy-ports").waitFor();
      assert.equal(await link.count(), 0);
      return;
    }
    const [shown] = await Promise.all([page.context().waitForEvent("page"), link.click()]);
    await shown.waitForURL((address) => address.href.startsWith(`${url}/agents/${id}/ports/${first}/~`));
    // The agent was asked, and got nothing of who asks.
    const text = await shown.locator("body").innerText();
    assert.match(text, /^GET \//);
    assert.ok(!text.includes("ticket") && !text.includes("authorization"), text);
    assert.ok(!shown.url().includes("ticket"), shown.url());
    assert.equal(await shown.evaluate(() => [window.opener === null, window.origin].join()), "true,null");
    await shown.close();
    // It ends, and so does the list.
    await api("DELETE", `/managed-agents/${id}`, undefined, token);
    await until("no ports", async () => is(await ports.count(), 0));
  } finally {
    await api("DELETE", `/managed-agents/${id}`, undefined, token);
  }
});
