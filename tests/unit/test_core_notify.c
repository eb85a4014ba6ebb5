/* Notifications: written with their cause, told in few messages, never lost, never in the way. */
/* SPDX-License-Identifier: MIT */
#include "core/link.h"
#include "store/state.h"
#include "tests/unit/core_rig.h"

#define HOUSE                                                                                      \
	"[http]\npublic_url = https://rouse.example.com/\n"                                        \
	"[agent a]\nkind = fake\nretry.attempts = 1\nconcurrency = 100\n"                          \
	"[agent b]\nkind = fake\nretry.attempts = 1\n"                                             \
	"[trigger hook]\nsource = fake\nagent = a\n"                                               \
	"[trigger other]\nsource = fake\nagent = b\ntenant = .data.t\n"
#define OPS "[notify ops]\nkind = fake\nretry.base = 10s\nretry.jitter = none\nretry.attempts = 3\n"
#define CONF HOUSE OPS
#define ASK "{\"type\":\"approval\",\"step\":\"pay\",\"payload\":{\"v\":1}}\n"
#define STATE "SELECT group_concat(state) FROM notifications"

static struct err why;

static bool
is_whole(void)
{
	AUTO(buf_fini) struct buf found = BUF_INIT;
	bool ok = store_check(rig.core.store, &found, NULL);

	if (!ok)
		printf("# %s\n", buf_cstr(&found));
	return ok;
}

/* A run that fails for good. */
static void
fails(const char *trigger, const char *data)
{
	rig_event(trigger, data, NULL);
	rig_exits(rig_agent(rig_agents() - 1), 64);
}

static bool
says(int i, const char *part)
{
	struct rig_mail *mail = rig_mail(i);

	if (mail && (strstr(mail->text, part) || strstr(mail->subject, part)))
		return true;
	printf("# %s\n# %s\n", mail ? mail->subject : "no mail", mail ? mail->text : "");
	return false;
}

static void
one(void)
{
	rig_init(CONF);
	fails("hook", "{}");
	IT ("a run that fails is in the outbox with its end, and told a moment later") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM notices WHERE message IS NULL"), 1);
		CHECK_INT(rig_mails(), 0);
		rig_pass(2100);
		CHECK_INT(rig_mails(), 1);
	}
	IT ("it says what, why, and what to do") {
		AUTO(buf_fini) struct buf command = BUF_INIT;

		CHECK_STR(rig_mail(0)->subject, "Rouse: a run of a failed: permanent");
		buf_cat(&command, "$ rouse why ", rig_text("SELECT id FROM runs"));
		CHECK(says(0, buf_cstr(&command)));
		CHECK(says(0, "exit status 64"));
		CHECK_STR(rig_mail(0)->event, "failed");
	}
	IT ("once") {
		rig_pass(86400000);
		CHECK_INT(rig_mails(), 1);
		CHECK_STR(rig_text(STATE), "sent");
		CHECK(is_whole());
	}
	rig.fail_commits = 1;
	rig_event("hook", "{}", NULL);
	rig_pass(2000);
	rig_event("hook", "{}", NULL);
	rig.fail_commits = 3;
	rig_exits(rig_agent(rig_agents() - 1), 64);
	rig_pass(10000);
	IT ("a disk that is full for a while neither loses nor doubles it") {
		CHECK_INT(rig_mails(), 2);
		CHECK_INT(rig_int("SELECT SUM(n) FROM notices"), 2);
		CHECK(is_whole());
	}
	rig_fini();
}

