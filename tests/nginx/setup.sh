# Sourced by tests/nginx.sh and benches/e2e.sh, from the top folder. Serves two days of pages by nginx:
#   port plain, port+1 gzip, and port+3 plain with 50 ms of latency if nginx has its echo module.
# Sets bin, root, port, gzip_port, slow_port; defines `serve day1|day2`. Installs what is missing (Debian, Ubuntu).
# Needs customers; CUSTOMER_MIRROR_BIN names the program, else a release build of this tree is used.
port=${PORT:-8580}
gzip_port=$((port + 1))
simulator_port=$((port + 2))
slow_port=$((port + 3))

# shellcheck source=tests/needs.sh
. tests/needs.sh
needs nginx=nginx-light python3 curl
# shellcheck disable=SC2086
install_packages ${more_packages:-}
nginx=$(command -v nginx || echo /usr/sbin/nginx)
the_program

root=$(mktemp -d)
chmod 755 "$root"
simulator=
clean_up() {
  [ -z "$simulator" ] || kill "$simulator" 2>/dev/null || true
  [ ! -s "$root/nginx.pid" ] || kill "$(cat "$root/nginx.pid")" 2>/dev/null || true
  rm -rf "$root"
}
trap clean_up EXIT

"$bin" simulate-api --port "$simulator_port" --customers "$customers" --key bench-key >/dev/null 2>"$root/simulator.log" &
simulator=$!
curl -s -o /dev/null --retry 50 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$simulator_port/"
python3 tests/nginx/dump_pages.py "http://127.0.0.1:$simulator_port" bench-key "$root/day1"
curl -sf -o /dev/null -X POST "http://127.0.0.1:$simulator_port/_simulator/day?day=2"
python3 tests/nginx/dump_pages.py "http://127.0.0.1:$simulator_port" bench-key "$root/day2"
kill "$simulator"
simulator=

serve() {
  ln -sfn "$1" "$root/live.new"
  mv -Tf "$root/live.new" "$root/live"
}
serve day1
echo_module=/usr/lib/nginx/modules/ngx_http_echo_module.so
drop='/@SLOW/d'
[ ! -e $echo_module ] || drop='s/@SLOW //'
sed "$drop; s#@ECHO_MODULE@#$echo_module#; s#@ROOT@#$root#g; s#@PORT@#$port#g; s#@GZIP_PORT@#$gzip_port#g; s#@SLOW_PORT@#$slow_port#g" \
  tests/nginx/nginx.conf.in >"$root/nginx.conf"
"$nginx" -c "$root/nginx.conf" -e "$root/error.log"
