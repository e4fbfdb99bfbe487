#!/usr/bin/env bash
# benches/e2e.sh [CUSTOMERS [RUNS]]: whole passes against nginx, in turn with the floor (walk.py: a walk that throws the bodies away) and
# with a strong hand-written peer (peers/strong.py), in one go. Prints medians of wall time, CPU seconds, peak memory and bytes written
# for a first, an unchanged and a day-2 pass, and whether the program keeps within its bounds.
# PEERS=all: also the other programs in peers/, once each, as they take minutes; PEERS=none: only the floor.
# SERVERS="plain gzip slow" (slow: 50 ms of latency) names those to measure with; a million customers are best served by `plain` alone.
# Needs what tests/nginx.sh needs, and Python packages (installed with pip into a virtual environment). Builds the release binary unless
# CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
customers=${1:-100000}
runs=${2:-5}
more_packages="libnginx-mod-http-echo"
# shellcheck source=tests/nginx/setup.sh
. tests/nginx/setup.sh
needs_venv
python3 -m venv "$root/venv"
packages="requests orjson"
[ "${PEERS:-}" != all ] || packages="$packages msgspec sqlite-utils dlt sqlalchemy"
# shellcheck disable=SC2086
"$root/venv/bin/pip" install --quiet --disable-pip-version-check $packages
urls=()
for server in ${SERVERS:-plain gzip slow}; do
  case $server in
    plain) urls+=(--url "plain=http://127.0.0.1:$port") ;;
    gzip) urls+=(--url "gzip=http://127.0.0.1:$gzip_port") ;;
    slow) urls+=(--url "+50 ms=http://127.0.0.1:$slow_port") ;;
    *) echo "SERVERS: there is no $server" >&2; exit 64 ;;
  esac
done
PYTHONDONTWRITEBYTECODE=1 "$root/venv/bin/python3" benches/e2e.py --root "$root" --bin "$bin" --runs "$runs" --peers "${PEERS:-strong}" "${urls[@]}"
