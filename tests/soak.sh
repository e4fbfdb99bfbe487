#!/usr/bin/env bash
# tests/soak.sh [MINUTES]: a daemon with a pass each second and faults in all of them: memory, file descriptors, threads, the mirror's
# files and the log stay as they are. One minute unless said otherwise; by hand: tests/soak.sh 60. SEED=N for other dice.
# Installs python3 (apt) if it is missing. Builds the release binary unless CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
needs python3
the_program
exec python3 tests/load/soak.py "$bin" "$((${1:-1} * 60))" --port "${PORT:-8710}" --seed "${SEED:-1}"
