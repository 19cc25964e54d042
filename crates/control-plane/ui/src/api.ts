// The control plane's API, as far as the page uses it.

export type Status = "starting" | "ready" | "busy" | "error" | "stopped";

export interface Attention {
  id: string;
  kind: "login" | "question";
  text: string;
  loginUrl?: string;
  options?: { id: string; label: string }[];
  since: string;
}

export interface Agent {
  id: string;
  name: string;
  type: string;
  status: Status;
  runtime: string;
  createdAt: string;
  attention?: Attention;
  error?: { code: string; message: string };
  exit?: { code?: number; signal?: string; reason: string; at: string };
  capabilities: string[];
  role?: string;
  labels: Record<string, string>;
  workdir?: string;
  model?: string;
  updatedAt: string;
  lastActivityAt?: string;
  queued: number;
  stale?: boolean;
}

export interface Message {
  id: string;
  agentId: string;
  role: "user" | "agent";
  inReplyTo?: string;
  content: string;
  timestamp: string;
  state?: "accepted" | "typed" | "taken" | "answered" | "failed";
  failure?: string;
  interrupted?: boolean;
}

export interface Runtime {
  name: string;
  kind: string;
  url: string;
  priority: number;
  healthy: boolean;
  reason?: string;
  agents: number;
  capacity: number;
  types: { name: string; available: boolean; reason?: string }[];
}

export interface AgentEvent {
  id: string;
  event: string;
  data: { agent?: Agent; message?: Message; reason?: string; question?: string; loginUrl?: string };
  timestamp: string;
}

/** A refusal of the API: `code` for the program, `detail` for the person. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

const TOKEN_KEY = "parallax.token";
/** Asks the person for the token; set by the page. */
let askForToken: () => Promise<string> = () => Promise.reject(new Error("no token"));
let asking: Promise<string> | undefined;

/** Says how to ask for the token when the API wants one. */
export function onTokenNeeded(ask: () => Promise<string>): void {
  askForToken = ask;
}

/** Asks the API. With a body it is sent as JSON; a token is asked for once and kept for this tab. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN_KEY);
    const headers: Record<string, string> = {};
    if (token) headers["authorization"] = `Bearer ${token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    const response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (response.status === 401) {
      // Several calls may find out at once: one question for all of them.
      asking ??= askForToken().finally(() => (asking = undefined));
      sessionStorage.setItem(TOKEN_KEY, await asking);
      continue;
    }
    if (!response.ok) throw await problemOf(response);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as { code?: string; detail?: string; title?: string };
    return new Problem(response.status, body.code ?? "INTERNAL", body.detail ?? body.title ?? response.statusText);
  } catch {
    return new Problem(response.status, "INTERNAL", `${response.status} ${response.statusText}`);
  }
}

/** The address of a WebSocket; with a token set, it carries a short-lived ticket in its place. */
export async function socketUrl(path: string, query: Record<string, string | undefined>): Promise<string> {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, value);
  if (sessionStorage.getItem(TOKEN_KEY)) {
    const { ticket } = await call<{ ticket: string }>("POST", "/api/tickets");
    url.searchParams.set("ticket", ticket);
  }
  return url.href;
}

const AGENTS = "/api/managed-agents";
const at = (id: string, rest = ""): string => `${AGENTS}/${encodeURIComponent(id)}${rest}`;

/** Every agent there is, page by page. */
export async function listAgents(): Promise<Agent[]> {
  const all: Agent[] = [];
  let cursor = "";
  do {
    const page = await call<{ agents: Agent[]; nextCursor?: string }>("GET", `${AGENTS}?limit=500${cursor}`);
    all.push(...page.agents);
    cursor = page.nextCursor ? `&cursor=${encodeURIComponent(page.nextCursor)}` : "";
  } while (cursor);
  return all;
}

export const listRuntimes = async (): Promise<Runtime[]> =>
  (await call<{ runtimes: Runtime[] }>("GET", "/api/runtimes")).runtimes;
export const spawn = (request: object): Promise<Agent> => call("POST", AGENTS, request);
export const getAgent = (id: string): Promise<Agent> => call("GET", at(id));
export const stop = (id: string): Promise<Agent> => call("DELETE", at(id));
export const interrupt = (id: string): Promise<Agent> => call("POST", at(id, "/interrupt"));
export const restart = (id: string): Promise<Agent> => call("POST", at(id, "/restart"), {});
export const answer = (id: string, answer: { option: string } | { text: string }): Promise<Agent> =>
  call("POST", at(id, "/answer"), answer);
export const send = (id: string, message: string): Promise<{ messageId: string }> =>
  call("POST", at(id, "/send"), { message });
export const listMessages = async (id: string): Promise<Message[]> =>
  (await call<{ messages: Message[] }>("GET", at(id, "/messages?limit=200"))).messages;
export const eventsPath = `${AGENTS}/events`;
export const terminalPath = (id: string): string => at(id, "/terminal");
