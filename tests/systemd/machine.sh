#!/usr/bin/env bash
# tests/systemd/machine.sh SUITE WORK [SHARE COMMAND...]: boots a throw-away Debian SUITE with systemd as PID 1 and runs COMMAND in
# it as root, with SHARE read-only at /srv/share; the exit status is COMMAND's, 124 after MACHINE_TIMEOUT seconds (default 600).
# Exit status 99: a systemd can't be booted here, and why is on stderr. Without COMMAND only the base is prepared.
#
# The base is made once, by mmdebstrap, in WORK/base-SUITE; each run sees it through an overlay whose upper layer is memory, has a
# network of its own with nothing but loopback, and is gone afterwards. Works on cgroup2 and on hybrid cgroups, whatever PID 1 is.
set -euo pipefail
suite=$1
work=$2
share=${3:-}
shift 2
[ $# = 0 ] || shift
limit=${MACHINE_TIMEOUT:-600}
base=$work/base-$suite
name=cm-$$
say() { echo "machine: $*" >&2; }
cannot() {
  say "can't boot a systemd here: $*"
  exit 99
}

# ---- can this be done here?
[ "$(id -u)" = 0 ] || cannot "not root"
[ -x /usr/bin/apt-get ] || cannot "neither Debian nor Ubuntu"
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
  cgroups=(/sys/fs/cgroup)
else
  cgroups=(/sys/fs/cgroup/unified /sys/fs/cgroup/systemd)
fi
for tree in "${cgroups[@]}"; do
  { mkdir "$tree/$name" && rmdir "$tree/$name"; } 2>/dev/null || cannot "no writable cgroup tree at $tree"
done
unshare --mount --pid --fork --net --uts --ipc true 2>/dev/null || cannot "namespaces are refused"

mkdir -p "$work"
work=$(realpath "$work")

# ---- tools
need=()
command -v systemd-nspawn >/dev/null || need+=(systemd-container)
command -v mmdebstrap >/dev/null || need+=(mmdebstrap)
if [ ${#need[@]} -gt 0 ]; then
  say "installing ${need[*]}"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}"; } \
    >"$work/apt.log" 2>&1 || { tail -20 "$work/apt.log" >&2 && exit 1; }
fi

# ---- the base
packages=systemd,systemd-sysv,dbus,ca-certificates,procps,python3
exec 9>"$work/lock-$suite"
flock 9
if [ "$(cat "$base/etc/customer-mirror-base" 2>/dev/null)" != "$packages" ]; then
  say "making $base, once: about a minute"
  rm -rf --one-file-system "$base"
  sources=() # mmdebstrap knows where distributions live
  archive=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian/\?$' || true)
  if [ -n "$archive" ]; then # the one that this machine's own apt uses
    sources=("deb ${archive%/} $suite main" "deb ${archive%/}-security $suite-security main")
  fi
  mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$suite" "$base" "${sources[@]}" >"$work/mmdebstrap.log" 2>&1 || { tail -20 "$work/mmdebstrap.log" >&2 && exit 1; }
  # With a machine id of its own it isn't a "first boot", at which systemd would enable whatever it finds.
  rm -f "$base/etc/machine-id"
  systemd-machine-id-setup --root="$base" >/dev/null 2>&1
  for unit in console-getty.service apt-daily.timer apt-daily-upgrade.timer fstrim.timer systemd-networkd-wait-online.service; do
    ln -sf /dev/null "$base/etc/systemd/system/$unit"
  done
  echo "$packages" >"$base/etc/customer-mirror-base"
fi
exec 9>&-
[ $# -gt 0 ] || exit 0

# ---- one run: whatever happens, nothing of it stays
console=$work/console-$name.log
nspawn='' leader='' client=''
gone() { ! kill -0 "$1" 2>/dev/null; }
# Ends the client by its child, never nsenter itself: an orphan injected by nsenter becomes a child of the host's PID 1, and the
# machine's PID 1 waits until somebody reaps it.
end_client() {
  [ -n "$client" ] || return 0
  for child in $(pgrep -P "$client" || true); do kill "$child" 2>/dev/null || true; done
  for _ in $(seq 20); do
    gone "$client" && break
    sleep 0.05
  done
}
clean_up() {
  status=$?
  trap - EXIT
  trap '' INT TERM HUP
  end_client
  if [ -n "$nspawn" ] && ! gone "$nspawn"; then
    kill -TERM "$nspawn" 2>/dev/null || true # an orderly power-off
    for _ in $(seq 100); do
      gone "$nspawn" && break
      sleep 0.1
    done
    if ! gone "$nspawn"; then # the death of its PID 1 takes every process along
      [ -z "$leader" ] || kill -KILL "$leader" 2>/dev/null || true
      sleep 0.5
      kill -KILL "$nspawn" 2>/dev/null || true
    fi
  fi
  [ -z "$nspawn" ] || wait "$nspawn" 2>/dev/null || true
  for tree in "${cgroups[@]}"; do
    for _ in 1 2 3 4 5; do
      [ -d "$tree/$name" ] || break
      find "$tree/$name" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.2
    done
  done
  rmdir "$work/root-$name" 2>/dev/null || true
  rm -f "$work/.#root-$name.lck"
  if [ "$status" = 0 ]; then rm -f "$console"; else say "exit status $status; the console's log is $console"; fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

mkdir -p "$work/root-$name"
(
  # In a cgroup of its own, since nspawn puts its "payload" and "supervisor" below the one that it is started in.
  for tree in "${cgroups[@]}"; do
    mkdir "$tree/$name"
    echo "$BASHPID" >"$tree/$name/cgroup.procs"
  done
  cd /
  # UNIFIED_HIERARCHY: cgroup2 alone, as on a server. bpf and @keyring: DevicePolicy= and KeyringMode= take effect.
  exec setsid unshare --mount --propagation private bash -euc '
    name=$1 base=$2 root=$3; shift 3
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir /run/overlay
    mount -t tmpfs -o mode=755,size=2g tmpfs /run/overlay
    mkdir /run/overlay/upper /run/overlay/work
    mount -t overlay -o "lowerdir=$base,upperdir=/run/overlay/upper,workdir=/run/overlay/work" overlay "$root"
    export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
    exec systemd-nspawn --quiet --machine="$name" --directory="$root" --boot --register=no --keep-unit --private-network \
      --link-journal=no --resolv-conf=off --timezone=off --system-call-filter="bpf @keyring" --console=read-only "$@" </dev/null
  ' bash "$name" "$base" "$work/root-$name" "--bind-ro=$(realpath "$share"):/srv/share"
) >"$console" 2>&1 &
nspawn=$!

path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
inside() { nsenter -t "$leader" -m -u -i -n -p -C -r -w -- env -i PATH=$path HOME=/root TERM=dumb LANG=C.UTF-8 "$@"; }
for _ in $(seq 300); do
  gone "$nspawn" && { tail -20 "$console" >&2 && cannot "systemd-nspawn ended early"; }
  # The leader is the child of nspawn that is PID 1 of its own namespace.
  for child in $(pgrep -P "$nspawn" || true); do
    if [ "$(awk '/^NSpid:/ { print NF ":" $NF }' "/proc/$child/status" 2>/dev/null)" = 3:1 ]; then leader=$child; fi
  done
  if [ -n "$leader" ] && [ -S "/proc/$leader/root/run/systemd/private" ]; then break; fi
  sleep 0.1
done
[ -n "$leader" ] || { tail -20 "$console" >&2 && cannot "no systemd after 30 s"; }
state=$(inside timeout 60 systemctl is-system-running --wait 2>/dev/null) || true
say "booted $suite: $state"
[ "$state" = running ] || inside systemctl --failed --no-pager >&2 || true

# As a unit of its own, not a bare child of nsenter: its own session and process group, and systemd keeps the time.
begun=$SECONDS
setsid --wait nsenter -t "$leader" -m -u -i -n -p -C -r -w -- env -i PATH=$path systemd-run --quiet --pipe --wait --collect \
  --unit=test-command --service-type=exec -p RuntimeMaxSec="$limit" -p TimeoutStopSec=3s -p SendSIGHUP=yes \
  -E PATH=$path -E HOME=/root -E LANG=C.UTF-8 -E TERM=dumb -- "$@" </dev/null &
client=$!
while ! gone "$client"; do # a loop, so that our traps run at once
  if [ $((SECONDS - begun)) -ge $((limit + 20)) ]; then
    say "PID 1 inside hangs"
    end_client
    break
  fi
  sleep 0.1
done
status=0
wait "$client" || status=$?
[ $((SECONDS - begun)) -lt "$limit" ] || status=124
exit "$status"
