#!/usr/bin/env bash
# tests/security.sh: what takes several users, a debugger and a look at system calls. The daemon runs as one user, with the API key in
# its environment; that user's other processes, and another user, try to get at the key and at the customers.
# Needs root and Linux; installs gdb, strace, curl and util-linux (apt) if they are missing. Builds the release binary unless
# CUSTOMER_MIRROR_BIN names one. What the kernel here does not allow is SKIPPED, and said.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
if [ "$(id -u)" != 0 ]; then
  exec sudo -n --preserve-env=PATH,CUSTOMER_MIRROR_BIN,PORT,CARGO_TARGET_DIR "$0" "$@"
fi
needs gdb strace curl setpriv=util-linux
the_program

port=${PORT:-8780}
key='s3cret+key/of%the"daemon=='
owner=23501 other=23502 # users without a name; nobody else is one of them
root=$(mktemp -d)
processes=()
clean_up() {
  [ ${#processes[@]} = 0 ] || kill "${processes[@]}" 2>/dev/null || true
  wait 2>/dev/null
  rm -rf "$root"
}
trap clean_up EXIT
fails=0 passed=0
ok() { echo "ok    $1"; passed=$((passed + 1)); }
bad() { echo "FAIL  $1" >&2; fails=$((fails + 1)); }
skipped() { printf '!!!!  SKIPPED: %s\n' "$1" >&2; }
# holds WHAT COMMAND…, fails_ WHAT COMMAND…
holds() { if "${@:2}" >"$root/said" 2>&1; then ok "$1"; else bad "$1: $(tail -n 3 "$root/said")"; fi; }
fails_() { if "${@:2}" >"$root/said" 2>&1; then bad "$1: $(tail -n 3 "$root/said")"; else ok "$1"; fi; }
as() { setpriv --reuid "$1" --regid "$1" --clear-groups -- "${@:2}"; }
# until_ COMMAND…: waits until it holds, ten seconds at most.
until_() {
  local left=200
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || { echo "security: not within ten seconds: $*" >&2; exit 1; }
    sleep 0.05
  done
}

chmod 755 "$root"
cp "$bin" "$root/customer-mirror" # where every user can run it
bin=$root/customer-mirror
"$bin" simulate-api --port "$port" --customers 200 --key "$key" >/dev/null 2>"$root/simulator.log" &
processes+=($!)
until_ curl -s -o /dev/null "http://127.0.0.1:$port/"
home=$root/home
install -d -o $owner -g $owner -m 755 "$home"
export CUSTOMER_MIRROR__API__BASE_URL=http://127.0.0.1:$port CUSTOMER_MIRROR__API__KEY=$key
export CUSTOMER_MIRROR__MIRROR__PATH=$home/data/customers.db CUSTOMER_MIRROR__LOG__LEVEL=trace
export CUSTOMER_MIRROR__HTTP__LISTEN=unix:$home/http.sock

# daemon: starts one, in `pid`, once its first pass is complete.
daemon() {
  (cd "$home" && ulimit -c unlimited && exec setpriv --reuid $owner --regid $owner --clear-groups -- "$bin" run 2>>"$root/daemon.log") &
  pid=$!
  processes+=($pid)
  until_ as $owner "$bin" --quiet status
  until_ test -S "$home/http.sock"
}
sleeper() { # the same for a program that has no secrets
  (cd "$home" && ulimit -c unlimited && exec setpriv --reuid $owner --regid $owner --clear-groups -- sleep 60) &
  sleeper=$!
  processes+=($sleeper)
  until_ grep -q sleep "/proc/$sleeper/comm"
}

echo "-- other processes of the same user"
daemon
sleeper
if as $owner gcore -o "$home/other" "$sleeper" >/dev/null 2>&1; then
  fails_ "a debugger can't take its memory" as $owner gcore -o "$home/mine" "$pid"
  rm -f "$home"/other.* "$home"/mine.*
else
  skipped "this kernel lets nobody debug his own processes"
fi
for file in environ mem maps auxv; do
  fails_ "/proc/$pid/$file is closed to them" as $owner head -c 1 "/proc/$pid/$file"
done
fails_ "the key is not among its arguments" grep -qF "$key" "/proc/$pid/cmdline"

echo "-- another user"
for file in data/customers.db data/customers.db-wal data/customers.db-shm data/customers.db.lock; do
  fails_ "$file is closed to him" as $other head -c 1 "$home/$file"
done
fails_ "he can't list the mirror's folder" as $other ls "$home/data"
fails_ "he can't connect to the socket" as $other curl -sf --unix-socket "$home/http.sock" http://localhost/healthz
holds "its owner can" as $owner curl -sf --unix-socket "$home/http.sock" http://localhost/healthz

echo "-- when it crashes"
# The first SIGSEGV that no access made only takes away the handler of Rust's runtime.
has_crashed() {
  kill -s "$1" "$pid" 2>/dev/null || return 0
  grep -q "^State:.Z" "/proc/$pid/status"
}
case $(cat /proc/sys/kernel/core_pattern) in
'|'* | /*) skipped "dumps go to $(cat /proc/sys/kernel/core_pattern) here, not to the folder of who crashes" ;;
*)
  kill -SEGV $sleeper
  wait $sleeper 2>/dev/null || true
  if ls "$home"/core* >/dev/null 2>&1; then
    rm -f "$home"/core*
    for signal in ABRT SEGV; do
      until_ has_crashed $signal
      wait "$pid" 2>/dev/null || true
      fails_ "SIG$signal leaves no dump" ls "$home"/core*
      [ $signal = SEGV ] || daemon
    done
  else
    skipped "no program leaves a dump here"
  fi
  ;;
esac
kill "$pid" 2>/dev/null || true
wait "$pid" 2>/dev/null || true
fails_ "the key is in none of its files, nor in its log" grep -rqF -- "$key" "$home" "$root/daemon.log"

echo "-- the files that it makes, at the moment at which it makes them"
if as $owner strace -o /dev/null true 2>/dev/null; then
  # Traced as root, whose processes may be looked into: system calls are the same.
  (umask 000 && CUSTOMER_MIRROR__MIRROR__PATH=$root/traced/m.db strace -f -qq -o "$root/calls" -e trace=umask,openat,mkdir,bind "$bin" --quiet sync >/dev/null)
  (umask 000 && CUSTOMER_MIRROR__MIRROR__PATH=$root/traced/m.db strace -f -qq -A -o "$root/calls" -e trace=umask,openat,mkdir "$bin" --quiet export --output "$root/traced/copy.db")
  made=$(grep -c O_CREAT "$root/calls" || true)
  holds "it was seen to make files ($made)" test "$made" -ge 5
  umask_first() { awk '/umask\(/ { closed = /umask\(0?[0-7]?[0-7]?7\)/ } /O_CREAT/ && !closed { bad = 1 } END { exit bad }' "$root/calls"; }
  holds "others are kept out before the first one is there" umask_first
  elsewhere() { grep O_CREAT "$root/calls" | grep -v "$root/traced" | grep -v O_EXCL; }
  fails_ "in shared folders no file is made that may be there already" elsewhere
else
  skipped "system calls can't be traced here"
fi

echo "-- traps in a folder where everybody may make files"
unset CUSTOMER_MIRROR__HTTP__LISTEN
install -d -m 1777 "$root/shared"
export CUSTOMER_MIRROR__MIRROR__PATH=$root/shared/m.db
echo precious >"$root/precious"
for suffix in '' -wal -journal .lock; do
  trap_=$root/shared/m.db$suffix
  as $other ln -s "$root/made" "$trap_"
  fails_ "a link at m.db$suffix is not followed" "$bin" --quiet sync
  holds "and nothing was made by it" test ! -e "$root/made"
  rm -f "$root"/shared/*
done
for suffix in -wal -journal; do
  as $other touch "$root/shared/m.db$suffix"
  fails_ "another user's m.db$suffix is not used" "$bin" --quiet sync
  rm -f "$root"/shared/*
done
chown $owner "$root/shared" && chmod 755 "$root/shared"
if as $owner "$bin" --quiet sync >/dev/null 2>&1 && ln "$root/precious" "$root/link" 2>/dev/null; then
  # A service's folder; root decides something there, as the manual says.
  for suffix in -shm .lock; do
    mv "$root/shared/m.db$suffix" "$root/aside"
    ln "$root/precious" "$root/shared/m.db$suffix"
    "$bin" --quiet deletions discard >/dev/null 2>&1 || true
    "$bin" --quiet sync >/dev/null 2>&1 || true
    holds "a hard link at m.db$suffix leads root to no other file" grep -qx precious "$root/precious"
    mv -f "$root/aside" "$root/shared/m.db$suffix"
  done
fi
holds "the service goes on" as $owner "$bin" --quiet sync

echo "security: $passed passed, $fails failed"
[ $fails = 0 ]
