// What is shown while no agent is selected: who waits, the runtimes, and what happens anywhere.

import { Activity } from "../activity/activity";
import { Inbox } from "../inbox/inbox";
import { Runtimes } from "../runtimes/runtimes";

export function Overview() {
  return (
    <div className="overview">
      <Inbox />
      <aside className="overview-side" aria-label="Runtimes and activity">
        <h2>Runtimes</h2>
        <Runtimes />
        <h2>Activity</h2>
        <Activity />
      </aside>
    </div>
  );
}
