#!/usr/bin/env bash
# tests/power.sh [IMAGES]: the power goes in the middle of all that tests/crash.sh kills the program in. strace records the file operations;
# of those that were not synced, any may be lost, torn or overtaken by others. Each image of a disk that this leaves must be a mirror
# that lacks nothing which was reported, shown, or committed before the last two requests; then the program goes on with it.
# CRASH_TEST_SEED repeats what failed. Installs python3 and strace (apt) if they are missing. Builds the release binary unless
# CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/crash/setup.sh
. tests/crash/setup.sh
if ! strace -qq -o /dev/null true 2>/dev/null; then
  echo "SKIPPED: power failures, which take strace, and a kernel that lets it trace"
  exit 0
fi
exec python3 tests/crash/power.py "${1:-190}" "${PORT:-8980}"
