// Everything the page knows of the server is in one cache; the event stream keeps it up to date.

import { QueryClient } from "@tanstack/react-query";
import { Problem } from "../api/problem";

export const store = new QueryClient({
  defaultOptions: {
    queries: {
      // The stream says when something changed.
      staleTime: Infinity,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      retry: (failures, error) => failures < 3 && error instanceof Problem && (error.status === 0 || error.status >= 500),
      retryDelay: (failures) => Math.min(500 * 2 ** failures, 4000),
    },
  },
});

/** The names of what is in the store. */
export const keys = {
  whoami: ["whoami"] as const,
  presets: ["presets"] as const,
  devices: ["devices"] as const,
  agents: ["agents"] as const,
  runtimes: ["runtimes"] as const,
  activity: ["activity"] as const,
  history: (agentId: string | undefined) => ["history", agentId ?? "all"] as const,
  messages: (agentId: string) => ["messages", agentId] as const,
  recording: (agentId: string) => ["recording", agentId] as const,
  changes: (agentId: string) => ["changes", agentId] as const,
  ports: (agentId: string) => ["ports", agentId] as const,
  metrics: (agentId: string) => ["metrics", agentId] as const,
  agentsUsage: ["usage", "agents"] as const,
  usage: (agentId: string | undefined, span: string) => ["usage", "series", agentId ?? "all", span] as const,
  patterns: ["patterns"] as const,
  pattern: (name: string) => ["patterns", name] as const,
  runs: ["runs"] as const,
  run: (id: string) => ["runs", id] as const,
};
