#!/usr/bin/env bash
# Lays out what is installed, as it is below a prefix: tree.sh TARGET PROGRAMS HOST PARALLAX TREE [MACHINE=HOST …]
#
# PROGRAMS is the directory with the programs of TARGET, HOST its static host, PARALLAX a `parallax` of the same version that runs here: it
# writes the completions and the manual pages. The page is in the programs. The hosts of other machines are for engines there.
set -euo pipefail
. "$(dirname "$0")/common.sh"
target=$1 programs=$2 host=$3 parallax=$4 tree=$5
shift 5

[ "$("$parallax" --version)" = "parallax $version" ] ||
  { echo "$parallax is not parallax $version: build it" >&2; exit 1; }
rm -rf "$tree"
mkdir -p "$tree/bin"
# Binutils of the target: those of this machine know no other.
strip=strip
if command -v "${target/-unknown/}-strip" >/dev/null; then strip=${target/-unknown/}-strip; fi
for program in $shipped; do
  "$strip" -o "$tree/bin/$program" "$programs/$program"
done
"$strip" -o "$tree/bin/parallax-agent-host" "$host"
# As they were built: stripped already, and not for the tools of this target.
for other in "$@"; do cp "${other#*=}" "$tree/bin/parallax-agent-host-${other%%=*}"; done
for program in "$tree"/bin/parallax-agent-host*; do
  if readelf --program-headers --wide "$program" | grep -q INTERP; then
    echo "$program is not a static program" >&2
    exit 1
  fi
done
chmod 755 "$tree"/bin/*

share=$tree/share
mkdir -p "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d"
"$parallax" completions bash >"$share/bash-completion/completions/parallax"
"$parallax" completions zsh >"$share/zsh/site-functions/_parallax"
"$parallax" completions fish >"$share/fish/vendor_completions.d/parallax.fish"
"$parallax" man --dir "$share/man/man1"
gzip -9n "$share"/man/man1/*.1

# `parallax up` finds the profiles there.
mkdir -p "$share/parallax"
cp -R "$root/examples/profiles" "$root/examples/patterns" "$share/parallax/"
docs=$share/doc/parallax-agent-runtimes
mkdir -p "$docs"
cp "$root/LICENSE" "$root/README.md" "$root/CHANGELOG.md" "$docs/"
find "$share" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
