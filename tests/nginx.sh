#!/usr/bin/env bash
# tests/nginx.sh [CUSTOMERS]: the program against a real web server. nginx serves two days of pages, plain and gzip; `sync`
# mirrors them; a script with Python's sqlite3 and json, none of the program's code, says whether mirror and pages are equal.
# Installs nginx-light, python3 and curl (apt) if they are missing. Builds the release binary unless CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
customers=${1:-20000}
# shellcheck source=tests/nginx/setup.sh
. tests/nginx/setup.sh

sync() { # MIRROR PORT
  CUSTOMER_MIRROR__API__BASE_URL="http://127.0.0.1:$2" CUSTOMER_MIRROR__API__KEY=bench-key CUSTOMER_MIRROR__LOG__LEVEL=error \
    CUSTOMER_MIRROR__MIRROR__PATH="$root/$1.db" "$bin" sync
}
check() { python3 tests/nginx/check_mirror.py "$@"; }

serve day1
sync plain "$port"
check "$root/day1" "$root/plain.db"
sync gzip "$gzip_port"
check "$root/day1" "$root/gzip.db"
sync plain "$port" # unchanged
check "$root/day1" "$root/plain.db"
serve day2
for _ in 1 2; do # absences are believed after two complete passes
  sync plain "$port"
  sync gzip "$gzip_port"
done
check "$root/day2" "$root/plain.db" --gone "$root/day1"
check "$root/day2" "$root/gzip.db" --gone "$root/day1"
echo "nginx: the mirror equals the pages, plain and gzip, on both days"
