// The types of the API by the names that the page uses. `schema.ts` is made from the API's own description: `npm run api`.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Agent = Schemas["Agent"];
export type AgentError = Schemas["AgentError"];
export type AgentStatus = Schemas["AgentStatus"];
export type Approvals = Schemas["Approvals"];
export type Attention = Schemas["Attention"];
export type AttentionKind = Schemas["AttentionKind"];
export type AttentionOption = Schemas["AttentionOption"];
export type AttentionQuestion = Schemas["AttentionQuestion"];
export type AttentionTool = Schemas["AttentionTool"];
export type AnswerRequest = Schemas["AnswerRequest"];
export type ImageInput = Schemas["ImageInput"];
export type Message = Schemas["Message"];
export type Metrics = Schemas["Metrics"];
export type AgentUsage = Schemas["AgentUsage"];
export type AgentUsageList = Schemas["AgentUsageList"];
export type UsagePoint = Schemas["UsagePoint"];
export type UsageSeries = Schemas["UsageSeries"];
export type UsageSpan = Schemas["UsageSpan"];
export type SpawnRequest = Schemas["SpawnRequest"];
export type Runtime = Schemas["RuntimeInfo"];
export type Pattern = Schemas["PatternInfo"];
export type StoredPattern = Schemas["StoredPattern"];
export type PatternInput = Schemas["PatternInput"];
export type Run = Schemas["Execution"];
export type RunSummary = Schemas["ExecutionSummary"];
export type MessageBudget = Schemas["MessageBudget"];
export type RunStatus = Schemas["ExecutionStatus"];
export type RunQuestion = Schemas["QuestionView"];
export type RunAnswer = Schemas["ExecutionAnswer"];
export type Step = Schemas["StepView"];
export type Whoami = Schemas["Whoami"];
export type Preset = Schemas["Preset"];
export type PresetRequest = Schemas["PresetRequest"];
export type PushInfo = Schemas["PushInfo"];
export type PushDevice = Schemas["PushDevice"];
export type PushSubscriptionRequest = Schemas["PushSubscription"];
export type Chart = Schemas["Chart"];
export type ChartRole = Schemas["ChartRole"];
export type Validation = Schemas["Validation"];
export type Hit = Schemas["Hit"];
export type Hits = Schemas["Hits"];
export type Changes = Schemas["Changes"];
export type Committed = Schemas["Committed"];
export type PullRequest = Schemas["PullRequest"];
export type Pushed = Schemas["Pushed"];
export type WorkspaceCleanup = Schemas["WorkspaceCleanup"];
export type Merged = Schemas["Merged"];
export type AgentPorts = Schemas["AgentPorts"];
export type PortListener = Schemas["PortListener"];
export type Finding = Schemas["Finding"];

/** An event of the stream. Its data is told apart by `event`; a reader passes over events that it does not know. */
export interface AgentEvent {
  id: string;
  event: string;
  data: { agent?: Agent; message?: Message; reason?: string; question?: string; loginUrl?: string | null };
  timestamp: string;
}

/** An event of a run. */
export interface RunEvent {
  id: string;
  event: string;
  data: object;
  timestamp: string;
}

/** The agent that an event is about; none for `reset`. */
export function agentIdOf({ data }: AgentEvent): string | undefined {
  return data.agent?.id ?? data.message?.agentId;
}
