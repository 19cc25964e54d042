// Spawns a shell, asks it something, follows its events, resumes, looks at its terminal, and stops it.
//
// `schema.d.ts` is generated: `openapi-typescript http://localhost:3000/api/openapi.json --output schema.d.ts`.

import createClient from "openapi-fetch";

import type { paths } from "./schema.js";
import { Terminal, events } from "./streams.js";

const base = process.argv[2] ?? "http://localhost:3000";
const client = createClient<paths>({ baseUrl: base });

function must<T>(what: string, value: T | undefined): T {
  if (value === undefined) throw new Error(what);
  return value;
}

const spawned = await client.POST("/api/managed-agents", { body: { name: "from-typescript", type: "shell" } });
const agent = must(JSON.stringify(spawned.error), spawned.data);

async function ask(message: string): Promise<string> {
  const path = { id: agent.id };
  const body = { message, expectResponse: true, timeoutMs: 30_000 };
  const answer = await client.POST("/api/managed-agents/{id}/send", { params: { path }, body });
  return must(JSON.stringify(answer.error), answer.data?.response?.content);
}

/** Follows the agent's events after `since` until it says this; gives the cursor. */
async function until(content: string, since: string, told: Set<string>): Promise<string> {
  for await (const event of events(base, { since, agentId: agent.id })) {
    if (told.has(event.id)) throw new Error(`${event.id} came twice`);
    told.add(event.id);
    if (event.event === "message" && event.data.message.content === content) return event.id;
  }
  throw new Error("the stream ended");
}

if ((await ask("echo $((6 * 7))")) !== "42") throw new Error("42");
const told = new Set<string>();
// Until the answer comes by, and then from there on in another stream: nothing is missed and nothing comes twice.
const cursor = await until("42", "0", told);
await ask("echo again");
await until("again", cursor, told);

/** Types into the terminal; gives the offset once `isDone`. */
function typed(text: string, since: number | undefined, isDone: (seen: string, exit?: string) => boolean): Promise<number> {
  const terminal = new Terminal(base, agent.id, since === undefined ? {} : { since });
  let [seen, exit] = ["", undefined as string | undefined];
  const decoder = new TextDecoder();
  return new Promise((resolve, reject) => {
    const look = () => {
      if (!isDone(seen, exit)) return;
      resolve(terminal.offset);
      terminal.close();
    };
    terminal.onOutput = (bytes) => {
      seen += decoder.decode(bytes, { stream: true });
      look();
    };
    terminal.onControl = (frame) => {
      exit = frame.exit?.reason;
      look();
    };
    terminal.onClose = (code) => reject(new Error(`closed with ${code}`));
    terminal.type(text);
  });
}

const offset = await typed("echo typed-$((1 + 1))\r", undefined, (seen) => seen.includes("typed-2"));
await typed("exit\r", offset, (_, exit) => exit === "exited");
for await (const event of events(base, { since: "0", agentId: agent.id })) {
  if (event.event !== "agent_stopped") continue;
  if (event.data.reason !== "exited") throw new Error(event.data.reason);
  break;
}
await client.DELETE("/api/managed-agents/{id}", { params: { path: { id: agent.id } } });
console.log("done");
process.exit(0);
