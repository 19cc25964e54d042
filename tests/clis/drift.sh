#!/usr/bin/env bash
# drift.sh PINNED NEWEST: runs the suite of the real CLIs on two sets of them (folders that `make clis` filled) and writes
# what differs into docs/clis.md. `make drift` calls it. Where both are the same releases, the suite runs once.
set -euo pipefail
pinned=$1 newest=$2
page=docs/clis.md
results=$(mktemp -d); trap 'rm -rf "$results"' EXIT

# What a CLI can do with us, and the tests that show it. Each test that stands in no row has one of its own.
capabilities() {
  cat <<'TEXT'
turn: the_two_calls
stream: a_stream_is_seen
tool permission, both ways: permission_is_given permission_is_refused
edit permission: edits_are_permitted
multi-question: several_questions_are_answered_in_one_call questions_are_answered_one_by_one
plan: a_plan_is_approved
interrupt: a_turn_is_interrupted interrupts_in_a_row
resume: a_restart_keeps_the_conversation
login: a_stranger_must_log_in a_login_makes_it_ready a_code_makes_it_ready
error: an_error_is_told
quota: a_quota_is_told
background: a_background_command_is_no_work
exactly once × 50: fifty_messages
exactly once, and as text, × 119: odd_messages
TEXT
}

# The test's name and how it ended, a line each. A set that fails is a result, not a failure of this script.
suite() {
  PATH="$1/bin:$PATH" ${CARGO:-cargo} nextest run -p parallax-tests --test clis --locked --run-ignored only --no-fail-fast --color never \
    --status-level all --final-status-level none -E 'test(/^(claude|codex|gemini)::/)' 2>&1 \
    | tee /dev/stderr \
    | sed -nE 's/^ *(PASS|FAIL|TIMEOUT|FLAKY [0-9/]+|SIG[A-Z]+|ABORT) +\[[^]]*\] *(\([^)]*\))? *\S+ ((claude|codex|gemini)::\S+).*/\3 \1/p' \
    > "$2" || true
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

versions() { version "$1" claude; version "$1" codex; version "$1" gemini; }

# How tests of a CLI ended, in a word for the table: outcome RESULTS CLI TEST…
outcome() {
  local results=$1 cli=$2 word='–' test ended
  shift 2
  for test in "$@"; do
    ended=$(awk -v test="$cli::$test" '$1 == test { print $2; exit }' "$results")
    case $ended in
      '') ;;
      PASS) [ "$word" = '–' ] && word=yes ;;
      FLAKY) [ "$word" = '**no**' ] || word='at a second try' ;;
      *) word='**no**' ;;
    esac
  done
  echo "$word"
}

# A row of the table: row TITLE TEST…
row() {
  local row="| $1 |" cli
  shift
  for cli in claude codex gemini; do
    row+=" $(outcome "$results/pinned" "$cli" "$@") |"
    "$is_same" || row+=" $(outcome "$results/newest" "$cli" "$@") |"
  done
  echo "$row"
}

is_same=false
[ "$(versions "$pinned")" = "$(versions "$newest")" ] && is_same=true
suite "$pinned" "$results/pinned"
if "$is_same"; then
  cp "$results/pinned" "$results/newest"
else
  suite "$newest" "$results/newest"
fi

{
  cat <<'TEXT'
# The CLIs that were checked

`make drift` installs the newest releases beside the pinned ones, runs the suite of the real CLIs (`tests/clis`) on both, and writes this
page. A version that a profile does not list under `checked` is used all the same; `GET …/status` and `parallax doctor` say so.

A dash is what a CLI has not got, or has no test here: what it is stands under the table.

TEXT
  header='| what works |' rule='|---|'
  for cli in claude codex gemini; do
    if "$is_same"; then
      header+=" $cli $(version "$pinned" $cli) |"; rule+='---|'
    else
      header+=" $cli $(version "$pinned" $cli) (pinned) | $cli $(version "$newest" $cli) (newest) |"; rule+='---|---|'
    fi
  done
  echo "$header"; echo "$rule"
  while IFS=: read -r title tests; do
    # shellcheck disable=SC2086 # a list of names
    row "**$title**" $tests
  done < <(capabilities)
  cat "$results"/* | awk '{ sub(/^[a-z]+::/, "", $1); print $1 }' | sort -u | while read -r test; do
    capabilities | cut -d: -f2 | grep -qw "$test" || row "${test//_/ }" "$test"
  done
  echo
  if "$is_same"; then
    echo "The pinned releases were the newest ones on $(date -u +%F), when this was run."
  elif diff -q <(sort "$results/pinned") <(sort "$results/newest") >/dev/null; then
    echo 'Nothing differs between the pinned and the newest releases.'
  else
    echo 'What differs (`<` pinned, `>` newest):'
    echo
    diff <(sort "$results/pinned") <(sort "$results/newest") | sed -n 's/^[<>]/    &/p'
  fi
  sed -n '/^## What a dash is/,$p' "$page" | sed '1i\\'
} > "$page.new"
mv "$page.new" "$page"
cat "$page"
