#!/usr/bin/env bash
# Run inside the machine: installs the package and looks at it live, be upgraded and go. /srv/share has old.deb, new.deb, this.
# Each line says what was looked at; nothing waits for a fixed time.
set -uo pipefail
here=$(dirname "$0")
# shellcheck source=tests/systemd/lib.sh
. "$here/lib.sh"
export DEBIAN_FRONTEND=noninteractive
units=/usr/lib/systemd/system
state=/var/lib/private/customer-mirror

section "installing"
check "the package installs" "dpkg -i $here/old.deb >/tmp/install.log 2>&1 || { cat /tmp/install.log; false; }"
check "a message says what to fill in" "grep base_url /tmp/install.log && grep 'install -m 600 /dev/stdin /etc/customer-mirror/api-key' /tmp/install.log && grep 'systemctl enable --now customer-mirror' /tmp/install.log"
check "nothing is enabled or started" "! systemctl is-enabled customer-mirror customer-mirror-sync.timer && ! systemctl is-active customer-mirror customer-mirror-sync.timer"
check "the configuration is a conffile, with every default" "dpkg-query -W -f '\${Conffiles}' customer-mirror | grep /etc/customer-mirror/config.toml && grep '^#base_url' /etc/customer-mirror/config.toml"
check "so is its bill of materials" "zcat /usr/share/doc/customer-mirror/sbom.cdx.json.gz | grep '\"bomFormat\": \"CycloneDX\"'"
check "the program, its manual page and completions are there" "customer-mirror --version && zcat /usr/share/man/man1/customer-mirror.1.gz | grep 'EXIT STATUS' && bash -uc '. /usr/share/bash-completion/completions/customer-mirror'"
for file in customer-mirror.service customer-mirror@.service customer-mirror-sync.service customer-mirror-sync.timer; do
  check "systemd-analyze verify $file" "systemd-analyze verify --man=no --recursive-errors=no $units/$file"
done
for file in customer-mirror.service customer-mirror@.service customer-mirror-sync.service; do
  check "systemd-analyze security $file: 1.1 or better" "systemd-analyze security --offline=true --threshold=11 --no-pager $units/$file | tail -n 1; [ \${PIPESTATUS[0]} = 0 ]"
done

section "not configured"
mark
check "no key: not started, and said so" "! systemctl start $unit && said 'Assertion failed'"
check "no key: not failed, not restarted" "is_state inactive/dead && [ \$(property NRestarts) = 0 ]"
put_key right-key
mark
systemctl start $unit 2>/dev/null
check "no base_url: exit 78, not restarted" "until_ 10 'is_state failed/failed' && [ \$(property ExecMainStatus) = 78 ] && [ \$(property NRestarts) = 0 ]"
check "no base_url: the journal names it" "said base_url"
configure 'page_sise = 10'
systemctl start $unit 2>/dev/null
check "an unknown key: exit 78, not restarted" "until_ 10 'is_state failed/failed' && [ \$(property ExecMainStatus) = 78 ] && [ \$(property NRestarts) = 0 ] && said page_size"

configure
put_key ''
systemctl start $unit 2>/dev/null
check "an empty key file: exit 78, not restarted" "until_ 10 'is_state failed/failed' && [ \$(property ExecMainStatus) = 78 ] && [ \$(property NRestarts) = 0 ] && said api-key"

section "a wrong key"
simulator 8100 2500
configure
put_key wrong-key
mark
systemctl start $unit
check "exit 77, failed, not restarted" "until_ 10 'is_state failed/failed' && [ \$(property ExecMainStatus) = 77 ] && [ \$(property NRestarts) = 0 ]"
check "it was asked once, and refused" "[ \$(requests | wc -l) = 1 ] && requested '401'"
check "the key is not in the journal" "! journalctl -u $unit --no-pager | grep wrong-key"
put_key right-key
systemctl reset-failed $unit
systemctl clean --what=state $unit

