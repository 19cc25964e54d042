// How far the messages of a run may be raised.

import type { MessageBudget } from "../../api/types";

/** Messages that any run may send. */
export const MOST = 10_000;

/** What the field begins with; undefined where no run may send more. */
export const raisedTo = ({ most }: MessageBudget): number | undefined => (most >= MOST ? undefined : Math.min(MOST, most * 2));
