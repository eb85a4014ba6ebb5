/* The ledger: what days may cost, before runs start, while they run, and when they end. SPEC 9. */
/* SPDX-License-Identifier: MIT */
#include "core/ledger_day.h"
#include "tests/unit/core_rig.h"

#define STATUS "SELECT status FROM runs ORDER BY seq DESC LIMIT 1"
#define REASON "SELECT reason FROM runs ORDER BY seq DESC LIMIT 1"
#define SPENT(scope) "SELECT COALESCE(SUM(spent_uusd), 0) FROM budgets WHERE scope = '" scope "'"
#define RUNNING "SELECT COUNT(*) FROM runs WHERE status = 'running'"

static void
begin(const char *head, const char *more)
{
	AUTO(buf_fini) struct buf conf = BUF_INIT;

	buf_printf(&conf,
		   "%s[target crm]\nkind = fake\n[agent a]\nkind = fake\nretry.jitter = none\n"
		   "concurrency = 1000\n%s"
		   "[trigger hook]\nsource = fake\nagent = a\ntenant = .data.t\nuser = .data.u\n",
		   head, more);
	rig_init(buf_cstr(&conf));
}

static struct rig_answer
ask(const char *data, bool waits)
{
	return rig_admit((struct happening){
		.trigger = rig_trigger("hook"), .data = str_of(data), .caller_waits = waits});
}

static void
spend(struct rig_agent *agent, const char *dollars)
{
	AUTO(buf_fini) struct buf line = BUF_INIT;

	buf_printf(&line, "{\"type\":\"usage\",\"input_tokens\":100,\"cost_usd\":%s}\n", dollars);
	rig_says(agent, buf_cstr(&line));
}

static void
days(void)
{
	AUTO(zone_auto_free) struct zone *zone = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	char day[DAY_LEN];
	struct wall at, ends;

	IT ("a day ends at its zone's midnight, also where the clock is moved that day") {
		CHECK(wall_parse(STR("2026-03-28T23:30:00Z"), &at));
		day_of(NULL, at, day, &ends);
		wall_format(ends, &text);
		CHECK_STR(day, "2026-03-28");
		CHECK_STR(buf_cstr(&text), "2026-03-29T00:00:00.000Z");
		if (zone_load(STR("Europe/Berlin"), &zone, &err)) {
			buf_clear(&text);
			day_of(zone, at, day, &ends);
			wall_format(ends, &text);
			CHECK_STR(day, "2026-03-29");
			/* 23 hours long: summer time begins. */
			CHECK_STR(buf_cstr(&text), "2026-03-29T22:00:00.000Z");
		}
	}
}

static void
reserves(void)
{
	begin("[budget]\ncost_per_day = 50\ncost = 1\n", "");
	for (int i = 0; i < 200; i++)
		ask("{}", false);
	IT ("of 200 runs at a dollar each a day of 50 dollars starts 50, and holds the others") {
		CHECK_INT(rig_int(RUNNING), 50);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE held = 'all/'"), 150);
	}
	IT ("a run that ends with less makes room for others") {
		for (int i = 0; i < 10; i++) {
			spend(rig_agent(i), "0.1");
			rig_exits(rig_agent(i), 0);
		}
		CHECK_INT(rig_int(SPENT("all")), 1000000);
		CHECK_INT(rig_int(RUNNING), 49);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'succeeded'"), 10);
	}
	IT ("a daemon that is killed knows what its runs had reserved") {
		rig_restart(NULL);
		CHECK_INT(rig_int(RUNNING), 49);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE held = 'all/'"), 141);
	}
	IT ("the next day is another day") {
		rig_pass(86400000);
		CHECK_INT(rig_int(RUNNING) > 49, 1);
	}
	rig_fini();
}

