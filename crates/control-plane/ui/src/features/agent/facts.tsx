// What is known of an agent.

import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { getMetrics } from "../../api/agents";
import { inWords } from "../../api/problem";
import type { Agent } from "../../api/types";
import { keys } from "../../server-state/store";
import { UNKNOWN, inFigures } from "../usage/words";
import { Clock, duration } from "../../ui/time";

/** How often what it uses is measured while it is looked at, in milliseconds. */
const MEASURE_MS = 3000;

export function Facts({ agent }: { agent: Agent }) {
  const { data: metrics, error } = useQuery({
    queryKey: keys.metrics(agent.id),
    queryFn: () => getMetrics(agent.id),
    enabled: agent.status !== "stopped" && !agent.stale,
    refetchInterval: MEASURE_MS,
    staleTime: 0,
    retry: false,
  });
  const labels = Object.entries(agent.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  const facts: [string, ReactNode][] = [
    ["Id", <code>{agent.id}</code>],
    ["Type", agent.type],
    ["Model", agent.model],
    ["Role", agent.role],
    ["Runtime", agent.runtime],
    ["Working directory", agent.workdir && <code>{agent.workdir}</code>],
    ["Capabilities", agent.capabilities?.join(", ")],
    ["Labels", labels.join(", ")],
    ["Messages waiting", String(agent.queued ?? 0)],
    ["Spawned", <Clock time={agent.createdAt} />],
    ["Changed", <Clock time={agent.updatedAt} />],
    ["Last activity", agent.lastActivityAt && <Clock time={agent.lastActivityAt} />],
    ...(error ? [["Measured", `not now: ${inWords(error)}`] as [string, ReactNode]] : metrics ? usage(metrics) : []),
  ];
  return (
    <dl className="facts">
      {facts
        .filter(([, value]) => value !== undefined && value !== null && value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function usage(metrics: Awaited<ReturnType<typeof getMetrics>>): [string, ReactNode][] {
  const { cpuPercent, memoryBytes, uptimeSeconds, tokens, costUsd } = metrics as {
    cpuPercent?: number | null;
    memoryBytes?: number | null;
    uptimeSeconds?: number | null;
    tokens?: { input?: number; output?: number } | null;
    costUsd?: number | null;
  };
  return [
    ["CPU", cpuPercent == null ? UNKNOWN : `${cpuPercent.toFixed(1)} %`],
    ["Memory", memoryBytes == null ? UNKNOWN : `${(memoryBytes / 2 ** 20).toFixed(0)} MiB`],
    ["Runs for", uptimeSeconds == null ? UNKNOWN : duration(uptimeSeconds * 1000)],
    ["Tokens", tokens ? `${tokens.input ?? 0} in, ${tokens.output ?? 0} out` : UNKNOWN],
    ["Cost", inFigures("cost", costUsd)],
  ];
}
