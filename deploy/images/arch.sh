#!/usr/bin/env bash
# How Docker calls the architecture of a target, such as `amd64`: arch.sh TARGET
. "$(dirname "${BASH_SOURCE[0]}")/../dist/common.sh"
debian_arch "$1"
