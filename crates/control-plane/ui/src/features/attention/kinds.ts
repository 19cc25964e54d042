// What each kind of attention is called.

import type { AttentionKind } from "../../api/types";

interface Words {
  /** In a list, behind the agent's name. */
  short: string;
  /** Over the question. */
  title: string;
}

const KINDS: Record<AttentionKind, Words> = {
  login: { short: "log in", title: "Log in to go on" },
  permission: { short: "allow?", title: "Asks for permission" },
  question: { short: "asks", title: "Asks" },
  plan: { short: "plan", title: "Has a plan" },
  stalled: { short: "stalled", title: "Seems to be stalled" },
  unknown: { short: "look", title: "Shows something unknown" },
};

/** Readers may be older than the server: a kind that is not known is shown as one to look at. */
export const wordsOf = (kind: string): Words => KINDS[kind as AttentionKind] ?? KINDS.unknown;
