#!/usr/bin/env bash
# Names, addresses and packets that go wrong, and requests counted: in network namespaces of its own, with a name server, an API over TLS
# and a bad cable between. Root, or sudo. NETWORK_SECONDS=600 counts
# requests for longer than half a minute.
#
# Where the kernel or a container allows no namespaces, only the requests are counted, and that is said.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/needs.sh
. tests/needs.sh
seconds=${NETWORK_SECONDS:-30}
if [ "${1:-}" != inside ]; then
  needs python3 ip=iproute2 openssl unshare=util-linux
  the_program
  export CUSTOMER_MIRROR_BIN=$bin
  sudo=
  [ "$(id -u)" = 0 ] || sudo='sudo -n --preserve-env=CUSTOMER_MIRROR_BIN,NETWORK_SECONDS,PATH'
  if $sudo unshare --mount --net sh -c 'ip link add dev c0 type veth peer name c1 && mount -t tmpfs tmpfs /mnt' 2>/dev/null; then
    exec $sudo unshare --mount --net "$0" inside
  fi
  echo "SKIPPED: names, addresses and packets, as no network namespaces with devices can be made here" >&2
fi
bin=${bin:-$CUSTOMER_MIRROR_BIN}
unset "${!CUSTOMER_MIRROR@}"
root=$(mktemp -d)
started=()
tidy() {
  kill "${started[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  # Mounted over files of it.
  umount -R /etc/resolv.conf /etc/nsswitch.conf 2>/dev/null || true
  rm -rf "$root" 2>/dev/null || true
}
trap tidy EXIT
# start NAME COMMAND…: in the background, until it says that it is ready.
start() {
  "${@:2}" >"$root/$1.log" 2>&1 &
  started+=($!)
  local tries=0
  until [ -e "$root/$1.ready" ]; do
    ((++tries < 200)) || { cat "$root/$1.log" >&2; exit 1; }
    sleep 0.1
  done
}
export CUSTOMER_MIRROR__API__KEY=k3y CUSTOMER_MIRROR__API__PAGE_SIZE=30 CUSTOMER_MIRROR__LOG__FORMAT=text
# mirror NAME COMMAND…: the program with the mirror NAME.
mirror() { CUSTOMER_MIRROR__MIRROR__PATH="$root/$1.db" "$bin" -q "${@:2}"; }
# background NAME COMMAND…: the same, as the process $!, with its log in NAME.log.
background() {
  (
    export CUSTOMER_MIRROR__MIRROR__PATH="$root/$1.db"
    exec "$bin" "${@:2}" >"$root/$1.log" 2>&1
  ) &
  started+=($!)
}
# ends NAME STATUS TEXT COMMAND…: it ends with that status, and its message has the text in it.
ends() {
  local status=0
  mirror "$1" "${@:4}" >"$root/$1.out" 2>&1 || status=$?
  if [ "$status" != "$2" ] || ! grep -q "$3" "$root/$1.out"; then
    echo "$1: status $status, not $2 with \"$3\":" >&2
    cat "$root/$1.out" >&2
    exit 1
  fi
  sed "s/^/  $1: /" "$root/$1.out"
}
whole() { python3 tests/network/check.py "$root/$1.db" && echo "  $1: the mirror equals the server"; }
# eventually SECONDS COMMAND…: it comes true before that; nothing is said of how long it takes.
eventually() {
  local end=$((SECONDS + $1))
  until "${@:2}" >/dev/null 2>&1; do
    ((SECONDS < end)) || { echo "not within $1 s: ${*:2}" >&2; tail -n 20 "$root"/*.log >&2; exit 1; }
    sleep 0.2
  done
}
requests() { wc -l <"$root/$1.requests"; }
has_more() { [ "$(requests "$1")" -gt "$2" ]; }

has_v6=
names_and_packets() {
  ip link set lo up
  mkdir -p /run/netns
  mount -t tmpfs tmpfs /run/netns
  # It would answer from outside.
  [ ! -d /run/nscd ] || mount -t tmpfs tmpfs /run/nscd
  ip netns add cable
  ip netns add server
  ip link add dev c0 type veth peer name c1 netns cable
  ip link add dev s0 netns server type veth peer name s1 netns cable
  for device in c1 s1; do ip -n cable link set "$device" up; done
  for address in 10.8.0.1 10.8.0.2; do ip -n server addr add "$address/24" dev s0; done
  ip addr add 10.8.0.100/24 dev c0
  if ip -n server -6 addr add fd00:8::1/64 dev s0 nodad 2>/dev/null; then
    has_v6=yes
    ip -6 addr add fd00:8::100/64 dev c0 nodad
  else
    echo "SKIPPED: IPv6, which this kernel has not" >&2
  fi
  ip -n server link set s0 up
  ip link set c0 up
  python3 tests/network/link.py "$root" --plain c0
  ip netns exec server python3 tests/network/link.py "$root" --plain s0
  # Nobody has these: what is sent there is lost without a word.
  for dead in 10.8.0.66 10.8.0.67 ${has_v6:+fd00:8::66}; do ip neigh add "$dead" lladdr 02:00:00:00:00:66 dev c0; done
  cable loss=0
  start link ip netns exec cable python3 tests/network/link.py "$root" c1 s1
  resolver 'nameserver 127.0.0.53' 'options timeout:1 attempts:1'
  printf 'hosts: files dns\n' >"$root/nsswitch"
  mount --bind "$root/nsswitch" /etc/nsswitch.conf
  name silent
  start dns python3 tests/network/dns.py "$root" 127.0.0.53
  certificate
  serve a 10.8.0.1
  serve b 10.8.0.2
  [ -z "$has_v6" ] || serve c fd00:8::1
  export CUSTOMER_MIRROR__API__BASE_URL=https://api.mirror.test:8443 SSL_CERT_FILE=$root/authority.pem
  export CUSTOMER_MIRROR__API__CONNECT_TIMEOUT=4s CUSTOMER_MIRROR__RETRY__MAX_DELAY=1s CUSTOMER_MIRROR__RETRY__MAX_ELAPSED=3s
  names
  addresses
  packets
}
cable() { echo "$*" >"$root/link.new" && mv "$root/link.new" "$root/link.mode"; }
name() { echo "$*" >"$root/dns.new" && mv "$root/dns.new" "$root/dns.mode"; }
mode() { echo "${*:2}" >"$root/$1.new" && mv "$root/$1.new" "$root/$1.mode"; }
resolver() { printf '%s\n' "$@" >"$root/resolv"; mount --bind "$root/resolv" /etc/resolv.conf; }
serve() {
  mode "$1" ok
  start "$1" ip netns exec server python3 tests/network/api.py "$1" "$root" "$root/server.pem" "$root/server.key" "$2" 8443
}
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
    -keyout "$root/authority.key" -out "$root/authority.pem" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout "$root/server.key" -out "$root/server.csr" 2>/dev/null
  openssl x509 -req -in "$root/server.csr" -CA "$root/authority.pem" -CAkey "$root/authority.key" -CAcreateserial -days 2 \
    -extfile <(echo subjectAltName=DNS:api.mirror.test) -out "$root/server.pem" 2>/dev/null
}

names() {
  echo "== names"
  name fail
  ends names 69 "can't be resolved" sync
  name none
  ends names 69 "can't be resolved" sync
  name silent
  ends names 69 "given up after" sync
  # The system's resolver takes a minute by itself, and can't be told to stop; the program doesn't wait for it.
  resolver 'nameserver 127.0.0.53' 'options timeout:30 attempts:2'
  CUSTOMER_MIRROR__RETRY__MAX_ELAPSED=1h background stopped sync
  local sync=$! status=0 begun=$SECONDS
  eventually 30 test -e "$root/stopped.db"
  sleep 1
  kill -TERM "$sync"
  wait "$sync" || status=$?
  [ "$status" = 143 ] && ((SECONDS - begun < 25)) || { echo "SIGTERM: $status after $((SECONDS - begun)) s" >&2; exit 1; }
  echo "  stopped: ends at SIGTERM while the resolver hangs"
  resolver 'nameserver 127.0.0.53' 'options timeout:1 attempts:1'
  # The daemon is started before there are names, and finds the server when there are; then the server moves.
  name fail
  CUSTOMER_MIRROR__RETRY__MAX_ELAPSED=10m CUSTOMER_MIRROR__SCHEDULE__CRON='* * * * * *' background daemon run
  local daemon=$!
  sleep 3
  name 10.8.0.1
  eventually 60 whole daemon
  local before
  before=$(requests b)
  name 10.8.0.2
  eventually 60 has_more b "$before"
  kill -TERM "$daemon"
  wait "$daemon"
  echo "  daemon: found the server when its name was known, and again when it had moved"
}

addresses() {
  echo "== addresses"
  if [ -n "$has_v6" ]; then
    name fd00:8::66 10.8.0.1
    ends v6-dead 0 "" sync && whole v6-dead
    name fd00:8::1 10.8.0.66
    ends v4-dead 0 "" sync && whole v4-dead
  fi
  name 10.8.0.66 10.8.0.1
  ends first-dead 0 "" sync && whole first-dead
  name 10.8.0.1 10.8.0.66
  ends last-dead 0 "" sync && whole last-dead
  name ${has_v6:+fd00:8::66} 10.8.0.66 10.8.0.67 10.8.0.1
  ends most-dead 0 "" sync && whole most-dead
  name ${has_v6:+fd00:8::66} 10.8.0.66
  ends all-dead 69 "api.connect_timeout" sync
  name 10.8.0.1
  ends all-dead 0 "" sync && whole all-dead
  # The server moves in mid-pass, and the old one answers nothing but errors.
  mode b slow 0.3
  name 10.8.0.2
  CUSTOMER_MIRROR__RETRY__MAX_ELAPSED=1m background moved sync
  local sync=$! before
  before=$(requests b)
  eventually 60 has_more b $((before + 2))
  name 10.8.0.1
  mode b 503
  wait "$sync"
  whole moved
  mode b ok
}

packets() {
  echo "== packets"
  name 10.8.0.1
  export CUSTOMER_MIRROR__API__REQUEST_TIMEOUT=10s CUSTOMER_MIRROR__RETRY__MAX_ELAPSED=2m CUSTOMER_MIRROR__API__CONNECT_TIMEOUT=10s
  cable loss=0.1 delay=0.02
  ends loss 0 "" sync && whole loss
  cable delay=0.01 jitter=0.05
  ends disorder 0 "" sync && whole disorder
  cable delay=0.3
  ends far 0 "" sync && whole far
  # The cable is cut in mid-pass, and mended.
  cable loss=0
  mode a slow 0.3
  CUSTOMER_MIRROR__API__REQUEST_TIMEOUT=3s CUSTOMER_MIRROR__API__CONNECT_TIMEOUT=3s background cut sync
  local sync=$! before
  before=$(requests a)
  eventually 60 has_more a $((before + 3))
  cable loss=1
  sleep 8
  cable loss=0
  wait "$sync"
  whole cut
  mode a ok
}

# Daemons with a pass every second, each with a server that has one trouble for ever: how many requests come of it.
storm() {
  echo "== requests in $seconds s, with a pass due every second and settings as they come"
  unset CUSTOMER_MIRROR__RETRY__MAX_ELAPSED CUSTOMER_MIRROR__RETRY__MAX_DELAY CUSTOMER_MIRROR__API__REQUEST_TIMEOUT
  unset CUSTOMER_MIRROR__API__CONNECT_TIMEOUT
  local port=22400 kinds=(401 410 429 500 503 reset malformed empty refused) kind daemons=()
  for kind in "${kinds[@]}"; do
    port=$((port + 1))
    mode "$kind" "$kind"
    : >"$root/$kind.requests"
    [ "$kind" = refused ] || start "$kind" python3 tests/network/api.py "$kind" "$root" 127.0.0.1 "$port"
    printf k3y >"$root/$kind.key"
    chmod 600 "$root/$kind.key"
    env -u CUSTOMER_MIRROR__API__KEY CUSTOMER_MIRROR__API__KEY_FILE="$root/$kind.key" \
      CUSTOMER_MIRROR__API__BASE_URL="http://127.0.0.1:$port" CUSTOMER_MIRROR__MIRROR__PATH="$root/storm-$kind.db" \
      CUSTOMER_MIRROR__SCHEDULE__CRON='* * * * * *' CUSTOMER_MIRROR__LOG__LEVEL=debug "$bin" run >"$root/storm-$kind.log" 2>&1 &
    daemons+=($!)
    started+=($!)
  done
  sleep "$seconds"
  kill -TERM "${daemons[@]}"
  wait "${daemons[@]}"
  local most count
  for kind in "${kinds[@]}"; do
    case $kind in
      401) most=5 ;;
      410 | malformed) most=20 ;;
      empty) most=20020 ;; # Ten thousand pages, then the pass fails; a new one after a while.
      *) most=25 ;;
    esac
    if [ "$kind" = refused ]; then
      count=$(grep -c 'request failed' "$root/storm-$kind.log" || true)
    else
      count=$(requests "$kind")
    fi
    most=$((most * ((seconds + 59) / 60)))
    printf '  %-10s %5d of at most %d\n' "$kind" "$count" "$most"
    ((count > 0 && count <= most)) || { tail -5 "$root/storm-$kind.log" >&2; exit 1; }
  done
}

[ "${1:-}" != inside ] || names_and_packets
ip link set lo up 2>/dev/null || true
storm
if [ "${1:-}" = inside ]; then
  echo "network: got over names that fail, dead addresses and bad cables; no storm of requests"
else
  echo "network: no storm of requests; the rest was skipped"
fi
