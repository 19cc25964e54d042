// Times as a person reads them.

import { useEffect, useState } from "react";

/** The clock today, the date before. */
export function Clock({ time }: { time: string }) {
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return (
    <time dateTime={time} title={date.toISOString()}>
      {today ? date.toLocaleTimeString() : date.toLocaleString()}
    </time>
  );
}

/** How long ago, kept up to date. */
export function Since({ time }: { time: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <time dateTime={time} title={new Date(time).toLocaleString()}>
      {duration(Math.max(0, now - Date.parse(time)))}
    </time>
  );
}

/** A duration in milliseconds in words: `12 s`, `3 min`, `2 h 5 min`, `4 d`. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}
