// Markdown as agents write it. HTML in it stays text, addresses other than of the web are dropped, pictures become links:
// nothing is loaded because an agent wrote so.

import { type ComponentProps, Suspense, lazy, useRef, useState } from "react";
import type { Components } from "react-markdown";
import { copyText } from "./clipboard";

const Renderer = lazy(async () => {
  const [{ default: ReactMarkdown }, { default: gfm }, { default: highlight }] = await Promise.all([import("react-markdown"), import("remark-gfm"), import("rehype-highlight")]);
  return {
    default: ({ text }: { text: string }) => (
      <ReactMarkdown remarkPlugins={[gfm]} rehypePlugins={[highlight]} components={components}>
        {text}
      </ReactMarkdown>
    ),
  };
});

/** Longer text is shown as it is: drawing it would take too long. */
const MAX_RENDERED = 200_000;

export function Markdown({ text }: { text: string }) {
  const plain = <div className="plain">{text}</div>;
  if (text.length > MAX_RENDERED) return plain;
  return (
    <div className="markdown">
      <Suspense fallback={plain}>
        <Renderer text={text} />
      </Suspense>
    </div>
  );
}

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
