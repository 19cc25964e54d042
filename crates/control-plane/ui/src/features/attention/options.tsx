// The options of a question, of an agent or of a run.

import type { AttentionOption } from "../../api/types";
import { Markdown } from "../../ui/markdown";
import { SettledButton } from "../../ui/settled-button";
import { visible } from "../../ui/visible";

/** `looks`: classes by the option's id. A question that comes in the place of another has options of its own: give them its id as `key`. */
export function Options(props: { options: readonly AttentionOption[]; looks: Record<string, string>; disabled: boolean; choose: (id: string) => void }) {
  if (props.options.length === 0) return null;
  return (
    <ul className="options">
      {props.options.map((option, index) => (
        <li key={option.id}>
          <SettledButton className={`option ${props.looks[option.id] ?? ""}`} data-option={index + 1} disabled={props.disabled} onClick={() => props.choose(option.id)}>
            <kbd aria-hidden="true">{index + 1}</kbd>
            <span>
              {visible(option.label)}
              {option.description && <small>{visible(option.description)}</small>}
            </span>
          </SettledButton>
          {option.preview && <Markdown text={option.preview} isReviewed />}
        </li>
      ))}
    </ul>
  );
}
