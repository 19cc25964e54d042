// Whether something has stood where it is for a while. A click on what has just come, or slid there, was meant for what stood there before.

import { type RefObject, useCallback, useLayoutEffect, useRef, useState } from "react";

/** So long it must have stood, in milliseconds: as long as a hand needs to hold back. */
const STANDS_MS = 700;
/** How often it is looked whether it moved, in milliseconds. */
const LOOK_MS = 100;
/** Less than this, in pixels, is no move. */
const SLACK_PX = 1;

/** All that is looked at, by one timer. */
const watched = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function watch(look: () => void): () => void {
  watched.add(look);
  timer ??= setInterval(() => watched.forEach((look) => look()), LOOK_MS);
  return () => {
    watched.delete(look);
    if (watched.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Whether it stands, as last looked; and a look, for the moment of a click: it may have moved since. */
export function useSettled(box: RefObject<HTMLElement | null>): [settled: boolean, look: () => boolean] {
  const [settled, setSettled] = useState(false);
  const place = useRef({ left: NaN, top: NaN, since: 0 });
  const look = useCallback((): boolean => {
    if (!box.current) return false;
    const { left, top } = box.current.getBoundingClientRect();
    const now = performance.now();
    const isWhereItWas = Math.abs(left - place.current.left) <= SLACK_PX && Math.abs(top - place.current.top) <= SLACK_PX;
    if (!isWhereItWas) place.current = { left, top, since: now };
    const stands = now - place.current.since >= STANDS_MS;
    setSettled(stands);
    return stands;
  }, [box]);
  useLayoutEffect(() => {
    look();
    return watch(look);
  }, [look]);
  return [settled, look];
}
