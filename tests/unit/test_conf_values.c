/* Types, references, selectors: what each value becomes, and what is said when it cannot. */
/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include <math.h>

#include "tap.h"
#include "test_conf_fixture.h"

#define AGENT "[agent a]\nkind = exec\ncommand = x\n"

static const struct text_case {
	const char *name, *text, *messages;
} cases[] = {
	{"every mistake is told at once, in the order of the file",
	 "[daemon]\nport = none\ndrain_timeout = soon\n[agent a]\nkind = exec\n[daemon]\nmax_body "
	 "= 1X\n",
	 "rouse.conf:2: [daemon] port: 'none' is not a whole number; expected digits, as in 10\n"
	 "rouse.conf:3: [daemon] drain_timeout: 'soon' is not a duration; expected a whole number "
	 "and a unit of ms, s, m, h or d, as in 250ms, 30s, 24h or 1h30m\n"
	 "rouse.conf:4: [agent a]: the key 'command' is missing; expected command = text (What is "
	 "run)\n"
	 "rouse.conf:7: [daemon] max_body: '1X' is not a size; expected bytes or a number with K, "
	 "M, G or T, as in 64K or 1M\n"},
	{"numbers have a range",
	 "[daemon]\nport = 0\nmax_body = 1\ndrain_timeout = 2h\n[agent a]\n"
	 "kind = exec\ncommand = x\nretries = -1\n",
	 "rouse.conf:2: [daemon] port: '0' is out of range; expected from 1 to 65535\n"
	 "rouse.conf:3: [daemon] max_body: '1' is out of range; expected from 1K to 1G\n"
	 "rouse.conf:4: [daemon] drain_timeout: '2h' is out of range; expected from 0s to 1h\n"
	 "rouse.conf:8: [agent a] retries: '-1' is out of range; expected at least 1\n"},
	{"a number that no machine holds is none", "[daemon]\nport = 99999999999999999999\n",
	 "rouse.conf:2: [daemon] port: '99999999999999999999' is not a whole number; expected "
	 "digits, as in 10\n"},
	{"a choice that is none lists them, the nearest as well", "[daemon]\nlog_level = infos\n",
	 "rouse.conf:2: [daemon] log_level: 'infos' is not one of error, warning, info, debug; did "
	 "you mean 'info'?\n"},
	{"each of several choices is looked at", "[daemon]\non = gate, los\n",
	 "rouse.conf:2: [daemon] on: 'los' is not one of gate, failed, lost; did you mean "
	 "'lost'?\n"},
	{"an address needs a host and a port", "[daemon]\nlisten = 8080\n",
	 "rouse.conf:2: [daemon] listen: '8080' is not a host and port; expected HOST:PORT, as in "
	 "127.0.0.1:8080 or [::1]:8080\n"},
	{"an IPv6 address needs its brackets", "[daemon]\nlisten = ::1:80\n",
	 "rouse.conf:2: [daemon] listen: '::1:80' is not a host and port; expected HOST:PORT, as "
	 "in 127.0.0.1:8080 or [::1]:8080\n"},
	{"a port ends at 65535", "[daemon]\nlisten = localhost:65536\n",
	 "rouse.conf:2: [daemon] listen: 'localhost:65536' is not a host and port; expected "
	 "HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080\n"},
	{"a value that is missing is told", "[daemon]\nport =\n",
	 "rouse.conf:2: [daemon] port: the value is missing; expected a number\n"},
	{"an empty text is a text", "[daemon]\npublic_url =\n", ""},
	{"a list has no empty items", AGENT "env = A=1,,B=2\n",
	 "rouse.conf:4: [agent a] env: item 2 of the list is empty; remove a comma or fill it "
	 "in\n"},
	{"nor one at its end", AGENT "env = A=1,\n",
	 "rouse.conf:4: [agent a] env: item 2 of the list is empty; remove a comma or fill it "
	 "in\n"},
	{"a value of one line does not go on", "[daemon]\nport = 1\n  2\n",
	 "rouse.conf:2: [daemon] port: the value goes on in indented lines, one line is expected; "
	 "do not indent keys, and end a line in '\\' to join it with the next\n"},
	{"a long value is shown shortened",
	 "[daemon]\nport = 123456789012345678901234567890123456789012345678901234567890x\n",
	 "rouse.conf:2: [daemon] port: "
	 "'123456789012345678901234567890123456789012345678901234567890...' is not a whole number; "
	 "expected digits, as in 10\n"},

	{"an unknown key suggests a near one", "[daemon]\nlog_levl = info\n",
	 "rouse.conf:2: [daemon] log_levl: unknown key; did you mean 'log_level'?\n"},
	{"in capitals, too", "[daemon]\nPORT = 1\n",
	 "rouse.conf:2: [daemon] PORT: unknown key; did you mean 'port'?\n"},
	{"an unknown key never shows its value", "[daemon]\npasswort = hunter2\n",
	 "rouse.conf:2: [daemon] passwort: unknown key; remove it\n"},
	{"a key of another section is sent there", "[daemon]\nthreshold = 1\n",
	 "rouse.conf:2: [daemon] threshold: unknown key; it is one of [agent]\n"},
	{"a key of another variant is sent there",
	 AGENT "[trigger t]\nsource = webhook\nagent = a\ngrace = 1s\n",
	 "rouse.conf:7: [trigger t] grace: this key belongs to source = cron; remove it\n"},
	{"a key twice is told with both places",
	 "[daemon]\nport = 1\n[agent a]\nkind=exec\ncommand=x\n"
	 "[daemon]\nport = 2\nport = 3\n",
	 "rouse.conf:7: [daemon] port: is set twice, first at rouse.conf:2; remove one\n"
	 "rouse.conf:8: [daemon] port: is set twice, first at rouse.conf:2; remove one\n"},
	{"a selector twice is the first one",
	 AGENT "[trigger t]\nsource = manual\nsource = cron\nagent = a\n"
	       "grace = 1s\n",
	 "rouse.conf:6: [trigger t] source: is set twice, first at rouse.conf:5; remove one\n"
	 "rouse.conf:8: [trigger t] grace: this key belongs to source = cron; remove it\n"},
	{"a named section twice is told with both places", AGENT AGENT,
	 "rouse.conf:4: [agent a]: this section stands twice, first at rouse.conf:1; remove or "
	 "rename one\n"},
	{"an unknown section suggests a near one", "[deamon]\nport = 1\n",
	 "rouse.conf:1: [deamon]: unknown section; did you mean 'daemon'?\n"},
	{"or lists what there is", "[foo bar]\n",
	 "rouse.conf:1: [foo]: unknown section; expected one of daemon, agent, trigger\n"},
	{"a named section needs its name", "[agent]\nkind = exec\n",
	 "rouse.conf:1: [agent]: the name is missing; expected [agent NAME]\n"},
	{"an unnamed one has none", "[daemon x]\nport = x\n",
	 "rouse.conf:1: [daemon x]: this section has no name; expected [daemon]\n"},
	{"a section without keys lacks what is required", "[agent a]\n",
	 "rouse.conf:1: [agent a]: the key 'kind' is missing; expected kind = text (Its kind)\n"},
	{"names are small letters, digits and a few signs",
	 "[agent Big]\nkind=exec\ncommand=x\n[agent a b]\n"
	 "kind=exec\ncommand=x\n[agent -a]\nkind=exec\ncommand=x\n",
	 "rouse.conf:1: [agent Big]: the name is not valid; expected at most 40 of a-z, 0-9, '.', "
	 "'_' and '-', the first a letter or digit\n"
	 "rouse.conf:4: [agent a b]: the name is not valid; expected at most 40 of a-z, 0-9, '.', "
	 "'_' and '-', the first a letter or digit\n"
	 "rouse.conf:7: [agent -a]: the name is not valid; expected at most 40 of a-z, 0-9, '.', "
	 "'_' and '-', the first a letter or digit\n"},
	{"a name has at most 40 letters",
	 "[agent a23456789012345678901234567890123456789012]\n"
	 "kind=exec\ncommand=x\n",
	 "rouse.conf:1: [agent a23456789012345678901234567890123456789012]: the name is not valid; "
	 "expected at most 40 of a-z, 0-9, '.', '_' and '-', the first a letter or digit\n"},

	{"who is named must exist, and may stand below",
	 "[trigger t]\nsource = manual\nagent = b\n"
	 "notify = a, triage\n" AGENT "[agent triag]\nkind=exec\ncommand=x\n",
	 "rouse.conf:3: [trigger t] agent: there is no [agent b]; write that section or correct "
	 "the name\n"
	 "rouse.conf:4: [trigger t] notify: there is no [agent triage]; did you mean 'triag'?\n"},
	{"where nothing is near, what to do is said",
	 "[trigger t]\nsource = manual\nagent = triage\n",
	 "rouse.conf:3: [trigger t] agent: there is no [agent triage]; write that section or "
	 "correct the name\n"},

	{"an unknown selector lists the known, and its keys are not complained about",
	 AGENT "[trigger t]\nsource = crno\nagent = a\nschedule = x\ngrace = never\nbogus = 1\n",
	 "rouse.conf:5: [trigger t] source: 'crno' is not one of webhook, cron, manual; did you "
	 "mean 'cron'?\n"
	 "rouse.conf:9: [trigger t] bogus: unknown key; remove it\n"},
	{"also where only its tables know them", "[agent a]\nkind = exek\ncommand = x\nurl = y\n",
	 "rouse.conf:2: [agent a] kind: 'exek' is not known; expected one of exec, http; did you "
	 "mean 'exec'?\n"},
	{"a selector that is missing is one mistake",
	 AGENT "[trigger t]\nagent = a\nschedule = x\n",
	 "rouse.conf:4: [trigger t]: the key 'source' is missing; expected source = choice (What "
	 "wakes it)\n"},
	{"a choice without keys of its own is known",
	 AGENT "[trigger t]\nsource = manual\nagent = a\n", ""},
	{"a variant may choose another one",
	 AGENT "[trigger t]\nsource = webhook\nagent = a\nverify = hmac\n"
	       "secret = env:X\nalgorithm = md5\n",
	 "rouse.conf:9: [trigger t] algorithm: 'md5' is not one of sha1, sha256\n"},
	{"whose keys are nobody else's",
	 AGENT "[trigger t]\nsource = webhook\nagent = a\nalgorithm = sha1\n",
	 "rouse.conf:7: [trigger t] algorithm: this key belongs to verify = hmac; remove it\n"},

	{"a secret without a known prefix is not shown",
	 AGENT "[trigger t]\nsource = webhook\nagent = a\n"
	       "secret = hunter2\nverify = hmac\n",
	 "rouse.conf:7: [trigger t] secret: the value is no reference to a secret (not shown); "
	 "expected cred:NAME, file:PATH or env:NAME, or plain:TEXT to keep it in this file\n"},
	{"nor behind a comma",
	 AGENT "[trigger t]\nsource = webhook\nagent = a\nsecret = env:A, hunter2\n",
	 "rouse.conf:7: [trigger t] secret: an item of the list is no reference to a secret (not "
	 "shown); expected cred:NAME, file:PATH or env:NAME, or plain:TEXT to keep it in this "
	 "file\n"},
	{"a credential is a name, never a path",
	 AGENT "[trigger t]\nsource = webhook\nagent = a\n"
	       "secret = cred:../x\n",
	 "rouse.conf:7: [trigger t] secret: the value is no reference to a secret (not shown); "
	 "expected cred:NAME, file:PATH or env:NAME, or plain:TEXT to keep it in this file\n"},
	{"a plain secret warns and loads",
	 AGENT "[trigger t]\nsource = webhook\nagent = a\n"
	       "secret = env:A, plain:hunter2\n",
	 "warning: rouse.conf:7: [trigger t] secret: plain: keeps a secret in this file; use "
	 "cred:NAME, file:PATH or env:NAME\n"},

	{"checks complain at the key's line",
	 AGENT "[trigger t]\nsource = webhook\nfilter = (\nagent = a\n"
	       "verify = github\n",
	 "rouse.conf:4: [trigger t] secret: is missing; verify = github needs it\n"
	 "rouse.conf:6: [trigger t] filter: this is no jq program\n"},
	{"a check does not say of a bad value what follows from it",
	 AGENT "[trigger t]\nsource = manual\nagent = a\nrate = 1/s\nenabled = nope\n[trigger "
	       "u]\nsource = manual\n"
	       "agent = a\nrate = 1/s\nenabled = no\n",
	 "rouse.conf:8: [trigger t] enabled: 'nope' is not yes or no; expected yes, no, true, "
	 "false, on or off\n"
	 "rouse.conf:13: [trigger u] enabled: no rate without it\n"},
	{"a check is not asked where what it may rely on is missing or bad",
	 AGENT "[trigger t]\nsource = webhook\nverify = github\n[trigger u]\nsource = webhook\n"
	       "agent = b\nverify = github\n",
	 "rouse.conf:4: [trigger t]: the key 'agent' is missing; expected agent = name (Who is "
	 "woken)\n"
	 "rouse.conf:9: [trigger u] agent: there is no [agent b]; write that section or correct "
	 "the name\n"},
	{"warnings come after the errors",
	 AGENT "[trigger t]\nsource = webhook\nagent = a\nsecret = plain:x\n"
	       "[daemon]\nport = x\n",
	 "rouse.conf:9: [daemon] port: 'x' is not a whole number; expected digits, as in 10\n"
	 "warning: rouse.conf:7: [trigger t] secret: plain: keeps a secret in this file; use "
	 "cred:NAME, file:PATH or env:NAME\n"},
};

