// A run as it stood after some of its events.

import type { RunEvent, RunStatus } from "../../api/types";

export type StepState = "running" | "completed" | "failed" | "skipped" | "rejected" | "cancelled";

/** A step as it stands: the newest attempt counts. */
export interface StepMoment {
  path: string;
  id: string | undefined;
  type: string;
  role: string | undefined;
  attempt: number;
  status: string;
  startedAt: string;
  endedAt: string | undefined;
  result: unknown;
  error: string | undefined;
}

export interface MemberMoment {
  id: string;
  role: string;
  number: number;
  type: string;
  present: boolean;
  /** The step whose message it works on. */
  worksOn: string | undefined;
}

/** Something that is on its way between two: a message, or a question that climbs. */
export interface Flow {
  key: string;
  kind: "task" | "question" | "answer" | "again";
  /** Roles, `user`, or `run` for the engine. */
  from: string;
  to: string;
  text: string;
}

export interface OpenQuestion {
  id: string;
  role: string | undefined;
  text: string;
  /** Who has it now. */
  to: string[];
}

export interface Moment {
  status: RunStatus;
  at: string | undefined;
  steps: StepMoment[];
  members: MemberMoment[];
  flows: Flow[];
  questions: OpenQuestion[];
  messages: number;
}

type Data = Record<string, unknown>;
const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
const fault = (value: unknown): string | undefined => {
  const { code, message } = (value ?? {}) as { code?: string; message?: string };
  return code === undefined ? undefined : `${code}: ${message ?? ""}`;
};

/** What the first `count` events make of the run. Events that are not known change nothing. */
export function momentAfter(events: readonly RunEvent[], count: number): Moment {
  const steps = new Map<string, StepMoment>();
  const members = new Map<string, MemberMoment>();
  const flows = new Map<string, Flow>();
  const questions = new Map<string, OpenQuestion>();
  const agents = new Map<string, string>();
  let status: RunStatus = "running";
  let messages = 0;
  const done = (key: string): void => {
    flows.delete(key);
    const agent = agents.get(key);
    const member = agent === undefined ? undefined : members.get(agent);
    if (member) members.set(member.id, { ...member, worksOn: undefined });
  };
  const taken = events.slice(0, count);
  for (const { event, data: raw, timestamp } of taken) {
    const data = raw as Data;
    switch (event) {
      case "execution_ended":
        status = data["status"] as RunStatus;
        flows.clear();
        break;
      case "step_started": {
        const path = String(data["step"]);
        const before = steps.get(path);
        steps.set(path, { path, id: text(data["id"]), type: String(data["type"]), role: text(data["role"]), attempt: Number(data["attempt"]), status: "running", startedAt: before?.startedAt ?? timestamp, endedAt: undefined, result: undefined, error: undefined });
        break;
      }
      case "step_ended": {
        const step = steps.get(String(data["step"]));
        if (step) steps.set(step.path, { ...step, status: data["again"] === true ? "running" : String(data["status"]), endedAt: timestamp, result: data["result"], error: fault(data["error"]) });
        break;
      }
      case "agent_joined": {
        const member = data["member"] as { agentId: string; role: string; number: number; type: string };
        members.set(member.agentId, { id: member.agentId, role: member.role, number: member.number, type: member.type, present: true, worksOn: undefined });
        break;
      }
      case "agent_left": {
        const member = members.get(String(data["agentId"]));
        if (member) members.set(member.id, { ...member, present: false, worksOn: undefined });
        break;
      }
      case "message_sent": {
        messages += 1;
        const key = String(data["key"]);
        const kind = String(data["kind"]) as Flow["kind"];
        const asking = kind === "question" ? [...questions.values()].find(({ to }) => to.includes(String(data["role"]))) : undefined;
        flows.set(key, { key, kind, from: asking?.role ?? "run", to: String(data["role"]), text: String(data["text"] ?? "") });
        agents.set(key, String(data["agentId"]));
        const member = members.get(String(data["agentId"]));
        if (member) members.set(member.id, { ...member, worksOn: text(data["step"]) });
        break;
      }
      case "message_answered":
      case "message_failed":
      case "message_abandoned":
        done(String(data["key"]));
        break;
      case "question_asked": {
        const question = data["question"] as { id: string; role?: string; text?: string };
        questions.set(question.id, { id: question.id, role: question.role, text: question.text ?? "", to: [] });
        break;
      }
      case "question_routed": {
        const question = questions.get(String(data["id"]));
        if (question) questions.set(question.id, { ...question, to: (data["to"] as string[] | undefined) ?? [] });
        break;
      }
      case "question_answered":
      case "question_withdrawn":
        questions.delete(String(data["id"]));
        break;
    }
  }
  return { status, at: taken.at(-1)?.timestamp, steps: [...steps.values()], members: [...members.values()].sort((a, b) => a.role.localeCompare(b.role) || a.number - b.number), flows: [...flows.values()], questions: [...questions.values()], messages };
}

