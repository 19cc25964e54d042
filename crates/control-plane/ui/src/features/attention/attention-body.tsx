// What an agent asks, with everything that its program says about it.

import type { Attention } from "../../api/types";
import { WebLink } from "../../ui/links";
import { Markdown } from "../../ui/markdown";
import { visible } from "../../ui/visible";
import { ToolInput, isText } from "./tool-input";

/** Whole, and all of it visible: what is not shown may not be approved. A run's question has the same parts as the agent's. */
export function AttentionBody(attention: Pick<Attention, "text" | "tool" | "plan" | "questions" | "loginUrl" | "danger">) {
  const { tool, plan, questions = [], loginUrl, text, danger } = attention;
  // Several questions say themselves what they ask.
  const isSaidBelow = questions.length > 1 || questions.some(({ multiple }) => multiple);
  // A script that calls tools says less than what the agent shows of it.
  const isScript = tool !== undefined && tool !== null && isText(tool.input);
  // Without its input, which may be too long to be published, it says nothing.
  const showsTool = tool && tool.input !== null && tool.input !== undefined && !plan && questions.length === 0 && !isScript;
  const asShown = (
    <pre className="attention-text" tabIndex={0} aria-label="What it says">
      {visible(text)}
    </pre>
  );
  return (
    <>
      {danger && <p className="danger-note">{visible(danger)}</p>}
      {showsTool && <ToolInput tool={tool} />}
      {showsTool || plan ? (
        // The tool and the plan are what the agent reported; what its screen said of them is much the same.
        <details>
          <summary>As the agent shows it</summary>
          {asShown}
        </details>
      ) : (
        !isSaidBelow && asShown
      )}
      {isScript && !plan && (
        <details>
          <summary>What {visible(tool.name)} is called with</summary>
          <ToolInput tool={tool} />
        </details>
      )}
      {plan && (
        <div className="plan" tabIndex={0} role="region" aria-label="Plan">
          <Markdown text={plan} isReviewed />
        </div>
      )}
      {loginUrl && (
        <p className="login-url">
          <WebLink url={loginUrl} />
        </p>
      )}
    </>
  );
}
