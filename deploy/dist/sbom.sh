#!/usr/bin/env bash
# Writes what the programs are made of (CycloneDX 1.5): sbom.sh OUT TARGET …
#
# cargo-cyclonedx says it for each program and target, npm for the page; sbom.mjs makes one document of them.
set -euo pipefail
. "$(dirname "$0")/common.sh"
out=$1
shift
command -v cargo-cyclonedx >/dev/null ||
  { echo "cargo-cyclonedx is not installed (cargo install cargo-cyclonedx)" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# It writes beside the sources, so it gets a copy of what it looks at.
(cd "$root" && find Cargo.toml Cargo.lock crates fuzz tests -name node_modules -prune -o -type f \
  \( -name 'Cargo.*' -o -name '*.rs' \) -print | tar -cf - -T -) | tar -xf - -C "$work"
bills=()
for target in "$@"; do
  (cd "$work" && cargo cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --target "$target")
  for crate in agent-host cli control-plane runtime-local runtime-docker runtime-k8s; do
    for bill in "$work/crates/$crate"/*_bin.cdx.json; do
      mv "$bill" "$work/$crate-$target.cdx.json"
      bills+=("$work/$crate-$target.cdx.json")
    done
  done
done
if command -v npm >/dev/null; then
  mkdir "$work/page"
  cp "$root/crates/control-plane/ui/package.json" "$root/crates/control-plane/ui/package-lock.json" "$work/page/"
  (
    cd "$work/page"
    npm pkg set "version=$version"
    npm sbom --sbom-format cyclonedx --package-lock-only --omit dev >"$work/page.cdx.json"
  )
  bills+=("$work/page.cdx.json")
else
  echo "SKIPPED: npm is not installed; the bill has nothing of the page" >&2
fi
node "$dist/sbom.mjs" "$version" "$out" "${bills[@]}"
