#!/usr/bin/env bash
# tests/tools.sh: the mirror opened by other people's programs, while the daemon writes to it: the distribution's sqlite3, Python's
# sqlite3, JDBC as DBeaver uses it (where there is a Java), and Datasette with docs/datasette.json. First the tests of README, with
# everything that they need, and Prometheus's promtool on the metrics, the alert rules and the dashboard.
# Installs sqlite3, jq, python3-venv, curl (apt), and, in a folder that it removes, promtool (apt) and Datasette (pip). Builds the release binary unless
# CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck source=tests/needs.sh
. tests/needs.sh
needs sqlite3 curl jq
needs_venv
jar=/usr/share/java/sqlite-jdbc.jar
if command -v java >/dev/null && [ ! -e $jar ]; then install_packages libxerial-sqlite-jdbc-java; fi
the_program
TOOLS_REQUIRED=1 cargo test --locked --quiet --test it readme::

root=$(mktemp -d)
processes=()
clean_up() {
  [ ${#processes[@]} = 0 ] || kill "${processes[@]}" 2>/dev/null || true
  wait
  rm -rf "$root"
}
trap clean_up EXIT
fail() {
  echo "tools: $*" >&2
  exit 1
}

promtool=$(command -v promtool || true)
if [ -z "$promtool" ] && (cd "$root" && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb prometheus) >/dev/null 2>&1; then
  # Unpacked only: to install the package is to start a server.
  promtool=$root/prometheus/usr/bin/promtool
fi
if [ -n "$promtool" ]; then
  "$promtool" check rules docs/prometheus-alerts.yml
  "$promtool" test rules tests/tools/alerts_test.yml
  # The dashboard's queries as rules, with a value for what Grafana fills in.
  jq '{groups: [{name: "dashboard", rules: [[.panels[].targets[]?.expr] | to_entries[]
    | {record: "query_\(.key)", expr: (.value | gsub("\\$__rate_interval"; "5m"))}]}]}' \
    docs/grafana-dashboard.json >"$root/dashboard-rules.json"
  "$promtool" check rules "$root/dashboard-rules.json"
  METRICS_TEXT="$root/metrics.txt" cargo test --locked --quiet --lib writes_the_text_for_promtool -- --ignored >/dev/null
  "$promtool" check metrics <"$root/metrics.txt" || fail "the metrics"
else
  echo "NOT TESTED: metrics, alert rules and dashboard, for want of promtool"
fi

port=${PORT:-8680}
"$bin" simulate-api --port "$port" --customers 3000 --key tools-key >/dev/null 2>"$root/simulator.log" &
processes+=($!)
curl -s -o /dev/null --retry 50 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$port/"
export CUSTOMER_MIRROR__API__BASE_URL="http://127.0.0.1:$port" CUSTOMER_MIRROR__API__KEY=tools-key
export CUSTOMER_MIRROR__MIRROR__PATH="$root/customers.db" CUSTOMER_MIRROR__LOG__LEVEL=error
# The last day comes three times, so that its deletions are confirmed before anything is compared.
for day in 2 3 4 4 4; do
  "$bin" sync --json >/dev/null
  curl -sf -o /dev/null -X POST "http://127.0.0.1:$port/_simulator/day?day=$day"
done
# From now on somebody else has the mirror open and writes to it, a pass every second.
CUSTOMER_MIRROR__SCHEDULE__CRON='* * * * * *' CUSTOMER_MIRROR__HTTP__LISTEN="127.0.0.1:$((port + 1))" "$bin" run 2>"$root/daemon.log" &
processes+=($!)

if [ -n "$promtool" ]; then
  for accept in text/plain application/openmetrics-text; do
    curl -sf --retry 50 --retry-connrefused --retry-delay 1 -H "Accept: $accept" "http://127.0.0.1:$((port + 1))/metrics" >"$root/served.txt"
    grep -q '^customer_mirror_pages_total' "$root/served.txt" || fail "/metrics as $accept"
    # promtool reads only the older format.
    [ $accept != text/plain ] || "$promtool" check metrics <"$root/served.txt" || fail "/metrics"
  done
fi

echo "sqlite3 $(sqlite3 --version | cut -d' ' -f1)"
ask() { sqlite3 -readonly "$root/customers.db" "$1"; }
[ "$(ask 'PRAGMA integrity_check')" = ok ] || fail "integrity_check"
[ "$(ask 'PRAGMA foreign_key_check')" = "" ] || fail "foreign_key_check"
[ "$(ask 'SELECT count(*) FROM live_customers')" -gt 2900 ] || fail "live_customers"
[ "$(ask 'SELECT live_customers FROM mirror_freshness')" -gt 2900 ] || fail "mirror_freshness"
for object in $(ask "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')"); do
  ask "SELECT * FROM \"$object\" LIMIT 3" >/dev/null || fail "$object can't be read"
done
for query in $("$bin" query --list --format csv | tail -n +2 | grep -oE '^[a-z]+(-[a-z]+)+,' | tr -d ,); do
  sql=$("$bin" query --list "$query" | sed 's/:days/7/g')
  [ "$(ask "SELECT count(*) FROM ($sql)")" = "$("$bin" query --format csv "SELECT count(*) FROM ($sql)" | tail -1 | tr -d '\r')" ] ||
    fail "the ready query $query"
done
sqlite3 -readonly "$root/customers.db" .dump >"$root/dump.sql"
grep -q 'CREATE VIEW live_customers' "$root/dump.sql" || fail ".dump"

python3 tests/tools/introspect.py "$root/customers.db"

if command -v java >/dev/null && [ -e $jar ]; then
  java -cp $jar tests/tools/Introspect.java "$root/customers.db"
else
  echo "NOT TESTED: JDBC, as DBeaver uses it, takes a java and libxerial-sqlite-jdbc-java"
fi

python3 -m venv "$root/venv"
if ! "$root/venv/bin/pip" --quiet --disable-pip-version-check install 'datasette>=0.64,<1'; then
  echo "NOT TESTED: Datasette can't be installed"
  exit 0
fi
"$root/venv/bin/python" tests/tools/check_datasette.py "$root/customers.db" docs/datasette.json
echo "tools: sqlite3, Python, JDBC and Datasette read the mirror while it is written"
