// A pattern file that is written or read: checked while one writes, what is wrong stands at its line, what is right is drawn.

import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { validatePattern } from "../../api/runs";
import type { Finding } from "../../api/types";
import { lazyPart } from "../../ui/lazy-part";
import { Failed, Loading } from "../../ui/states";

const OrgChart = lazyPart(async () => (await import("./chart/org-chart")).OrgChart, { loading: () => <Loading what="the chart" /> });

/** How long nobody writes before the file is checked, in milliseconds. */
const PAUSE_MS = 400;

export function PatternFile({ source, onChange }: { source: string; onChange: (source: string) => void }) {
  const text = usePaused(source);
  const { data, error, isFetching, refetch } = useQuery({ queryKey: ["validate", text], queryFn: () => validatePattern(text), enabled: text.trim() !== "", gcTime: 0, retry: false, placeholderData: (before) => before });
  const area = useRef<HTMLTextAreaElement>(null);
  const findings = text.trim() === "" ? [] : (data?.errors ?? []);
  return (
    <>
      <div className="field">
        <label htmlFor="pattern-source">The file (YAML)</label>
        <Editor area={area} source={source} onChange={onChange} findings={findings} />
      </div>
      <div role="status" className="pattern-state">
        {source.trim() === "" ? null : error ? (
          <Failed error={error} retry={refetch} />
        ) : isFetching || text !== source ? (
          <span className="hint">Checking …</span>
        ) : findings.length === 0 ? (
          <span className="ok">The file can be run.</span>
        ) : (
          <span className="form-error">{findings.length === 1 ? "One thing is wrong." : `${findings.length} things are wrong.`}</span>
        )}
      </div>
      {findings.length > 0 && (
        <ol className="findings" aria-label="What is wrong">
          {findings.map((finding) => (
            <li key={`${finding.line}:${finding.column}:${finding.message}`}>
              <button type="button" className="finding" onClick={() => goTo(area.current, finding)}>
                <span className="finding-line">Line {finding.line}</span>
                <span>
                  {finding.field && <code>{finding.field}</code>} {finding.message}
                  {finding.suggestion && <small>{finding.suggestion}</small>}
                </span>
              </button>
            </li>
          ))}
        </ol>
      )}
      {data?.chart && findings.length === 0 && source.trim() !== "" && (
        <OrgChart roles={data.chart.roles} />
      )}
    </>
  );
}

/** A text area with numbers, those of wrong lines marked. */
function Editor({ area, source, onChange, findings }: { area: React.RefObject<HTMLTextAreaElement | null>; source: string; onChange: (source: string) => void; findings: readonly Finding[] }) {
  const numbers = useRef<HTMLDivElement>(null);
  const wrong = useMemo(() => new Set(findings.map(({ line }) => line)), [findings]);
  const lines = source.split("\n").length;
  return (
    <div className="editor">
      <div className="editor-numbers" ref={numbers} aria-hidden="true">
        {Array.from({ length: Math.min(lines, 10_000) }, (_, index) => (
          <div key={index} className={wrong.has(index + 1) ? "is-wrong" : ""}>
            {index + 1}
          </div>
        ))}
      </div>
      <textarea
        id="pattern-source"
        ref={area}
        className="mono"
        rows={14}
        wrap="off"
        required
        spellCheck={false}
        aria-invalid={findings.length > 0}
        value={source}
        onChange={(event) => onChange(event.target.value)}
        onScroll={(event) => {
          if (numbers.current) numbers.current.scrollTop = event.currentTarget.scrollTop;
        }}
      />
    </div>
  );
}

function goTo(area: HTMLTextAreaElement | null, { line, column }: Finding): void {
  if (!area) return;
  const lines = area.value.split("\n");
  const begin = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  area.focus();
  area.setSelectionRange(begin + Math.max(0, column - 1), begin + (lines[line - 1]?.length ?? 0));
  const height = area.scrollHeight / Math.max(1, lines.length);
  area.scrollTop = Math.max(0, (line - 4) * height);
}

function usePaused(value: string): string {
  const [paused, setPaused] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(value), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return paused;
}
