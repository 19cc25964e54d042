// One attempt of a person to have something done. Tried again after an answer that got lost it carries the same name (`Idempotency-Key`), by which
// the server knows that it is the same.

import { Problem } from "./problem";

export class Attempt {
  #content: string | undefined;
  #key = "";

  /** Makes the call, under the name of the attempt. `content` is what is asked for: another is another attempt. */
  async make<T>(content: string, call: (key: string) => Promise<T>): Promise<T> {
    if (content !== this.#content) [this.#content, this.#key] = [content, newKey()];
    try {
      const result = await call(this.#key);
      this.#content = undefined;
      return result;
    } catch (error) {
      if (!isUncertain(error)) this.#content = undefined;
      throw error;
    }
  }
}

/** Whether it may have been done all the same. An agent that failed took it: what is asked for then is asked for anew. */
function isUncertain(error: unknown): boolean {
  // What is no refusal broke off in the middle of the answer.
  if (!(error instanceof Problem)) return true;
  return error.status === 0 || (error.status >= 500 && error.code !== "AGENT_FAILED");
}

/** Not of `randomUUID`, which pages over plain http do not have. */
const newKey = (): string => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
