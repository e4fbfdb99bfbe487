#!/usr/bin/env bash
# benches/idle.sh [CUSTOMERS [SECONDS]]: what a daemon takes that has nothing to do: memory after a first and after an unchanged pass,
# then CPU time and context switches (wake-ups) over so many seconds, with the watchdog that the packaged unit has.
# Builds the release binary unless CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
customers=${1:-100000}
seconds=${2:-300}
# shellcheck source=tests/needs.sh
. tests/needs.sh
the_program
port=8590
root=$(mktemp -d)
simulator=
daemon=
trap 'kill $daemon $simulator 2>/dev/null || true; wait; rm -rf "$root"' EXIT

"$bin" simulate-api --port $port --customers "$customers" --key bench-key >/dev/null 2>&1 &
simulator=$!
export CUSTOMER_MIRROR__API__BASE_URL=http://127.0.0.1:$port CUSTOMER_MIRROR__API__KEY=bench-key
export CUSTOMER_MIRROR__MIRROR__PATH=$root/m.db CUSTOMER_MIRROR__SCHEDULE__CRON="0 0 1 1 *"
until (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.2; done
WATCHDOG_USEC=120000000 "$bin" run 2>"$root/log" &
daemon=$!

passes() { # COUNT
  until [ "$(grep -c "pass complete" "$root/log")" -ge "$1" ]; do sleep 0.2; done
  sleep 15 # the threads that have nothing more to do end after ten seconds
}
memory() { awk -v what="$1" '/^(VmHWM|VmRSS|RssAnon)/ { kb[$1] = $2 } END {
  printf "%-22s RSS %.1f MB (of it %.1f MB of its own), peak %.1f MB\n", what, kb["VmRSS:"] / 1000, kb["RssAnon:"] / 1000, kb["VmHWM:"] / 1000
}' "/proc/$daemon/status"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$daemon/stat"; }
switches() { awk '/ctxt_switches/ { sum += $2 } END { print sum }' /proc/"$daemon"/task/*/status; }

passes 1
memory "after a first pass"
kill -USR1 $daemon
passes 2
memory "after an unchanged one"
ticks=$(ticks) switches=$(switches)
sleep "$seconds"
echo "idle for $seconds s: $((($(ticks) - ticks) * 1000 / $(getconf CLK_TCK))) ms of CPU time, $(($(switches) - switches)) context switches in all threads"
