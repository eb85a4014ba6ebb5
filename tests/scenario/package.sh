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
	rig_run 300 --with "$needs" --deb "$deb" --file "$dir/rouse_next.deb"
fi

id_is() { [ "$(stat -c "%U:%G %a" "$1")" = "$2" ]; }

ok 'the installed service is enabled' systemctl is-enabled roused
ok '... and runs' wait_for systemctl is-active roused
ok 'the daemon answers root on its socket' wait_for rouse status
ok 'its state is its own' id_is /var/lib/rouse 'rouse:rouse 750'
ok 'its configuration is a conffile' grep -q '^/etc/rouse/rouse.conf' /var/lib/dpkg/info/rouse.conffiles
for page in man1/rouse.1 man5/rouse.conf.5 man8/roused.8; do
	ok "there is a manual page $page" test -s "/usr/share/man/$page.gz"
done

# Work: an agent that stays, and a trigger.
agent_slow
agent_add quick <<'AGENT'
#!/bin/sh
read -r envelope
echo '{"type":"result"}'
AGENT
ok 'agents are taken up by reload' systemctl reload roused
wait_for sh -c 'rouse agent list | grep -q quick'
ok 'a trigger is added, with its secret' rouse trigger add hook --source webhook --verify github --agent quick
rouse invoke slow >/tmp/slow.id
ok 'an agent runs' wait_for test -e /srv/work/started
agent=$(pgrep -f /srv/agents/slow | head -n 1)

# Load: signed requests without a pause; what is refused is tried again, as providers do, what was accepted is written down.
cat >/tmp/load <<'LOAD'
#!/bin/bash
n=0
while [ ! -e /tmp/load.stop ]; do
	n=$((n + 1))
	printf '{"n":%d}' $n >/tmp/load.body
	rouse webhook sign --scheme github --secret file:/etc/rouse/secrets/hook.secret --body /tmp/load.body --id "load-$n" >/tmp/load.headers || continue
	for _ in $(seq 100); do
		code=$(curl -s -o /dev/null -w '%{http_code}' -X POST http://127.0.0.1:8477/hooks/hook -H 'Content-Type: application/json' \
			-H @/tmp/load.headers --data-binary @/tmp/load.body)
		[ "$code" = 202 ] && { echo $n >>/tmp/load.accepted; break; }
		[ "$code" = 200 ] && { echo $n >>/tmp/load.accepted; break; }
		echo "$n $code" >>/tmp/load.refused
		sleep 0.05
	done
done
LOAD
chmod 755 /tmp/load
: >/tmp/load.accepted
/tmp/load >/tmp/load.out 2>&1 &
load=$!
wait_for sh -c 'test $(wc -l </tmp/load.accepted) -gt 20'
ok 'a package with a higher version takes its place, under load' dpkg -i /rig/job/rouse_next.deb
ok 'its daemon runs' wait_for rouse status
ok 'the running agent lived on' kill -0 "$agent"
before=$(wc -l </tmp/load.accepted)
wait_for sh -c "test \$(wc -l </tmp/load.accepted) -gt $((before + 20))"
for round in 1 2 3 4 5; do
	systemctl restart roused
	sleep 0.3
done
ok 'it restarts five times' wait_for rouse status
touch /tmp/load.stop
wait "$load"
touch /srv/work/go
ok 'the agent ends well, started once' wait_for sh -c "rouse run list --agent slow --json | jq -es 'length == 1 and .[0].status == \"succeeded\" and .[0].attempts == 1'"
accepted=$(sort -u /tmp/load.accepted | wc -l)
ok "each of $accepted accepted requests has one run that succeeded" wait_for sh -c "test \$(rouse run list --agent quick --status succeeded --limit 100000 --json | wc -l) = $accepted"

ok 'a watchdog that is not fed brings it back' sh -c '
	pid=$(systemctl show -P MainPID roused); [ "$(systemctl show -P WatchdogUSec roused)" != 0 ] || exit 0
	kill -STOP $pid; for _ in $(seq 300); do now=$(systemctl show -P MainPID roused); [ "$now" != 0 ] && [ "$now" != "$pid" ] && exit 0; sleep 0.2; done; exit 1'
ok 'and it answers' wait_for rouse status

ok 'removed, it stops' dpkg --remove rouse
ok 'its state and its configuration stay' sh -c 'test -e /var/lib/rouse/rouse.db && test -e /etc/rouse/rouse.conf'
ok 'no process of it is left' wait_for sh -c '! pgrep -u rouse'
ok 'purged, they go' dpkg --purge rouse
ok 'its state is gone' test ! -e /var/lib/rouse
ok 'what the administrator wrote stays' test -e /etc/rouse/agents.d/slow.conf
rig_done
