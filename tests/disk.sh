#!/usr/bin/env bash
# tests/disk.sh [POINTS]: the program on disks that let it down.
#
# With strace, system calls on the mirror's files fail: no room, no quota, I/O errors, a file system that has become read-only. POINTS
# (default 3) is how many calls of each kind are made to in each command; 0 is all of them, which takes an hour or so. As root, a small
# tmpfs is filled at many sizes, under `sync` and under the daemon, an ext4 file system in a file has a quota, and one becomes read-only.
# Installs strace, python3, e2fsprogs and quota (apt) if they are missing. Builds the release binary unless CUSTOMER_MIRROR_BIN names one.
# What the kernel or a container doesn't allow is SKIPPED, loudly.
set -euo pipefail
cd "$(dirname "$0")/.."
points=${1:-3}
# shellcheck source=tests/needs.sh
. tests/needs.sh
needs strace python3 curl mkfs.ext4=e2fsprogs setquota=quota
the_program

root=$(mktemp -d)
chmod 755 "$root"
api='' daemon=''
cleanup() {
  for process in $api $daemon; do
    if kill "$process" 2>/dev/null; then wait "$process" || true; fi
  done
  for mounted in "$root"/tmpfs "$root"/ext4; do
    while mountpoint -q "$mounted" 2>/dev/null && umount "$mounted" 2>/dev/null; do :; done
  done
  rm -rf "$root"
}
trap cleanup EXIT

skip() { printf '\n!!!!\n!!!! SKIPPED: %s\n!!!!\n\n' "$*" >&2; }
fail() { echo "FAILED: $*" >&2; exit 1; }

if strace -qq -e inject=getuid:error=EPERM:when=1 -o /dev/null true 2>/dev/null; then
  python3 tests/disk/faults.py "$bin" "$points"
else
  skip "system calls that fail, because strace may not trace here"
fi

"$bin" simulate-api --customers 1000 --port 0 >"$root/api" 2>/dev/null &
api=$!
until url=$(grep -om1 'http://127.0.0.1:[0-9]*[^ ]*' "$root/api"); do kill -0 "$api"; done
export CUSTOMER_MIRROR__API__BASE_URL=$url CUSTOMER_MIRROR__API__KEY=demo-key CUSTOMER_MIRROR__API__PAGE_SIZE=100
export CUSTOMER_MIRROR__LOG__LEVEL=error
live="SELECT customer_id, raw FROM live_customers ORDER BY customer_id"
at() { CUSTOMER_MIRROR__MIRROR__PATH=$1 "$bin" "${@:2}"; }
at "$root/whole.db" sync >/dev/null
at "$root/whole.db" query --format csv "$live" >"$root/whole.csv"
equal() { # MIRROR
  at "$1" check --offline --full >"$root/check" || { cat "$root/check"; fail "$1 is not sound"; }
  at "$1" query --format csv "$live" | cmp - "$root/whole.csv" || fail "$1 is not the server's"
}
# The mirror at $1 has no room: sync says so, and leaves it whole.
refused() {
  local status=0
  at "$1" sync >/dev/null 2>"$root/said" || status=$?
  case $status in
    74 | 73) ;;
    0) return 1 ;;
    *) cat "$root/said"; fail "$1: exit status $status" ;;
  esac
  [ "$(grep -c '^customer-mirror: ' "$root/said")" = 1 ] || { cat "$root/said"; fail "$1: not one message"; }
  grep -q 'full\|quota' "$root/said" || { cat "$root/said"; fail "$1: what is wrong is not said"; }
}

start_daemon() { # MIRROR
  CUSTOMER_MIRROR__LOG__FORMAT=text CUSTOMER_MIRROR__LOG__LEVEL=info CUSTOMER_MIRROR__MIRROR__PATH=$1 "$bin" run 2>"$root/log" &
  daemon=$!
}
stop_daemon() {
  kill "$daemon"
  wait "$daemon" || { cat "$root/log"; fail "the daemon did not end well"; }
  daemon=
}

if [ "$(id -u)" != 0 ]; then
  skip "real file systems that are full, have a quota or become read-only, because only root may mount"
  exit 0
fi

