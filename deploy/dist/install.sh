#!/bin/sh
# Installs Parallax from an archive of `make dist`, and removes it again. Needs nothing but a POSIX shell, tar, gzip and sha256sum; curl or
# wget for an address. Read it before you run it: it writes below one directory and keeps a list of what it wrote.
set -eu
umask 022

usage() {
  cat <<'END'
Usage: install.sh [--prefix DIR] [--sha256 HEX] ARCHIVE|URL
       install.sh [--prefix DIR] --uninstall

ARCHIVE is parallax-VERSION-TARGET.tar.gz. Its checksum is the one given, or stands in SHA256SUMS beside it (beside the
URL, which is then an https one). Nothing is installed that does not fit its checksum.

  --prefix DIR    where to install [default: /usr/local for root, else ~/.local]
  --sha256 HEX    the checksum of the archive
  --uninstall     remove what was installed below the prefix; agents' state (~/.local/state/parallax) stays
END
}

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

prefix='' sum='' source='' uninstall=''
while [ $# -gt 0 ]; do
  case "$1" in
    --prefix | --sha256)
      [ $# -ge 2 ] || fail "$1 wants a value"
      if [ "$1" = --prefix ]; then prefix=$2; else sum=$2; fi
      shift
      ;;
    --uninstall) uninstall=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) fail "unknown option $1; --help has all of them" ;;
    *)
      [ -z "$source" ] || fail "one archive at a time"
      source=$1
      ;;
  esac
  shift
done
if [ -z "$prefix" ]; then
  if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=${HOME:?is not set: say --prefix DIR}/.local; fi
fi
case "$prefix" in
  /*) ;;
  *) prefix=$PWD/$prefix ;;
esac
# What was installed, one path a line, relative to the prefix; a directory that was made for it ends with a slash. Itself is last of the files.
record=$prefix/share/parallax/installed-files

# Removes what the record names and the list $1 does not, and directories that are empty then.
remove_installed() {
  [ -f "$record" ] || return 0
  cp "$record" "$work/old"
  while IFS= read -r path; do
    # Only what this script writes: plain paths below two directories.
    case "/$path" in
      */../* | */.. | *//*) fail "$record names $path, which this script does not write; nothing is removed" ;;
      /bin/* | /share/* | /./) ;;
      *) fail "$record names $path, which this script does not write; nothing is removed" ;;
    esac
  done <"$work/old"
  grep -Fvx -f "$1" "$work/old" >"$work/gone" || true
  while IFS= read -r path; do
    case "$path" in
      */) ;;
      *) rm -f "$prefix/$path" ;;
    esac
  done <"$work/gone"
  # The deepest first.
  LC_ALL=C sort -r "$work/gone" | while IFS= read -r path; do
    case "$path" in
      */) rmdir "$prefix/$path" 2>/dev/null || true ;;
    esac
  done
}

