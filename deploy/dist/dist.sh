#!/usr/bin/env bash
# Makes everything that is published: dist.sh OUT TOOLS PROGRAMS TARGET=PROGRAMS=HOST …
#
# OUT is emptied first. TOOLS is what `make` installs for the clients (empty: no clients). The first PROGRAMS are of this machine: they write
# manual pages and describe the API. Each TARGET has its programs and its static host.
set -euo pipefail
. "$(dirname "$0")/common.sh"
out=$1 tools=$2 here=$3
shift 3
say() { printf '  %s\n' "$*"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out"
trees=() targets=()
for item in "$@"; do
  IFS='=' read -r target programs host <<<"$item"
  tree=$work/parallax-$version-$target
  others=()
  for other in "$@"; do
    IFS='=' read -r machine _ program <<<"$other"
    [ "$machine" = "$target" ] || others+=("${machine%%-*}=$program")
  done
  bash "$dist/tree.sh" "$target" "$programs" "$host" "$here/parallax" "$tree" "${others[@]}"
  targets+=("$target")
  trees+=("$target=$(node_arch "$target")=$tree")
done

say "bill of materials"
bash "$dist/sbom.sh" "$out/parallax-agent-runtimes-$version.cdx.json" "${targets[@]}"
for item in "${trees[@]}"; do
  IFS='=' read -r target _ tree <<<"$item"
  say "archive of $target"
  pack "$tree" "$out/parallax-$version-$target.tar.gz"
  if command -v dpkg-deb >/dev/null; then
    say "Debian package of $target"
    bash "$dist/deb.sh" "$target" "$tree" "$out"
  else
    say "SKIPPED: dpkg-deb is not installed; no Debian package is made"
  fi
done
if command -v npm >/dev/null; then
  say "npm packages"
  node "$dist/npm.mjs" "$version" "$out" "${trees[@]}"
else
  say "SKIPPED: npm is not installed; no npm packages are made"
fi
if [ -n "$tools" ]; then
  say "clients"
  bash "$dist/clients.sh" "$here" "$tools" "$out"
fi
install -m 755 "$dist/install.sh" "$out/install.sh"
(cd "$out" && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS)
ls -l "$out"
