#!/usr/bin/env bash
# tests/size.sh: the program is one file of at most 15 MB. Builds the release binary unless CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
the_program
bytes_max=15000000
bytes=$(stat -c %s "$bin")
if [ "$bytes" -gt $bytes_max ]; then
  echo "size: $bin has $bytes bytes, more than $bytes_max; \`cargo bloat --release --crates\` says what of" >&2
  exit 1
fi
echo "size: $bytes bytes, of at most $bytes_max"
