// The views of an agent, as they stand in its address.

export const VIEWS = ["terminal", "conversation", "changes", "activity", "usage", "details"] as const;
export type View = (typeof VIEWS)[number];
