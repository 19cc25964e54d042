// Runtimes and settings, and on a phone the way to what the bar has no room for.

import { Link } from "@tanstack/react-router";
import { useSyncExternalStore } from "react";
import { onToken, signOut, token } from "../../api/token";
import { canNotify, setNotifies, useNotifies } from "../inbox/notify";
import { Devices } from "../push/devices";
import { Runtimes } from "../runtimes/runtimes";
import { useMayOperate } from "../session/scope";
import { Presets } from "../spawn/presets";
import { THEMES, setTheme, useTheme } from "../theme/theme";

export function More() {
  const mayOperate = useMayOperate();
  const theme = useTheme();
  const notifies = useNotifies();
  const isSignedIn = useSyncExternalStore(onToken, token) !== undefined;
  return (
    <div className="page">
      <h1>Settings</h1>
      <nav className="more-links" aria-label="More pages">
        <Link className="button" to="/runs">
          Patterns and runs
        </Link>
        <Link className="button" to="/activity">
          Activity
        </Link>
        <Link className="button" to="/usage">
          Usage
        </Link>
        <Link className="button" to="/search">
          Search
        </Link>
        <Link className="button" to="/terminals">
          Terminals
        </Link>
      </nav>
      <fieldset className="themes">
        <legend>Theme</legend>
        {THEMES.map((name) => (
          <label key={name} className="choice">
            <input type="radio" name="theme" checked={theme === name} onChange={() => setTheme(name)} />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      {canNotify && (
        <label className="check">
          <input type="checkbox" checked={notifies} onChange={(event) => void setNotifies(event.target.checked)} />
          Notify me when somebody waits and I look elsewhere
        </label>
      )}
      {isSignedIn && (
        <p>
          <button type="button" onClick={signOut}>
            Sign out
          </button>
        </p>
      )}
      {mayOperate && (
        <>
          <h2>Devices</h2>
          <Devices />
          <h2>Presets</h2>
          <Presets />
        </>
      )}
      <h2>Runtimes</h2>
      <Runtimes />
    </div>
  );
}