static void
storm(void)
{
	rig_init(CONF);
	for (int i = 0; i < 2000; i++) {
		fails(i % 10 ? "hook" : "other", "{\"t\":\"x\"}");
		rig_pass(10);
	}
	rig_pass(60000);
	IT ("a storm of failures is a few messages that count them") {
		int64_t told = rig_int("SELECT SUM(n) FROM notices WHERE message IS NOT NULL");

		CHECK(rig_mails() >= 2 && rig_mails() <= 8);
		CHECK_INT(told, 2000);
		CHECK(rig_int("SELECT COUNT(*) FROM notices") <= 2 * rig_mails());
		CHECK(strstr(rig_mail(1)->subject, " failed runs") != NULL);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM notice_runs"), 2000);
	}
	rig_fini();

	rig_init(CONF);
	rig_event("hook", "{}", NULL);
	for (int i = 0; i < 1000; i++) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		buf_printf(&line, "{\"type\":\"approval\",\"step\":\"s%d\"}\n", i);
		rig_says(rig_agent(0), buf_cstr(&line));
	}
	rig_pass(5000);
	IT ("a thousand questions are one message with a bound") {
		CHECK_INT(rig_mails(), 1);
		CHECK_STR(rig_mail(0)->subject, "Rouse: 1000 questions");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM notices"), 201);
		CHECK(strlen(rig_mail(0)->text) < 60000);
		CHECK(says(0, "... and 151 more."));
	}
	rig_fini();
}

static void
trouble(void)
{
	rig_init(CONF);
	rig_mail_auto = false;
	fails("hook", "{}");
	rig_pass(3000);
	IT ("while one is under way, nothing else is") {
		fails("hook", "{}");
		rig_pass(600000);
		CHECK_INT(rig_mails(), 1);
	}
	rig_mail_says(rig_mail(0), (struct notify_result){.sent = false}, "no line");
	rig_pass(9000);
	CHECK_INT(rig_mails(), 1);
	rig_pass(1100);
	IT ("what was not taken is tried again, under the same id") {
		CHECK_INT(rig_mails(), 2);
		CHECK_STR(rig_mail(1)->id, rig_mail(0)->id);
		CHECK_STR(rig_mail(1)->text, rig_mail(0)->text);
		CHECK_INT(rig_mail(1)->attempt, 2);
	}
	rig_mail_says(rig_mail(1), (struct notify_result){.retry_after_ms = 100000}, "later");
	rig_pass(99000);
	IT ("when its receiver likes, through restarts") {
		CHECK_INT(rig_mails(), 2);
		rig_restart(NULL);
		rig_pass(500);
		CHECK_INT(rig_mails(), 2);
		rig_pass(1000);
		CHECK_INT(rig_mails(), 3);
	}
	rig_restart(NULL);
	rig_pass(100);
	IT ("a daemon that dies while it sends sends again") {
		CHECK_INT(rig_mails(), 4);
		CHECK_STR(rig_mail(3)->id, rig_mail(0)->id);
	}
	rig_mail_says(rig_mail(3), (struct notify_result){.sent = false}, "no such host");
	IT ("after its last try it is given up, and that shows") {
		AUTO(json_auto_decref) json_t *items = notify_objects(&rig.core);
		const json_t *first = json_array_get(items, 0);

		CHECK_STR(rig_text(STATE), "dropped");
		CHECK_INT(json_int(first, "dropped", -1), 1);
		CHECK_STR(json_str(first, "last_error"), "no such host");
	}
	rig_pass(10000);
	IT ("what came meanwhile is told next") {
		CHECK_INT(rig_mails(), 5);
		CHECK(strcmp(rig_mail(4)->id, rig_mail(0)->id) != 0);
		rig_mail_says(rig_mail(4), (struct notify_result){.never = true}, "gone");
		CHECK_STR(rig_text(STATE), "dropped,dropped");
	}
	rig_mail_fails = 2;
	rig_mail_auto = true;
	fails("hook", "{}");
	rig_pass(60000);
	IT ("what cannot even begin counts as a try") {
		CHECK_STR(rig_text(STATE), "dropped,dropped,sent");
		CHECK_INT(rig_int("SELECT MAX(attempts) FROM notifications WHERE state = 'sent'"),
			  2);
	}
	rig_mail_auto = false;
	fails("hook", "{}");
	rig_pass(60000);
	fails("hook", "{}");
	CHECK(rig_reload(HOUSE));
	rig_mail_says(rig_mail(rig_mails() - 1), (struct notify_result){.sent = false}, "no");
	rig_pass(60000);
	IT ("of a section that is gone nothing waits for ever") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM notices WHERE message IS NULL"), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM notifications WHERE state = 'waiting'"), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM notifications WHERE error LIKE '%%no such "
				  "[notify]%%'"),
			  2);
		CHECK(is_whole());
	}
	rig_fini();
}

