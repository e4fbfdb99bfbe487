#!/usr/bin/env bash
# packaging/build-deb.sh [--no-build] [--version V] [--output DIR]: builds the Debian package; its path is the last line.
#   --no-build     take the program that is built already
#   --version V    the package's version (default: Cargo.toml's, with revision 1)
#   --output DIR   where the package goes (default: target/debian)
# CUSTOMER_MIRROR_BIN names a program to pack instead. cargo-deb is installed into target/tools if it is missing; dpkg-dev by apt.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
build=yes version='' output=target/debian
while [ $# -gt 0 ]; do
  case $1 in
  --no-build) build='' && shift ;;
  --version) version=$2 && shift 2 ;;
  --output) output=$2 && shift 2 ;;
  *) sed -n '2,6s/^# //p' "$0" >&2 && exit 64 ;;
  esac
done

needs dpkg-shlibdeps=dpkg-dev objdump=binutils # say which libc6 the program needs
needs python3                                  # writes the bill of materials
if ! cargo deb --version >/dev/null 2>&1; then
  PATH=$PWD/target/tools/bin:$PATH
  if ! cargo deb --version >/dev/null 2>&1; then
    echo "build-deb.sh: installing cargo-deb, once" >&2
    CARGO_TARGET_DIR=target/tools/build cargo install --locked --quiet --root target/tools cargo-deb --version '^3.8' >&2
    rm -rf target/tools/build
  fi
fi

bin=${CUSTOMER_MIRROR_BIN:-}
if [ -z "$bin" ]; then
  [ -z "$build" ] || cargo build --release --locked --quiet
  bin=${CARGO_TARGET_DIR:-target}/release/customer-mirror
fi

# What Cargo.toml's [package.metadata.deb] takes from target/packaging: same input, same bytes.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}
export SOURCE_DATE_EPOCH
[ -n "$version" ] || version=$(sed -n '/^version = /{s/.*"\(.*\)".*/\1/p;q}' Cargo.toml)-1
stage=target/packaging
rm -rf $stage
mkdir -p $stage "$output"
cp "$bin" $stage/customer-mirror
strip --strip-all --remove-section=.comment $stage/customer-mirror
unset "${!CUSTOMER_MIRROR@}"
for shell in bash zsh fish; do $stage/customer-mirror completions $shell >$stage/completions.$shell; done
$stage/customer-mirror man | gzip -9n >$stage/customer-mirror.1.gz
gzip -9nc CHANGELOG.md >$stage/changelog.gz
packaging/sbom.py | gzip -9n >$stage/sbom.cdx.json.gz
maintainer=$(sed -n '/^\[package.metadata.deb\]/,/^\[/s/^maintainer = "\(.*\)"/\1/p' Cargo.toml)
gzip -9n >$stage/changelog.Debian.gz <<TEXT
customer-mirror ($version) unstable; urgency=medium

  * What is new is in changelog.gz.

 -- $maintainer  $(date -uRd "@$SOURCE_DATE_EPOCH")
TEXT

cargo deb --no-build --no-strip --quiet --deb-version "$version" --output "$output/"
