// Search over the messages and logs of all agents, those that have ended among them.

import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { search } from "../../api/search";
import type { Hit } from "../../api/types";
import { useAgents } from "../../server-state/agents";
import { Empty, Failed, Loading } from "../../ui/states";
import { Clock } from "../../ui/time";

/** How long nobody writes before it is looked for, in milliseconds. */
const PAUSE_MS = 300;

export function SearchPage() {
  const { s = "", kind } = useSearch({ from: "/search" });
  const navigate = useNavigate();
  const [text, setText] = useState(s);
  useEffect(() => setText(s), [s]);
  const set = (next: { s?: string | undefined; kind?: "message" | "log" | undefined }): void => void navigate({ to: ".", search: (before) => ({ ...before, ...next }), replace: true });
  useEffect(() => {
    if (text === s) return;
    const timer = setTimeout(() => set({ s: text || undefined }), PAUSE_MS);
    return () => clearTimeout(timer);
  });
  return (
    <div className="page">
      <h1>Search</h1>
      <form
        className="search-form"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          set({ s: text || undefined });
        }}
      >
        <input type="search" autoFocus aria-label="Words in messages and logs" placeholder="Words in messages and logs of all agents" maxLength={200} value={text} onChange={(event) => setText(event.target.value)} />
        <select aria-label="Where" value={kind ?? ""} onChange={(event) => set({ kind: event.target.value === "" ? undefined : (event.target.value as "message" | "log") })}>
          <option value="">everywhere</option>
          <option value="message">in messages</option>
          <option value="log">in logs</option>
        </select>
      </form>
      {/[\p{L}\p{N}]/u.test(s) ? <Results q={s} kind={kind} /> : <Empty>What agents were told, said and showed. A text is found that has all of the words; the last may be the beginning of one.</Empty>}
    </div>
  );
}

function Results({ q, kind }: { q: string; kind: "message" | "log" | undefined }) {
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ["search", q, kind],
    queryFn: ({ pageParam }) => search(q, kind, pageParam),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: ({ next }) => next ?? undefined,
    staleTime: 0,
    retry: false,
  });
  if (error) return <Failed error={error} retry={refetch} />;
  if (isPending) return <Loading what="what was found" />;
  const hits = data.pages.flatMap((page) => page.hits);
  const incomplete = data.pages[0]?.incomplete ?? [];
  return (
    <>
      <p className="muted" role="status">
        {hits.length === 0 ? "Nothing has these words. What was said in the last seconds may not be here yet." : `${hits.length}${hasNextPage ? " and more" : ""} found, the newest first`}
      </p>
      {incomplete.length > 0 && <Incomplete ids={incomplete} />}
      <ol className="hits">
        {hits.map((hit, index) => (
          <li key={index}>
            <HitLink hit={hit} />
          </li>
        ))}
      </ol>
      {hasNextPage && (
        <p>
          <button type="button" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            More
          </button>
        </p>
      )}
    </>
  );
}

/** Whose logs are not wholly searched. */
function Incomplete({ ids }: { ids: readonly string[] }) {
  const { data: agents } = useAgents();
  return (
    <details className="hint">
      <summary>{`Not all lines of the logs of ${ids.length} ${ids.length === 1 ? "agent" : "agents"} can be found here`}</summary>
      <p>They printed more at once than is read, or could not be read; their recordings have all of it.</p>
      <ul>
        {ids.map((id) => (
          <li key={id}>
            <Link to="/agents/$id" params={{ id }} search={{ view: "terminal", moment: 0 }}>
              {agents?.get(id)?.name ?? id}
            </Link>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** A message leads to the conversation, a line to the recording at that moment. */
function HitLink({ hit }: { hit: Hit }) {
  const isMessage = hit.kind === "message";
  return (
    <Link className="hit" to="/agents/$id" params={{ id: hit.agentId }} search={isMessage ? { view: "conversation" } : { view: "terminal", moment: Date.parse(hit.at) }}>
      <span className="hit-head">
        <strong>{hit.agentName ?? hit.agentId}</strong>
        <span className="muted">
          {isMessage ? "message" : "log"} · <Clock time={hit.at} />
        </span>
      </span>
      <span className={isMessage ? "hit-text" : "hit-text mono"}>
        {hit.excerpt.map((part, index) => (part.hit ? <mark key={index}>{part.text}</mark> : <span key={index}>{part.text}</span>))}
      </span>
    </Link>
  );
}
