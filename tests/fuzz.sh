#!/usr/bin/env bash
# Fuzzes what reads other people's text, with cargo-fuzz: tests/fuzz.sh [SECONDS, default 60] [TARGET…]
#
# page, json: responses and the values in them; config, cron: settings; search: questions; plan: what is on record of a walk.
# One build serves them all, and they run beside each other, each for that long.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
cd tests
seconds=${1:-60}
[ $# -eq 0 ] || shift
targets=("$@")
[ $# -gt 0 ] || targets=(page json config cron search plan)
# The sanitizers are unstable options of the compiler; this lets a stable one take them.
export RUSTC_BOOTSTRAP=1

# libFuzzer is C++.
needs c++=g++
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz.sh: installing cargo-fuzz" >&2
    cargo install cargo-fuzz --locked
fi
cargo fuzz build --fuzz-dir fuzz

host=$(rustc -vV | sed -n 's/^host: //p')
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
pids=()
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target" "fuzz/seeds/$target"
    dictionary=()
    [ ! -e "fuzz/$target.dict" ] || dictionary=("-dict=fuzz/$target.dict")
    echo "fuzz.sh: $target for $seconds s" >&2
    "fuzz/target/$host/release/$target" "fuzz/corpus/$target" "fuzz/seeds/$target" "${dictionary[@]}" "-artifact_prefix=fuzz/artifacts/$target/" \
        -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 >"$logs/$target" 2>&1 &
    pids+=($!)
done
failed=()
for index in "${!targets[@]}"; do
    target=${targets[$index]}
    if wait "${pids[$index]}"; then
        grep -E 'stat::number_of_executed_units|DONE' "$logs/$target" | tail -2 | sed "s/^/fuzz.sh: $target: /" >&2
    else
        failed+=("$target")
        tail -40 "$logs/$target" >&2
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    cat >&2 <<HELP
fuzz.sh: failed: ${failed[*]}. The inputs are in tests/fuzz/artifacts/TARGET/ (the paths are above).
  In tests/, make one small:  RUSTC_BOOTSTRAP=1 cargo fuzz tmin --fuzz-dir fuzz TARGET fuzz/artifacts/TARGET/FILE
  Run it again:   RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz TARGET fuzz/artifacts/TARGET/FILE
  Once fixed, keep it: mv fuzz/artifacts/TARGET/FILE fuzz/seeds/TARGET/what-it-shows
HELP
    exit 1
fi
echo "fuzz.sh: no crash" >&2
