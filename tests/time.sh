#!/usr/bin/env bash
# tests/time.sh: the clock of the real daemon is set while it runs, by minutes, days and years, both ways; it sleeps, crosses 2038, and
# starts with a mirror from the future. Nothing may stand still, and nothing be erased that only a wrong clock finds old. About a minute.
# Installs faketime and python3 (apt) if they are missing. Builds the release binary unless CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
needs faketime python3
the_program
# The faketime command knows where its library is.
library=$(faketime '2030-01-01' sh -c 'echo "$LD_PRELOAD"')
library=${library##*:}
python3 tests/time/run.py "$bin" "${library/libfaketime.so/libfaketimeMT.so}" --port "${PORT:-8720}"
