// Who listens on ports of an agent, and where what it serves is shown.

import { call } from "./client";
import type { AgentPorts } from "./types";

export const getPorts = (id: string): Promise<AgentPorts> => call("GET", `/api/managed-agents/${encodeURIComponent(id)}/ports`);

/** Where the server proxies a port of an agent. */
export const portPath = (id: string, port: number): string => `/agents/${encodeURIComponent(id)}/ports/${port}/`;
