#!/bin/sh
# Raw requests, sound and hostile, against a live server: each ends as the corpus says. TAP.
# SPDX-License-Identifier: MIT
set -u
corpus=${srcdir:-.}/tests/vectors/http-corpus
dir=$(mktemp -d) || exit 99
trap 'kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
pid=
n=0
failed=0

ok() { # ok STATUS WHAT
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	sed 's/^/# /' "$dir/out"
	echo "not ok $n - $2"
	failed=1
}

# A fifo: the line with the port comes when the server listens, and not before.
mkfifo "$dir/port"
"${builddir:-.}/tests/unit/http_echo" 127.0.0.1:0 1500 "$@" >"$dir/port" 2>"$dir/err" &
pid=$!
read -r port <"$dir/port" || {
	echo "Bail out! http_echo does not start: $(cat "$dir/err")"
	exit 99
}

python3 -B "$corpus/run_corpus.py" --port "$port" --path /hooks/x --pid "$pid" --deadline 8 --settle 0.1 >"$dir/out" 2>&1
ok $? 'every case is answered or closed as its class says, and the server lives'
grep -q '"left_open": 0,' "$dir/out"
ok $? 'no connection is left open behind a refusal'
grep -q '"cases": 2[0-9][0-9],' "$dir/out"
ok $? 'the cases were there'
kill -TERM "$pid"
wait "$pid" && [ ! -s "$dir/err" ]
ok $? 'the server ends well, with nothing to complain of'
echo "1..$n"
exit $failed
