# shellcheck shell=bash
# Sourced by checks.sh: saying what holds and what doesn't, waiting, looking at units and at the simulator.
fails=0 passed=0
unit=customer-mirror.service

# check WHAT EXPRESSION: one line; if it doesn't hold, what can be seen of it. Never ends the script.
check() {
  if evidence=$(eval "$2" 2>&1); then
    echo "ok    $1"
    passed=$((passed + 1))
    return
  fi
  fails=$((fails + 1))
  echo "FAIL  $1"
  {
    echo "expected: $2"
    [ -z "$evidence" ] || echo "$evidence"
    systemctl status --no-pager --lines=0 "$unit" | tail -n +2
    journalctl --no-pager -n 15 -o short-iso -u 'customer-mirror*'
  } 2>&1 | sed 's/^/      | /'
}

# until_ SECONDS EXPRESSION: waits until it holds.
until_() {
  local end=$((SECONDS + $1))
  until eval "$2" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      echo "not within $1 s: $2"
      return 1
    fi
    sleep 0.05
  done
}

section() { echo "-- $1"; }
property() { systemctl show -p "$1" --value "${2:-$unit}"; }
is_state() { [ "$(property ActiveState)/$(property SubState)" = "$1" ] || { property ActiveState && property SubState && false; }; }
is_running() { is_state active/running; }
pid() { property MainPID; }
status_text() { property StatusText; }
# Never kill $MainPID: it is 0 while the unit is down, and kill 0 hits everyone.
signal() { systemctl kill --kill-who=main -s "$1" $unit; }
milliseconds() { date +%s%3N; }

# journal [MATCH...]: the unit's messages since the mark, as JSON lines.
mark() { since=@$(date +%s.%6N); }
journal() {
  journalctl --sync
  journalctl --since "$since" -u "$unit" -o json --no-pager "$@"
}
# field NAME [MATCH...]: a field of the last such message.
field() {
  local name=$1
  shift
  journal "$@" | tail -n 1 | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline() or "{}").get(sys.argv[1], ""))' "$name"
}
said() { journal | grep -q -- "$1" || { journal | tail -n 5 | grep -o '"MESSAGE":"[^"]*"' && false; }; }

# simulator PORT CUSTOMERS [OPTION...]: a fresh one on that port, whose requests begin to count.
declare -A simulator_unit
simulators=0
simulator() {
  local port=$1 customers=$2
  shift 2
  stop_simulator "$port"
  simulators=$((simulators + 1))
  simulator_unit[$port]=simulator-$simulators
  systemd-run --quiet --unit="simulator-$simulators" -p LogRateLimitIntervalSec=0 \
    /usr/bin/customer-mirror simulate-api --port "$port" --customers "$customers" --key right-key "$@"
  until_ 10 "command_simulator $port clear-faults"
}
stop_simulator() {
  [ -z "${simulator_unit[$1]:-}" ] || systemctl stop "${simulator_unit[$1]}"
}
command_simulator() { # PORT COMMAND
  python3 -c 'import sys, urllib.request as r; r.urlopen(r.Request("http://127.0.0.1:%s/_simulator/%s" % tuple(sys.argv[1:]), method="POST"), timeout=2)' "$@"
}
fault() { command_simulator 8100 "fault?spec=$1"; }
# The simulator's own list of the requests that it has answered.
requests() {
  journalctl --sync
  journalctl -u "${simulator_unit[8100]}" -o cat --no-pager | grep '^#'
}
requested() { requests | grep -q -- "$1"; }

# live_in_status [VARIABLE=VALUE...]: the live customers that `customer-mirror status` counts.
live_in_status() { env "$@" customer-mirror status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["mirror"]["live"])'; }

# sql STATEMENT [MIRROR]: by Python's SQLite, not by the program.
sql() {
  python3 -c 'import sqlite3, sys
for row in sqlite3.connect("file:%s?mode=ro" % sys.argv[2], uri=True).execute(sys.argv[1]): print(*row, sep="|")' \
    "$1" "${2:-/var/lib/customer-mirror/customers.db}"
}
complete_passes() { sql "SELECT count(*) FROM passes WHERE state = 'complete'" "$@"; }
idle() { status_text | grep -q 'complete as of.*; next pass'; }

# configure [LINE...]: the daemon's configuration; no pass is due by itself for a long time. Lines go to the section [api].
configure() {
  cat >/etc/customer-mirror/config.toml <<TOML
[api]
base_url = "http://127.0.0.1:8100"
request_timeout = "6s"
$(printf '%s\n' "$@")
[retry]
initial_delay = "50ms"
max_delay = "200ms"
[schedule]
cron = "${cron:-0 0 1 1 *}"
TOML
}
# http ADDRESS PATH [TOKEN]: an answer of the endpoint, status first; ADDRESS is a port, or a socket's path.
http() {
  python3 -c 'import http.client, socket, sys
address, path, *token = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", int(address) if address.isdigit() else 80, timeout=5)
if not address.isdigit():
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(address)
connection.request("GET", path, headers={"Authorization": "Bearer " + token[0]} if token else {})
answer = connection.getresponse()
print(answer.status, answer.read().decode())' "$@"
}
put_key() { printf '%s\n' "$1" | install -m 600 /dev/stdin "${2:-/etc/customer-mirror/api-key}"; }
drop_in() { # UNIT LINES: for [Service], until the machine ends
  mkdir -p "/run/systemd/system/$1.d"
  printf '[Service]\n%s\n' "$2" >"/run/systemd/system/$1.d/test.conf"
  systemctl daemon-reload
}
no_drop_in() {
  rm -r "/run/systemd/system/$1.d"
  systemctl daemon-reload
}
