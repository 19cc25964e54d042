// How far back the charts go.

import { RANGES, RANGE_WORDS, type Range } from "./series";

export function RangeChoice({ range, onChoose }: { range: Range; onChoose: (range: Range) => void }) {
  return (
    <fieldset className="usage-ranges">
      <legend className="visually-hidden">How far back</legend>
      {RANGES.map((known) => (
        <button key={known} type="button" aria-pressed={range === known} onClick={() => onChoose(known)}>
          {RANGE_WORDS[known]}
        </button>
      ))}
    </fieldset>
  );
}
