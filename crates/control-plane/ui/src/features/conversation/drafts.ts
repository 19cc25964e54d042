// What was written and not sent yet, by agent: it stays when another agent is looked at.

const drafts = new Map<string, string>();

export const draftOf = (agentId: string): string => drafts.get(agentId) ?? "";

export function keepDraft(agentId: string, text: string): void {
  if (text === "") drafts.delete(agentId);
  else drafts.set(agentId, text);
}
