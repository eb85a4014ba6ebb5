#!/bin/bash
# Scenario: the installed service under a real systemd: enabled, restarted with an agent running, stopped.
# SPDX-License-Identifier: MIT
# Runs outside through systemd-rig.sh (of the shared rigs), inside as the script that it boots.
. "$(dirname "$0")/rig_lib.sh"
if rig_is_outside; then
	rig_find
	rig_tree
	rig_run 150 --with "$rig_libraries" --tree "$tree"
fi

export PATH=/usr/local/bin:/usr/local/sbin:$PATH

systemd-sysusers /usr/local/lib/sysusers.d/rouse.conf
systemctl daemon-reload
ok 'its units are what systemd takes them for' sh -c 'systemd-analyze verify roused.socket roused.service 2>&1 | grep -v "Command .man " >/tmp/verify; ! grep . /tmp/verify'
score() { systemd-analyze security --offline=yes --no-pager /usr/lib/systemd/system/roused.service | sed -n 's/.*level for roused.service: \([0-9.]*\) .*/\1/p'; }
ok "its exposure is at most 1.5 ($(score))" awk "BEGIN { exit !($(score) <= 1.5) }"
ok 'a fresh install starts untouched' systemctl enable --now roused
ok 'its sockets are there as well' systemctl is-active roused.socket
ok 'the service is active' systemctl is-active roused
ok 'the daemon answers root on its socket' rouse status
ok 'it runs as the user rouse' sh -c 'test "$(stat -c %U /var/lib/rouse)" = rouse'