static void
filters(void)
{
	rig_init(HOUSE "[notify one]\nkind = fake\non = failed\nagents = b\ntenants = x, y\n"
		       "[notify two]\nkind = fake\non = gate\n"
		       "[notify three]\nkind = fake\non = lost\ntriggers = hook\n");
	fails("hook", "{}");
	fails("other", "{\"t\":\"z\"}");
	rig_pass(5000);
	IT ("who wants other things hears nothing") {
		CHECK_INT(rig_mails(), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM notices"), 0);
	}
	fails("other", "{\"t\":\"y\"}");
	rig_pass(5000);
	IT ("who wants these does") {
		CHECK_INT(rig_mails(), 1);
		CHECK_STR(rig_mail(0)->notify, "one");
	}
	rig_event("hook", "{}", NULL);
	rig_ends(rig_agent(rig_agents() - 1), (struct attempt_end){.lost = true, .exit_code = -1});
	rig_pass(5000);
	IT ("a lost run is told to who asked for lost ones") {
		CHECK_INT(rig_mails(), 2);
		CHECK_STR(rig_mail(1)->notify, "three");
		CHECK_STR(rig_mail(1)->event, "lost");
	}
	rig_fini();
	rig_init(CONF);
	IT ("what it may not be is refused when it is read") {
		CHECK(!rig_reload(HOUSE "[notify x]\nkind = pigeon\n"));
		CHECK(!rig_reload(HOUSE "[notify x]\nkind = fake\non = everything\n"));
		CHECK(!rig_reload(HOUSE "[notify x]\nkind = fake\nagents = nobody\n"));
	}
	rig_fini();
}

/* The link of a decision in a message, as {path segments}; static. */
static const char *
link_of(const struct rig_mail *mail, const char *decision)
{
	static char found[400];
	AUTO(buf_fini) struct buf head = BUF_INIT;
	const char *at;

	buf_cat(&head, decision, "\":\"");
	at = strstr(mail->json, buf_cstr(&head));
	if (!at)
		return NULL;
	at += head.len;
	snprintf(found, sizeof(found), "%.*s", (int)strcspn(at, "\""), at);
	return found;
}

static void
gates(void)
{
	AUTO(gate_row_fini) struct gate_row gate = {0};
	AUTO(buf_fini) struct buf notify = BUF_INIT;
	AUTO(auto_free) char *link = NULL;
	const char *proof;

	rig_init(CONF);
	rig_event("hook", "{}", NULL);
	rig_says(rig_agent(0), "{\"type\":\"approval\",\"step\":\"pay \\u202e"
			       "evil\\nSubject: x\",\"payload\":{\"v\":1},\"timeout\":\"5m\"}\n");
	rig_pass(2100);
	IT ("a question is told with links, and nothing in it is taken for ours") {
		CHECK(says(0, "Rouse: a asks to pay <U+202E>evil Subject: x"));
		CHECK(says(0, "\n    Approve: https://rouse.example.com/links/"));
		CHECK(says(0, "\n    Until: "));
		CHECK(says(0, "{\"v\":1}"));
	}
	CHECK(gates_get(rig.core.store, rig_text("SELECT id FROM gates"), &gate, &why));
	link = mem_strdup(link_of(rig_mail(0), "approve"));
	proof = strrchr(link, '/') + 1;
	IT ("the proof holds for the decision that it was made for, after a restart too") {
		rig_restart(NULL);
		CHECK(link_check(&rig.core, &gate, STR("approve"), str_of(proof), &notify, &why));
		CHECK_STR(buf_cstr(&notify), "ops");
	}
	IT ("and for no other decision, name, question or bit") {
		AUTO(auto_free) char *other = mem_strdup(gate.payload);

		CHECK(!link_check(&rig.core, &gate, STR("deny"), str_of(proof), &notify, &why));
		CHECK_INT(why.code, E_DENIED);
		for (size_t i = 0; i < strlen(proof); i++) {
			AUTO(auto_free) char *bad = mem_strdup(proof);

			bad[i] = bad[i] == 'A' ? 'B' : 'A';
			CHECK(!link_check(&rig.core, &gate, STR("approve"), str_of(bad), &notify,
					  &why));
		}
		CHECK(!link_check(&rig.core, &gate, STR("approve"), STR(""), &notify, &why));
		CHECK(!link_check(&rig.core, &gate, STR("approve"), STR("ops."), &notify, &why));
		gate.payload[strlen(gate.payload) - 2] = '2';
		CHECK(!link_check(&rig.core, &gate, STR("approve"), str_of(proof), &notify, &why));
		gate.payload[strlen(gate.payload) - 2] = other[strlen(other) - 2];
		CHECK(link_check(&rig.core, &gate, STR("approve"), str_of(proof), &notify, &why));
	}
	rig_pass(320000);
	IT ("that nobody answered is told too, without links") {
		CHECK_INT(rig_mails(), 2);
		CHECK(says(1, "Nobody answered in time (on_timeout = deny)"));
		CHECK(!strstr(rig_mail(1)->text, "Approve:"));
	}
	rig_says(rig_agent(0), ASK);
	gate_decide(&rig.core, rig_text("SELECT id FROM gates WHERE status = 'waiting'"),
		    "approved", NULL, "ann", NULL, &why);
	rig_pass(10000);
	IT ("what was decided before it was told says so") {
		CHECK(says(2, "Meanwhile: approved by ann"));
		CHECK(!strstr(rig_mail(2)->text, "Approve:"));
	}
	rig_fini();

	rig_init(HOUSE OPS "links = no\n");
	rig_event("hook", "{}", NULL);
	rig_says(rig_agent(0), ASK "{\"type\":\"ask\",\"question\":\"why?\"}\n");
	rig_pass(3000);
	IT ("links can be had without") {
		CHECK(!strstr(rig_mail(0)->text, "Approve:"));
		CHECK(says(0, "$ rouse gate show "));
		CHECK(says(0, "$ rouse gate respond "));
		CHECK_STR(rig_mail(0)->subject, "Rouse: 2 questions");
		CHECK_STR(rig_mail(0)->event, "digest");
	}
	rig_fini();
}

static void
others(void)
{
	rig_init("[budget]\ncost_per_day = 10\n[agent a]\nkind = fake\nretry.attempts = 1\n"
		 "budget.cost = 9\nbreaker.min = 3\n"
		 "[trigger hook]\nsource = fake\nagent = a\nstale_after = 1h\n" OPS
		 "on = budget, breaker_open, source, queue\n[limits]\nmax_running = 1\n");
	rig_event("hook", "{}", NULL);
	rig_says(rig_agent(0), "{\"type\":\"usage\",\"cost_usd\":8.5}\n");
	rig_exits(rig_agent(0), 0);
	rig_pass(3000);
	IT ("that a run and a day have nearly spent their money is told, once a day") {
		CHECK_INT(rig_mails(), 1);
		CHECK(says(0, "a run of a has nearly spent its budget"));
		CHECK(says(0, "the day's budget of all runs together is nearly spent"));
		CHECK(says(0, "$ rouse budget"));
	}
	for (int i = 0; i < 3; i++)
		rig_event("hook", "{}", NULL);
	rig_pass(6000);
	IT ("and that it is spent, because more is refused") {
		CHECK_INT(rig_mails(), 2);
		CHECK(says(1, "all runs together is spent"));
	}
	rig_pass(3700000);
	IT ("silence of a source is told") {
		CHECK(says(rig_mails() - 1, "trigger hook is silent"));
	}
	rig_fini();
}

int
main(void)
{
	one();
	storm();
	trouble();
	filters();
	gates();
	others();
	err_fini(&why);
	return tap_done();
}
