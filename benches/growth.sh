#!/usr/bin/env bash
# benches/growth.sh [SIZE…]: time, memory and file size of passes, and the time of questions, with 10,000, 100,000 and 1,000,000 customers, or
# with so many as are given, from the program's own simulator. Writes docs/growth.tsv (lines of other sizes stay), the chart
# docs/growth.svg and the tables of docs/scaling.md; exit status 1 if something grows clearly faster than the number of customers.
# A mirror takes three times its JSON, 3 GB for a million, and a tenth of that more at the end of the first pass. Ten million take an hour or two.
# Installs python3 (apt) if it is missing. Builds the release binary unless CUSTOMER_MIRROR_BIN names one.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
needs python3
the_program
[ $# -gt 0 ] || set -- 10000 100000 1000000
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
export PYTHONDONTWRITEBYTECODE=1
status=0
python3 benches/growth.py --bin "$bin" --scratch "$root" --table docs/growth.tsv "$@" || status=$?
python3 benches/growth_chart.py docs/growth.tsv docs/growth.svg
python3 benches/scaling.py docs/growth.tsv docs/scaling.md
exit $status