agent_slow
ok 'an agent is taken up by reload' systemctl reload roused
wait_for sh -c 'rouse agent list | grep slow'
ok 'a trigger is added, with its secret' rouse trigger add github-pr --source webhook --verify github --agent slow
echo '{"action":"opened"}' >/tmp/body
rouse webhook sign --scheme github --secret file:/etc/rouse/secrets/github-pr.secret --body /tmp/body >/tmp/headers
deliver() { curl -fsS -X POST http://127.0.0.1:8477/hooks/github-pr -H 'Content-Type: application/json' -H @/tmp/headers --data-binary @/tmp/body; }
ok 'a signed webhook is taken' deliver
ok 'its agent runs' wait_for test -e /srv/work/started
agent=$(pgrep -f /srv/agents/slow | head -n 1)
groups=$(findmnt -nt cgroup2 -o TARGET | head -n 1)
if [ -n "$groups" ]; then
	ok 'its run has a control group of its own' grep -q '/rouse-run-' "/proc/$agent/cgroup"
fi
ok 'the daemon restarts' systemctl restart roused
ok 'its agent lives on' kill -0 "$agent"
touch /srv/work/go
run=$(rouse run list --json | jq -r .id | head -n 1)
ok 'and its run succeeds, in one attempt' wait_for sh -c "rouse run show $run --json | jq -e '.status == \"succeeded\" and .attempts == 1'"
ok 'the journal knows the run by its fields' wait_for sh -c "journalctl -u roused -o json ROUSE_RUN_ID=$run | jq -se 'map(select(.MESSAGE_ID == \"5a0f6b1e2c8d4e0f9a7b3c5d1e2f4a65\" and .ROUSE_AGENT == \"slow\" and .PRIORITY == \"6\")) | length == 1'"
ok 'and each line once' sh -c 'test "$(journalctl -u roused -o cat | grep -c "^ready ")" = "$(journalctl -u roused -o cat MESSAGE_ID=5a0f6b1e2c8d4e0f9a7b3c5d1e2f4a60 | wc -l)"'
ok 'the agent was started once' sh -c 'test "$(wc -l </srv/work/started)" = 1'
if grep -qsw memory "$groups/cgroup.controllers"; then
	# In a group that is the daemon's and holds nothing else: where systemd has no DelegateSubgroup= its own is none.
	mkdir -p "$groups/rouse-test" /tmp/own
	echo '+memory +pids' >"$groups/cgroup.subtree_control"
	printf '[daemon]\nstate_dir = /tmp/own/state\nsocket = /tmp/own/sock\ncgroup = %s\n[http]\nlisten = none\n' "$groups/rouse-test" >/tmp/own/rouse.conf
	cat >/srv/agents/hog <<'AGENT'
#!/bin/sh
read -r envelope
head -c 300000000 /dev/zero | tail
echo '{"type":"result","output":"too much"}'
AGENT
	chmod 755 /srv/agents/hog
	printf '[agent hog]\nkind = exec\ncommand = /srv/agents/hog\nworkdir = /srv/work\npass_env = PATH\nmemory_max = 64M\nretry.attempts = 1\n' >>/tmp/own/rouse.conf
	roused -c /tmp/own/rouse.conf 2>/tmp/own/log &
	own=$!
	wait_for rouse --socket /tmp/own/sock status
	rouse --socket /tmp/own/sock invoke hog --wait >/dev/null 2>&1
	hog="rouse --socket /tmp/own/sock run list --agent hog --json"
	ok 'an agent that wants more memory than memory_max is killed by its group, and its run says why' \
		wait_for sh -c "$hog | jq -e '.status == \"failed\" and .reason == \"exhausted\" and (.error | contains(\"memory_max\"))'"
	ok 'the daemon is unmoved' rouse --socket /tmp/own/sock status
	kill "$own"
	wait "$own"
else
	skip 'an agent that wants more memory than memory_max' 'no memory controller of version 2 here'
fi
# Within its walls: a watched folder, a program of jq, files and rows as targets; and what lies outside of them.
install -d -o rouse -g rouse /srv/in /srv/site /opt/site
sqlite3 /srv/crm.db 'CREATE TABLE deal(id TEXT PRIMARY KEY, stage TEXT); INSERT INTO deal VALUES (1, "new")'
chown rouse /srv /srv/crm.db
agent_add worker 'targets = site, far, crm' 'network = no' <<'AGENT'
#!/bin/sh
read -r envelope
echo kept >/tmp/kept
(: >/etc/strange) 2>/dev/null && exit 1
(: </dev/tcp/127.0.0.1/8477) 2>/dev/null && exit 1
echo '{"type":"change","target":"site","entity":"a","op":"create","after":"one","reason":"r"}'
echo '{"type":"change","target":"far","entity":"a","op":"create","after":"one","reason":"r"}'
echo '{"type":"change","target":"crm","entity":"1","op":"update","before":{"stage":"new"},"after":{"stage":"won"},"reason":"r"}'
echo '{"type":"result","output":1}'
AGENT
mkdir -p /etc/rouse/triggers.d /etc/rouse/targets.d
printf '[target site]\nkind = file\nroot = /srv/site\n[target far]\nkind = file\nroot = /opt/site\n' >/etc/rouse/targets.d/files.conf
printf '[target crm]\nkind = sql\nurl = sqlite:/srv/crm.db\nread = SELECT stage FROM deal WHERE id = :entity\napply = UPDATE deal SET stage = :after.stage WHERE id = :entity\n' >/etc/rouse/targets.d/crm.conf
printf '[trigger drop]\nsource = file\npath = /srv/in\nagent = worker\nmode = apply\nsettle = 0s\nfilter = .data.name | test("^f")\n' >/etc/rouse/triggers.d/drop.conf
ok 'its work is taken up' rouse reload
runuser -u rouse -- sh -c 'echo 1 >/srv/in/f; echo 1 >/srv/in/g'
ok 'a file that comes wakes an agent, through a program of jq' wait_for sh -c 'rouse run list --agent worker --json | jq -es "length == 1 and .[0].status == \"succeeded\""'
ok 'a target below /srv is written' wait_for grep one /srv/site/a
ok 'and a row of SQLite there' wait_for sh -c 'sqlite3 /srv/crm.db "SELECT stage FROM deal" | grep won'
ok 'one outside is not, and the change says why' wait_for sh -c 'rouse change list --json | grep -i "read-only file system"'
printf '[Service]\nReadWritePaths=/opt/site\n' >/run/paths && install -D /run/paths /etc/systemd/system/roused.service.d/paths.conf
systemctl daemon-reload
ok 'with a drop-in for it' systemctl restart roused
rouse apply "$(rouse run list --agent worker --json | jq -r .id)" --yes >/dev/null
ok 'it is written' wait_for grep one /opt/site/a
systemctl kill -s KILL roused
ok 'a killed daemon comes back by itself' wait_for rouse status
ok 'the service stops' systemctl stop roused
[ -z "$groups" ] || ok 'and no control group' sh -c "! find '$groups' -name 'rouse-run-*' | grep ."
ok 'and leaves no process behind' sh -c '! pgrep -u rouse'
ok 'nothing is failed' sh -c '! systemctl is-failed roused'
rig_done
