// How a run or a step stands.

/** The colours are those of agents. */
const LIKE: Record<string, string> = { running: "busy", completed: "ready", failed: "error", cancelled: "stopped" };

export function RunBadge({ status }: { status: string }) {
  return <span className={`badge ${LIKE[status] ?? "stopped"}`}>{status}</span>;
}
