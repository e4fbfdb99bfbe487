#!/usr/bin/env bash
# tests/crash.sh [ROUNDS]: the program is killed (SIGKILL) in the middle of first, unchanged and changing passes, sweeps, decisions, `forget`,
# purge, prune, `quarantine retry`, exports and the upgrade of an older mirror, each at instants and at system calls that are spread evenly
# over it; then it goes on, over HTTP, and the mirror is compared with an oracle that has none of the program's code.
# CRASH_TEST_SCENES=forget,sweep names some of these, CRASH_TEST_KILLS=call (or instant) one of the ways. Installs python3 and strace (apt) if they are missing. Builds the release binary unless
# CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/crash/setup.sh
. tests/crash/setup.sh
exec python3 tests/crash/kills.py "${1:-74}" "${PORT:-8980}"