static void
never_more(void)
{
	int started = 0;

	begin("[budget]\ncost_per_day = 5\ncost = 1\n", "");
	for (int i = 0; i < 40; i++)
		ask("{}", false);
	for (int i = 0; i < rig_agents(); i++, started++) {
		spend(rig_agent(i), "1.0");
		rig_exits(rig_agent(i), 0);
	}
	IT ("a day never costs more than it may, whoever ends first") {
		CHECK_INT(started, 5);
		CHECK_INT(rig_int(SPENT("all")), 5000000);
		CHECK_INT(rig_int(SPENT("agent")), 5000000);
		CHECK_INT(rig_int(SPENT("trigger")), 5000000);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'queued'"), 35);
	}
	IT ("a larger limit lets go what is held") {
		rig_reload("[budget]\ncost_per_day = 7\ncost = 1\n[agent a]\nkind = fake\n"
			   "concurrency = 1000\n[trigger hook]\nsource = fake\nagent = a\n");
		CHECK_INT(rig_int(RUNNING), 2);
	}
	rig_fini();
}

static void
tenants(void)
{
	struct rig_answer answer;

	begin("[budget]\ncost = 1\ncost_per_user_day = 1\n[tenant abc]\ncost_per_day = 2\n"
	      "timezone = Asia/Tokyo\n",
	      "");
	ask("{\"t\":\"abc\"}", false);
	ask("{\"t\":\"abc\"}", false);
	ask("{\"t\":\"abc\"}", false);
	ask("{\"t\":\"xyz\"}", false);
	IT ("a tenant's day holds his own runs alone") {
		CHECK_INT(rig_int(RUNNING), 3);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE held = 'tenant/abc'"), 1);
	}
	ask("{\"t\":\"xyz\",\"u\":\"u1\"}", false);
	ask("{\"t\":\"xyz\",\"u\":\"u1\"}", false);
	ask("{\"t\":\"uvw\",\"u\":\"u1\"}", false);
	IT ("a user is his tenant's") {
		CHECK_INT(rig_int(RUNNING), 5);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE held = 'user/xyz/u1'"), 1);
	}
	spend(rig_agent(0), "1.0");
	rig_exits(rig_agent(0), 0);
	spend(rig_agent(1), "0.5");
	rig_exits(rig_agent(1), 0);
	IT ("who waits for an answer is told when the tenant's next day begins") {
		answer = ask("{\"t\":\"abc\"}", true);
		CHECK_STR(answer.outcome, "shed");
		CHECK_INT(answer.code, E_BUDGET);
		CHECK(strstr(answer.rule,
			     "tenant abc may spend 2.00 dollars a day: 1.50 are spent"));
		CHECK(strstr(answer.rule, "T15:00:00"));
	}
	IT ("whose key is known gets the run that he had") {
		struct happening again = {.trigger = rig_trigger("hook"),
					  .data = STR("{\"t\":\"abc\"}"),
					  .natural_key = STR("k")};

		rig_admit(again);
		again.caller_waits = true;
		answer = rig_admit(again);
		CHECK_STR(answer.outcome, "replayed");
	}
	rig_fini();
}

static void
live(void)
{
	begin("[budget]\ncost_per_day = 0.5\ncost = 1\n[model m]\ninput_price = 3\noutput_price = "
	      "15\n",
	      "");
	ask("{}", false);
	ask("{}", false);
	IT ("a day that may not cost one run's budget lets one go at a time, with what is left") {
		CHECK_INT(rig_int(RUNNING), 1);
	}
	rig_says(rig_agent(0),
		 "{\"type\":\"usage\",\"model\":\"m-20260101\",\"input_tokens\":10000,"
		 "\"output_tokens\":10000}\n");
	IT ("tokens are priced by the model whose name theirs begins with") {
		CHECK_INT(rig_int("SELECT cost_uusd FROM runs ORDER BY seq LIMIT 1"), 180000);
	}
	spend(rig_agent(0), "0.4");
	IT ("past what its day had left it is stopped, and not tried again") {
		CHECK_STR(rig_agent(0)->cancelled, "budget_cost");
		rig_exits(rig_agent(0), 1);
		CHECK_STR(rig_text("SELECT reason FROM runs ORDER BY seq LIMIT 1"), "budget_cost");
		CHECK_INT(rig_int(RUNNING), 0);
	}
	rig_fini();
}

