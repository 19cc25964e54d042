// Refusals.

import type { Attention } from "./types";

/** What a refusal may carry beside its code (RFC 9457). */
interface ProblemBody {
  code?: string;
  detail?: string;
  title?: string;
  attention?: Attention;
  errors?: { line: number; column: number; field: string; message: string; suggestion?: string }[];
}

/** A refusal of the API: `code` for the program, the message for the person. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly body: ProblemBody = {},
  ) {
    super(detail);
  }
}

/** What a response that is no success says. */
export async function problemOf(response: Response): Promise<Problem> {
  const body = (await response.json().catch(() => ({}))) as ProblemBody;
  const detail = body.detail ?? body.title ?? `${response.status} ${response.statusText}`;
  return new Problem(response.status, body.code ?? "INTERNAL", detail, body);
}

/** An error in words for a person. */
export function inWords(error: unknown): string {
  if (error instanceof Problem) return error.code === "UNREACHABLE" ? error.message : `${error.message} (${error.code})`;
  return error instanceof Error ? error.message : String(error);
}