section "the first pass"
simulator 8100 2500
fault latency=400ms
mark
check "systemctl start waits for readiness" "systemctl start $unit && is_running"
check "ready before the pass is done" "[ \$(complete_passes) = 0 ]"
check "status text: a pass under way" "until_ 10 'status_text | grep \"^pass 1: \"'"
check "status text: complete, and when the next pass is due" "until_ 20 idle && status_text | grep -E '^2,?500 customers, complete as of 20.* UTC; next pass 20..-01-01 00:00:00 UTC'"
check "the mirror is complete" "[ \"\$(sql 'SELECT count(*) FROM live_customers')\" = 2500 ]"
check "customer-mirror status, by root" "[ \$(live_in_status) = 2500 ]"
check "journal: 'pass started' and 'pass complete', with fields of their own" "[ \$(field PASS_ID MESSAGE='pass started') = 1 ] && [ \$(field PASS_ID MESSAGE='pass complete') = 1 ] && [ \$(field PAGES MESSAGE='pass complete') = 3 ] && [ \$(field RECORDS MESSAGE='pass complete') = 2500 ] && [ \$(field CREATED MESSAGE='pass complete') = 2500 ]"
check "journal: native, with a priority" "[ \$(field _TRANSPORT MESSAGE='pass complete') = journal ] && [ \$(field PRIORITY MESSAGE='pass complete') = 6 ] && [ \$(field SYSLOG_IDENTIFIER MESSAGE='pass complete') = customer-mirror ]"
check "journal: no line a page, no key" "[ \$(journal SYSLOG_IDENTIFIER=customer-mirror | wc -l) -le 4 ] && ! journalctl -u $unit --no-pager | grep right-key"
check "the key is not in the environment" "! tr '\\0' '\\n' </proc/\$(pid)/environ | grep right-key"

section "the sandbox"
process=/proc/$(pid)
check "a dynamic user" "uid=\$(stat -c %u $process) && [ \$uid -ge 61184 ] && [ \$uid -le 65519 ] && ! grep -q ^customer-mirror: /etc/passwd"
check "no capabilities, no new privileges, system calls filtered" "grep -q '^CapEff:.0*\$' $process/status && grep -q '^CapBnd:.0*\$' $process/status && grep -q '^NoNewPrivs:.1' $process/status && grep -q '^Seccomp:.2' $process/status"
check "the state is for the service only" "[ \"\$(stat -c '%a %u' $state)\" = \"750 \$(stat -c %u $process)\" ] && [ \$(stat -c %a /var/lib/private) = 700 ] && [ -L /var/lib/customer-mirror ]"
check "the mirror's files are for owner and group" "! find $state -type f -perm /007 | grep ."
sed -e 's/^Type=.*/Type=oneshot/' -e "s#^ExecStart=.*#ExecStart=/usr/bin/python3 $here/probe.py#" -e '/^Watchdog/d; /^Restart/d; /^ExecReload/d; /^NotifyAccess/d' \
  $units/$unit >/run/systemd/system/probe.service
systemctl daemon-reload
echo '127.0.0.1 api.test' >>/etc/hosts
systemctl start probe.service
journalctl --sync
journalctl -u probe -o cat --no-pager >/tmp/probe.log
for name in state credential tmp names certificates; do
  check "allowed: $name" "grep '^$name: allowed' /tmp/probe.log || { cat /tmp/probe.log; false; }"
done
for name in key-source write-etc write-usr write-var write-var-lib home shadow other-processes proc-meminfo packet-socket netlink-socket \
  user-namespace mount writable-code hostname set-uid-file become-root; do
  check "denied: $name" "grep '^$name: denied' /tmp/probe.log || { cat /tmp/probe.log; false; }"
done

section "reload and SIGUSR1"
before=$(pid)
cron='0 0 1 7 *'
configure
mark
check "reload: the new schedule, the same process" "systemctl reload $unit && until_ 10 'status_text | grep -- \"next pass 20..-07-01\"' && [ \$(pid) = $before ]"
check "reload: said so" "until_ 5 'said \"the configuration was read again\"' && is_running"
configure 'page_sise = 10'
mark
systemctl reload $unit
check "a bad configuration is refused, with its error, and the old one stays" "until_ 10 'said page_size' && [ \$(field PRIORITY MESSAGE='the configuration was read again and refused, the old one stays') = 3 ] && until_ 5 is_running && [ \$(pid) = $before ] && status_text | grep -- 'next pass 20..-07-01'"
cron=
configure
systemctl reload $unit
check "and the good one is taken again" "until_ 10 'status_text | grep -- \"next pass 20..-01-01\"'"
mark
signal USR1
check "SIGUSR1: a pass now" "until_ 20 '[ \$(complete_passes) = 2 ]' && until_ 5 idle && [ \$(pid) = $before ]"
check "sync beside the daemon: exit 75, names it and how to ask for a pass; the daemon goes on" "! systemctl start customer-mirror-sync.service && [ \$(property ExecMainStatus customer-mirror-sync.service) = 75 ] && journalctl -u customer-mirror-sync --no-pager | grep USR1 && is_running && [ \$(pid) = $before ]"
signal USR1
check "and it still can write its mirror" "until_ 20 '[ \$(complete_passes) = 3 ]' && until_ 5 idle"

