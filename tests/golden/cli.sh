#!/bin/sh
# rouse against a fake daemon: what it prints, and how it ends. TAP.
# UPDATE=1 writes the golden files anew, to be looked at before they are committed.
# SPDX-License-Identifier: MIT
set -u
srcdir=${srcdir:-.}
builddir=${builddir:-.}
here=$srcdir/tests/golden
rouse=${ROUSE:-$builddir/rouse}
[ -x "$rouse" ] || { echo "Bail out! there is no $rouse"; exit 99; }
case $rouse in /*) ;; *) rouse=$PWD/$rouse ;; esac
case $here in /*) ;; *) here=$PWD/$here ;; esac
work=$(mktemp -d) || exit 99
fakes=
trap 'exec 9>&-; for p in $fakes; do kill "$p" 2>/dev/null; done; rm -rf "$work"' EXIT
unset ROUSE_TOKEN ROUSE_URL NO_COLOR COLUMNS http_proxy 2>/dev/null
export ROUSE_SOCKET="$work/rouse.sock" LC_ALL=C.UTF-8 TZ=UTC
n=0
failed=0

# ok NAME STATUS: the outcome of one test.
ok()
{
	n=$((n + 1))
	if [ "$2" = 0 ]; then
		echo "ok $n - $1"
	else
		failed=$((failed + 1))
		echo "not ok $n - $1"
		sed 's/^/# out: /' "$work/out" | head -20
		sed 's/^/# err: /' "$work/err" | head -20
	fi
}

# it NAME EXIT COMMAND...: rouse with these arguments ends so.
it()
{
	name=$1
	want=$2
	shift 2
	"$rouse" "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	[ "$got" = "$want" ] || echo "# ended with $got, not $want: rouse $*"
	[ "$got" = "$want" ]
	ok "$name" $?
}

# says NAME FILE PATTERN: out or err of the last one has a line that matches.
says()
{
	grep -Eq -- "$3" "$work/$2"
	ok "$1" $?
}

# golden NAME FILE COMMAND...: its standard output is the file's.
golden()
{
	name=$1
	file=$here/$2.txt
	shift 2
	"$rouse" "$@" 2>"$work/err" </dev/null | sed "s|$work|WORK|g" >"$work/out"
	[ -z "${UPDATE:-}" ] || cp "$work/out" "$file"
	if cmp -s "$file" "$work/out"; then
		ok "$name" 0
	else
		diff "$file" "$work/out" | sed 's/^/# /' | head -20
		ok "$name" 1
	fi
}

# fake SOCKET [MODE]: starts the fake and waits until it listens. It ends with this script.
fake()
{
	rm -f "$1" "$work/ready"
	mkfifo "$work/ready"
	python3 "$srcdir/tests/fakes/api.py" "$@" <"$work/alive" >"$work/ready" 2>>"$work/fake.err" &
	fakes="$fakes $!"
	read -r line <"$work/ready"
	[ "$line" = ready ] || { echo "Bail out! the fake does not start: $(cat "$work/fake.err")"; exit 99; }
}

run=0193a000-0000-7000-8000-00000000000
change=0193c000-0000-7000-8000-00000000000
mkfifo "$work/alive"
exec 9<>"$work/alive"

# The daemon is not there.
it 'without a daemon status ends with 5' 5 status
says 'and names the socket that was tried' err "$work/rouse.sock"
says 'and says how to start it' err 'systemctl start roused'
it 'a TCP daemon that is not there ends with 5' 5 status --url http://127.0.0.1:1
it 'a URL that is none is wrong usage' 2 status --url localhost:1
it 'a socket path beyond the limit is wrong usage' 2 status --socket "/$(printf '%0200d' 1)"
if [ "$(id -u)" = 0 ]; then
	mkdir -m 700 "$work/private"
	chmod 711 "$work"
	setpriv --reuid=65534 --clear-groups "$rouse" status --socket "$work/private/x" >"$work/out" 2>"$work/err"
	[ $? = 5 ] && grep -q 'may not use the socket' "$work/err"
	ok 'a socket that one may not use ends with 5, and says so' $?
fi

# Words that are none.
it 'no verb is wrong usage' 2
it 'an unknown verb is wrong usage' 2 stauts
says 'and the nearest is suggested' err 'did you mean status\?'
it 'an unknown second word is wrong usage' 2 run lst
says 'and those that exist are named' err 'list, show, logs'
it 'an unknown option is wrong usage' 2 run list --agnet=x
says 'and the nearest is suggested' err 'did you mean --agent\?'
it 'an option without its value is wrong usage' 2 run list --agent
it 'a flag with a value is wrong usage' 2 status --json=yes
it 'too many arguments are wrong usage' 2 run show a b
it 'a limit that is no number is wrong usage' 2 run list --limit many
it 'a since that is no time is wrong usage' 2 run list --since yesterday
it 'help is there without a daemon' 0 help
says 'and lists every noun' out 'rouse trigger add TRIGGER'
it 'a verb says what it does' 0 run list --help
says 'with its filters' out '--agent AGENT'
it 'help for a noun lists its verbs' 0 help gate
it 'the version is printed' 0 --version

fake "$work/rouse.sock"
golden 'status shows health, agents and triggers' status status
golden 'runs are a table for people' runs run list
golden 'runs are one object a line for programs' runs-json run list --json --agent triage --limit 2
says 'and more is announced on standard error' err '--after 2'
it 'a limit beyond a page follows the cursor' 0 run list --json --agent huge --limit 2500
[ "$(wc -l <"$work/out")" = 2500 ]
ok 'and prints as many as asked' $?
it 'all of a huge list are printed' 0 run list --agent huge --limit 100000
[ "$(wc -l <"$work/out")" = 5001 ]
ok 'under one line of titles' $?
it 'a filter is sent' 0 run list --status=running
says 'and only what it leaves is shown' out "^${run}7 +running"
golden 'a run shows its attempts' run run show ${run}6
it 'a unique beginning of an id will do' 0 change show 0193c000-0000-7000-8000-00000000000b
it 'an ambiguous beginning is wrong usage' 2 run show 0193a000
it 'a run that is not there ends with 3' 3 run show ffffffff
says 'with the sentence of the daemon' err 'there is no run ffffffff'
it 'an id with a slash stays one segment' 3 run show 'x/../../status'

# Daemons with bad manners.
it 'an answer that is cut is refused' 1 run show garbage-json
says 'and says so' err 'no JSON object'
it 'an answer that is a list is refused' 1 run show a-list
it 'an answer with a key twice is refused' 1 run show dup
it 'a plain 500 is a failure' 1 run show bare
it 'a redirection is not followed' 1 run show teapot
it 'a slow answer ends in time' 1 run show slow --timeout 200ms
says 'and says how long it waited' err 'within 200 ms'
fake "$work/bad.sock" garbage
it 'a peer that speaks no HTTP is refused' 1 status --socket "$work/bad.sock"
says 'and says so' err 'does not speak HTTP'
fake "$work/bad2.sock" close
it 'a peer that hangs up is a failure' 1 status --socket "$work/bad2.sock"
fake "$work/bad3.sock" html
it 'a web page is no answer' 1 status --socket "$work/bad3.sock"

# What strangers say.
golden 'logs show what was said, harmless' logs run logs ${run}6
golden 'events keep every digit' events-json run events ${run}6 --json
golden 'a stream that breaks goes on where it was' follow run logs -f ${run}1
grep -q "$(printf '\033')" "$here"/*.txt
[ $? = 1 ]
ok 'no escape character reaches the output' $?
it 'a stream can be JSON as well' 0 run events -f --json ${run}1
says 'with the same numbers' out '^{"seq":8,"type":"done","data":{"status":"succeeded"}}$'
golden 'why tells the story' why why ${run}1
it 'why of nothing ends with 3' 3 why nothing
golden 'an event shows its document' event event show 0193e000

# Diffs and decisions.
golden 'the inbox has what waits, the most urgent first' inbox inbox
golden 'who is told is listed' notify notify list
it 'a way of telling is tried' 0 notify test ops
it 'one that is not there ends with 3' 3 notify test nobody
golden 'a diff groups like changes, the least sure first' diff diff ${run}1
golden 'a diff of one change' diff-change diff ${change}8
golden 'a diff of a batch' diff-batch diff tag/2026-11-20T02:00:00Z
golden 'a diff of an entity' diff-entity diff ${run}1 --entity ticket:5
golden 'a diff as CSV' diff-csv diff ${run}1 --csv
it 'a diff of nothing ends with 3' 3 diff ffffffff
awk '{ gsub(/[^\001-\177]/, "x"); if (length($0) > 82) bad = 1 } END { exit bad }' "$here/diff-batch.txt"
ok 'a diff stays within 80 columns' $?
it 'edit without a terminal wants --data' 2 edit ${change}9
it 'edit replaces what it would make' 0 edit ${change}9 --data '{"note":"short"}'
says 'and shows it' out '"short"'
it 'edit refuses what is no JSON' 2 edit ${change}9 --data '{"note"'
it 'apply of proposed changes is refused' 4 apply ${run}1 --yes
says 'and says what is to be done first' err 'approve them first: rouse approve'
it 'approve wants to know what' 2 approve
it 'a digest that does not match approves nothing' 4 approve ${run}1 --digest 00
it 'approve --plan only shows' 0 approve ${change}1 --plan
it 'a jq program that fails is refused' 1 diff ${run}1 --where '[.confidence] | add > 0.9'
it 'diff --where leaves what is true' 0 diff ${run}1 --where '.op == "create" or .confidence == 0.4'
says 'and nothing else' out '^Plan: 1 to create, 1 to update, 0 to delete'
it 'approve --where that is true for none approves none' 0 approve ${run}1 --where '.target == "x"'
it 'one change is approved' 0 approve ${change}1 --reason 'looks right'
it 'twice is refused' 4 approve ${change}1
says 'with the sentence of the daemon' err 'is approved'
it 'one change is rejected' 0 reject ${change}3
it 'a run stands for its other changes' 0 approve ${run}1 --reason good
says 'and says how many' out 'approved 3 changes of run .*, skipped 2'
it 'twice is refused as well' 4 approve ${run}1
it 'apply without a terminal wants --yes' 2 apply ${run}1
says 'and says so' err 'say --yes'
it 'an approval under --where leaves the others' 0 approve ${run}3 --where '.entity == "wide:1"'
says 'and says how many' out "^approved 1 change of run"
it 'apply --plan only shows' 2 apply ${run}1 --plan
says 'with the plan' out '^Plan: 1 to create, 2 to update, 1 to delete'
it 'apply waits until all are applied' 0 apply ${run}1 --yes
says 'and prints each' out "^${change}5  applied"
it 'apply again is no failure' 0 apply ${run}1 --yes
says 'as they are applied' out 'already applied'
it 'a conflict ends with 1' 1 apply ${run}2 --yes
says 'and the others are applied all the same' out "^${change}7  applied"
says 'and the conflict is counted' err '1 applied, 1 conflict'
it 'a conflict shows the three sides' 0 change show ${change}6
says 'the target as it is' out 'drifted'
it 'what does not end in time is told' 1 apply ${run}4 --yes --timeout 300ms
says 'with how to look again' err 'rouse change list --status applying'
it 'revert without a terminal wants --yes' 2 revert ${run}5
it 'revert waits until it is undone' 0 revert ${run}5 --yes --reason oops
says 'and says so' out 'reverted'
it 'a rejected change cannot be applied' 4 apply ${change}3 --yes
it 'edit of a decided one is refused' 4 edit ${change}1 --data '{}'
it 'approve --all decides what is left' 0 approve --all
says 'which is nothing' err 'Nothing of it is proposed'
it 'a conflict by name is tried again' 1 apply ${change}6 --yes

# The others.
it 'invoke prints the id' 0 invoke triage --data '{"a":1}'
says 'of the run' out "^${run}7\$"
it 'a known key gives the first run' 0 invoke triage --key known
says 'and says so' err 'key is known'
it 'invoke --wait prints the result' 0 invoke triage --wait
says 'as JSON' out '"ok": true'
it 'and ends as the run does' 1 invoke triage --wait --data '{"fail":true}'
it 'a budget that is spent refuses' 4 invoke broke
it 'an agent that is not there ends with 3' 3 invoke nobody
it 'a header cannot be smuggled in' 2 invoke triage --key "a
X-Evil: 1"
it 'fire prints the run' 0 trigger fire tickets --data '{"a":1}'
it 'fire says when nothing runs' 0 trigger fire tickets --data '{"quiet":true}'
says 'and why' err 'filtered'
it 'test shows the verdict' 0 trigger test tickets --data '{"a":1}'
says 'and the payload' out '"a": 1'
it 'test ends with 1 when it would be rejected' 1 trigger test tickets --data '"bad"'
golden 'a trigger shows its settings' trigger trigger show tickets
it 'several are switched' 0 trigger disable tickets tickets
it 'one that fails does not stop the others' 3 trigger enable nothere tickets
says 'and the other is done' out 'tickets is enabled'
it 'a gate is approved' 0 gate approve 0193d000-0000-7000-8000-000000000001
it 'a decided gate is refused' 4 gate deny 0193d000-0000-7000-8000-000000000002
it 'a gate is answered' 0 gate respond 0193d000-0000-7000-8000-000000000001 --text yes
it 'a gate is shown' 0 gate show 0193d000-0000-7000-8000-000000000002
it 'dead letters are listed' 0 dlq list
it 'a dead letter shows its standard error' 0 dlq show ${run}6
says 'harmless' out 'Traceback .u001b\[1mbold'
it 'dead letters are replayed by filter' 0 dlq replay --all --reason exhausted --yes
it 'only with --yes where nobody can be asked' 2 dlq drop --all
it 'a filter that leaves none does nothing' 0 dlq drop --agent x
says 'and says so' err 'no such dead letter'
it 'one is dropped' 0 dlq drop ${run}6 --because old
golden 'budgets say what is left' budget budget
it 'a pause is posted' 0 pause --agent triage
says 'and shown' out 'agent +triage'
it 'two scopes are wrong usage' 2 pause --agent a --tenant b
it 'halt asks nobody' 0 halt --reason now
it 'a sound database ends with 0' 0 db check
touch "$work/db-bad"
it 'a damaged one with 1' 1 db check
says 'with what is wrong' out 'missing from index'
it 'a backup path is made whole' 0 db backup copy.db
says 'as the daemon lives elsewhere' out "^$PWD/copy.db"
it 'a token is shown once' 0 token create ci --scope read,invoke --expires 90d
says 'alone on standard output' out '^rs_read-invoke$'
it 'an unknown scope is wrong usage' 2 token create ci --scope root
it 'a reload is told' 0 reload
touch "$work/reload-fails"
it 'a bad configuration is told' 1 reload
says 'with each error' err 'x.conf:3:'
rm "$work/reload-fails"
it 'run cancel of an ended run is refused' 4 run cancel ${run}1
it 'run cancel stops it' 0 run cancel ${run}7 --reason enough
it 'run send says something' 0 run send ${run}7 'go on'
it 'event replay gives a run' 0 event replay 0193e000-0000

# trigger add: against a roused that only says whether it would load the file.
mkdir "$work/bin" "$work/etc"
cp "$rouse" "$work/bin/rouse"
echo '[daemon]' >"$work/etc/rouse.conf"
cat >"$work/bin/roused" <<'SH'
#!/bin/sh
[ "$1" = --keys ] && { echo "key $2"; exit 0; }
[ "$1 $2" = '-t -c' ] || exit 64
if grep -q 'agent = nobody' "$4" 2>/dev/null; then
	echo "$4:4: [trigger x] agent: there is no agent nobody" >&2
	exit 1
fi
SH
cat >"$work/bin/curl" <<'SH'
#!/bin/sh
# Not curl: keeps the headers and the body that a command would send.
: >"$OUT.headers"
while [ $# -gt 0 ]; do
	case $1 in
	-H) printf '%s\n' "$2" >>"$OUT.headers"; shift ;;
	-u) printf 'Authorization: Basic %s\n' "$(printf %s "$2" | base64 -w0)" >>"$OUT.headers"; shift ;;
	-d) printf '%s' "$2" >"$OUT.body"; shift ;;
	--data-binary) cat "${2#@}" >"$OUT.body"; shift ;;
	http*) printf '%s' "$1" >"$OUT.url" ;;
	esac
	shift
done
SH
chmod +x "$work/bin/roused" "$work/bin/curl"
real=$rouse
rouse=$work/bin/rouse
export FAKE_CONFIG="$work/etc/rouse.conf"
fake "$work/rouse.sock"
PATH=$work/bin:$PATH
it 'check runs roused -t' 0 check "$work/etc/rouse.conf"
it 'help for a key runs roused --keys' 0 help trigger.overlap
says 'and prints what it says' out '^key trigger.overlap'
it 'add wants a source' 2 trigger add hook --agent triage
it 'add wants to know how a webhook is signed' 2 trigger add hook --source webhook --agent triage
it 'add refuses a name that is none' 2 trigger add ../x --source cron --agent triage
it 'add writes no files for a daemon elsewhere' 2 trigger add hook --source cron --agent triage --url http://127.0.0.1:1
it 'add --plan writes nothing' 0 trigger add hook --source webhook --agent triage --verify github --plan
[ ! -e "$work/etc/triggers.d" ]
ok 'not even a folder' $?
it 'add of what would not load is a failure' 1 trigger add hook --source webhook --agent nobody --verify github
says 'with what roused says' err 'there is no agent nobody'
[ "$(ls "$work/etc")" = rouse.conf ]
ok 'and leaves nothing behind' $?
touch "$work/reload-fails"
it 'when the reload fails' 1 trigger add hook --source webhook --agent triage --verify github
rm "$work/reload-fails"
[ "$(ls "$work/etc")" = rouse.conf ]
ok 'nothing stays either' $?
it 'a key pair cannot be made here' 2 trigger add hook --source webhook --agent triage --verify discord
it 'a value that breaks the line is refused' 1 trigger add hook --source cron --agent triage --set "schedule=* * *
x = y"
for scheme in github gitea gitlab_token gitlab_signing bitbucket meta stripe slack zoom shopify standard svix \
	linear pagerduty hmac bearer basic none; do
	"$rouse" trigger add "h-$scheme" --source webhook --agent triage --verify $scheme --json >"$work/out" 2>"$work/err" &&
	python3 - "$work/out" "$work/etc" "$scheme" >"$work/curl.sh" <<'PY' &&
import json, os, stat, sys
got = json.load(open(sys.argv[1]))
conf = open(got["file"]).read()
assert "[trigger h-%s]" % sys.argv[3] in conf and "agent = triage" in conf
if sys.argv[3] != "none":
    st = os.stat(got["secret_file"])
    assert stat.S_IMODE(st.st_mode) == 0o600 and st.st_size > 40, oct(st.st_mode)
    assert "secret = file:" + got["secret_file"] in conf
print(got["curl"])
PY
	OUT="$work/sent" sh "$work/curl.sh" 2>"$work/err" &&
	set -- --scheme $scheme --body "$work/sent.body" --url "$(cat "$work/sent.url")" &&
	while read -r line; do set -- "$@" --header "$line"; done <"$work/sent.headers" &&
	{ [ $scheme = none ] || set -- "$@" --secret "file:$work/etc/secrets/h-$scheme.secret"; } &&
	"$rouse" webhook verify "$@" >"$work/out" 2>"$work/err"
	ok "the curl line of $scheme works when it is pasted" $?
done
it 'a name that is taken is refused' 4 trigger add h-github --source cron --agent triage
it 'a name that the daemon knows is refused' 4 trigger add tickets --source cron --agent triage --set 'schedule=@daily'
it 'remove without a terminal wants --yes' 2 trigger remove h-github
touch "$work/reload-fails"
it 'remove of what is needed' 1 trigger remove h-github --yes
rm "$work/reload-fails"
[ -e "$work/etc/triggers.d/h-github.conf" ] && [ -e "$work/etc/secrets/h-github.secret" ]
ok 'leaves it there' $?
it 'remove takes it away' 0 trigger remove h-github --yes
[ ! -e "$work/etc/triggers.d/h-github.conf" ] && [ ! -e "$work/etc/secrets/h-github.secret" ]
ok 'with its secret' $?
it 'remove of what is not there ends with 3' 3 trigger remove h-github --yes
it 'remove of what stands elsewhere is refused' 4 trigger remove tickets --yes
export ROUSE_SOCKET="$work/nowhere.sock"
it 'add works without a daemon' 0 trigger add later --source cron --agent triage --set 'schedule=@daily' -c "$work/etc/rouse.conf"
says 'and says that it is not running' out 'not running'
if [ "$(id -u)" = 0 ]; then
	# As root for a daemon that is somebody else: what it must read becomes its own.
	export FAKE_UID=65534 ROUSE_SOCKET="$work/other.sock"
	chmod 711 "$work"
	fake "$work/other.sock"
	it 'root adds a trigger for the user of the daemon' 0 trigger add theirs --source webhook --agent triage --verify github
	[ "$(stat -c '%u %a' "$work/etc/secrets/theirs.secret")" = '65534 600' ]
	ok 'who owns the secret' $?
	[ "$(stat -c '%u %a' "$work/etc/triggers.d/theirs.conf")" = '0 640' ]
	ok 'and may read, not write, the file' $?
	chmod 777 "$work/other.sock"
	setpriv --reuid=65533 --clear-groups "$rouse" trigger add mine --source cron --agent a >"$work/out" 2>"$work/err"
	[ $? = 4 ]
	ok 'a stranger is refused' $?
fi
rouse=$real

# Signatures and schedules: no daemon needed.
body=$work/body
printf '%s' '{"hello":"world"}' >"$body"
it 'sign prints headers' 0 webhook sign --scheme github --secret s3cret --body "$body"
sig=$(grep '^x-hub' "$work/out")
it 'which verify accepts' 0 webhook verify --scheme github --secret s3cret --body "$body" --header "$sig"
it 'with another secret it is rejected' 1 webhook verify --scheme github --secret other --body "$body" --header "$sig"
it 'a scheme that is none is wrong usage' 2 webhook verify --scheme gitbub --secret x --body "$body"
"$rouse" webhook verify --jsonl <"$srcdir/tests/vectors/webhook-vectors.jsonl" >"$work/out" 2>"$work/err"
python3 - "$srcdir/tests/vectors/webhook-vectors.jsonl" "$work/out" <<'PY'
import json, sys
want = [json.loads(l) for l in open(sys.argv[1])]
got = [json.loads(l) for l in open(sys.argv[2])]
bad = [w["id"] for w, g in zip(want, got) if (w["id"], w["expect"]) != (g["id"], g["verdict"])]
sys.exit(len(want) != len(got) or bool(bad) or len(want) < 400)
PY
ok 'all webhook vectors have their verdict' $?
printf '%s\n' 'nonsense' '[]' '{"id":1}' '{"id":2,"scheme":"none"}' |
	"$rouse" webhook verify --jsonl >"$work/out" 2>"$work/err"
[ "$(grep -c reject "$work/out") $(grep -c accept "$work/out")" = '3 1' ]
ok 'a bad line is rejected, and the next is read' $?
"$rouse" cron next --jsonl <"$srcdir/tests/vectors/cron-vectors.jsonl" >"$work/out" 2>"$work/err"
python3 - "$srcdir/tests/vectors/cron-vectors.jsonl" "$work/out" <<'PY'
import json, sys
want = [json.loads(l) for l in open(sys.argv[1])]
got = [json.loads(l) for l in open(sys.argv[2])]
bad = [w["id"] for w, g in zip(want, got)
       if w["id"] != g["id"] or ("error" not in g if w.get("error") else g.get("next") != w["expect"])]
sys.exit(len(want) != len(got) or bool(bad) or len(want) < 7000)
PY
ok 'all cron vectors have their instants' $?
it 'explain says it in words' 0 cron explain '30 4 LW * FRI#L'
says 'plainly' out '^At 04:30 on the last weekday .Monday to Friday. of the month and also on the last Friday of the month, UTC'
it 'a bad expression is a failure' 1 cron next '60 * * * *'
says 'with its column' err 'cron:1: minute: 60 is out of range'

# Printed from the table.
"$rouse" help --completion bash >"$work/completion" && bash -n "$work/completion" 2>"$work/err"
ok 'the completion is a shell script' $?
bash -c '. "$1"; COMP_WORDS=(rouse trigger a); COMP_CWORD=2; _rouse; [ "${COMPREPLY[*]}" = add ]' x "$work/completion"
ok 'which completes verbs' $?
bash -c '. "$1"; COMP_WORDS=(rouse run list --ag); COMP_CWORD=3; _rouse; [ "${COMPREPLY[*]}" = --agent ]' x "$work/completion"
ok 'and their options' $?
for shell in fish zsh; do
	"$rouse" help --completion $shell >"$work/completion.$shell"
	if command -v $shell >/dev/null; then
		case $shell in
		fish) fish --no-execute "$work/completion.fish" && fish -N -c '
			source $argv[1]
			test (complete -C "rouse trigger ad" | string replace -r "\t.*" "") = add
			and test (complete -C "rouse run list --ag" | string replace -r "\t.*" "") = --agent
			and contains run (complete -C "rouse r" | string replace -r "\t.*" "")' "$work/completion.fish" ;;
		zsh) zsh -n "$work/completion.zsh" ;;
		esac >"$work/err" 2>&1
		ok "the completion for $shell is one" $?
	else
		grep -q "rouse" "$work/completion.$shell"
		ok "there is a completion for $shell # which is not here to read it" $?
	fi
done
it 'another shell is not known' 2 help --completion csh
"$rouse" help --man >"$work/out"
grep -q '^.SS "rouse run list' "$work/out"
ok 'the manual has every verb' $?

echo "1..$n"
[ "$failed" = 0 ]
