// The pictures of docs/page.md: real CLIs with scripted models, a real shell, a run. With PARALLAX_PICTURES_ALL also one of every view,
// upright and on its side, light and dark, in `all/`, to look at.
//
//   node pictures.mjs MODULES URL MODELS DIRECTORY
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DESK, PHONE, agent, api, inBrowser, is, open, screenOf, tell, until, url } from "./kit.mjs";

const [, , , , models, directory] = process.argv;
mkdirSync(process.env.PARALLAX_PICTURES_ALL === undefined ? directory : join(directory, "all"), { recursive: true });

const say = (text) => ({ text });
const call = (name, input) => ({ tool: { name, input } });
/** Codex calls its tools by a script. */
const exec = (cmd, justification) => ({ tool: { name: "exec", raw: `const r = await tools.exec_command(${JSON.stringify({ cmd, sandbox_permissions: "require_escalated", justification })});\ntext(r.output);` } });
const to = (contains, ...steps) => ({ when: { contains, tool_result: false }, steps });
const afterTool = (...steps) => ({ when: { tool_result: true }, times: 1, steps });
/** What the models say from now on. */
const script = (...replies) => fetch(`${models}/__fake/scenario`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ defaults: { first_delay_ms: 0, chunk_delay_ms: 0, chunk_chars: 400 }, replies }) });

