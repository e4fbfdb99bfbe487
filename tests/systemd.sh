#!/usr/bin/env bash
# tests/systemd.sh [SUITE]: the Debian package in a booted systemd: installed, configured, run, killed, hung, upgraded, removed, purged.
# SUITE is a release of this machine's distribution (default: its own); trixie has another systemd than bookworm.
# Needs root and Debian or Ubuntu; installs systemd-container, mmdebstrap and lintian (apt), and cargo-deb (cargo), if they are missing.
# The base of the machine that it boots is made once, in target/systemd-tests (about 400 MB); it needs an archive of Debian for that.
# Packs the release build, or the program that CUSTOMER_MIRROR_BIN names. Where no systemd can be booted it says SKIPPED, and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
suite=${1:-$(. /etc/os-release && echo "${VERSION_CODENAME:-}")}
work=$PWD/target/systemd-tests

status=0
tests/systemd/machine.sh "$suite" "$work" || status=$?
skip() {
  printf '\n!!!!\n!!!! SKIPPED: tests/systemd.sh did not run, because no systemd can be booted here (see above).\n!!!!\n\n' >&2
  exit 0
}
[ $status != 99 ] || skip
[ $status = 0 ] || exit $status

share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
[ -n "${CUSTOMER_MIRROR_BIN:-}" ] || cargo build --release --locked --quiet
version=$(sed -n '/^version = /{s/.*"\(.*\)".*/\1/p;q}' Cargo.toml)
old=$(packaging/build-deb.sh --no-build --output "$share" | tail -n 1)
new=$(packaging/build-deb.sh --no-build --output "$share" --version "$version-2" | tail -n 1)

needs lintian
lintian --allow-root --display-info --fail-on error,warning,info "$old"
echo "ok    lintian"

mv "$old" "$share/old.deb"
mv "$new" "$share/new.deb"
cp tests/systemd/{checks.sh,lib.sh,probe.py} "$share"
chmod -R a+rX "$share"
tests/systemd/machine.sh "$suite" "$work" "$share" bash /srv/share/checks.sh || status=$?
[ $status != 99 ] || skip
exit $status