section "crashes and hangs"
simulator 8100 30000
fault latency=100ms
mark
restarts=$(property NRestarts)
signal USR1
until_ 20 "requested 'page 11 '"
signal KILL
check "kill -9 in mid-pass: restarted" "until_ 20 '[ \$(property NRestarts) -gt $restarts ] && is_running'"
check "the pass is resumed and completed" "until_ 30 '[ \$(complete_passes) = 4 ]' && [ \$(sql 'SELECT resumed FROM passes WHERE pass_id = 4') = 1 ] && said 'pass resumed'"
check "at most two requests were repeated" "requests | grep -o 'page [0-9]*' | sort | uniq -c | sort -rn | head -n 3; repeated=\$(( \$(requests | wc -l) - \$(requests | grep -o 'page [0-9]*' | sort -u | wc -l) )); echo repeated \$repeated; [ \$repeated -le 2 ] && [ \$(requests | grep -o 'page [0-9]*' | sort -u | wc -l) = 30 ]"
until_ 10 idle

drop_in $unit WatchdogSec=2s
systemctl restart $unit
until_ 10 idle
before=$(pid)
fault stall@times=1
mark
signal USR1
until_ 10 "requested silence"
check "a server that hangs: alive past the watchdog's time, the pass completes" "until_ 30 '[ \$(complete_passes) = 5 ]' && [ \$(pid) = $before ] && ! said watchdog"
until_ 10 idle
mark
restarts=$(property NRestarts)
signal STOP
check "a process that hangs: the watchdog ends it" "until_ 40 'said \"Failed with result .watchdog\"'"
check "and it is started again" "until_ 20 '[ \$(property NRestarts) -gt $restarts ] && is_running'"
no_drop_in $unit

fault stall
mark
until_ 10 idle
systemctl restart $unit
until_ 10 idle
signal USR1
until_ 10 "requests | tail -n 1 | grep silence"
begun=$(milliseconds)
systemctl stop $unit
took=$(($(milliseconds) - begun))
check "stop in mid-page, the server silent: within 5 s, clean ($took ms)" "[ $took -lt 5000 ] && [ \$(property Result) = success ] && [ \$(property ExecMainStatus) = 0 ] && is_state inactive/dead"
command_simulator 8100 clear-faults

flock $state/customers.db.lock sleep 600 &
lock=$!
mark
systemctl start --no-block $unit
check "a mirror that is locked: exit 75" "until_ 10 '[ \$(property ExecMainStatus) = 75 ]' && until_ 5 'is_state activating/auto-restart'"
pkill -P $lock
check "tried again until it is free" "until_ 20 is_running"

section "the HTTP endpoint"
socket=/run/customer-mirror/http.sock
until_ 20 idle
configure
printf '[http]\nlisten = "unix:%s"\n' $socket >>/etc/customer-mirror/config.toml
systemctl restart $unit
check "health and readiness over the socket, which is for owner and group" "http $socket /healthz | grep ok && http $socket /readyz | grep '^200' && [ \$(stat -c %a $socket) = 660 ] && [ \$(stat -c %a /run/customer-mirror/) = 750 ]"
check "the same status as the command's" "http $socket /api/status | grep \"\\\"live\\\": \$(live_in_status),\""
systemctl stop $unit
check "the socket goes with the service" "[ ! -e $socket ]"
configure
printf '[http]\nlisten = "127.0.0.1:9480"\n' >>/etc/customer-mirror/config.toml
put_key a-token-of-the-lab-0123456789 /etc/customer-mirror/http-token
drop_in $unit LoadCredential=http-token:/etc/customer-mirror/http-token
systemctl start $unit
check "a token as a credential: who doesn't know it gets nothing" "http 9480 / | grep '^401' && http 9480 /readyz a-token-of-the-lab-0123456789 | grep '^200'"
no_drop_in $unit
configure
systemctl restart $unit

