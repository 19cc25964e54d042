// Which figures the rows of the list show, and by which they are sorted.

import { COLUMNS, COLUMN_WORDS, type Column } from "./columns";
import type { Sort } from "./order";

const SORT_OF: Record<Column, Sort> = { cpu: "cpu", memory: "memory", tokens: "tokens", cost: "cost", waits: "waiting" };

export function ColumnHeads(props: { columns: readonly Column[]; sort: Sort; onSort: (sort: Sort | undefined) => void; onChoose: (columns: readonly Column[]) => void }) {
  const { columns, sort } = props;
  return (
    <div className="column-heads">
      <div className="agent-figures">
        {columns.map((column) => {
          const isSorted = sort === SORT_OF[column];
          return (
            <button key={column} type="button" className="link" aria-pressed={isSorted} title={`Most first: ${COLUMN_WORDS[column].title}`} onClick={() => props.onSort(isSorted ? undefined : SORT_OF[column])}>
              {COLUMN_WORDS[column].head}
              {isSorted && <span aria-hidden="true">↓</span>}
            </button>
          );
        })}
      </div>
      <details className="column-choice">
        <summary title="Columns: which figures rows show" aria-label="Columns">
          ⋯
        </summary>
        <fieldset>
          <legend className="visually-hidden">Columns</legend>
          {COLUMNS.map((column) => (
            <label key={column} className="choice">
              <input
                type="checkbox"
                checked={columns.includes(column)}
                onChange={(event) => props.onChoose(event.target.checked ? [...columns, column] : columns.filter((shown) => shown !== column))}
              />
              <span>{COLUMN_WORDS[column].title}</span>
            </label>
          ))}
        </fieldset>
      </details>
    </div>
  );
}
