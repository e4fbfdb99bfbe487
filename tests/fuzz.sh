#!/usr/bin/env bash
# Fuzzes the reading of responses with cargo-fuzz: tests/fuzz.sh [SECONDS per target, default 60]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
cd tests
seconds=${1:-60}
# The sanitizers are unstable options of the compiler; this lets a stable one take them.
export RUSTC_BOOTSTRAP=1

# libFuzzer is C++.
needs c++=g++
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz.sh: installing cargo-fuzz" >&2
    cargo install cargo-fuzz --locked
fi

for target in page json; do
    mkdir -p "fuzz/corpus/$target"
    echo "fuzz.sh: $target for $seconds s" >&2
    if ! cargo fuzz run --fuzz-dir fuzz "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -dict=fuzz/json.dict -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1; then
        cat >&2 <<HELP
fuzz.sh: $target failed. The input is in tests/fuzz/artifacts/$target/ (its path is above).
  In tests/, make it small:  RUSTC_BOOTSTRAP=1 cargo fuzz tmin --fuzz-dir fuzz $target fuzz/artifacts/$target/FILE
  Run it again:   RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz $target fuzz/artifacts/$target/FILE
  Once fixed, keep it: mv fuzz/artifacts/$target/FILE fuzz/seeds/$target/what-it-shows
HELP
        exit 1
    fi
done
echo "fuzz.sh: no crash" >&2
