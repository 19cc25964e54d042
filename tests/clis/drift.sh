#!/usr/bin/env bash
# drift.sh PINNED NEWEST: runs the suite of the real CLIs on two sets of them (folders that `make clis` filled) and writes
# what differs into docs/clis.md. `make drift` calls it.
set -euo pipefail
pinned=$1 newest=$2
page=docs/clis.md
results=$(mktemp -d); trap 'rm -rf "$results"' EXIT

# The test's name and how it ended, a line each. A set that fails is a result, not a failure of this script.
suite() {
  PATH="$1/bin:$PATH" ${CARGO:-cargo} nextest run --workspace --locked --run-ignored only --no-fail-fast --color never \
    --status-level all --final-status-level none -E 'binary(clis) & test(/^(claude|codex|gemini)::/)' 2>&1 \
    | tee /dev/stderr \
    | sed -nE 's/^ *(PASS|FAIL|TIMEOUT|FLAKY [0-9/]+|SIG[A-Z]+|ABORT) +\[[^]]*\] *(\([^)]*\))? *\S+ ((claude|codex|gemini)::\S+).*/\3 \1/p' \
    > "$2"
}

version() {
  local package
  case $2 in
    claude) package=@anthropic-ai/claude-code-linux-x64 ;;
    codex) package=@openai/codex ;;
    gemini) package=@google/gemini-cli ;;
  esac
  sed -nE 's/^  "version": "([^"]+)".*/\1/p' "$1/node_modules/$package/package.json"
}

# How a test ended, in a word for the table.
outcome() {
  local ended
  ended=$(awk -v test="$2" '$1 == test { print $2; exit }' "$1")
  case $ended in
    '') echo '–' ;;
    PASS) echo yes ;;
    FLAKY) echo 'at a second try' ;;
    *) echo '**no**' ;;
  esac
}

suite "$pinned" "$results/pinned"
if [ "$(cd "$pinned" && pwd -P)" = "$(cd "$newest" && pwd -P)" ]; then
  cp "$results/pinned" "$results/newest"
else
  suite "$newest" "$results/newest"
fi

{
  cat <<'TEXT'
# The CLIs that were checked

`make drift` installs the newest releases beside the pinned ones, runs the suite of the real CLIs (`tests/clis`) on both, and writes this
page. A version that a profile does not list under `checked` is used all the same; `GET …/status` and `parallax doctor` say so.

TEXT
  header='| what works |' rule='|---|'
  for cli in claude codex gemini; do
    header+=" $cli $(version "$pinned" $cli) (pinned) | $cli $(version "$newest" $cli) (newest) |"
    rule+='---|---|'
  done
  echo "$header"; echo "$rule"
  cat "$results"/* | awk '{ sub(/^[a-z]+::/, "", $1); print $1 }' | sort -u | while read -r test; do
    row="| ${test//_/ } |"
    for cli in claude codex gemini; do
      row+=" $(outcome "$results/pinned" "$cli::$test") | $(outcome "$results/newest" "$cli::$test") |"
    done
    echo "$row"
  done
  echo
  if diff -q <(sort "$results/pinned") <(sort "$results/newest") >/dev/null; then
    echo 'Nothing differs between the pinned and the newest releases.'
  else
    echo 'What differs (`<` pinned, `>` newest):'
    echo
    diff <(sort "$results/pinned") <(sort "$results/newest") | sed -n 's/^[<>]/    &/p'
  fi
} > "$page.new"
mv "$page.new" "$page"
cat "$page"