work=$(mktemp -d "${TMPDIR:-/tmp}/parallax-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -n "$uninstall" ]; then
  [ -z "$source" ] || fail "--uninstall takes no archive"
  [ -f "$record" ] || fail "nothing is installed below $prefix: there is no $record"
  : >"$work/nothing"
  remove_installed "$work/nothing"
  echo "removed from $prefix"
  exit 0
fi
[ -n "$source" ] || {
  usage >&2
  exit 2
}

# Fetches $1 into $2.
fetch() {
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --proto '=https,http' --output "$2" "$1"
  elif command -v wget >/dev/null; then
    wget -q -O "$2" "$1"
  else
    fail "neither curl nor wget is here: download $1 yourself and give the file"
  fi || fail "$1 cannot be fetched"
}

name=${source##*/}
case "$source" in
  https://*)
    archive=$work/$name
    fetch "$source" "$archive"
    [ -n "$sum" ] || fetch "${source%/*}/SHA256SUMS" "$work/SHA256SUMS"
    ;;
  http://*)
    [ -n "$sum" ] || fail "over http anybody on the way can change archive and checksum: say --sha256 HEX, or use https"
    archive=$work/$name
    fetch "$source" "$archive"
    ;;
  *)
    archive=$source
    [ -f "$archive" ] || fail "there is no file $archive"
    case "$source" in
      */*) beside=${source%/*} ;;
      *) beside=. ;;
    esac
    if [ -z "$sum" ]; then
      [ -f "$beside/SHA256SUMS" ] || fail "there is no SHA256SUMS beside $archive: say --sha256 HEX"
      cp "$beside/SHA256SUMS" "$work/SHA256SUMS"
    fi
    ;;
esac
if [ -z "$sum" ]; then
  # Two spaces, or a space and a star: a text or a binary file.
  sum=$(while read -r hex file; do
    if [ "${file#\*}" = "$name" ]; then printf '%s\n' "$hex"; fi
  done <"$work/SHA256SUMS")
  [ -n "$sum" ] || fail "SHA256SUMS has no line for $name"
fi
is=$(sha256sum <"$archive")
is=${is%% *}
[ "$is" = "$(printf %s "$sum" | tr A-F a-f)" ] || fail "$name has the checksum $is, not $sum: it is damaged, or not ours"

# Even with a checksum that fits: nothing outside of one directory, and nothing but files and directories.
tar -tzvf "$archive" >"$work/listed" || fail "$name is no archive"
if grep -q '^[^-d]' "$work/listed"; then fail "$name holds something that is neither file nor directory"; fi
tar -tzf "$archive" >"$work/names"
if grep -q -e '^/' -e '\(^\|/\)\.\.\(/\|$\)' "$work/names"; then fail "$name holds a path out of itself"; fi
mkdir "$work/new"
tar -xzf "$archive" -C "$work/new" --no-same-owner
top=$(ls "$work/new")
root=$work/new/$top
[ -f "$root/bin/parallax" ] || fail "$name is no archive of Parallax: there is no bin/parallax in it"
"$root/bin/parallax" --version >"$work/version" 2>"$work/why" ||
  fail "the programs in $name do not run on this machine ($(uname -s) on $(uname -m)): $(head -n 1 "$work/why")"

(cd "$root" && find bin share -type f | LC_ALL=C sort) >"$work/files"
echo share/parallax/installed-files >>"$work/files"
# What is there and not ours is not overwritten.
is_ours() { [ -f "$record" ] && grep -Fqx -e "$1" "$record"; }
while IFS= read -r path; do
  [ "$prefix/$path" != "$record" ] || continue
  if [ -e "$prefix/$path" ] && ! is_ours "$path"; then
    fail "$prefix/$path exists, and this script did not write it: move it away, or say another --prefix"
  fi
done <"$work/files"
# The directories that are made for it, now or when it was installed before.
mkdir -p "$root/share/parallax"
{
  echo ./
  (cd "$root" && find bin share -type d | LC_ALL=C sort | sed 's,$,/,')
} >"$work/directories"
cp "$work/files" "$work/record"
while IFS= read -r path; do
  if [ ! -d "$prefix/$path" ] || is_ours "$path"; then printf '%s\n' "$path" >>"$work/record"; fi
done <"$work/directories"
remove_installed "$work/record"
# First the record: what is half installed can be removed.
mkdir -p "$prefix/share/parallax" || fail "$prefix cannot be written: say --prefix DIR, or run this as root"
cp "$work/record" "$record"
while IFS= read -r path; do
  [ "$prefix/$path" != "$record" ] || continue
  mkdir -p "$prefix/${path%/*}"
  # Beside, and then renamed: a program that runs goes on with its own file.
  mv "$root/$path" "$prefix/$path.new"
  chmod "$(if [ -x "$prefix/$path.new" ]; then echo 755; else echo 644; fi)" "$prefix/$path.new"
  mv -f "$prefix/$path.new" "$prefix/$path"
done <"$work/files"

echo "installed $(cat "$work/version") below $prefix; \`$prefix/bin/parallax up\` starts it"
case ":$PATH:" in
  *":$prefix/bin:"*) ;;
  *) echo "$prefix/bin is not on your PATH: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
echo "to remove it: sh install.sh --prefix $prefix --uninstall"