static void
check_defaults(struct fixture *f)
{
	const struct conf_section *daemon;
	const char *const *items;

	fixture_load_text(f, AGENT);
	daemon = conf_section(f->conf, "daemon", NULL);
	IT ("sections that stand nowhere have their defaults") {
		CHECK(daemon == conf_section(f->conf, "daemon", ""));
		CHECK_INT(conf_section_line(daemon), 0);
		CHECK_INT(conf_int(daemon, "port"), 80);
		CHECK_INT(conf_ms(daemon, "drain_timeout"), 30000);
		CHECK_INT(conf_int(daemon, "max_body"), 1048576);
		CHECK_STR(conf_str(daemon, "log_level"), "info");
		CHECK_STR(conf_str(daemon, "state_dir"), "/var/lib/rouse");
		CHECK_INT(conf_list(daemon, "on", &items), 2);
		CHECK_STR(items[1], "failed");
		CHECK(!conf_is_set(daemon, "port"));
	}
	IT ("what has no default is none") {
		const struct conf_section *agent = conf_section(f->conf, "agent", "a");

		CHECK(conf_str(daemon, "public_url") == NULL);
		CHECK(conf_str(agent, "fallback") == NULL);
		CHECK_INT(conf_list(agent, "env", &items), 0);
	}
	IT ("who is asked for and is not there is NULL") {
		CHECK(conf_section(f->conf, "agent", "b") == NULL);
		CHECK(conf_section(f->conf, "agent", NULL) == NULL);
		CHECK(conf_section(f->conf, "nothing", NULL) == NULL);
		CHECK(conf_next(f->conf, "trigger", NULL) == NULL);
	}
}

