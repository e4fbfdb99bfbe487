# shellcheck shell=bash
# Sourced by the scripts of tests/ and benches/, from the top folder: what they need beyond Rust and a C compiler.

# install_packages PACKAGE…: by apt, as root or by sudo. No packages: nothing to do.
install_packages() {
  [ $# -gt 0 ] || return 0
  local sudo=
  if [ "$(id -u)" != 0 ]; then
    sudo='sudo -n'
    $sudo true 2>/dev/null || {
      echo "$0 needs $*: run \"apt-get install $*\" as root, then this again" >&2
      exit 1
    }
  fi
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# needs PROGRAM[=PACKAGE]…: installs those that are not there. A daemon's program may be where a user's PATH doesn't lead.
needs() {
  local one missing=()
  for one in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${one%%=*}" >/dev/null || missing+=("${one#*=}")
  done
  install_packages "${missing[@]}"
}

# needs_venv: Python with what virtual environments take.
needs_venv() {
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
}

# the_program: sets `bin` to the program under test: $CUSTOMER_MIRROR_BIN, or this tree's release build. Clears its settings from the environment.
the_program() {
  bin=${CUSTOMER_MIRROR_BIN:-}
  if [ -z "$bin" ]; then
    cargo build --release --locked --quiet
    bin=${CARGO_TARGET_DIR:-target}/release/customer-mirror
  fi
  bin=$(realpath "$bin")
  unset "${!CUSTOMER_MIRROR@}"
}
