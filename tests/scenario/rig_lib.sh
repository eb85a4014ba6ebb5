# Scenarios that need a real systemd: both sides of the rig that boots one. Read by a test, outside and inside:
# outside it finds the rig and runs the test in it, inside it is how the test says what it found.
# shellcheck shell=bash
# SPDX-License-Identifier: MIT
set -u

# --- outside -----------------------------------------------------------------------------------------------------------

rig_is_outside() { [ -z "${RIG_BACKEND-}" ]; }

rig_skip() {
	echo "1..0 # SKIP $*"
	exit 0
}

# Sets builddir, srcdir, rig and dir (a scratch folder that goes); skips where there is no rig.
rig_find() {
	builddir=$(cd "${builddir:-.}" && pwd)
	srcdir=$(cd "${srcdir:-.}" && pwd)
	rig=${ROUSE_SHARED:-$srcdir/../shared}/systemd-rig.sh
	[ -x "$rig" ] && "$rig" check >/dev/null 2>&1 || rig_skip 'systemd-rig.sh is not here, or cannot run here'
	dir=$(mktemp -d)
	trap 'rm -rf "$dir"' EXIT
}

# What the programs are linked with, by the packages that hold it.
rig_libraries=libevent-core-2.1-7,libevent-openssl-2.1-7,libcurl4,libsqlite3-0,libyaml-0-2,libinih1,libjansson4,libjq1,libonig5,libssl3,libseccomp2,libgit2-1.5,sqlite3

# Makes tree: this build, as `make install` leaves it.
rig_tree() {
	if grep -q __asan_init "$builddir/roused"; then
		rig_skip 'this build needs libraries of its sanitizers'
	fi
	tree=$dir/tree
	make -C "$builddir" install DESTDIR="$tree" >/dev/null 2>&1 || {
		echo 'Bail out! make install failed'
		exit 1
	}
	if [ ! -e "$tree/usr/local/sbin/roused" ] || [ ! -e "$tree/etc/rouse/rouse.conf" ]; then
		rig_skip 'this build is not configured for the paths that the service has (as ./bootstrap does)'
	fi
	# /lib is a link to usr/lib there, as everywhere since Debian 12.
	[ ! -d "$tree/lib" ] || { mkdir -p "$tree/usr" && cp -a "$tree/lib" "$tree/usr/" && rm -r "$tree/lib"; }
}

# rig_run SECONDS OPTION...: this test, inside; says what it said, and ends as it ended.
rig_run() {
	local code limit=${ROUSE_RIG_TIMEOUT:-$1}
	shift
	"$rig" run --quiet --backend "${ROUSE_RIG_BACKEND:-unshare}" --timeout "$limit" --file "$(dirname "$0")/rig_lib.sh" "$@" "$0" \
		>"$dir/said" 2>"$dir/errors"
	code=$?
	case $code in
	77 | 125)
		sed 's/^/# /' "$dir/errors" | tail -n 5
		rig_skip "the rig cannot run here ($code)"
		;;
	esac
	cat "$dir/said"
	sed 's/^/# /' "$dir/errors" | tail -n 20
	exit "$code"
}

# --- inside ------------------------------------------------------------------------------------------------------------

rig_n=0 rig_failed=0

# ok SENTENCE COMMAND...
ok() {
	local what=$1
	rig_n=$((rig_n + 1))
	shift
	if "$@" >/tmp/said 2>&1; then
		echo "ok $rig_n - $what"
	else
		echo "not ok $rig_n - $what"
		sed 's/^/# /' /tmp/said | tail -n 20
		rig_failed=1
	fi
}

# skip SENTENCE WHY
skip() {
	rig_n=$((rig_n + 1))
	echo "ok $rig_n - $1 # SKIP $2"
}

# What the journal says of the service, for a test that fails.
rig_journal() { journalctl --no-pager -o cat -n "${1:-30}" -u roused | sed 's/^/# /'; }

rig_done() {
	[ "$rig_failed" = 0 ] || rig_journal 60
	echo "1..$rig_n"
	exit "$rig_failed"
}

# wait_for [-SECONDS] COMMAND...: until it succeeds, at most so long (60 s).
wait_for() {
	local limit=60 until
	case $1 in
	-[0-9]*)
		limit=${1#-}
		shift
		;;
	esac
	until=$((SECONDS + limit))
	while ! "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$until" ] || {
			"$@"
			return
		}
		sleep 0.1
	done
}

# agent_add NAME [LINE...]: an agent that is the program on standard input, with more lines of its section; not yet taken up.
agent_add() {
	local name=$1
	shift
	mkdir -p /etc/rouse/agents.d /srv/agents
	cat >"/srv/agents/$name"
	chmod 755 "/srv/agents/$name"
	{
		printf '[agent %s]\nkind = exec\ncommand = /srv/agents/%s\npass_env = PATH\n' "$name" "$name"
		[ $# = 0 ] || printf '%s\n' "$@"
	} >"/etc/rouse/agents.d/$name.conf"
}

# The agent that stays until /srv/work/go is there, and writes a line to /srv/work/started when it begins.
agent_slow() {
	install -d -o rouse -g rouse /srv/work
	agent_add slow 'workdir = /srv/work' "$@" <<'AGENT'
#!/bin/sh
read -r envelope
echo started >>/srv/work/started
while [ ! -e /srv/work/go ]; do sleep 0.1; done
echo '{"type":"result","output":"done"}'
AGENT
}
