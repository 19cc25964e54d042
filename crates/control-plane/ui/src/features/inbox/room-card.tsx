// A runtime whose workspaces take most of the room that they may.

import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { cleanWorkspaces } from "../../api/workspaces";
import type { Runtime } from "../../api/types";
import { keys, store } from "../../server-state/store";
import { ConfirmButton } from "../../ui/modal";
import { Since } from "../../ui/time";
import { attempt } from "../../ui/toasts";
import { LookOnly } from "../session/look-only";
import { useMayOperate } from "../session/scope";

export function RoomCard({ runtime, warning, since }: { runtime: Runtime; warning: string; since: string }) {
  const [done, setDone] = useState<string>();
  const mayOperate = useMayOperate();
  const clean = () =>
    attempt(async () => {
      const { removed, kept } = await cleanWorkspaces();
      setDone(`${removed.length} removed, ${kept.length} kept because something would be lost or they are in use.`);
      await store.invalidateQueries({ queryKey: keys.runtimes });
    });
  return (
    <section className="attention is-room" aria-label={`${runtime.name}: room for workspaces runs out`} tabIndex={0}>
      <header className="attention-head">
        <h2>
          {runtime.name} <span className="tag">Room for workspaces runs out</span>
        </h2>
        <span className="muted">
          runtime
          {since !== "" && (
            <>
              {" · "}
              <Since time={since} />
            </>
          )}
        </span>
      </header>
      <p className="attention-text">{warning}</p>
      {done && (
        <p className="hint" role="status">
          {done}
        </p>
      )}
      <div className="options">
        {mayOperate ? (
          <ConfirmButton
            label="Clean up"
            title="Remove workspaces in which nothing would be lost"
            question="Remove workspaces of agents that have ended?"
            explanation="On all runtimes, those in which nothing would be lost: no change, no commit that is nowhere else."
            action={clean}
          />
        ) : (
          <LookOnly />
        )}
        <Link className="button" to="/more">
          Runtimes
        </Link>
      </div>
    </section>
  );
}
