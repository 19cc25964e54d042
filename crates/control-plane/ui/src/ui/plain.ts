// Which text may be a name: shown beside others, it neither controls nor turns nor hides anything. The servers have the same rule
// (crates/api/src/text/plain.rs), and both are tested with its plain.json.

/** What joins pictographs, or letters of a script that writes them joined or apart, and what chooses the shape of the sign before it. */
const PART = new RegExp(
  [
    "(?<=PICTOGRAPH SELECTOR*)[\\u200c\\u200d](?=PICTOGRAPH)",
    "(?<=SCRIPT SELECTOR*)[\\u200c\\u200d](?=SCRIPT)",
    "(?<=[0-9#*])\\ufe0f(?=\\u20e3)",
    "(?<=PICTOGRAPH|SYMBOL)[\\ufe0e\\ufe0f]",
    "(?<=[\\u1820-\\u18af])[\\u180b-\\u180d\\u180f]",
    "(?<=IDEOGRAPH)[\\ufe00-\\ufe0d\\u{e0100}-\\u{e01ef}]",
  ]
    .join("|")
    .replaceAll(" ", "")
    .replaceAll("PICTOGRAPH", "[\\u2190-\\u21ff\\u2600-\\u27bf\\u2b00-\\u2bff\\u{1f000}-\\u{1faff}]")
    .replaceAll("SCRIPT", "(?!\\u061c)[\\u0600-\\u0dff]")
    .replaceAll(
      "SYMBOL",
      "[\\u00a9\\u00ae\\u203c\\u2049\\u2122\\u2139\\u2300-\\u23ff\\u24c2\\u25a0-\\u25ff\\u3030-\\u303d\\u3297\\u3299]",
    )
    .replaceAll("IDEOGRAPH", "[\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{3ffff}]")
    .replaceAll("SELECTOR", "[\\u180b-\\u180d\\u180f\\ufe00-\\ufe0f\\u{e0100}-\\u{e01ef}]"),
  "gu",
);

/** What controls, breaks lines, or shows nothing (`Default_Ignorable_Code_Point`, Braille without a dot). */
export const UNSEEN = String.raw`[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{DI}\u2800\ufff9-\ufffb]`;
const NOT_PLAIN = new RegExp(UNSEEN, "gu");

/** Whether nothing in it controls a terminal, turns the direction of what is shown beside it, or cannot be seen. */
export const isPlain = (text: string): boolean => text.replace(PART, "").search(NOT_PLAIN) < 0;

/** The text with what makes it not plain replaced. What joins is replaced, too. */
export const shown = (text: string): string => text.replace(NOT_PLAIN, "\ufffd");
