#!/usr/bin/env bash
# Makes the clients as packages of npm and PyPI: clients.sh PROGRAMS TOOLS OUT
#
# PROGRAMS has a control plane that runs here: its description is what they are generated from. TOOLS is a Python environment that
# has `node_modules` beside `bin` (`make` installs it).
set -euo pipefail
. "$(dirname "$0")/common.sh"
programs=$1 tools=$2 out=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$programs/parallax-control-plane" --print-openapi >"$work/openapi.json"
examples=$root/examples/clients
fill() { sed -e "s/@VERSION@/$version/" -e "s/@OPENAPI_FETCH@/$fetch/"; }
fetch=$(node -p 'require(process.argv[1]).version' "$tools/node_modules/openapi-fetch/package.json")

typescript=$work/typescript
cp -R "$dist/clients/typescript" "$typescript"
cp "$examples/typescript/streams.ts" "$root/LICENSE" "$typescript/"
fill <"$typescript/package.json.in" >"$typescript/package.json"
ln -s "$tools/node_modules" "$typescript/node_modules"
(
  cd "$typescript"
  node_modules/.bin/openapi-typescript "$work/openapi.json" --output schema.ts >/dev/null
  node_modules/.bin/tsc
  rm node_modules
  npm pack --silent --ignore-scripts --pack-destination "$out" >/dev/null
)

python=$work/python
cp -R "$dist/clients/python" "$python"
cp "$root/LICENSE" "$python/"
fill <"$python/pyproject.toml.in" >"$python/pyproject.toml"
rm "$python/pyproject.toml.in"
# It says on standard error that it does not know YAML, of which pattern files may be; `content` of the test looks at the rest.
PATH="$tools/bin:$PATH" "$tools/bin/openapi-python-client" generate --meta none --path "$work/openapi.json" \
  --output-path "$python/parallax_client" >"$work/generated" 2>&1 || { cat "$work/generated" >&2; exit 1; }
rm -rf "$python/parallax_client/.ruff_cache"
cp "$examples/python/streams.py" "$python/parallax_client/"
(cd "$python" && "$tools/bin/hatchling" build --directory "$out" >/dev/null)
