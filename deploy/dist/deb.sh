#!/usr/bin/env bash
# Makes the Debian package of a tree: deb.sh TARGET TREE OUT
set -euo pipefail
. "$(dirname "$0")/common.sh"
target=$1 tree=$2 out=$3
arch=$(debian_arch "$target")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=parallax-agent-runtimes
package=$work/${name}_${version}_$arch

mkdir -p "$package/usr" "$package/DEBIAN"
cp -R "$tree/." "$package/usr/"
docs=$package/usr/share/doc/$name
# Debian has the Apache licence; `copyright` says so.
rm "$docs/LICENSE"
mv "$docs/CHANGELOG.md" "$docs/changelog"
gzip -9n "$docs/changelog"
# Debian's names: zsh looks there.
mkdir -p "$package/usr/share/zsh"
mv "$package/usr/share/zsh/site-functions" "$package/usr/share/zsh/vendor-completions"
cat >"$docs/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Parallax Agent Runtimes

Files: *
Copyright: $(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y) the authors of Parallax Agent Runtimes
License: Apache-2.0
 On Debian systems, the full text of the Apache License version 2.0 is in /usr/share/common-licenses/Apache-2.0.
 .
 The programs contain libraries under licences of their own: $name-$version.cdx.json, published beside this package, lists them.
END

# The newest symbols that the programs want of the C library.
glibc=$(find "$tree/bin" -type f -exec readelf --version-info --wide {} + 2>/dev/null |
  grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1)
depends="libc6 (>= ${glibc:?no program names a version of the C library}), libgcc-s1"
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$arch/" -e "s/@DEPENDS@/$depends/" \
  -e "s/@SIZE@/$(du --summarize --block-size=1024 --apparent-size "$package/usr" | cut -f1)/" "$dist/control.in" >"$package/DEBIAN/control"
(cd "$package" && find usr -type f | sort | xargs md5sum) >"$package/DEBIAN/md5sums"
find "$package" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz "-z$level" --build "$package" "$out/" >/dev/null
