// What can be asked of agents and runtimes.

import type { Attempt } from "./attempt";
import { call, callForText } from "./client";
import type { Agent, AnswerRequest, ImageInput, Message, Metrics, Runtime, SpawnRequest } from "./types";

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

/** How long they may take to come, in milliseconds: a connection that is dead does not say so. */
const RUNTIMES_WITHIN_MS = 10_000;
/** The same of a message that is taken, with its images over a slow line. It can be tried again: it is the same message then. */
const SEND_WITHIN_MS = 120_000;

export const listRuntimes = async (): Promise<Runtime[]> =>
  (await call<{ runtimes: Runtime[] }>("GET", "/api/runtimes", undefined, { within: RUNTIMES_WITHIN_MS })).runtimes;
export const spawn = (request: SpawnRequest, attempt: Attempt): Promise<Agent> => attempt.make(JSON.stringify(request), (key) => call("POST", AGENTS, request, { key }));
export const getAgent = (id: string): Promise<Agent> => call("GET", at(id));
export const getMetrics = (id: string): Promise<Metrics> => call("GET", at(id, "/metrics"));
export const stop = (id: string): Promise<Agent> => call("DELETE", at(id));
export const interrupt = (id: string): Promise<Agent> => call("POST", at(id, "/interrupt"));
export const restart = (id: string): Promise<Agent> => call("POST", at(id, "/restart"), {});
export const suspend = (id: string): Promise<Agent> => call("POST", at(id, "/suspend"));
export const resume = (id: string): Promise<Agent> => call("POST", at(id, "/resume"));
export const answer = (id: string, request: AnswerRequest): Promise<Agent> => call("POST", at(id, "/answer"), request);
export function send(id: string, message: string, attempt: Attempt, images: ImageInput[] = []): Promise<{ messageId: string }> {
  const request = { message, ...(images.length === 0 ? {} : { images }) };
  return attempt.make(JSON.stringify([id, request]), (key) => call("POST", at(id, "/send"), request, { key, within: SEND_WITHIN_MS }));
}
/** Takes back a message that waits. */
export const withdraw = (id: string, message: string): Promise<void> => call("DELETE", at(id, `/messages/${encodeURIComponent(message)}`));

export const listMessages = async (id: string): Promise<Message[]> =>
  (await call<{ messages: Message[] }>("GET", at(id, "/messages?limit=200"))).messages;
/** The longest recording that is read, in bytes. */
const MAX_RECORDING = 48 * 1024 * 1024;

/** What the terminal showed, as asciicast v2. */
export const readRecording = (id: string): Promise<{ text: string; isCut: boolean }> => callForText(at(id, "/logs?format=asciicast"), MAX_RECORDING);

export const eventsPath = `${AGENTS}/events`;
export const terminalPath = (id: string): string => at(id, "/terminal");