static void
check_typed(struct fixture *f)
{
	const struct conf_section *s;
	const char *const *items;
	const char *name, *value;
	int64_t count, per;

	fixture_load_text(
		f,
		"[agent a]\nkind = http\nurl = u\ncost = 0.25\nthreshold = 0.5\nheader.X-B = 2\n"
		"header.X-A = 1\nfallback = b\nenv = A=1,\n  B=2\n\n  C=3\n"
		"[agent b]\nkind = exec\ncommand = c\n"
		"[trigger t]\nsource = cron\nagent = a\nschedule = x\nrate = 10/m\nnotify = a, b\n"
		"filter = .a\n  | .b\n"
		"[trigger u]\nsource = manual\nagent = b\nenabled = off\n");
	IT ("a file with one of everything loads") {
		CHECK_STR(buf_cstr(&f->messages), "");
	}
	if (!f->conf)
		return;
	IT ("each type has its value") {
		s = conf_section(f->conf, "agent", "a");
		CHECK_INT(conf_int(s, "cost"), 250000);
		CHECK(fabs(conf_ratio(s, "threshold") - 0.5) < 1e-12);
		CHECK_STR(conf_str(s, "fallback"), "b");
		CHECK(conf_is_set(s, "cost"));
		s = conf_section(f->conf, "trigger", "t");
		CHECK(conf_rate(s, "rate", &count, &per));
		CHECK_INT(count, 10);
		CHECK_INT(per, 60000);
		CHECK(conf_bool(s, "enabled"));
		CHECK(!conf_bool(conf_section(f->conf, "trigger", "u"), "enabled"));
		CHECK_STR(conf_str(s, "filter"), ".a\n| .b");
		CHECK_INT(conf_list(s, "notify", &items), 2);
		CHECK_STR(items[1], "b");
		CHECK(!conf_rate(conf_section(f->conf, "trigger", "u"), "rate", &count, &per));
	}
	IT ("a list goes on over lines, with or without commas at their ends") {
		CHECK_INT(conf_list(conf_section(f->conf, "agent", "a"), "env", &items), 3);
		CHECK_STR(items[0], "A=1");
		CHECK_STR(items[1], "B=2");
		CHECK_STR(items[2], "C=3");
	}
	IT ("what stands below a prefix comes in the order of the file") {
		s = conf_section(f->conf, "agent", "a");
		CHECK(conf_below(s, "header.", 0, &name, &value));
		CHECK_STR(name, "X-B");
		CHECK_STR(value, "2");
		CHECK(conf_below(s, "header.", 1, &name, &value));
		CHECK_STR(name, "X-A");
		CHECK(!conf_below(s, "header.", 2, &name, &value));
		CHECK_STR(conf_str(s, "header.X-A"), "1");
		CHECK(!conf_is_set(s, "header.X-C"));
	}
	IT ("a variant's row stands before the kind's own") {
		CHECK_STR(conf_str(conf_section(f->conf, "trigger", "t"), "overlap"), "skip");
		CHECK_STR(conf_str(conf_section(f->conf, "trigger", "u"), "overlap"), "queue");
	}
	IT ("sections come in the order of reading, by kind or all") {
		s = conf_next(f->conf, "agent", NULL);
		CHECK_STR(conf_section_name(s), "a");
		CHECK_INT(conf_section_line(s), 1);
		s = conf_next(f->conf, "agent", s);
		CHECK_STR(conf_section_name(s), "b");
		CHECK(conf_next(f->conf, "agent", s) == NULL);
		s = conf_next(f->conf, NULL, s);
		CHECK_STR(conf_section_kind(s), "trigger");
	}
}

