#!/usr/bin/env bash
# Lays out what the images of the servers and the host are built from: context.sh CONTEXT TARGET=PROGRAMS=HOST …
#
# A directory for each architecture, as Docker calls it, with its programs and, for engines on machines of another kind, the hosts of all.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../dist/common.sh"
context=$1
shift
for item in "$@"; do
  IFS='=' read -r target programs host <<<"$item"
  into=$context/$(debian_arch "$target")
  mkdir -p "$into"
  for program in $shipped; do cp "$programs/$program" "$into/"; done
  cp "$host" "$into/parallax-agent-host"
  for other in "$@"; do
    IFS='=' read -r machine _ program <<<"$other"
    [ "$machine" = "$target" ] || cp "$program" "$into/parallax-agent-host-${machine%%-*}"
  done
done
cp "$here/server.Dockerfile" "$here/host.Dockerfile" "$context/"
