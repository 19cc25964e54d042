// What an agent did in its git checkout.

import { call, callForText } from "./client";
import type { Changes, Committed, Merged, PullRequest, Pushed, WorkspaceCleanup } from "./types";

const at = (id: string, rest: string): string => `/api/managed-agents/${encodeURIComponent(id)}${rest}`;
/** The longest diff that is read, in bytes. */
const MAX_DIFF = 2 * 1024 * 1024;

export const getChanges = (id: string): Promise<Changes> => call("GET", at(id, "/changes"));

export const getDiff = (id: string, file: string): Promise<{ text: string; isCut: boolean }> => callForText(at(id, `/diff?file=${encodeURIComponent(file)}`), MAX_DIFF);

export const commit = (id: string, message: string): Promise<Committed> => call("POST", at(id, "/commit"), { message });

export const push = (id: string): Promise<Pushed> => call("POST", at(id, "/push"), {});

export const pullRequest = (id: string): Promise<PullRequest> => call("POST", at(id, "/pull-request"), {});

export const merge = (id: string, into: string): Promise<Merged> => call("POST", at(id, "/merge"), { into });

/** Removes the workspaces of agents that have ended in which nothing would be lost, on all runtimes. */
export const cleanWorkspaces = (): Promise<WorkspaceCleanup> => call("POST", "/api/workspaces/gc");
