#!/usr/bin/env bash
# tests/dependencies.sh: what the program is made of. Licences, bans, duplicates and sources by cargo-deny (deny.toml); known
# vulnerabilities, where the RustSec database can be had; no `unsafe` of our own but in crates/heap; and the bill of materials, which
# must be valid CycloneDX and name every crate that is linked.
# Installs cargo-deny (cargo; about four minutes on two cores, once, in target/tools) and, in a folder that it removes, a validator (pip).
# DENY_INSTALL=no leaves cargo-deny out where it isn't there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
PATH=$PWD/target/tools/bin:$PATH
fail() {
  echo "dependencies: $*" >&2
  exit 1
}
skipped() { printf '!!!!  NOT CHECKED: %s\n' "$*" >&2; }

if ! cargo deny --version >/dev/null 2>&1 && [ "${DENY_INSTALL:-yes}" = yes ]; then
  echo "dependencies: installing cargo-deny, once" >&2
  CARGO_TARGET_DIR=target/tools/build cargo install --locked --quiet --root target/tools cargo-deny --version '^0.20' >&2 || true
  rm -rf target/tools/build
fi
if cargo deny --version >/dev/null 2>&1; then
  cargo deny --locked check licenses bans sources
  # The database is a repository of its own, which not every machine can reach.
  if timeout 60 cargo deny fetch db >/dev/null 2>&1; then
    cargo deny --locked check advisories
  else
    skipped "advisories: the RustSec database can't be had here"
  fi
else
  skipped "licences, bans, sources, advisories: cargo-deny is not installed"
fi

! grep -rnE '\bunsafe\b' src benches tests/it --include='*.rs' | grep -v 'unsafe_code\|"unsafe\|// .*unsafe\|//! .*unsafe' || fail "unsafe outside of crates/heap"
[ "$(grep -c 'unsafe {' crates/heap/src/lib.rs)" = 2 ] || fail "crates/heap has other unsafe than its two calls"

needs python3
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
target=$(rustc -vV | sed -n 's/^host: //p')
SOURCE_DATE_EPOCH=1 packaging/sbom.py --target "$target" >"$root/sbom.json"
SOURCE_DATE_EPOCH=1 packaging/sbom.py --target "$target" | cmp - "$root/sbom.json" || fail "two bills of materials of the same source differ"
cargo tree --locked --package customer-mirror --target "$target" --edges normal,no-proc-macro --prefix none --format '{p}' |
  awk '{ print $1, substr($2, 2) }' | sort -u >"$root/linked"
python3 - "$root/sbom.json" "$root/linked" <<'PYTHON'
import json, sys
bill = json.load(open(sys.argv[1]))
listed = {(one["name"], one["version"]) for one in bill["components"] if one["scope"] == "required"}
listed.add((bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]))
linked = {tuple(line.split()) for line in open(sys.argv[2])}
missing = linked - listed
surplus = listed - linked - {one for one in listed if one[0] in ("sqlite", "zstd", "aws-lc")}
hashless = [one["name"] for one in bill["components"] if one["purl"].startswith("pkg:cargo/") and "hashes" not in one]
libraries = {one[0] for one in listed} & {"sqlite", "zstd", "aws-lc"}
assert not missing and not surplus, (missing, surplus)
assert hashless == ["customer-mirror-heap"], hashless
assert libraries == {"sqlite", "zstd", "aws-lc"}, libraries
print(f"bill of materials: {len(linked)} crates are linked, all of them are listed; and {', '.join(sorted(libraries))}")
PYTHON
needs_venv
python3 -m venv "$root/venv"
if "$root/venv/bin/pip" --quiet --disable-pip-version-check install 'cyclonedx-python-lib[json-validation]>=8,<12' 2>/dev/null; then
  "$root/venv/bin/python" - "$root/sbom.json" <<'PYTHON'
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())
assert problem is None, problem
print("bill of materials: valid CycloneDX 1.5")
PYTHON
else
  skipped "the bill of materials against CycloneDX's schema: its validator can't be installed"
fi
echo "dependencies: all well"
