// The messages of one agent, and the box that sends one.

import { type FormEvent, type KeyboardEvent, type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import { send, withdraw } from "../../api/agents";
import type { Attempt } from "../../api/attempt";
import { Problem } from "../../api/problem";
import type { Agent, Message } from "../../api/types";
import { refreshMessages, useMessages } from "../../server-state/messages";
import { AttachButton } from "../attachments/attach-button";
import { attachAll } from "../attachments/attachments";
import { useFileDrop } from "../attachments/drop";
import { LookOnly } from "../session/look-only";
import { useMayOperate } from "../session/scope";
import { Markdown } from "../../ui/markdown";
import { Empty, Failed, Loading } from "../../ui/states";
import { Clock } from "../../ui/time";
import { attempt, toast } from "../../ui/toasts";
import { sendDraft, useDraft, write } from "./drafts";
import { type PendingImage, asInput, excess, isImage, readImage } from "./images";

/** Nearer to the end than this, in pixels, the list follows what is new. */
const AT_END_PX = 40;

export function Conversation({ agent }: { agent: Agent }) {
  const { data: messages, error, isPending, refetch } = useMessages(agent.id);
  const list = useRef<HTMLDivElement>(null);
  const mayOperate = useMayOperate();
  useFollowEnd(list);
  const taker = useRef<(files: File[]) => void>(undefined);
  const { isOver, handlers } = useFileDrop((files) => taker.current?.(files));
  return (
    <div className={isOver && mayOperate ? "conversation is-drop-target" : "conversation"} {...(mayOperate ? handlers : {})}>
      <div className="messages" ref={list} tabIndex={0} role="log" aria-label="Messages">
        {error && !messages ? (
          <Failed error={error} retry={refetch} />
        ) : isPending ? (
          <Loading what="messages" />
        ) : messages?.length === 0 ? (
          <Empty>No messages yet.</Empty>
        ) : (
          messages?.map((message) => <Bubble key={message.id} message={message} withdrawIt={mayOperate && message.state === "accepted" ? () => takeBack(agent.id, message) : undefined} />)
        )}
      </div>
      {mayOperate ? <SendForm agent={agent} taker={taker} /> : <LookOnly />}
    </div>
  );
}

/** While the newest message is in view it stays there, whatever comes or takes room. */
function useFollowEnd(list: RefObject<HTMLDivElement | null>): void {
  useLayoutEffect(() => {
    const element = list.current;
    if (!element) return;
    let atEnd = true;
    const follow = (): void => {
      if (atEnd) element.scrollTop = element.scrollHeight;
    };
    const onScroll = (): void => {
      atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX;
    };
    const sizes = new ResizeObserver(follow);
    const contents = new MutationObserver(follow);
    sizes.observe(element);
    contents.observe(element, { childList: true, subtree: true, characterData: true });
    element.addEventListener("scroll", onScroll);
    return () => {
      sizes.disconnect();
      contents.disconnect();
      element.removeEventListener("scroll", onScroll);
    };
  }, [list]);
}

const STATES: Record<NonNullable<Message["state"]>, string> = {
  accepted: "waiting",
  typed: "typed",
  taken: "taken",
  answered: "answered",
  failed: "failed",
  unknown: "not known whether it arrived",
};

/** Takes a message back that waits; nothing of it is typed. */
async function takeBack(agentId: string, message: Message): Promise<void> {
  await attempt(() => withdraw(agentId, message.id));
  await refreshMessages(agentId);
}

function Bubble({ message, withdrawIt }: { message: Message; withdrawIt: (() => Promise<void>) | undefined }) {
  return (
    <article className={`message ${message.role}`}>
      <p className="message-head">
        {message.role === "user" ? "You" : "Agent"} · <Clock time={message.timestamp} />
        {message.state && <span className={`message-state ${message.state}`}> · {STATES[message.state] ?? message.state}</span>}
        {message.interrupted && " · interrupted"}
        {withdrawIt && (
          <>
            {" · "}
            <button type="button" className="link" onClick={() => void withdrawIt()}>
              withdraw
            </button>
          </>
        )}
      </p>
      {message.role === "agent" && message.source !== "output" && message.source !== "screen" ? (
        <Markdown text={message.content} />
      ) : (
        <div className={message.role === "agent" ? "plain mono" : "plain"}>{message.content}</div>
      )}
      {message.images && message.images.length > 0 && (
        <ul className="message-images" aria-label="Images">
          {message.images.map((image, number) => (
            <li key={number}>
              {image.name} · {image.mediaType} · {Math.ceil(image.size / 1024)} KiB
            </li>
          ))}
        </ul>
      )}
      {message.failure && <p className="message-failure">{message.failure}</p>}
    </article>
  );
}

/** `taker` is told who takes files that are dropped beside the form. */
function SendForm({ agent, taker }: { agent: Agent; taker: RefObject<((files: File[]) => void) | undefined> }) {
  const { text, isSending } = useDraft(agent.id);
  const form = useRef<HTMLFormElement>(null);
  const ended = agent.status === "stopped" || agent.stale === true;

  const [attaching, setAttaching] = useState(false);
  const [images, setImages] = useState<readonly PendingImage[]>([]);
  const show = async (files: readonly File[]): Promise<void> => {
    const tooMuch = excess([...images.map(({ file }) => file), ...files]);
    if (tooMuch !== undefined) return toast(tooMuch, "error");
    await attempt(async () => {
      const read = await Promise.all(files.map(readImage));
      setImages((before) => [...before, ...read]);
    });
  };
  const take = async (given: readonly File[]): Promise<void> => {
    if (given.length === 0 || ended) return;
    const shown = given.filter(isImage);
    const files = given.filter((file) => !isImage(file));
    if (shown.length > 0) await show(shown);
    if (files.length > 0) await put(files);
  };
  useEffect(() => {
    taker.current = (files) => void take(files);
  });
  const put = async (files: readonly File[]): Promise<void> => {
    setAttaching(true);
    await attachAll(agent, files, (path) => write(agent.id, (before) => `${before}${before === "" || /\s$/.test(before) ? "" : " "}${path} `));
    setAttaching(false);
  };

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (text.trim() === "" || isSending) return;
    const given = images;
    // Others may have been added meanwhile.
    const removeGiven = (): void => setImages((now) => now.filter((image) => !given.includes(image)));
    const sendIt = (message: string, once: Attempt) =>
      attempt(async () => {
        await send(agent.id, message, once, given.map(asInput)).catch(async (error: unknown) => {
          if (given.length === 0 || !(error instanceof Problem) || error.code !== "UNSUPPORTED") throw error;
          // As files they are of use all the same.
          await put(given.map(({ file }) => file));
          removeGiven();
          throw new Error("This agent takes no images: they were put into its working directory, and the message names them.");
        });
      });
    if (!(await sendDraft(agent.id, sendIt))) return;
    removeGiven();
    await refreshMessages(agent.id);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // While a word is being composed (Japanese, Chinese, …) Enter belongs to that.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    form.current?.requestSubmit();
  };
  return (
    <form
      className="send-form"
      ref={form}
      onSubmit={(event) => void submit(event)}
    >
      <textarea
        rows={3}
        value={text}
        onChange={(event) => write(agent.id, () => event.target.value)}
        onKeyDown={onKeyDown}
        disabled={ended}
        placeholder={ended ? "The agent cannot take messages now" : "Message the agent"}
        aria-label="Message"
      />
      {images.length > 0 && (
        <ul className="previews" aria-label="Images to send">
          {images.map(({ key, file, address }) => (
            <li key={key}>
              <img src={address} alt={file.name || "Pasted image"} />
              <button type="button" aria-label={`Remove ${file.name || "the pasted image"}`} onClick={() => setImages((before) => before.filter((image) => image.key !== key))}>
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      <div className="send-row">
        <AttachButton
          name="Attach files"
          title="Images are shown to the model, 5 MiB together; other files are put into the agent's working directory, at most 8 MiB each. Both may be pasted or dropped"
          busy={attaching}
          disabled={ended}
          take={(files) => void take(files)}
        />
        <span className="hint" title="Shift+Enter breaks the line">
          Enter sends
        </span>
        <button type="submit" className="primary" disabled={ended || isSending || text.trim() === ""}>
          Send
        </button>
      </div>
    </form>
  );
}
