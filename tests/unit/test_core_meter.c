/* Meters of requests to models: what is held, settled, kept when the disk fails, and never spent
 * twice. */
/* SPDX-License-Identifier: MIT */
#include "core/meter.h"
#include "tests/unit/core_rig.h"

#define COST "SELECT cost_uusd FROM runs"
#define TOKENS "SELECT input_tokens + output_tokens FROM runs"

static int overs;

static void
on_over(struct meter_hold *hold)
{
	overs++;
	meter_hold_settle(hold, &(struct meter_use){.uusd = 7});
}

static struct rig_agent *
begin(const char *budget, const char *more)
{
	AUTO(buf_fini) struct buf conf = BUF_INIT;

	buf_printf(&conf, "%s[agent a]\nkind = fake\n%s[trigger hook]\nsource = fake\nagent = a\n",
		   budget, more);
	rig_init(buf_cstr(&conf));
	rig_event("hook", "{\"n\":1}", NULL);
	return rig_agent(0);
}

static bool
hold(struct rig_agent *agent, struct meter_hold *ret, int64_t uusd, int64_t tokens)
{
	*ret = (struct meter_hold){.uusd = uusd, .tokens = tokens, .on_over = on_over};
	return meter_hold(agent->attempt, ret, NULL);
}

static void
holds(void)
{
	struct rig_agent *agent = begin("", "budget.cost = 1\nbudget.tokens = 1000\n");
	struct meter_hold a, b, c;

	IT ("what is held for one request is not there for another") {
		CHECK(hold(agent, &a, 600000, 100));
		CHECK(!hold(agent, &b, 400001, 1));
		CHECK(!hold(agent, &b, 1, 901));
		CHECK(hold(agent, &b, 400000, 900));
		CHECK(!hold(agent, &c, 1, 0));
		CHECK(!hold(agent, &c, 0, 1));
		CHECK(hold(agent, &c, 0, 0));
	}
	meter_hold_drop(&b);
	meter_hold_settle(&a, &(struct meter_use){.input = 5,
						  .output = 3,
						  .cache_read = 50,
						  .cache_written = 2,
						  .uusd = 100000});
	rig_run();
	IT ("what it came to is used, and on disk at the end of the turn") {
		CHECK_INT(rig_int(COST), 100000);
		CHECK_INT(rig_int(TOKENS), 10);
		CHECK_INT(rig_int("SELECT cache_tokens FROM runs"), 50);
		CHECK_INT(rig_int("SELECT context FROM runs"), 57);
		CHECK(hold(agent, &b, 900000, 990));
		CHECK(!hold(agent, &a, 1, 0));
	}
	rig_exits(agent, 1);
	IT ("requests that go on when the attempt ends are settled with it") {
		CHECK_INT(overs, 2);
		CHECK(!b.attempt && !c.attempt);
		CHECK_INT(rig_int(COST), 100014);
	}
	IT ("an attempt that was refused and failed ends its run by the budget, and is not "
	    "retried") {
		CHECK_STR(rig_text("SELECT status || ' ' || reason FROM runs"),
			  "failed budget_cost");
		CHECK(strstr(rig_text("SELECT error FROM runs"), "raise budget.cost") != NULL);
	}
	rig_fini();
}

static void
succeeds(void)
{
	struct rig_agent *agent = begin("", "budget.cost = 1\n");
	struct meter_hold a;

	CHECK(!hold(agent, &a, 1000001, 0));
	rig_says(agent, "{\"type\":\"result\",\"output\":1}\n");
	rig_exits(agent, 0);
	IT ("one that was refused and comes to its result all the same has succeeded") {
		CHECK_STR(rig_text("SELECT status FROM runs"), "succeeded");
	}
	rig_fini();
}

static void
overspends(void)
{
	struct rig_agent *agent = begin("", "budget.cost = 1\n");
	struct meter_hold a;

	CHECK(hold(agent, &a, 10, 0));
	meter_hold_settle(&a, &(struct meter_use){.uusd = 1000001});
	rig_run();
	IT ("an answer that came to more than it might have stops the run") {
		CHECK_STR(agent->cancelled, "budget_cost");
		CHECK_INT(rig_int(COST), 1000001);
	}
	rig_fini();
}

static void
fails(void)
{
	struct rig_agent *agent = begin("", "budget.cost = 1\n");
	struct meter_hold a, b;

	CHECK(hold(agent, &a, 400000, 0) && hold(agent, &b, 400000, 0));
	meter_hold_settle(&a, &(struct meter_use){.input = 1, .uusd = 300000});
	rig_run();
	rig.fail_commits = 1;
	meter_hold_settle(&b, &(struct meter_use){.input = 2, .uusd = 500000});
	rig_says(agent, "{\"type\":\"step\",\"name\":\"s\",\"status\":\"start\"}\n");
	IT ("what the disk did not take is known all the same") {
		CHECK_INT(rig_int(COST), 300000);
		CHECK(!hold(agent, &a, 200001, 0));
		CHECK(hold(agent, &a, 200000, 0));
		meter_hold_drop(&a);
	}
	rig_pass(3000);
	rig_exits(agent, 0);
	IT ("it is written again, once, with the lines that were read again") {
		CHECK_INT(rig_int(COST), 800000);
		CHECK_INT(rig_int(TOKENS), 3);
		CHECK_INT(rig_int("SELECT steps FROM runs"), 1);
		CHECK_INT(rig_int("SELECT spent_uusd FROM budgets WHERE scope = 'all'"), 800000);
	}
	rig_fini();
}

static void
days(void)
{
	struct rig_agent *agent = begin("[budget]\ncost_per_day = 0.50\n", "budget.cost = 1\n");
	struct meter_hold a;

	IT ("a day that has less left than the run may spend is the bound") {
		CHECK(!hold(agent, &a, 500001, 0));
		CHECK(hold(agent, &a, 500000, 0));
	}
	meter_hold_drop(&a);
	rig_fini();
}

static void
prices(void)
{
	const struct meter_use use = {
		.input = 100, .output = 10, .cache_read = 1000, .cache_written = 20};
	const struct conf *conf;

	begin("[model m]\ninput_price = 3\noutput_price = 15\ncache_read_price = 0.30\n"
	      "cache_write_price = 3.75\n[model n]\ninput_price = 3\noutput_price = 15\n[model o]\n"
	      "input_price = 1\n",
	      "");
	conf = registry_conf(rig.core.registry);
	IT ("prices are dollars a million tokens, of caches their own or that of input") {
		CHECK_INT(meter_price(conf_section(conf, "model", "m"), &use),
			  300 + 150 + 300 + 75);
		CHECK_INT(meter_price(conf_section(conf, "model", "n"), &use),
			  300 + 150 + 3000 + 60);
		CHECK_INT(meter_price(NULL, &use), 0);
		CHECK(meter_is_priced(conf_section(conf, "model", "n")));
		CHECK(!meter_is_priced(conf_section(conf, "model", "o")));
	}
	rig_fini();
}

int
main(void)
{
	holds();
	succeeds();
	overspends();
	fails();
	days();
	prices();
	return tap_done();
}
