// Notifications of the browser, for who asked for them: while the page is not looked at.

import { useEffect, useRef, useSyncExternalStore } from "react";
import { wordsOf } from "../attention/kinds";
import { troubleWords } from "../attention/trouble";
import type { Waiting } from "./waiting";

const KEY = "parallax.notify";
const listeners = new Set<() => void>();

/** Whether there can be any here: not on a page without TLS from another machine. */
export const canNotify = "Notification" in window && window.isSecureContext;

const isOn = (): boolean => canNotify && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";

export const useNotifies = (): boolean =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, isOn);

/** Switches them; the browser asks the person the first time. */
export async function setNotifies(on: boolean): Promise<void> {
  if (on) await Notification.requestPermission();
  localStorage.setItem(KEY, on ? "on" : "off");
  for (const listener of listeners) listener();
}

/** Tells of who begins to wait. What was asked stays out of it: a notification is shown on locked screens. */
export function useNotifications(waiting: readonly Waiting[]): void {
  const on = useNotifies();
  const told = useRef(new Map<string, Notification | undefined>());
  useEffect(() => {
    const now = new Set(waiting.map(({ key }) => key));
    for (const [key, notification] of told.current)
      if (!now.has(key)) {
        notification?.close();
        told.current.delete(key);
      }
    for (const item of waiting) {
      if (told.current.has(item.key)) continue;
      told.current.set(item.key, on && document.hidden ? notify(item) : undefined);
    }
  }, [waiting, on]);
}

function inWords(item: Waiting): [string, string] {
  switch (item.kind) {
    case "agent":
      return [item.agent.name, wordsOf(item.attention.kind).title];
    case "trouble":
      return [item.agent.name, troubleWords(item.error).title];
    case "budget":
      return [`Run of ${item.run.pattern}`, "Most of its messages are sent"];
    case "room":
      return [item.runtime.name, "Room for workspaces runs out"];
    case "run":
      return [`Run of ${item.open.pattern}`, "Waits for you"];
  }
}

function notify(item: Waiting): Notification {
  const [who, what] = inWords(item);
  const notification = new Notification(who, { body: what, tag: item.key });
  notification.onclick = () => {
    window.focus();
    location.hash = "#/inbox";
    notification.close();
  };
  return notification;
}
