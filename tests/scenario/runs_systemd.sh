#!/bin/bash
# Scenario: runs as units of a real systemd: its limits, its users, what a daemon that dies leaves, what polkit refuses.
# SPDX-License-Identifier: MIT
# Runs outside through systemd-rig.sh (of the shared rigs), inside as the script that it boots. ROUSE_RIG_BACKEND=qemu
# also tries what the memory controller keeps; where the rig's own machine has none of version 2, that takes minutes.
. "$(dirname "$0")/rig_lib.sh"
if rig_is_outside; then
	rig_find
	rig_tree
	rig_run "$([ "${ROUSE_RIG_BACKEND-}" = qemu ] && echo 1500 || echo 400)" --with "$rig_libraries,polkitd" --tree "$tree"
fi

export PATH=/usr/local/bin:/usr/local/sbin:$PATH
units() { systemctl list-units --all --plain --no-legend 'rouse-run*@*.service' | awk '{print $1}'; }
run_is() { rouse run show "$1" --json | jq -e "$2"; }
# The newest run of an agent.
run_of() { rouse run list --agent "$1" --json --limit 1 | jq -r .id; }
shim_of() { systemctl show -p MainPID --value "$1"; }
invoke() { rouse invoke "$@" --json | jq -r '.id // .run_id'; }
reload() { systemctl reload roused; }

systemd-sysusers /usr/local/lib/sysusers.d/rouse.conf
useradd -m alice
systemctl daemon-reload
cp '/usr/local/share/doc/rouse/examples/rouse-run-NAME@.service' '/etc/systemd/system/rouse-run-alice@.service'
ok 'the units are clean' sh -c "systemd-analyze verify --man=no /lib/systemd/system/rouse-run@.service /lib/systemd/system/rouse-runs.slice \
	/etc/systemd/system/rouse-run-alice@.service >/tmp/verify 2>&1 && ! grep -E 'rouse-run' /tmp/verify"

agent_slow
# Many of it cost nothing while they wait.
agent_add waits 'concurrency = 300' <<'AGENT'
#!/bin/sh
read -r envelope
echo started >>/srv/work/waiting
read -r word </srv/work/gate
echo '{"type":"result","output":"done"}'
AGENT
agent_add tree 'concurrency = 4' <<'AGENT'
#!/bin/sh
read -r envelope
trap '' TERM
(trap '' TERM; setsid sh -c 'trap "" TERM; exec sleep 4321' &)
touch /srv/work/tree
while :; do sleep 4321; done
AGENT
agent_add whoami 'user = alice' <<'AGENT'
#!/bin/sh
read -r envelope
echo "{\"type\":\"result\",\"output\":\"$(id -un) $(cat /var/lib/rouse/rouse.db 2>&1 | tail -c 60 | tr -d '\n\"') $(ls /run/rouse-run | wc -l)\"}"
AGENT
agent_add other 'profile = missing' 'retry.attempts = 1' <<'AGENT'
#!/bin/sh
echo '{"type":"result"}'
AGENT
agent_add clock 'concurrency = 1' <<'AGENT'
#!/bin/sh
echo "{\"type\":\"result\",\"output\":\"$(date +%s%3N)\"}"
AGENT
agent_add quick <<'AGENT'
#!/bin/sh
read -r envelope
echo "{\"type\":\"result\",\"output\":\"$(sed -n 's/^0:://p' /proc/self/cgroup)\"}"
AGENT
chmod 777 /srv/work
ok 'the service starts' systemctl enable --now roused
ok 'it says that the manager starts its runs' wait_for sh -c 'rouse status --json | jq -e ".runs == \"system\"" && rouse status | grep "system.s manager"'
ok 'so does its health' sh -c 'rouse status --json | jq -e ".health.runs == \"system\""'

# --- a run is a unit ---------------------------------------------------------------------------------------------------

rouse invoke slow --json >/dev/null
ok 'an agent runs' wait_for test -e /srv/work/started
run=$(run_of slow)
unit=rouse-run@$run.1.service
agent=$(pgrep -f /srv/agents/slow | head -n 1)
ok 'its run is a unit, by its name' systemctl is-active "$unit"
ok 'in the slice of runs' sh -c "systemctl show -p ControlGroup --value '$unit' | grep '/rouse-runs.slice/'"
ok 'the agent is in a group of that unit' grep -F "/$unit/" "/proc/$agent/cgroup"
ok 'as the user of the daemon' sh -c "test \$(stat -c %U /proc/$agent) = rouse"
ok 'the main process is its shim' sh -c "grep -q rouse-shim /proc/$(shim_of "$unit")/comm"
ok 'what was started is not below the daemon' sh -c "! pgrep -P \$(systemctl show -p MainPID --value roused) rouse-shim"

# --- the daemon comes, goes, dies --------------------------------------------------------------------------------------