static void
warns(void)
{
	begin("", "budget.cost = 1\nbudget.steps = 5\n");
	ask("{}", false);
	spend(rig_agent(0), "0.79");
	IT ("below 80 % nothing is said") {
		CHECK(!strstr(buf_cstr(&rig_agent(0)->got), "budget"));
	}
	spend(rig_agent(0), "0.02");
	spend(rig_agent(0), "0.02");
	IT ("at 80 % the agent is told once, with what is used and left") {
		const char *first = strstr(buf_cstr(&rig_agent(0)->got), "\"type\":\"budget\"");

		CHECK(first != NULL);
		CHECK(first && !strstr(first + 1, "\"type\":\"budget\""));
		CHECK(strstr(buf_cstr(&rig_agent(0)->got), "\"limit\":\"cost_usd\""));
		CHECK(strstr(buf_cstr(&rig_agent(0)->got), "\"steps\":5"));
	}
	rig_restart(NULL);
	spend(rig_agent(0), "0.02");
	IT ("nor a second time by the next daemon") {
		const char *first = strstr(buf_cstr(&rig_agent(0)->got), "\"type\":\"budget\"");

		CHECK(first && !strstr(first + 1, "\"type\":\"budget\""));
	}
	rig_fini();
}

static void
goes_on(void)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(auto_free) char *id = NULL, *fresh = NULL;
	struct run_limits limits = RUN_LIMITS_AS_THEY_WERE;

	begin("", "budget.cost = 1\n");
	ask("{}", false);
	rig_says(rig_agent(0),
		 "{\"type\":\"step\",\"name\":\"one\",\"status\":\"done\",\"output\":7}\n"
		 "{\"type\":\"checkpoint\",\"name\":\"c\",\"state\":{\"at\":3}}\n");
	spend(rig_agent(0), "1.5");
	rig_exits(rig_agent(0), 1);
	id = mem_strdup(rig_text("SELECT id FROM runs"));
	CHECK_STR(rig_text(REASON), "budget_cost");
	IT ("what a budget stopped does not go on with the same") {
		CHECK(!run_retry(&rig.core, id, &limits, "ann", &fresh, &err));
		CHECK_INT(err.code, E_BUDGET);
		CHECK(strstr(err_text(&err), "--budget.cost"));
		err_fini(&err);
		limits.cost_uusd = 1000000;
		CHECK(!run_retry(&rig.core, id, &limits, "ann", &fresh, &err));
		err_fini(&err);
	}
	limits.cost_uusd = 2000000;
	IT ("with more it goes on from its checkpoint, and what it used counts") {
		CHECK(run_retry(&rig.core, id, &limits, "ann", &fresh, &err));
		rig_run();
		CHECK_INT(rig_agents(), 2);
		CHECK(strstr(rig_agent(1)->envelope, "\"at\":3"));
		CHECK(strstr(rig_agent(1)->envelope, "\"one\":7"));
		spend(rig_agent(1), "0.4");
		CHECK_STR(rig_agent(1)->cancelled, "");
		spend(rig_agent(1), "0.2");
		CHECK_STR(rig_agent(1)->cancelled, "budget_cost");
		rig_exits(rig_agent(1), 1);
		CHECK_INT(rig_int(SPENT("agent")), 2100000);
	}
	rig_fini();
}

static void
over(void)
{
	begin("", "budget.cost = 1\nretry.attempts = 3\n");
	ask("{}", false);
	spend(rig_agent(0), "0.9");
	rig_sql("UPDATE runs SET cost_uusd = 1500000");
	rig_sql("UPDATE attempts SET cost_uusd = 1500000");
	rig_restart(NULL);
	IT ("a run that was over its budget when its daemon died is stopped by the next") {
		CHECK_STR(rig_agent(0)->cancelled, "budget_cost");
	}
	rig_exits(rig_agent(0), 1);
	IT ("and ends by it, whoever killed its agent: no second attempt may spend more") {
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text(REASON), "budget_cost");
		CHECK_INT(rig_agents(), 1);
	}
	rig_fini();
	begin("", "budget.cost = 1\nretry.attempts = 3\n");
	ask("{}", false);
	spend(rig_agent(0), "0.9");
	rig_sql("UPDATE runs SET cost_uusd = 1500000");
	rig_sql("UPDATE attempts SET cost_uusd = 1500000");
	rig_agent(0)->gone = true;
	rig_restart(NULL);
	IT ("a lost attempt of one that is over its budget is not tried again") {
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text(REASON), "budget_cost");
	}
	rig_fini();
}

int
main(void)
{
	days();
	reserves();
	never_more();
	tenants();
	live();
	warns();
	goes_on();
	over();
	return tap_done();
}
