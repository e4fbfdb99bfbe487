#!/usr/bin/env bash
# benches/queries.sh [CUSTOMERS [RUNS]]: questions to a mirror, as whole processes, beside sqlite3 and Datasette on the same file.
# MIRROR=FILE asks a mirror that is there, else one of so many simulated customers is made. Prints medians of wall time and CPU.
# Needs sqlite3, and Python's Datasette (installed with pip into a virtual environment). Builds the release binary unless
# CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
customers=${1:-100000}
runs=${2:-7}
# shellcheck source=tests/needs.sh
. tests/needs.sh
the_program
root=$(mktemp -d)
simulator=
trap 'kill $simulator 2>/dev/null || true; wait; rm -rf "$root"' EXIT
mirror=${MIRROR:-}
if [ -z "$mirror" ]; then
  mirror=$root/customers.db
  "$bin" simulate-api --port 8595 --customers "$customers" --key bench-key >/dev/null 2>"$root/simulator.log" &
  simulator=$!
  for day in 2 3; do
    CUSTOMER_MIRROR__API__BASE_URL=http://127.0.0.1:8595 CUSTOMER_MIRROR__API__KEY=bench-key CUSTOMER_MIRROR__LOG__LEVEL=error \
      CUSTOMER_MIRROR__MIRROR__PATH="$mirror" "$bin" sync >/dev/null
    curl -sf -o /dev/null -X POST "http://127.0.0.1:8595/_simulator/day?day=$day"
  done
  kill $simulator
fi
python3 -m venv "$root/venv"
"$root/venv/bin/pip" install --quiet --disable-pip-version-check 'datasette>=0.64,<1'
"$root/venv/bin/python3" benches/queries.py --bin "$bin" --mirror "$(realpath "$mirror")" --runs "$runs" --scratch "$root"
