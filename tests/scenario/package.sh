#!/bin/bash
# Scenario: the Debian package under a real systemd: installed, used, upgraded under load, removed, purged.
# SPDX-License-Identifier: MIT
# Runs outside through systemd-rig.sh (of the shared rigs), inside as the script that it boots.
. "$(dirname "$0")/rig_lib.sh"
if rig_is_outside; then
	rig_find
	deb=$(ls "$builddir"/deb/rouse_*.deb 2>/dev/null | head -n 1)
	[ -n "$deb" ] || rig_skip 'there is no package here: ./bootstrap deb makes it'
	# The next version: the same programs, a higher number.
	dpkg-deb -R "$deb" "$dir/next" && sed -i 's/^Version: .*/Version: 99.0-1/' "$dir/next/DEBIAN/control" &&
		dpkg-deb --root-owner-group -b "$dir/next" "$dir/rouse_next.deb" >/dev/null || { echo 'Bail out! dpkg-deb failed'; exit 1; }
	# What it depends on, without the versions.
	needs=$(dpkg-deb -f "$deb" Depends | tr ',' '\n' | sed 's/(.*//; s/|.*//; s/ //g' | grep -v '^systemd$' | paste -sd, -)
	rig_run 300 --with "$needs,polkitd,python3" --deb "$deb" --file "$dir/rouse_next.deb" --file "$(dirname "$0")/rig_load.py" --file "$srcdir/packaging/debian/tests"
fi

id_is() { [ "$(stat -c "%U:%G %a" "$1")" = "$2" ]; }

ok 'the installed service is enabled' systemctl is-enabled roused
ok '... and runs' wait_for systemctl is-active roused
ok 'the daemon answers root on its socket' wait_for rouse status
ok 'its state is its own' id_is /var/lib/rouse 'rouse:rouse 750'
ok 'its configuration is a conffile' grep -q '^/etc/rouse/rouse.conf' /var/lib/dpkg/info/rouse.conffiles
for file in bash-completion/completions/rouse zsh/vendor-completions/_rouse fish/vendor_completions.d/rouse.fish; do
	ok "there is a completion $file" test -s "/usr/share/$file"
done
for page in man1/rouse.1 man5/rouse.conf.5 man8/roused.8; do
	ok "there is a manual page $page" test -s "/usr/share/man/$page.gz"
done

ok 'the test of the package as anybody passes' runuser -u daemon -- sh /rig/job/tests/foreground
ok 'the test of the package as a service passes' sh /rig/job/tests/service

# Work: an agent that stays, and a trigger.
agent_slow
agent_add quick <<'AGENT'
#!/bin/sh
read -r envelope
echo '{"type":"result"}'
AGENT
ok 'agents are taken up by reload' systemctl reload roused
wait_for sh -c 'rouse agent list | grep quick'
ok 'a trigger is added, with its secret' rouse trigger add hook --source webhook --verify github --agent quick
rouse invoke slow >/tmp/slow.id
ok 'an agent runs' wait_for test -e /srv/work/started
agent=$(pgrep -f /srv/agents/slow | head -n 1)

# Load: signed requests at a steady rate from twelve connections. A connection that is refused, one that breaks and an answer
# that is no are written down; what breaks when the daemon is killed is sent again.
mkdir /tmp/load
python3 /rig/job/rig_load.py /tmp/load /etc/rouse/secrets/hook.secret /hooks/hook 15 12 >/tmp/load/said 2>&1 &
load=$!
accepted() { sort -u /tmp/load/accepted 2>/dev/null | wc -l; }
more() { [ "$(accepted)" -gt "$1" ]; }
none_failed() { cat /tmp/load/failed; [ ! -s /tmp/load/failed ]; }
ok 'deliveries are taken' wait_for more 20
echo restart >/tmp/load/phase
restarts=0
while [ $restarts -lt 20 ] && systemctl restart roused; do
	restarts=$((restarts + 1))
	before=$(accepted)
	wait_for more $((before + 2))
done
ok 'it restarts twenty times under load' test $restarts = 20
ok 'and refuses no connection, breaks none, and answers all well' none_failed
ok 'the running agent was not touched' kill -0 "$agent"
echo upgrade >/tmp/load/phase
ok 'a package with a higher version takes its place, under load' dpkg -i /rig/job/rouse_next.deb
before=$(accepted)
ok 'its daemon takes deliveries' wait_for more $((before + 10))
ok 'and the upgrade refused none' none_failed
ok 'the running agent was not touched' kill -0 "$agent"

echo kill >/tmp/load/phase
before=$(accepted)
systemctl kill -s KILL roused
ok 'killed, it comes back and takes deliveries' wait_for more $((before + 10))
# 30 s are long for a test.
mkdir -p /etc/systemd/system/roused.service.d
printf '[Service]\nWatchdogSec=2s\n' >/etc/systemd/system/roused.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart roused
pid=$(systemctl show -P MainPID roused)
other_pid() { now=$(systemctl show -P MainPID roused) && [ "$now" != 0 ] && [ "$now" != "$pid" ]; }
kill -STOP "$pid"
ok 'a watchdog that is not fed brings it back' wait_for other_pid
before=$(accepted)
ok 'and it takes deliveries' wait_for more $((before + 10))
ok 'because of the watchdog' sh -c 'journalctl -u roused | grep -i "watchdog timeout"'
touch /tmp/load/stop
wait "$load"
only_broken() { cat /tmp/load/failed; ! grep -v '^kill broken ' /tmp/load/failed; }
ok "no connection was refused in all of that, and what broke ($(grep -c . /tmp/load/failed)) had been in the hands of a daemon that was killed" only_broken
touch /srv/work/go
slow_is() { rouse run list --agent slow --json | jq -es "length == 1 and .[0].status == \"succeeded\" and .[0].attempts == 1"; }
ok 'the agent ends well, in one attempt' wait_for slow_is
ok 'and was started once' sh -c 'test "$(wc -l </srv/work/started)" = 1'
count=$(accepted)
runs() { rouse run list --agent quick "$@" --limit 100000 --json 2>/dev/null | wc -l; }
all_run() { [ "$(runs --status succeeded)" = "$count" ]; }
ok "each of $count accepted requests has a run that succeeded" wait_for -120 all_run
ok 'and there is no other run' test "$(runs)" = "$count"

ok 'removed, it stops' dpkg --remove rouse
ok 'nobody listens any more' sh -c '! ss -Hltn "sport = :8477" | grep . && ! test -e /run/rouse/rouse.sock'
ok 'its state and its configuration stay' sh -c 'test -e /var/lib/rouse/rouse.db && test -e /etc/rouse/rouse.conf'
ok 'no process of it is left' wait_for sh -c '! pgrep -u rouse'
ok 'purged, they go' dpkg --purge rouse
ok 'its state is gone' sh -c 'test ! -e /var/lib/rouse && test ! -e /var/cache/rouse'
ok 'what the administrator wrote stays' test -e /etc/rouse/agents.d/slow.conf
rig_done
