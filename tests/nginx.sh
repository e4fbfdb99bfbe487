#!/usr/bin/env bash
# tests/nginx.sh [CUSTOMERS]: the program against a real web server. nginx serves two days of pages, plain and gzip; `sync`
# mirrors them; a script with Python's sqlite3 and json, none of the program's code, says whether mirror and pages are equal.
# Installs nginx-light and python3 (apt) if they are missing. Builds the release binary unless CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
customers=${1:-20000}
port=${PORT:-8580}; gzip_port=$((port + 1)); simulator_port=$((port + 2))

need=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || need+=(nginx-light)
command -v python3 >/dev/null || need+=(python3)
command -v curl >/dev/null || need+=(curl)
if [ ${#need[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
  $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
fi
nginx=$(command -v nginx || echo /usr/sbin/nginx)
bin=${CUSTOMER_MIRROR_BIN:-}
if [ -z "$bin" ]; then
  cargo build --release --quiet
  bin=${CARGO_TARGET_DIR:-target}/release/customer-mirror
fi
bin=$(realpath "$bin")

root=$(mktemp -d)
chmod 755 "$root"
simulator=
clean_up() {
  [ -z "$simulator" ] || kill "$simulator" 2>/dev/null || true
  [ ! -s "$root/nginx.pid" ] || kill "$(cat "$root/nginx.pid")" 2>/dev/null || true
  rm -rf "$root"
}
trap clean_up EXIT

# Two days of pages, from the simulator.
"$bin" simulate-api --port "$simulator_port" --customers "$customers" --key bench-key >/dev/null 2>"$root/simulator.log" &
simulator=$!
curl -s -o /dev/null --retry 50 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$simulator_port/"
python3 tests/nginx/dump_pages.py "http://127.0.0.1:$simulator_port" bench-key "$root/day1"
curl -sf -o /dev/null -X POST "http://127.0.0.1:$simulator_port/_simulator/day?day=2"
python3 tests/nginx/dump_pages.py "http://127.0.0.1:$simulator_port" bench-key "$root/day2"
kill "$simulator"; simulator=

sed "s#@ROOT@#$root#g; s#@PORT@#$port#g; s#@GZIP_PORT@#$gzip_port#g" tests/nginx/nginx.conf.in >"$root/nginx.conf"
serve() { ln -sfn "$1" "$root/live.new"; mv -Tf "$root/live.new" "$root/live"; }
serve day1
"$nginx" -c "$root/nginx.conf" -e "$root/error.log"

unset "${!CUSTOMER_MIRROR@}"
sync() { # MIRROR PORT
  CUSTOMER_MIRROR__API__BASE_URL="http://127.0.0.1:$2" CUSTOMER_MIRROR__API__KEY=bench-key CUSTOMER_MIRROR__LOG__LEVEL=error \
    CUSTOMER_MIRROR__MIRROR__PATH="$root/$1.db" "$bin" sync
}
check() { python3 tests/nginx/check_mirror.py "$@"; }

serve day1; sync plain "$port"; check "$root/day1" "$root/plain.db"
serve day1; sync gzip "$gzip_port"; check "$root/day1" "$root/gzip.db"
serve day1; sync plain "$port"; check "$root/day1" "$root/plain.db"
for _ in 1 2; do serve day2; sync plain "$port"; done
check "$root/day2" "$root/plain.db" --gone "$root/day1"
for _ in 1 2; do sync gzip "$gzip_port"; done
check "$root/day2" "$root/gzip.db" --gone "$root/day1"
echo "nginx: the mirror equals the pages, plain and gzip, on both days"
