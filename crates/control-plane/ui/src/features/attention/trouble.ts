// What an agent's last turn failed with, where a person is needed for it.

import type { Agent, AgentError } from "../../api/types";

interface Words {
  /** In a list, behind the agent's name. */
  short: string;
  title: string;
  hint: string;
}

/** Errors that no agent gets over by itself, by their codes. Servers count the same: `NEEDS_PERSON` in `agent_cache.rs`, whose test reads this. */
const TROUBLES: Record<string, Words> = {
  rate_limit: { short: "no quota", title: "Out of quota", hint: "Its last turn failed, and it takes messages again. When there is quota, a message brings it back." },
  auth: {
    short: "not let in",
    title: "Not let in by its provider",
    hint: "Its last turn failed. Log in, in its terminal or where the key is kept; then a message, or a restart with new credentials, brings it back.",
  },
};

/** The error, when it is one of these and the agent asks nothing else. */
export const troubleOf = ({ status, attention, error }: Agent): AgentError | undefined => (status !== "stopped" && !attention && error && error.code in TROUBLES ? error : undefined);

export const troubleWords = ({ code }: AgentError): Words => TROUBLES[code] ?? { short: "failed", title: "Its turn failed", hint: "A message may bring it back." };