static void
check_paths(struct fixture *f)
{
	IT ("paths lie below the folder of the file that names them") {
		const struct conf_section *s;
		AUTO(buf_fini) struct buf want = BUF_INIT;

		fixture_write(f, "agents.d/b.conf",
			      "[agent b]\nkind = exec\ncommand = x\nworkdir = in/here\n");
		fixture_load_text(f, AGENT "workdir = /abs\n[agent c]\nkind = exec\ncommand = x\n");
		CHECK_STR(buf_cstr(&f->messages), "");
		s = conf_section(f->conf, "agent", "a");
		CHECK_STR(conf_str(s, "workdir"), "/abs");
		buf_printf(&want, "%s/agents.d/in/here", f->dir);
		CHECK_STR(conf_str(conf_section(f->conf, "agent", "b"), "workdir"),
			  buf_cstr(&want));
		CHECK_STR(conf_section_file(conf_section(f->conf, "agent", "b")),
			  fixture_path(f, "agents.d/b.conf"));
		buf_clear(&want);
		buf_printf(&want, "%s/work", f->dir);
		CHECK_STR(conf_str(conf_section(f->conf, "agent", "c"), "workdir"),
			  buf_cstr(&want));
	}
}

int
main(void)
{
	AUTO(fixture_fini) struct fixture f;

	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		IT (cases[i].name) {
			fixture_load_text(&f, cases[i].text);
			CHECK_STR(buf_cstr(&f.messages), cases[i].messages);
			CHECK_INT(f.conf != NULL, !conf_report_errors(f.report));
		}
	}
	check_defaults(&f);
	check_typed(&f);
	check_paths(&f);
	return tap_done();
}
