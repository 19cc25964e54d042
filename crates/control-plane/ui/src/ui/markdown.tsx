// Markdown as agents write it. HTML in it stays text, addresses other than of the web are dropped, pictures become links:
// nothing is loaded because an agent wrote so.

import { type ComponentProps, useRef, useState } from "react";
import type { Components } from "react-markdown";
import { copyText } from "./clipboard";
import { lazyPart } from "./lazy-part";
import { visible } from "./visible";

interface MarkdownProps {
  text: string;
  /** Somebody approves it: nothing in it hides. */
  isReviewed?: boolean;
}

/** As it was written: it can be read all the same. */
const Plain = ({ text, isReviewed }: MarkdownProps) => <div className="plain">{isReviewed ? visible(text) : text}</div>;

const load = async () => {
  const [{ default: ReactMarkdown }, { default: gfm }, { default: highlight }] = await Promise.all([import("react-markdown"), import("remark-gfm"), import("rehype-highlight")]);
  return ({ text, isReviewed }: MarkdownProps) => (
    <ReactMarkdown remarkPlugins={[gfm]} rehypePlugins={isReviewed ? [allVisible, highlight] : [highlight]} components={components}>
      {text}
    </ReactMarkdown>
  );
};

const Renderer = lazyPart(load, { loading: Plain, failed: Plain });

/** Longer text is shown as it is: drawing it would take too long. */
const MAX_RENDERED = 200_000;

export function Markdown(props: MarkdownProps) {
  if (props.text.length > MAX_RENDERED) return <Plain {...props} />;
  return (
    <div className="markdown">
      <Renderer {...props} />
    </div>
  );
}

/** A part of what is drawn, as far as it matters here. */
interface Part {
  value?: string;
  properties?: Record<string, unknown>;
  children?: Part[];
}

/** Makes the texts visible when Markdown has been read: signs may be written as entities there. */
const allVisible = () => function see(part: Part): void {
  if (part.value !== undefined) part.value = visible(part.value);
  if (typeof part.properties?.["alt"] === "string") part.properties["alt"] = visible(part.properties["alt"]);
  part.children?.forEach(see);
};

const components: Components = {
  a: ({ href, children }) => (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  ),
  img: ({ src, alt }) => (
    <a href={typeof src === "string" ? src : undefined} target="_blank" rel="noopener noreferrer">
      {alt || "picture"}
    </a>
  ),
  pre: Code,
  table: ({ children }) => (
    <div className="table-box" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
};

function Code({ children }: ComponentProps<"pre">) {
  const pre = useRef<HTMLPreElement>(null);
  const [copied, setCopied] = useState<boolean>();
  const copy = async (): Promise<void> => {
    setCopied(await copyText(pre.current?.textContent ?? ""));
    setTimeout(() => setCopied(undefined), 1500);
  };
  return (
    <div className="code-box">
      <pre ref={pre} tabIndex={0}>
        {children}
      </pre>
      <button type="button" className="copy" onClick={() => void copy()}>
        {copied === undefined ? "Copy" : copied ? "Copied" : "Not allowed"}
      </button>
    </div>
  );
}