mkdir "$root/tmpfs" "$root/ext4"
if mount -t tmpfs -o size=64k,mode=755 tmpfs "$root/tmpfs" 2>/dev/null; then
  # Finer where the first files are made, coarser where pages are.
  step=$([ "$points" = 0 ] && echo 1 || echo 16)
  tried=0
  for size in $(seq 4 $((4 * step)) 400) $(seq 400 $((32 * step)) 6000); do
    rm -rf "${root:?}"/tmpfs/*
    mount -o "remount,size=${size}k" "$root/tmpfs"
    refused "$root/tmpfs/m.db" || break
    mount -o remount,size=64m "$root/tmpfs"
    at "$root/tmpfs/m.db" sync >/dev/null
    equal "$root/tmpfs/m.db"
    tried=$((tried + 1))
  done
  echo "ok    a full tmpfs of $tried sizes, up to ${size}k"

  # Under the daemon: it lives on, asks little, and goes on when there is room.
  rm -rf "${root:?}"/tmpfs/*
  mount -o remount,size=1m "$root/tmpfs"
  start_daemon "$root/tmpfs/m.db"
  until grep -q "the mirror can't be written" "$root/log"; do kill -0 "$daemon" || { cat "$root/log"; fail "the daemon ended"; }; done
  mount -o remount,size=64m "$root/tmpfs"
  kill -USR1 "$daemon"
  until grep -q 'pass complete' "$root/log"; do kill -0 "$daemon" || { cat "$root/log"; fail "the daemon ended"; }; done
  [ "$(grep -c "the mirror can't be written" "$root/log")" -le 2 ] || { cat "$root/log"; fail "a hot loop"; }
  stop_daemon
  equal "$root/tmpfs/m.db"
  echo "ok    the daemon lives through a full disk"
  umount "$root/tmpfs"
else
  skip "a full tmpfs, because none can be mounted here"
fi

# ext4 in a file, with the options of mkfs and mount that are given. The service's user owns a folder in it.
user=65534
ext4() {
  truncate -s 0 "$root/disk"
  truncate -s 64M "$root/disk"
  # shellcheck disable=SC2086
  mkfs.ext4 -q $1 "$root/disk"
  mount -o "loop$2" "$root/disk" "$root/ext4" 2>/dev/null || return 1
  mkdir "$root/ext4/state"
  chown $user "$root/ext4/state"
}

if ext4 "-O quota -E quotatype=usrquota" ,usrquota; then
  for kib in 40 200 1000; do
    rm -rf "$root"/ext4/state/*
    setquota -u $user 0 $kib 0 0 "$root/ext4"
    status=0
    CUSTOMER_MIRROR__MIRROR__PATH=$root/ext4/state/m.db setpriv --reuid=$user --regid=$user --clear-groups \
      "$bin" sync >/dev/null 2>"$root/said" || status=$?
    [ $status = 74 ] || { cat "$root/said"; fail "a quota of $kib KiB: exit status $status"; }
    grep -q quota "$root/said" || { cat "$root/said"; fail "the quota is not spoken of"; }
    setquota -u $user 0 0 0 0 "$root/ext4"
    at "$root/ext4/state/m.db" sync >/dev/null
    equal "$root/ext4/state/m.db"
  done
  umount "$root/ext4"
  echo "ok    a quota on ext4"
else
  skip "a quota on ext4, because this kernel has none, or nothing can be mounted here"
fi

if ext4 "" ""; then
  # As after an error of the disk: everything is read-only from one moment to the next, in the midst of a daemon's life.
  start_daemon "$root/ext4/state/m.db"
  until grep -q 'pass complete' "$root/log"; do kill -0 "$daemon"; done
  if mount -o remount,abort "$root/ext4" 2>/dev/null && ! touch "$root/ext4/state/x" 2>/dev/null; then
    kill -USR1 "$daemon"
    until grep -q "can't be written" "$root/log"; do kill -0 "$daemon" || { cat "$root/log"; fail "the daemon ended"; }; done
    at "$root/ext4/state/m.db" status >/dev/null
    stop_daemon
    umount "$root/ext4"
    e2fsck -fy "$root/disk" >/dev/null 2>&1 || [ $? -le 2 ]
    mount -o loop "$root/disk" "$root/ext4"
    at "$root/ext4/state/m.db" sync >/dev/null
    equal "$root/ext4/state/m.db"
    echo "ok    ext4 that becomes read-only under the daemon"
  else
    stop_daemon
    skip "ext4 that becomes read-only, because this kernel doesn't do so when asked to"
  fi
  umount "$root/ext4"
else
  skip "ext4 that becomes read-only, because no file can be mounted here"
fi
echo "disk: whatever fails, it is told, nothing is lost, and the next run goes on"