section "the timer"
until_ 20 idle
systemctl stop $unit
passes=$(complete_passes)
check "sync.service: a pass, as the same user's mirror" "systemctl start customer-mirror-sync.service && [ \$(complete_passes) = $((passes + 1)) ] && [ \$(property Result customer-mirror-sync.service) = success ]"
check "the timer is due within 15 minutes and a half" "systemctl start customer-mirror-sync.timer && due=\$(property NextElapseUSecRealtime customer-mirror-sync.timer) && echo \"\$due\" && [ \$((\$(date -d \"\$due\" +%s) - \$(date +%s))) -le 930 ]"
mkdir -p /run/systemd/system/customer-mirror-sync.timer.d
printf '[Timer]\nOnCalendar=\nOnCalendar=*:*:0/1\nRandomizedDelaySec=0\nAccuracySec=100ms\n' >/run/systemd/system/customer-mirror-sync.timer.d/test.conf
systemctl daemon-reload
systemctl restart customer-mirror-sync.timer
check "the timer starts passes" "until_ 20 '[ \$(complete_passes) -ge $((passes + 2)) ]'"
systemctl stop customer-mirror-sync.timer customer-mirror-sync.service
no_drop_in customer-mirror-sync.timer

check "a pass by root doesn't lock the service out" "CUSTOMER_MIRROR__API__KEY=right-key customer-mirror --quiet sync && systemctl start $unit && passes=\$(complete_passes) && signal USR1 && until_ 30 '[ \$(complete_passes) -gt \$passes ]' && ! find $state -user root | grep ."

section "two instances"
simulator 8201 201
simulator 8202 302
for name in north:8201 south:8202; do
  printf '[api]\nbase_url = "http://127.0.0.1:%s"\n[schedule]\ncron = "0 0 1 1 *"\n[mirror]\npath = "/var/lib/the-same-for-all.db"\n' "${name#*:}" \
    >"/etc/customer-mirror/${name%:*}.toml"
done
put_key right-key /etc/customer-mirror/north.api-key
check "no key: not started" "! systemctl start customer-mirror@south"
put_key right-key /etc/customer-mirror/south.api-key
systemctl start $unit
check "both start beside the first" "systemctl start customer-mirror@north customer-mirror@south && is_running"
for name in north:201 south:302; do
  check "${name%:*}: its own source, its own mirror" "until_ 10 '[ \$(sql \"SELECT count(*) FROM live_customers\" /var/lib/customer-mirror-${name%:*}/customers.db) = ${name#*:} ]' && [ -d /var/lib/private/customer-mirror-${name%:*} ]"
done
check "the path in the files is not used" "[ ! -e /var/lib/the-same-for-all.db ]"
check "its commands" "[ \$(live_in_status CUSTOMER_MIRROR_CONFIG=/etc/customer-mirror/north.toml CUSTOMER_MIRROR__MIRROR__PATH=/var/lib/customer-mirror-north/customers.db) = 201 ]"

