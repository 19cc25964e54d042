// What the tool that an agent asks to use would be called with. All of it is text of the agent.

import type { AttentionTool } from "../../api/types";
import { visible } from "../../ui/visible";

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a tool is called with a text and not with fields, as Codex calls all of its tools: by a script. */
export const isText = (input: unknown): boolean => typeof input === "string" || (isRecord(input) && Object.keys(input).length === 1 && typeof input["input"] === "string");

/** Fields that hold what would be done, by the names that the CLIs give them; the rest is shown below. */
const COMMANDS = ["command", "cmd", "script", "input"];
const PATHS = ["file_path", "path", "notebook_path", "url", "pattern"];
const BEFORE = ["old_string", "old_str", "old_text"];
const AFTER = ["new_string", "new_str", "new_text", "content"];

export function ToolInput({ tool }: { tool: AttentionTool }) {
  const input = isRecord(tool.input) ? tool.input : { input: tool.input };
  const rest = { ...input };
  const take = (names: string[]): string | undefined => {
    const name = names.find((name) => typeof rest[name] === "string");
    if (name === undefined) return undefined;
    const value = rest[name] as string;
    delete rest[name];
    return value;
  };
  const command = take(COMMANDS);
  const path = take(PATHS);
  const before = take(BEFORE);
  const after = take(AFTER);
  const others = Object.entries(rest).filter(([, value]) => value !== null && value !== "");
  return (
    <div className="tool">
      <p className="tool-head">
        <span className="tool-name">{visible(tool.name)}</span>
        {path !== undefined && <code>{visible(path)}</code>}
      </p>
      {command !== undefined && (
        <pre className="tool-text" tabIndex={0} aria-label="Command">
          {visible(command)}
        </pre>
      )}
      {(before !== undefined || after !== undefined) && (
        <pre className="tool-text diff" tabIndex={0} aria-label="Change">
          {before !== undefined && <Lines text={before} sign="-" />}
          {after !== undefined && <Lines text={after} sign="+" />}
        </pre>
      )}
      {others.length > 0 && (
        <dl className="facts">
          {others.map(([name, value]) => (
            <div key={name}>
              <dt>{visible(name)}</dt>
              <dd>{typeof value === "string" ? visible(value) : <code>{visible(JSON.stringify(value, null, 1))}</code>}</dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}

function Lines({ text, sign }: { text: string; sign: "+" | "-" }) {
  return text.replace(/\n$/, "").split("\n").map((line, index) => (
    <span key={index} className={sign === "+" ? "added" : "removed"}>
      {`${sign} ${visible(line)}\n`}
    </span>
  ));
}
