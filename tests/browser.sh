#!/usr/bin/env bash
# tests/browser.sh [PYTEST ARGUMENTS]: the pages in a real Chromium, clicked through as people do: a pass that runs live, a daemon that is
# killed, a held sweep, names with markup in them, a phone, the dark, no JavaScript, a screen reader's rules (axe), strangers' sites.
# The screenshots are kept; the last line says where.
# Installs chromium, fonts and python3-venv (apt) if they are missing, and what tests/browser/requirements.txt names (pip, below target).
# Builds the release binary unless CUSTOMER_MIRROR_BIN names one. CHROMIUM names another browser of its kind.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
fail() {
  echo "browser: $*" >&2
  exit 1
}

chromium=${CHROMIUM:-$(command -v chromium || echo /usr/bin/chromium)}
[ -x "$chromium" ] || install_packages chromium fonts-dejavu-core fonts-noto-cjk
needs_venv
[ -x "$chromium" ] || fail "there is no browser at $chromium"

the_program

target=$(realpath "${CARGO_TARGET_DIR:-target}")
venv=$target/browser-venv
if ! cmp -s tests/browser/requirements.txt "$venv/installed.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" --quiet --disable-pip-version-check install -r tests/browser/requirements.txt ||
    fail "can't install what tests/browser/requirements.txt names"
  cp tests/browser/requirements.txt "$venv/installed.txt"
fi

screenshots=$target/browser-screenshots
rm -rf "$screenshots"
mkdir -p "$screenshots"
echo "browser: $("$chromium" --version 2>/dev/null)"
# Two at a time: one that waits for a page lets another look at its own.
BROWSER_TEST_BIN=$bin BROWSER_TEST_CHROMIUM=$chromium BROWSER_TEST_SCREENSHOTS=$screenshots BROWSER_TEST_PORT=${PORT:-8780} \
  PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" -m pytest -q -p no:cacheprovider -n 2 --dist loadfile --tb=short --durations=5 tests/browser "$@"
echo "browser: the pages do what they should; $(find "$screenshots" -name '*.png' | wc -l) screenshots are in $screenshots"