section "readers"
useradd alice && useradd mallory
as() { runuser -u "$1" -- python3 -c 'import sqlite3; print(sqlite3.connect("file:/var/lib/customer-mirror/customers.db?mode=ro", uri=True).execute("SELECT count(*) FROM live_customers").fetchone()[0])'; }
check "the group and the user are there" "getent group customer-mirror-readers && getent passwd _customer-mirror"
gpasswd --add alice customer-mirror-readers >/dev/null
check "without the drop-in nobody gets in" "! as alice && ! as mallory"
live=$(sql 'SELECT count(*) FROM live_customers')
install -D -m 644 /usr/share/doc/customer-mirror/examples/readers.conf /etc/systemd/system/$unit.d/readers.conf
systemctl daemon-reload
check "with it the service starts, with the mirror that it had" "systemctl restart $unit && is_running && until_ 10 idle && [ -d /var/lib/customer-mirror ] && [ ! -L /var/lib/customer-mirror ] && [ \$(sql 'SELECT count(*) FROM live_customers') = $live ]"
check "the state belongs to the static user, all of it" "[ \"\$(stat -c '%U %G %a' /var/lib/customer-mirror)\" = '_customer-mirror customer-mirror-readers 750' ] && ! find /var/lib/customer-mirror ! -user _customer-mirror -o ! -group customer-mirror-readers | grep ."
check "the service still has no privileges" "grep -q '^CapEff:.0*\$' /proc/\$(pid)/status && grep -q '^Seccomp:.2' /proc/\$(pid)/status && grep -q '^NoNewPrivs:.1' /proc/\$(pid)/status"
check "a reader in the group reads while it runs" "[ \"\$(as alice)\" = $live ] || { as alice; ls -l /var/lib/customer-mirror; false; }"
passes=$(complete_passes)
signal USR1
check "a pass does well with a reader about" "until_ 20 '[ \"\$(as alice)\" = $live ] && [ \$(complete_passes) -gt $passes ]' && until_ 5 idle"
systemctl stop $unit
check "a reader in the group reads when it is stopped" "[ \"\$(as alice)\" = $live ] || { as alice; ls -l /var/lib/customer-mirror; false; }"
check "who isn't in the group can't" "! as mallory"
check "a reader can't write" "! runuser -u alice -- touch /var/lib/customer-mirror/x && ! runuser -u alice -- sh -c ': >>/var/lib/customer-mirror/customers.db'"
rm -r /etc/systemd/system/$unit.d
systemctl daemon-reload
check "without the drop-in it moves back" "systemctl start $unit && is_running && until_ 10 idle && [ -L /var/lib/customer-mirror ] && [ \$(sql 'SELECT count(*) FROM live_customers') = $live ] && ! as alice"

section "upgrade, remove, purge"
systemctl enable --quiet $unit customer-mirror@north
systemctl start customer-mirror-sync.timer
systemctl stop customer-mirror@south
before=$(pid) north=$(property MainPID customer-mirror@north)
check "upgrade over the running service" "dpkg -i $here/new.deb >/tmp/upgrade.log 2>&1 && [ \$(dpkg-query -W -f '\${Version}' customer-mirror) = \$(dpkg-deb -f $here/new.deb Version) ] || { cat /tmp/upgrade.log; false; }"
check "what ran runs the new version" "is_running && [ \$(pid) != $before ] && [ \$(property ActiveState customer-mirror@north) = active ] && [ \$(property MainPID customer-mirror@north) != $north ] && systemctl is-active customer-mirror-sync.timer && [ \"\$(readlink /proc/\$(pid)/exe)\" = /usr/bin/customer-mirror ]"
check "what was stopped stays stopped" "! systemctl is-active customer-mirror@south"
check "no message, and the configuration is kept" "! grep base_url /tmp/upgrade.log && grep 8100 /etc/customer-mirror/config.toml && until_ 10 idle"
systemctl stop customer-mirror-sync.timer
check "remove: everything stops" "dpkg -r customer-mirror >/tmp/remove.log 2>&1 && ! systemctl is-active $unit customer-mirror@north || { cat /tmp/remove.log; false; }"
check "remove: mirror, configuration and key are kept" "[ \"\$(sql 'SELECT count(*) FROM live_customers')\" = $live ] && [ -e /etc/customer-mirror/config.toml ] && [ -e /etc/customer-mirror/api-key ] && [ -e /etc/customer-mirror/north.toml ]"
dpkg -i "$here/new.deb" >/tmp/again.log 2>&1
check "installed again: enabled as before, no message" "systemctl is-enabled $unit && ! grep base_url /tmp/again.log && systemctl start $unit && until_ 10 idle"
check "purge: configuration and keys are gone, the mirrors are kept, and it says where" "dpkg -P customer-mirror >/tmp/purge.log 2>&1 && [ ! -e /etc/customer-mirror ] && [ -e $state/customers.db ] && grep 'rm -r $state' /tmp/purge.log && grep customer-mirror-north /tmp/purge.log || { cat /tmp/purge.log; false; }"
check "purge: no unit is left, none is masked" "! systemctl cat $unit && ! find /etc/systemd/system | grep customer-mirror"
dpkg -i "$here/new.deb" >/dev/null 2>&1
echo 'customer-mirror customer-mirror/purge-mirror boolean true' | debconf-set-selections
check "purge, if debconf says so: the mirrors are gone, too" "dpkg -P customer-mirror >/tmp/purge.log 2>&1 && ! ls -d /var/lib/customer-mirror* /var/lib/private/customer-mirror* || { cat /tmp/purge.log; false; }"

echo "-- $passed ok, $fails failed, in $SECONDS s"
[ $fails = 0 ]