ok 'the daemon restarts' systemctl restart roused
ok 'its unit goes on' systemctl is-active "$unit"
systemctl kill -s KILL roused
ok 'the daemon is killed, and comes back by itself' wait_for rouse status
ok 'the agent lives on' kill -0 "$agent"
touch /srv/work/go
ok 'its run succeeds, in one attempt' wait_for run_is "$run" '.status == "succeeded" and .attempts == 1'
ok 'the agent was started once' sh -c 'test "$(wc -l </srv/work/started)" = 1'
ok 'its unit is gone' wait_for sh -c "! systemctl list-units --all --plain --no-legend '$unit' | grep ."
rm /srv/work/go

# A shim that dies takes nothing with it but its attempt.
rouse invoke slow --json >/dev/null
ok 'another runs' wait_for sh -c 'test "$(wc -l </srv/work/started)" = 2'
run=$(run_of slow)
kill -KILL "$(shim_of "rouse-run@$run.1.service")"
ok 'where a shim is killed the run is tried again, in a unit of its own' wait_for systemctl is-active "rouse-run@$run.2.service"
ok 'and nothing is left of the first' wait_for sh -c "! systemctl list-units --all --plain --no-legend 'rouse-run@$run.1.service' | grep ."
touch /srv/work/go
ok 'it succeeds' wait_for run_is "$run" '.status == "succeeded" and .attempts == 2'
rm /srv/work/go

if [ "$RIG_BACKEND" != qemu ]; then # the rest of what an emulated machine need not repeat
# --- cancel ------------------------------------------------------------------------------------------------------------

rouse invoke tree --json >/dev/null
ok 'an agent with a hidden child that heeds no SIGTERM runs' wait_for test -e /srv/work/tree
wait_for pgrep -f '[s]leep 4321'
run=$(run_of tree)
sed -i 's/pass_env/grace = 200ms\npass_env/' /etc/rouse/agents.d/tree.conf
rouse run cancel "$run" >/dev/null
ok 'cancel ends all of it' wait_for sh -c "! pgrep -f '[s]leep 4321'"
ok 'and its run' wait_for run_is "$run" '.status == "cancelled"'
ok 'and its unit' wait_for sh -c "! systemctl list-units --all --plain --no-legend 'rouse-run@$run.1.service' | grep ."

# --- users, profiles ---------------------------------------------------------------------------------------------------

rouse invoke whoami --wait >/tmp/whoami 2>&1
ok 'an agent with another user runs as that one, by the template that root made for it' grep alice /tmp/whoami
ok 'which sees neither the database nor other runs' sh -c 'grep "Permission denied" /tmp/whoami && grep " 2" /tmp/whoami'
ok 'its folder is gone afterwards' wait_for sh -c 'test "$(ls -d /var/lib/rouse/spool/*.1 2>/dev/null | wc -l)" = 0'
rouse invoke other --wait >/tmp/other 2>&1
ok 'where there is no template for a profile, the run says so' sh -c "rouse run show $(run_of other) --json | tee /dev/stderr | grep 'rouse-run-missing@'"

# --- many --------------------------------------------------------------------------------------------------------------

mkfifo -m 666 /srv/work/gate
seq 200 | xargs -P 4 -I{} rouse invoke waits --json --data '{"n":{}}' >/dev/null
ok '200 runs at once are 200 units' wait_for -120 sh -c 'test "$(systemctl list-units --plain --no-legend "rouse-run@*.service" | grep -c " active ")" = 200'
ok 'all their agents have begun' wait_for -120 sh -c 'test "$(wc -l </srv/work/waiting)" = 200'
systemctl kill -s KILL roused
wait_for rouse status
: >/srv/work/gate
ok 'they all succeed though the daemon was killed' \
	wait_for -120 sh -c 'test "$(rouse run list --agent waits --status succeeded --json --limit 500 | wc -l)" = 200'
ok 'each in one attempt' sh -c '! rouse run list --agent waits --json --limit 500 | jq -e "select(.attempts > 1)"'
ok 'and no unit is left' wait_for sh -c '! systemctl list-units --all --plain --no-legend "rouse-run@*.service" | grep .'

# From the event to the agent, which says when it began: told, not asserted.
latency() {
	local i
	for i in $(seq 20); do rouse invoke clock --wait >/dev/null; done
	rouse run list --agent clock --json --limit 20 | jq -rs --arg way "$1" \
		'[.[] | (.result | tonumber) - (.created | sub("\\.[0-9]+";"") | fromdateiso8601) * 1000 - (.created | capture("\\.(?<f>[0-9]+)").f | tonumber)] | sort
		| "# \($way): from the event to the agent \(.[10]) ms (median of 20), at most \(.[-1])"' || :
}
latency system

fi
# --- memory ------------------------------------------------------------------------------------------------------------

if grep -qsw memory /sys/fs/cgroup/cgroup.controllers; then
	agent_add hog 'memory_max = 64M' 'retry.attempts = 1' <<'AGENT'
