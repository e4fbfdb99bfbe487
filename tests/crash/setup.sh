# shellcheck shell=bash
# Sourced by tests/crash.sh and tests/power.sh, from the top folder. Names the program under test, and the one that has a second schema version.
# shellcheck source=tests/needs.sh
. tests/needs.sh
needs strace python3
the_program
export PYTHONDONTWRITEBYTECODE=1 CRASH_TEST_BIN=$bin
# The library's own tests have that version; this builds them, and prints where they are.
CRASH_TEST_UPGRADER=$(cargo test --package customer-mirror --lib --no-run --locked --message-format=json 2>/dev/null |
  python3 -c 'import json, sys; print([one["executable"] for one in map(json.loads, sys.stdin) if one.get("executable")][-1])')
export CRASH_TEST_UPGRADER
