#!/usr/bin/env bash
# tests/load.sh [SECONDS]: many at once. Daemons in turns, `sync`, operators and fifty readers on one mirror, of a server whose listing
# never stands still: no reader is ever kept waiting or sees half of anything, nothing is lost, the -wal file stays bounded. 30 seconds
# unless said otherwise; by hand: tests/load.sh 3600. SEED=N for other dice.
# Installs python3 (apt) if it is missing. Builds the release binary unless CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
needs python3
the_program
exec python3 tests/load/run.py "$bin" "${1:-30}" --port "${PORT:-8700}" --seed "${SEED:-1}"