/** The ids of steps by their paths, as the file has them. */
export const stepNames = (events: readonly RunEvent[]): ReadonlyMap<string, string> =>
  new Map(events.flatMap(({ event, data }) => (event === "step_started" && text((data as Data)["id"]) !== undefined ? [[String((data as Data)["step"]), String((data as Data)["id"])] as const] : [])));

/** One line that says what an event is. */
export function wordsOfEvent({ event, data: raw }: RunEvent, names?: ReadonlyMap<string, string>): string {
  const data = raw as Data;
  const role = text(data["role"]);
  switch (event) {
    case "execution_started":
      return "The run begins";
    case "execution_resumed":
      return data["crashed"] === true ? "Another server goes on with it; the one before died" : "Another server goes on with it";
    case "cancel_requested":
      return "Somebody cancels it";
    case "budget_raised":
      return `It may send ${data["messages"] as number} messages in all`;
    case "execution_ending":
      return "Its steps are over";
    case "execution_ended":
      return `The run ${data["status"] as string}`;
    case "step_started":
      return `${text(data["id"]) ?? `step ${data["step"] as string}`} begins${Number(data["attempt"]) > 1 ? ` again (attempt ${data["attempt"] as number})` : ""}`;
    case "step_ended":
      return `${names?.get(String(data["step"])) ?? `step ${data["step"] as string}`} ${data["again"] === true ? "failed, and is tried again" : (data["status"] as string)}`;
    case "role_selected":
      return `${role} is chosen`;
    case "agent_wanted":
      return `${role} ${data["number"] as number} is spawned`;
    case "agent_refused":
      return `${role} was not spawned: ${fault(data["error"]) ?? ""}`;
    case "agent_joined": {
      const member = data["member"] as { role: string; number: number };
      return `${member.role} ${member.number} joins`;
    }
    case "agent_left":
      return `${role} leaves: ${text(data["reason"]) ?? ""}`;
    case "message_sent":
      return `${data["kind"] as string} to ${role}`;
    case "message_answered":
      return "an answer comes";
    case "message_failed":
      return `no answer: ${fault(data["error"]) ?? ""}`;
    case "message_abandoned":
      return "an answer is not waited for any more";
    case "question_asked":
      return `${(data["question"] as { role?: string }).role ?? "the run"} asks`;
    case "question_routed":
      return `the question goes to ${((data["to"] as string[] | undefined) ?? []).join(", ")}`;
    case "question_declined":
      return `${role} does not answer: ${text(data["why"]) ?? ""}`;
    case "question_answered":
      return `${data["by"] as string} answers`;
    case "question_delivered":
      return "the answer is delivered";
    case "question_withdrawn":
      return `the question is withdrawn: ${text(data["why"]) ?? ""}`;
    default:
      return event.replaceAll("_", " ");
  }
}
