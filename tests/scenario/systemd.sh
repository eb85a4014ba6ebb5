#!/bin/bash
# Scenario: the installed service under a real systemd: enabled, restarted with an agent running, stopped.
# SPDX-License-Identifier: MIT
# Runs outside through systemd-rig.sh (of the shared rigs), inside as the script that it boots.
set -u

if [ -z "${RIG_BACKEND-}" ]; then
	builddir=$(cd "${builddir:-.}" && pwd)
	srcdir=$(cd "${srcdir:-.}" && pwd)
	rig=${ROUSE_SHARED:-$srcdir/../shared}/systemd-rig.sh
	if [ ! -x "$rig" ] || ! "$rig" check >/dev/null 2>&1; then
		echo '1..0 # SKIP systemd-rig.sh is not here, or cannot run here'
		exit 0
	fi
	if grep -q __asan_init "$builddir/roused"; then
		echo '1..0 # SKIP this build needs libraries of its sanitizers'
		exit 0
	fi
	dir=$(mktemp -d)
	tree=$dir/tree
	trap 'rm -rf "$dir"' EXIT
	make -C "$builddir" install DESTDIR="$tree" >/dev/null 2>&1 || { echo 'Bail out! make install failed'; exit 1; }
	if [ ! -e "$tree/usr/local/sbin/roused" ] || [ ! -e "$tree/etc/rouse/rouse.conf" ]; then
		echo '1..0 # SKIP this build is not configured for the paths that the service has (as ./bootstrap does)'
		exit 0
	fi
	# /lib is a link to usr/lib there, as everywhere since Debian 12.
	[ ! -d "$tree/lib" ] || { mkdir -p "$tree/usr" && cp -a "$tree/lib" "$tree/usr/" && rm -r "$tree/lib"; }
	# What the programs are linked with, by the packages that hold it.
	libraries=libevent-core-2.1-7,libevent-openssl-2.1-7,libcurl4,libsqlite3-0,libyaml-0-2,libinih1,libjansson4,libjq1,libonig5,libssl3,libseccomp2,libgit2-1.5,sqlite3
	"$rig" run --quiet --backend "${ROUSE_RIG_BACKEND:-unshare}" --timeout "${ROUSE_RIG_TIMEOUT:-150}" --with "$libraries" --tree "$tree" "$0" >"$dir/said" 2>"$dir/errors"
	code=$?
	case $code in
	77 | 125)
		sed 's/^/# /' "$dir/errors" | tail -n 5
		echo "1..0 # SKIP the rig cannot run here ($code)"
		exit 0
		;;
	esac
	cat "$dir/said"
	sed 's/^/# /' "$dir/errors" | tail -n 20
	exit "$code"
fi

n=0 failed=0
ok() {
	n=$((n + 1))
	local what=$1
	shift
	if "$@" >/tmp/said 2>&1; then
		echo "ok $n - $what"
	else
		echo "not ok $n - $what"
		sed 's/^/# /' /tmp/said | tail -n 20
		failed=1
	fi
}
wait_for() {
	for _ in $(seq 200); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	"$@"
}
export PATH=/usr/local/bin:/usr/local/sbin:$PATH

systemd-sysusers /usr/local/lib/sysusers.d/rouse.conf
systemctl daemon-reload
ok 'a fresh install starts untouched' systemctl enable --now roused
ok 'the service is active' systemctl is-active roused
ok 'the daemon answers root on its socket' rouse status
ok 'it runs as the user rouse' sh -c 'test "$(stat -c %U /var/lib/rouse)" = rouse'

mkdir -p /etc/rouse/agents.d /srv/agents
cat >/srv/agents/slow <<'AGENT'
#!/bin/sh
read -r envelope
echo started >>"$HOME_OF_TEST/started"
while [ ! -e "$HOME_OF_TEST/go" ]; do sleep 0.1; done
echo '{"type":"result","output":"done"}'
AGENT
chmod 755 /srv/agents/slow
install -d -o rouse /srv/work
cat >/etc/rouse/agents.d/slow.conf <<'CONF'
[agent slow]
kind = exec
command = /srv/agents/slow
workdir = /srv/work
env = HOME_OF_TEST=/srv/work
pass_env = PATH
CONF
ok 'an agent is taken up by reload' systemctl reload roused
wait_for sh -c 'rouse agent list | grep -q slow'
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
	n=$((n + 1))
	echo "ok $n - an agent that wants more memory than memory_max # SKIP no memory controller of version 2 here"
fi
systemctl kill -s KILL roused
ok 'a killed daemon comes back by itself' wait_for rouse status
ok 'the service stops' systemctl stop roused
[ -z "$groups" ] || ok 'and no control group' sh -c "! find '$groups' -name 'rouse-run-*' | grep ."
ok 'and leaves no process behind' sh -c '! pgrep -u rouse'
ok 'nothing is failed' sh -c '! systemctl is-failed roused'
echo "1..$n"
exit "$failed"