/** A small project, with a history. */
function makeProject(home) {
  const shop = join(home, "shop");
  const files = {
    "package.json": '{ "name": "shop", "version": "1.4.0", "type": "module", "scripts": { "test": "node --test" } }\n',
    "src/checkout.js": 'import { round } from "./money.js";\n\n/** The sum of a cart, in cents. */\nexport function total(cart) {\n  let sum = 0;\n  for (const { price, count } of cart) sum += price * count;\n  return round(sum);\n}\n',
    "src/money.js": "export const round = (cents) => Math.round(cents);\n",
    "test/checkout.test.js": 'import assert from "node:assert";\nimport { test } from "node:test";\nimport { total } from "../src/checkout.js";\n\ntest("a cart has a sum", () => {\n  assert.equal(total([{ price: 250, count: 2 }]), 500);\n});\n\ntest("an empty cart is free", () => {\n  assert.equal(total([]), 0);\n});\n',
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(shop, name, ".."), { recursive: true });
    writeFileSync(join(shop, name), text);
  }
  const git = (...args) => execFileSync("git", ["-C", shop, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", ...args]);
  git("init", "--quiet", "--initial-branch=main");
  for (const [file, message] of [["package.json", "Begin"], ["src", "Sum up a cart"], ["test", "Test the sum of a cart"]]) {
    git("add", file);
    git("commit", "--quiet", "--message", message);
  }
  return shop;
}

const ready = (id) => until("it to be ready", async () => is((await agent(id)).status, "ready"), 120_000);
const asks = (id) => until("it to ask", async () => is((await agent(id)).attention !== undefined, true), 120_000);
const settled = (id) => until("it to be done", async () => is((await agent(id)).status === "ready" && ((await api("GET", `/managed-agents/${id}/messages`)).messages.at(-1)?.role === "agent"), true), 120_000);

async function spawn(name, type, more = {}) {
  const { id } = await api("POST", "/managed-agents", { name, type, ...more });
  await ready(id);
  return agent(id);
}

/** Everybody who stands in the pictures; gives their ids. */
async function setUp() {
  const { id: first } = await api("POST", "/managed-agents", { name: "scratch", type: "shell" });
  await ready(first);
  const shop = makeProject((await agent(first)).workdir);
  await api("DELETE", `/managed-agents/${first}`);

  const shell = await spawn("dev-server", "shell", { workdir: shop, labels: { team: "shop" } });
  for (const line of ["git log --oneline --stat | cat", "node --test 2>&1 | tail -30"]) {
    await tell(shell.id, line);
    await settled(shell.id);
  }

  await script();
  const developer = await spawn("coupon-codes", "claude", { role: "developer", workspace: { repo: shop }, approvals: "edits", labels: { team: "shop", sprint: "12" } });
  const at = (name) => join(developer.workdir, name);
  const coupons = '/** Percent off, by code. Codes are compared without case. */\nconst COUPONS = new Map([\n  ["welcome10", 10],\n  ["summer25", 25],\n]);\n\n/** What is left to pay of `cents` with a coupon; all of it with none that is known. */\nexport function discounted(cents, code) {\n  const percent = COUPONS.get(code?.toLowerCase()) ?? 0;\n  return Math.round((cents * (100 - percent)) / 100);\n}\n';
  await script(
    to("coupon", say("I'll keep coupons in a module of their own, and let the sum take one."), call("Write", { file_path: at("src/coupons.js"), content: coupons })),
    afterTool(call("Read", { file_path: at("src/checkout.js") })),
    afterTool(
      call("Edit", { file_path: at("src/checkout.js"), old_string: "export function total(cart) {", new_string: "export function total(cart, coupon) {" }),
    ),
    afterTool(call("Edit", { file_path: at("src/checkout.js"), old_string: "  return round(sum);", new_string: "  return discounted(round(sum), coupon);" })),
    afterTool(call("Edit", { file_path: at("src/checkout.js"), old_string: 'import { round } from "./money.js";', new_string: 'import { discounted } from "./coupons.js";\nimport { round } from "./money.js";' })),
    afterTool(
      say(
        "Coupons work at checkout now.\n\n| code | off | example |\n|---|---|---|\n| `welcome10` | 10 % | 20.00 → 18.00 |\n| `summer25` | 25 % | 20.00 → 15.00 |\n\n- `total(cart, coupon)` takes a code; without one nothing changes.\n- Codes are compared **without case**, and one that is not known takes nothing off.\n\n```js\ntotal([{ price: 1000, count: 2 }], \"SUMMER25\"); // 1500\n```\n\nShall I add a test for codes that have run out?",
      ),
    ),
  );
  await tell(developer.id, "Add coupon codes to the checkout: 10 % for new customers, 25 % in summer.");
  await settled(developer.id);

  const notes = await spawn("release-notes", "gemini", { role: "writer", workdir: shop, labels: { team: "shop" } });
  await script(to("release notes", say("## 1.5.0\n\n- **Coupons**: `welcome10` and `summer25` at checkout\n- The sum of a cart is rounded once, not for each line\n- Tests run with `node --test`\n")));
  await tell(notes.id, "Write the release notes of 1.5.0 from the history.");
  await settled(notes.id);

  const planner = await spawn("payment-provider", "claude", { role: "architect", workdir: shop, labels: { team: "platform" } });
  const option = (label, description) => ({ label, description });
  await script(
    to("payment", call("AskUserQuestion", { questions: [{ question: "Which payment provider shall the checkout use first?", header: "Provider", multiSelect: false, options: [option("The one of the web shop", "Contract is there; refunds by hand"), option("A new one with an API for refunds", "Two weeks until it is signed"), option("Both, behind one interface", "More code now, no lock-in")] }] })),
    afterTool(say("I will plan for that.")),
  );
  await tell(planner.id, "Plan how we take payment.");
  await asks(planner.id);

  const tests = await spawn("flaky-tests", "codex", { role: "tester", workdir: shop, labels: { team: "shop", sprint: "12" } });
  await script(to("flaky", say("The test of the checkout fails one time in twenty. I will run it fifty times to see when. "), exec("for i in $(seq 50); do node --test test/checkout.test.js; done", "The sandbox kills runs that take longer than a minute")), afterTool(say("It is the clock.")));
  await tell(tests.id, "Find out why the checkout test is flaky.");
  await asks(tests.id);

  const pattern = readFileSync(new URL("../../../examples/patterns/startup-team.yaml", import.meta.url), "utf8");
  await fetch(`${url}/api/patterns/startup-team`, { method: "PUT", headers: { "content-type": "application/yaml" }, body: pattern });
  for (const other of ["enterprise-review", "pair-programming"])
    await fetch(`${url}/api/patterns/${other}`, { method: "PUT", headers: { "content-type": "application/yaml" }, body: readFileSync(new URL(`../../../examples/patterns/${other}.yaml`, import.meta.url), "utf8") });
  await script(
    to("Plan this as two parts", say("**Back end:** `POST /gift-cards` makes a card with a code and an amount; `total` takes its code like a coupon.\n\n**Front end:** a form for the amount, and the card as a page that prints well.")),
    to("Build the back end", say("`POST /gift-cards` is there, with a limit of 500.00. `total(cart, code)` knows the cards; what is left stays on the card. Eleven tests, all green.")),
    to("Build the front end", say("The form and the card are there. The card prints on A6; the code can be copied.")),
    to("VERDICT", say("It does what the plan says: I bought a card, used half of it, and the rest was still there.\n\nA card of 0.00 can be made; that should be refused, and is no reason to wait.\n\nVERDICT: APPROVED")),
  );
  const { executionId: run } = await api("POST", "/patterns/startup-team/execute", { input: { task: "Gift cards: buy one, print it, pay with it" }, workdir: shop });
  await until("its approval", async () => ((await api("GET", `/executions/${run}`)).questions.length === 1 ? true : (await api("GET", `/executions/${run}`)).status), 240_000);
  const busy = await spawn("dependency-update", "claude", { role: "developer", workdir: shop, labels: { team: "platform" } });
  await script(to("outdated", say("Reading what changed between the versions …"), { gate: "never" }));
  await tell(busy.id, "Bring what is outdated up to date, one commit each.");
  await until("it to work", async () => is((await agent(busy.id)).status, "busy"));
  await tell(busy.id, "Leave the major versions for later.");

  await api("PUT", "/presets/reviewer", { description: "Reads what changed, and says what must change", spawn: { type: "claude", role: "reviewer", approvals: "ask" } });
  await api("PUT", "/presets/night-shift", { description: "Works alone in a checkout", spawn: { type: "codex", role: "developer", approvals: "all" } });
  return { shell: shell.id, developer: developer.id, notes: notes.id, planner: planner.id, tests: tests.id, busy: busy.id, run };
}

await inBrowser(async (browser) => {
  const ids = await setUp();
  const length = (await api("GET", `/executions/${ids.run}`)).metrics;
  console.log(JSON.stringify({ ids, length }));
  const terminalDrawn = (page) => page.locator(".terminal-note").waitFor({ state: "detached" });
  const click = (name) => (page) => page.getByRole("button", { name, exact: true }).click();
  /** Of each picture: where it is, what is done before it is taken. */
  const views = {
    overview: ["/"],
    inbox: ["/inbox"],
    agent: [`/agents/${ids.developer}`, terminalDrawn],
    changes: [`/agents/${ids.developer}?view=changes`, async (page) => {
      await page.getByRole("button", { name: /checkout\.js/ }).click();
      await page.locator(".diff .is-added").first().waitFor();
    }],
    terminal: [`/agents/${ids.shell}?view=terminal`, terminalDrawn],
    conversation: [`/agents/${ids.developer}?view=conversation`],
    asking: [`/agents/${ids.tests}`, terminalDrawn],
    waiting: [`/agents/${ids.busy}`, terminalDrawn],
    agentActivity: [`/agents/${ids.developer}?view=activity`],
    agentUsage: [`/agents/${ids.developer}?view=usage`, (page) => page.locator(".usage-parts canvas").nth(1).waitFor()],
    details: [`/agents/${ids.developer}?view=details`, (page) => page.getByText("Memory").first().waitFor()],
    recording: [`/agents/${ids.developer}?view=terminal&moment=${Date.now()}`, async (page) => {
      const slider = page.getByRole("slider", { name: "Moment" });
      await slider.fill(String(0.9 * Number(await slider.getAttribute("max"))));
    }],
    patterns: ["/runs"],
    run: [`/runs/${ids.run}`, (page) => page.locator(".role").nth(2).waitFor()],
    runMoment: [`/runs/${ids.run}?at=14`, (page) => page.locator(".role").nth(2).waitFor()],
    terminals: [`/terminals?ids=${[ids.shell, ids.developer, ids.tests, ids.notes].join("%2C")}`, (page) => until("four terminals", async () => is(await page.locator(".terminal-cell .xterm").count(), 4))],
    activity: ["/activity"],
    usage: ["/usage", (page) => page.waitForTimeout(16_000)],
    search: ["/search?s=coupon", (page) => page.locator(".hit").first().waitFor()],
    settings: ["/more"],
    groups: ["/?by=status&ended=true"],
    spawn: ["/", click("Spawn")],
    several: ["/", click("Several …")],
    stop: [`/agents/${ids.developer}`, click("Stop")],
    start: ["/runs?start=startup-team"],
    pattern: ["/runs", async (page) => {
      await page.locator(".card", { hasText: "pair-programming" }).getByRole("button", { name: "Edit" }).click();
      await page.getByText("The file can be run.").waitFor();
    }],
    wrong: ["/runs", async (page) => {
      await page.locator(".card", { hasText: "pair-programming" }).getByRole("button", { name: "Edit" }).click();
      await page.getByText("The file can be run.").waitFor();
      const area = page.getByLabel("The file (YAML)");
      await area.fill((await area.inputValue()).replace("type: assign", "type: asign"));
      await page.locator(".finding").first().click();
    }],
    palette: [`/agents/${ids.developer}`, async (page) => {
      await page.locator("h1").first().click();
      await page.keyboard.press("Control+k");
      await page.getByPlaceholder("Go to an agent").fill("re");
    }],
  };
  /** Those of docs/page.md. */
  const docs = { "overview desk light": "inbox", "agent desk dark": "agent", "changes desk light": "changes", "runMoment desk light": "run", "recording desk dark": "recording", "usage desk light": "usage", "terminals desk dark": "terminals", "wrong desk light": "pattern", "inbox phone light": "phone-inbox", "terminal phone dark": "phone-terminal", "run phone light": "phone-run", "overview phone light": "phone-agents", "asking side dark": "phone-side" };
  const takesAll = process.env.PARALLAX_PICTURES_ALL !== undefined;
  for (const [screen, kind] of [["desk", DESK], ["phone", PHONE], ["side", { ...PHONE, viewport: { width: 844, height: 390 } }]])
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser(kind, { colorScheme, reducedMotion: "reduce" });
      const page = await open(context);
      await page.locator(".connection.live").waitFor({ state: "attached" });
      for (const [view, [address, prepare]] of Object.entries(views)) {
        const name = docs[`${view} ${screen} ${colorScheme}`];
        if (!name && !takesAll) continue;
        await page.goto(new URL(`#${address}`, page.url()).href);
        await page.reload();
        await page.locator(".connection.live").waitFor({ state: "attached" });
        await until("all to be loaded", async () => is(await page.locator("main .empty", { hasText: "Loading" }).count(), 0));
        await prepare?.(page).catch((error) => {
          if (name) throw error;
          console.log(`${view} ${screen}: ${String(error).split("\n")[0]}`); // on its side there is no room for all of it
        });
        await page.waitForTimeout(700); // what is drawn when there is time for it
        await until("options to take clicks", async () => is(await page.locator("main .attention [aria-disabled=true]").count(), 0));
        await page.locator(".xterm .scrollbar.visible").first().waitFor({ state: "detached" }); // it goes when it was not used for a moment
        const shot = await page.screenshot();
        if (takesAll) writeFileSync(join(directory, "all", `${view}-${screen}-${colorScheme}.png`), shot);
        if (name) writeFileSync(join(directory, `${name}.png`), shot);
      }
      await context.close();
    }
  await fetch(`${models}/__fake/gate/never`, { method: "POST" });
});
