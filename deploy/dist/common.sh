# What the scripts here share. The version stands in Cargo.toml, and nowhere else.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dist=$root/deploy/dist
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
[ -n "$version" ] || { echo "there is no version in $root/Cargo.toml" >&2; exit 1; }

# The same clone gives the same bytes: every file is as old as the last commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || stat -c %Y "$root/Cargo.toml")}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
# Of 1 (fast) to 9 (small). Tests, whose programs are several times as large, take 1.
level=${DIST_COMPRESSION:-9}
umask 022

# What is shipped, beside the host.
shipped="parallax parallax-control-plane parallax-runtime-local parallax-runtime-docker parallax-runtime-k8s"

# The architecture of a target as Debian and Docker call it.
debian_arch() {
  case "${1%%-*}" in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    riscv64*) echo riscv64 ;;
    *) echo "${1%%-*}" ;;
  esac
}

# The same as Node.js calls it.
node_arch() {
  case "${1%%-*}" in
    x86_64) echo x64 ;;
    aarch64) echo arm64 ;;
    riscv64*) echo riscv64 ;;
    *) echo "${1%%-*}" ;;
  esac
}

# Packs a directory into OUT, with its own name at the top: pack DIR OUT.
pack() {
  tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=ustar \
    -C "$(dirname "$1")" -cf - "$(basename "$1")" | gzip "-$level" -n >"$2"
}
