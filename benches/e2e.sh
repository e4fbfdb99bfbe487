#!/usr/bin/env bash
# benches/e2e.sh [CUSTOMERS [RUNS]]: whole passes against nginx, paired with a strong hand-written peer (peer.py), in one go.
# Prints medians of wall time, CPU seconds, peak memory and bytes written for a first, an unchanged and a day-2 pass.
# Needs what tests/nginx.sh needs, and Python's requests and orjson (installed with pip into a virtual environment).
set -euo pipefail
cd "$(dirname "$0")/.."
customers=${1:-100000}
runs=${2:-5}
more_packages="libnginx-mod-http-echo python3-venv"
# shellcheck source=tests/nginx/setup.sh
. tests/nginx/setup.sh
python3 -m venv "$root/venv"
"$root/venv/bin/pip" install --quiet requests orjson
"$root/venv/bin/python3" benches/e2e.py --root "$root" --bin "$bin" --runs "$runs" \
  --url plain="http://127.0.0.1:$port" --url gzip="http://127.0.0.1:$gzip_port" --url "+50 ms=http://127.0.0.1:$slow_port"
