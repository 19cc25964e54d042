#!/bin/bash
# release.sh PACKAGE…: builds programs for use, `parallax` with its functions in the order of their use.
#
# The system maps 64 kB around whatever a program uses. What a fresh server uses is spread over all of the file: 21 MB of it are mapped, and 6
# when it stands together. Names of functions change with every version, so each build sees anew which these are, which takes 15 s. AGENT_HOST is
# the host of the agent that is spawned for that.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo} packages=("${@/#/--package=}")
release=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release
program=$release/parallax

# The order is an option of lld, which the compiler links with on this target.
if [[ $(rustc -vV) != *"host: x86_64-unknown-linux-gnu"* ]] || ! type -P valgrind callgrind_control curl strip >/dev/null; then
  echo "SKIPPED: the order of functions needs valgrind, curl and strip, on Linux and x86-64; a fresh server takes some 12 MB more without it"
  exec "$cargo" build --release --locked "${packages[@]}"
fi

# Empty, or of the last build. The linker passes over what is not there.
export PARALLAX_SYMBOL_ORDER=$release/parallax.symbols
mkdir -p "$release" && touch "$PARALLAX_SYMBOL_ORDER"
build() { "$cargo" build --release --locked --config 'profile.release.package.parallax-cli.strip="debuginfo"' "${packages[@]}"; }
build

home=$(mktemp -d) server=
end() { [ -z "$server" ] || kill -INT "$server" 2>/dev/null || true; wait; rm -rf "$home"; }
trap end EXIT
# The server in its own directory, which has no settings.
profiles=$PWD/examples/profiles
(cd "$home" && HOME=$home exec valgrind -q --tool=callgrind --demangle=no --compress-strings=no --callgrind-out-file="$home/used" \
  --log-file="$home/valgrind" "$program" up --listen 127.0.0.1:0 --runtime-listen 127.0.0.1:0 --state-dir "$home/state" \
  --profiles "$profiles" --agent-host "$AGENT_HOST" --json) >"$home/up" 2>"$home/log" &
server=$!
for _ in $(seq 1200); do
  [ ! -s "$home/up" ] || break
  kill -0 "$server" || { cat "$home/log"; exit 1; }
  sleep 0.1
done
url=$(grep -o '"url":"[^"]*"' "$home/up" | cut -d'"' -f4) agents=$url/api/managed-agents
get() { curl -fsS -m 60 -o /dev/null "$1"; }
get "$url/health" && get "$agents" && sleep 4
callgrind_control --dump "$server" >/dev/null

# Behind what a fresh server uses stands what every one uses sooner or later.
curl -sSN -m 30 -o /dev/null "$agents/events" &
id=$(curl -fsS -m 60 -H 'Content-Type: application/json' -d "{\"name\": \"a\", \"type\": \"shell\", \"workdir\": \"$home\"}" "$agents" |
  grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
curl -fsS -m 60 -o /dev/null -H 'Content-Type: application/json' -d '{"message": "echo hello", "expectResponse": true}' "$agents/$id/send"
for path in /api/managed-agents{,"/$id","/$id/logs","/$id/screen","/$id/metrics"} /api/{runtimes,presets,patterns,executions,usage,workspaces} \
  '/api/search?q=hello' /api/openapi.json /metrics /; do
  get "$url$path"
done
curl -fsS -m 60 -o /dev/null -X DELETE "$agents/$id"
kill -INT "$server" && wait "$server" && server=

used() { sed -n 's/^fn=//p' "$1" | LC_ALL=C sort -u; }
{ used "$home/used.1"; used "$home/used"; } | awk '!seen[$0]++' >"$PARALLAX_SYMBOL_ORDER"
# The program alone is linked again.
touch crates/cli/src/main.rs
build
strip "$program"