#!/bin/sh
read -r envelope
head -c 300000000 /dev/zero | tail
echo '{"type":"result","output":"too much"}'
AGENT
	reload
	wait_for sh -c 'rouse agent list | grep hog'
	rouse invoke hog --wait >/dev/null 2>&1
	ok 'an agent that wants more than memory_max is killed, and its run says why' \
		sh -c "rouse run list --agent hog --json | jq -e '.status == \"failed\" and .reason == \"exhausted\" and (.error | contains(\"memory_max\"))'"
	ok 'the daemon is unmoved' systemctl is-active roused
	agent_add bound 'processes = 20' 'cpu = 0.25' 'memory_max = 100M' <<'AGENT'
#!/bin/sh
read -r envelope
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
echo "{\"type\":\"result\",\"output\":\"$(cat "$group/memory.max" "$group/pids.max" "$group/cpu.max" | tr '\n' ' ')\"}"
AGENT
	reload
	wait_for sh -c 'rouse agent list | grep bound'
	ok 'memory_max, processes and cpu are limits of its group' sh -c 'rouse invoke bound --wait | tee /dev/stderr | grep "104857600 20 25000 100000"'
else
	skip 'an agent that wants more than memory_max is killed' 'no memory controller of version 2 here'
fi

[ "$RIG_BACKEND" != qemu ] || rig_done
# --- what polkit refuses -----------------------------------------------------------------------------------------------

ok 'the user of the daemon may start no other unit' sh -c '! setpriv --reuid rouse --regid rouse --clear-groups systemctl --no-ask-password start systemd-tmpfiles-clean.service'
rules=/etc/polkit-1/rules.d/50-rouse.rules
mv $rules /tmp/
systemctl restart polkit
systemctl restart roused
ok 'without its rule it says that it starts runs itself, and why' wait_for sh -c 'rouse status --json | jq -e ".runs == \"own\"" && rouse status | grep polkit'
ok 'and does' sh -c 'rouse invoke quick --wait | grep -v "rouse-runs.slice"'
latency own
rouse invoke other --wait >/tmp/other 2>&1
ok 'what asks for a profile is refused with a sentence' sh -c "rouse run show $(run_of other) --json | grep 'asks for profile missing'"
printf '[daemon]\nruns = system\n' >/etc/rouse/agents.d/runs.conf
mv /tmp/50-rouse.rules $rules
systemctl restart polkit
systemctl restart roused
ok 'with it, it is as it was' wait_for sh -c 'rouse status --json | jq -e ".runs == \"system\""'
rm /etc/rouse/agents.d/runs.conf
ok 'the service stops' systemctl stop roused

# --- the user's own manager --------------------------------------------------------------------------------------------

uid=$(id -u alice)
as_alice() { setpriv --reuid alice --regid alice --init-groups env HOME=/home/alice XDG_RUNTIME_DIR="/run/user/$uid" "$@"; }
loginctl enable-linger alice
wait_for test -S "/run/user/$uid/bus"
mkdir -p /home/alice/.config/systemd/user
printf '[Service]\nType=notify\nExecStart=/usr/local/sbin/roused -c /home/alice/rouse.conf\nKillMode=process\n' >/home/alice/.config/systemd/user/roused.service
printf '[daemon]\nstate_dir = /home/alice/state\nsocket = /home/alice/sock\n[http]\nlisten = none\n' >/home/alice/rouse.conf
printf '[agent quick]\nkind = exec\ncommand = /srv/agents/quick\n[agent slow]\nkind = exec\ncommand = /srv/agents/slow\npass_env = PATH\n' >>/home/alice/rouse.conf
chown -R alice: /home/alice
as_alice systemctl --user daemon-reload
ok 'a user starts it as a service of their own' as_alice systemctl --user start roused
mine() { as_alice rouse --socket /home/alice/sock "$@"; }
export -f mine as_alice
export uid
ok 'it says that the manager of its user starts runs' wait_for bash -c 'mine status --json | jq -e ".runs == \"user\""'
ok 'a run is a unit of that manager' bash -c "mine invoke quick --wait | tee /dev/stderr | grep '/user@$uid.service/.*rouse-run@'"
: >/srv/work/started
chmod 666 /srv/work/started
mine invoke slow --json >/dev/null
wait_for sh -c 'test "$(wc -l </srv/work/started)" = 1'
run=$(mine run list --agent slow --json --limit 1 | jq -r .id)
as_alice systemctl --user kill -s KILL roused
as_alice systemctl --user start roused
ok 'its unit outlives the daemon' as_alice systemctl --user is-active "rouse-run@$run.1.service"
touch /srv/work/go
ok 'and its run succeeds, in one attempt' wait_for bash -c "mine run show $run --json | jq -e '.status == \"succeeded\" and .attempts == 1'"
as_alice systemctl --user stop roused
ok 'nothing is failed' sh -c '! systemctl list-units --failed --plain --no-legend | grep rouse'
rig_done
