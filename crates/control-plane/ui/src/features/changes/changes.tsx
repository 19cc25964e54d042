// What an agent changed in its checkout: files, their diffs, and what becomes of it.

import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { commit, getChanges, getDiff, merge, pullRequest, push } from "../../api/workspaces";
import type { Agent, Changes as ChangesOf } from "../../api/types";
import { keys, store } from "../../server-state/store";
import { Empty, Failed, Loading } from "../../ui/states";
import { attempt, toast } from "../../ui/toasts";
import { visible } from "../../ui/visible";
import { useMayOperate } from "../session/scope";
import { MAX_LINES, linesOf } from "./diff";

/** How often it is asked for while it is looked at, in milliseconds: files are no events. */
const ASK_MS = 5000;

export function Changes({ agent }: { agent: Agent }) {
  const ended = agent.status === "stopped" || agent.stale === true;
  const { data: changes, error, refetch } = useQuery({ queryKey: keys.changes(agent.id), queryFn: () => getChanges(agent.id), staleTime: 0, retry: false, refetchInterval: ended ? false : ASK_MS });
  const mayOperate = useMayOperate();
  const [file, setFile] = useState<string>();
  if (!changes) return error ? <Failed error={error} retry={refetch} /> : <Loading what="changes" />;
  return (
    <div className="changes">
      {error && <Failed error={error} retry={refetch} />}
      {error && <p className="hint">What is shown is from before.</p>}
      <p className="muted">
        <code>{changes.branch ?? changes.head.slice(0, 12)}</code>
        {` · ${changes.ahead} ahead, ${changes.behind} behind`}
        {changes.dirty && " · not all committed"}
        {changes.conflicted && " · a merge is unfinished"}
      </p>
      {changes.files.length === 0 ? (
        <Empty>Nothing differs from where it began.</Empty>
      ) : (
        <ul className="files" aria-label="Changed files">
          {changes.files.map(({ path, status, added, removed }) => (
            <li key={path}>
              <button type="button" className="file" aria-expanded={file === path} onClick={() => setFile(file === path ? undefined : path)}>
                <span className={`file-status is-${status}`}>{status}</span>
                <span className="file-path mono">{visible(path)}</span>
                {added != null && <span className="added">+{added}</span>}
                {removed != null && <span className="removed">−{removed}</span>}
              </button>
              {file === path && <Diff agentId={agent.id} file={path} changes={changes} ended={ended} />}
            </li>
          ))}
        </ul>
      )}
      {changes.truncated && <p className="hint">More files differ than are listed.</p>}
      {mayOperate && <Deliver agent={agent} changes={changes} />}
    </div>
  );
}

/** Asked for again and again: a file may change and differ by as many lines as before. */
function Diff({ agentId, file, changes, ended }: { agentId: string; file: string; changes: ChangesOf; ended: boolean }) {
  const of = changes.files.find(({ path }) => path === file);
  const { data, error, refetch } = useQuery({ queryKey: [...keys.changes(agentId), file, changes.head, of?.added, of?.removed], queryFn: () => getDiff(agentId, file), staleTime: 0, retry: false, refetchInterval: ended ? false : ASK_MS, placeholderData: (before) => before });
  if (!data) return error ? <Failed error={error} retry={refetch} /> : <Loading what="the diff" />;
  const lines = linesOf(data.text);
  const isCut = data.isCut || lines.length >= MAX_LINES;
  return (
    <div className="diff mono" tabIndex={0} role="region" aria-label={`Diff of ${visible(file)}`}>
      {error && <Failed error={error} retry={refetch} />}
      {error && <p className="hint">What is shown is from before.</p>}
      <table>
        <tbody>
          {lines
            .filter(({ kind }) => kind !== "head")
            .map(({ kind, text, before, after }, index) => (
              <tr key={index} className={`is-${kind}`}>
                <td className="diff-number" aria-hidden="true">
                  {before}
                </td>
                <td className="diff-number" aria-hidden="true">
                  {after}
                </td>
                <td className="diff-text">
                  {kind === "added" && <span className="only-read">added </span>}
                  {kind === "removed" && <span className="only-read">removed </span>}
                  {visible(text)}
                </td>
              </tr>
            ))}
        </tbody>
      </table>
      {lines.every(({ kind }) => kind === "head") && <p className="hint">No text: a binary file, or one that was only renamed.</p>}
      {isCut && <p className="hint">The diff is longer than what is shown.</p>}
    </div>
  );
}

/** Commit, push, pull request, merge. */
function Deliver({ agent, changes }: { agent: Agent; changes: ChangesOf }) {
  const [message, setMessage] = useState("");
  const [into, setInto] = useState("");
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState<string>();
  const does = async (action: () => Promise<string>): Promise<void> => {
    setBusy(true);
    await attempt(async () => {
      toast(await action());
      await store.invalidateQueries({ queryKey: keys.changes(agent.id) });
    });
    setBusy(false);
  };
  const onCommit = (event: FormEvent): void => {
    event.preventDefault();
    void does(async () => {
      const { commit: id } = await commit(agent.id, message);
      setMessage("");
      return `Committed as ${id.slice(0, 12)}.`;
    });
  };
  const onMerge = (event: FormEvent): void => {
    event.preventDefault();
    void does(async () => `Merged into ${(await merge(agent.id, into)).into}.`);
  };
  return (
    <div className="deliver">
      {changes.dirty && (
        <form className="inline-form" onSubmit={onCommit}>
          <input aria-label="Commit message" placeholder="Commit everything: the message" value={message} onChange={(event) => setMessage(event.target.value)} autoComplete="off" />
          <button type="submit" disabled={busy || message.trim() === ""}>
            Commit
          </button>
        </form>
      )}
      {changes.ahead > 0 && (
        <form className="inline-form" onSubmit={onMerge}>
          <input aria-label="Branch to merge into" placeholder="Merge into: a branch" value={into} onChange={(event) => setInto(event.target.value)} autoComplete="off" spellCheck={false} />
          <button type="submit" disabled={busy || into.trim() === ""}>
            Merge
          </button>
          <button
            type="button"
            disabled={busy}
            onClick={() =>
              void does(async () => {
                const { remote, branch } = await push(agent.id);
                return `Pushed to ${remote}, ${branch}.`;
              })
            }
          >
            Push
          </button>
          <button
            type="button"
            disabled={busy}
            onClick={() =>
              void does(async () => {
                const { url, pushed, branch, output } = await pullRequest(agent.id);
                setMade(url ?? undefined);
                return `${pushed ? `Pushed ${branch}, and made` : "Made"} a pull request. ${url ? "" : output}`;
              })
            }
          >
            Pull request
          </button>
        </form>
      )}
      {made && (
        <p>
          <a href={made} target="_blank" rel="noreferrer">
            {made}
          </a>
        </p>
      )}
    </div>
  );
}
