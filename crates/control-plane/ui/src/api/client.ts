// Calls and sockets of the control plane.

import { Problem, problemOf } from "./problem";
import { keepToken, token, tokenOfAnotherTab } from "./token";

/** Asks the person for the token; `wrong` when the last one was refused. Set by the sign-in dialog. */
let askForToken: (wrong: boolean) => Promise<string> = () => Promise.reject(new Error("nobody can be asked for the token"));
let asking: Promise<void> | undefined;

/** Says how to ask for the token when the API wants one. */
export function onTokenNeeded(ask: (wrong: boolean) => Promise<string>): void {
  askForToken = ask;
}

interface How {
  /** What the body is, when it is no JSON. */
  type?: string;
  /** The name of the attempt: the same one is made once, however often it is asked for. */
  key?: string;
  /** How long the server may take to answer, in milliseconds. */
  within?: number;
}

/** Asks the API. A body is sent as JSON; text as what `type` says. A token is asked for when one is wanted. */
export async function call<T>(method: string, path: string, body?: unknown, how?: How): Promise<T> {
  const response = await ask(method, path, body, how);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** Reads text, at most so many bytes of it. */
export async function callForText(path: string, most: number): Promise<{ text: string; isCut: boolean }> {
  const response = await ask("GET", path);
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let read = 0; reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    read += value.length;
    text += decoder.decode(value, { stream: true });
    if (read > most) {
      await reader.cancel();
      return { text, isCut: true };
    }
  }
  return { text: text + decoder.decode(), isCut: false };
}

/** The answer, when it is none that refuses. */
export async function ask(method: string, path: string, body?: unknown, { type = "application/json", key, within }: How = {}): Promise<Response> {
  for (;;) {
    const used = token();
    const headers: Record<string, string> = {};
    if (used) headers["authorization"] = `Bearer ${used}`;
    if (body !== undefined) headers["content-type"] = type;
    if (key !== undefined) headers["idempotency-key"] = key;
    const sent = body === undefined ? null : typeof body === "string" || body instanceof Blob ? body : JSON.stringify(body);
    let response: Response;
    try {
      response = await fetch(path, { method, headers, body: sent, signal: within === undefined ? null : AbortSignal.timeout(within) });
    } catch {
      throw new Problem(0, "UNREACHABLE", "The server does not answer.");
    }
    if (response.status === 401) {
      // Where the server has no tokens there is none to ask for.
      if ((await accessRule()) === "own-account") throw await problemOf(response);
      await renewToken(used);
      continue;
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

/** What the server asks of callers; it says that to everybody. */
async function accessRule(): Promise<string | undefined> {
  try {
    return ((await (await fetch("/health")).json()) as { access?: string }).access;
  } catch {
    return undefined;
  }
}

/** Several calls may find out at once that `used` is refused: one question for all of them. */
async function renewToken(used: string | undefined): Promise<void> {
  if (token() !== used) return;
  asking ??= (async () => {
    const others = used === undefined ? await tokenOfAnotherTab() : undefined;
    keepToken(others ?? (await askForToken(used !== undefined)));
  })().finally(() => (asking = undefined));
  await asking;
}

/** The address of a WebSocket; with a token set, it carries a short-lived ticket in its place. */
export async function socketUrl(path: string, query: Record<string, string | undefined>): Promise<string> {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, value);
  return withTicket(url);
}

/** The address of something else that this server shows; with a token set, it carries a short-lived ticket in its place. */
export const pageUrl = (path: string): Promise<string> => withTicket(new URL(path, location.href));

async function withTicket(url: URL): Promise<string> {
  if (token()) {
    const { ticket } = await call<{ ticket: string }>("POST", "/api/tickets");
    url.searchParams.set("ticket", ticket);
  }
  return url.href;
}
