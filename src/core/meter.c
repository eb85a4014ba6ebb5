/* Meters: what an agent uses while it runs, held against what its run may use. SPEC 6, 9. */
/* SPDX-License-Identifier: MIT */
#include "core/meter.h"

#include <assert.h>
#include <math.h>

#include "base/json.h"
#include "base/log.h"
#include "core/agent.h"
#include "core/ledger.h"
#include "core/metrics.h"
#include "core/stream.h"

#define TOKENS_MAX 1000000000000LL
#define COST_MAX 1000000000000000LL
/* The longest name that a section may have. */
#define NAME_MAX_LEN 40
#define PERCENT 80

static const struct meter_row {
	const char *name, *what, *reason;
} rows[] = {
	[METER_STEPS] = {"steps", "steps", "budget_steps"},
	[METER_TOOLS] = {"tools", "tool calls", "budget_tools"},
	[METER_TOKENS] = {"tokens", "tokens", "budget_tokens"},
	[METER_CONTEXT] = {"context", "tokens of context", "budget_context"},
	[METER_COST] = {"cost_usd", "dollars", "budget_cost"},
};
static_assert(ARRAY_LEN(rows) == METERS, "a row for every meter");

static int64_t
meter_used(const struct attempt *attempt, enum meter meter)
{
	const struct run_meters *used = &attempt->now.run_used;
	const int64_t values[METERS] = {[METER_STEPS] = used->steps,
					[METER_TOOLS] = used->tools,
					[METER_TOKENS] = meters_tokens(used),
					[METER_CONTEXT] = used->context,
					[METER_COST] = used->cost_uusd};

	return values[meter];
}

/* -1: none. */
static int64_t
meter_limit(const struct attempt *attempt, enum meter meter)
{
	const struct run_limits *limits = &attempt->run.limits;
	const int64_t values[METERS] = {[METER_STEPS] = limits->steps,
					[METER_TOOLS] = limits->tools,
					[METER_TOKENS] = limits->tokens,
					[METER_CONTEXT] = limits->context ? limits->context : -1,
					[METER_COST] = limits->cost_uusd};

	return values[meter];
}

static json_t *
meter_json(enum meter meter, int64_t value)
{
	return meter == METER_COST ? json_real((double)value / 1e6) : json_integer(value);
}

static void
amount(struct buf *out, enum meter meter, int64_t value)
{
	if (meter == METER_COST)
		buf_printf(out, "%.6g", (double)value / 1e6);
	else
		buf_printf(out, "%lld", (long long)value);
}

/* --- nearly used --------------------------------------------------------------------------- */

static void
warn_build(const struct attempt *attempt, enum meter about, struct buf *out)
{
	AUTO(json_auto_decref) json_t *line = json_object();
	json_t *used = json_object(), *left = json_object();

	for (int i = 0; i < METERS; i++) {
		int64_t limit = meter_limit(attempt, (enum meter)i),
			so_far = meter_used(attempt, (enum meter)i);

		json_object_set_new(used, rows[i].name, meter_json((enum meter)i, so_far));
		if (limit >= 0)
			json_object_set_new(
				left, rows[i].name,
				meter_json((enum meter)i, limit > so_far ? limit - so_far : 0));
	}
	json_put_str(line, "type", "budget");
	json_put_str(line, "limit", rows[about].name);
	json_object_set_new(line, "used", used);
	json_object_set_new(line, "left", left);
	json_write(out, line);
}

static bool
is_nearly_used(int64_t used, int64_t limit)
{
	return limit > 0 && used <= limit &&
	       used >= limit - limit / 100 * (100 - PERCENT) - limit % 100 * (100 - PERCENT) / 100;
}

static void
meter_warn(struct attempt *attempt, enum meter meter)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf line = BUF_INIT;

	if (attempt->now.warned & 1U << meter ||
	    !is_nearly_used(meter_used(attempt, meter), meter_limit(attempt, meter)))
		return;
	attempt->now.warned |= 1U << meter;
	warn_build(attempt, meter, &line);
	attempt_log(attempt, "budget", buf_str(&line));
	metrics_count(attempt->core->metrics, "rouse_budget_warnings_total", "agent",
		      attempt->run.agent, "limit", rows[meter].name, 1);
	if (attempt->agent && !attempt->agent->kind->send(attempt, buf_str(&line), &err))
		log_debug("budget message not sent", "run", attempt->run.id, "error",
			  err_text(&err));
}

void
meter_recall(struct attempt *attempt)
{
	for (int i = 0; i < METERS; i++)
		if (is_nearly_used(meter_used(attempt, (enum meter)i),
				   meter_limit(attempt, (enum meter)i)))
			attempt->now.warned |= 1U << i;
}

/* --- used up ------------------------------------------------------------------------------- */

static void
exceeded_text(enum meter meter, int64_t used, int64_t limit, const char *whose, struct buf *out)
{
	buf_puts(out, "used ");
	amount(out, meter, used);
	buf_printf(out, " %s, and %s is ", rows[meter].what, whose);
	amount(out, meter, limit);
}

static void
meter_stop(struct attempt *attempt, enum meter meter, int64_t used, int64_t limit,
	   const char *whose)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	exceeded_text(meter, used, limit, whose, &text);
	attempt->now.over_budget = true;
	attempt_stop(attempt, rows[meter].reason, buf_cstr(&text));
}

const char *
meter_exceeded(const struct attempt *attempt, struct buf *ret_text)
{
	for (int i = 0; i < METERS; i++) {
		int64_t used = meter_used(attempt, (enum meter)i),
			limit = meter_limit(attempt, (enum meter)i);

		if (limit < 0 || used <= limit)
			continue;
		exceeded_text((enum meter)i, used, limit, "its budget", ret_text);
		return rows[i].reason;
	}
	return NULL;
}

void
meter_adopted(struct attempt *attempt)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const char *reason = meter_exceeded(attempt, &text);

	if (!reason)
		return;
	attempt->now.over_budget = true;
	attempt_stop(attempt, reason, buf_cstr(&text));
}

/* Stops the run the moment a meter passes its limit. */
static void
meter_check(struct attempt *attempt, enum meter meter)
{
	int64_t used = meter_used(attempt, meter), limit = meter_limit(attempt, meter);

	if (limit >= 0 && used > limit)
		meter_stop(attempt, meter, used, limit, "its budget");
	else
		meter_warn(attempt, meter);
}

/* The run's own budget may have room where its tenant's or user's day has none. */
static void
day_check(struct attempt *attempt)
{
	const struct run_meters *used = &attempt->now.used;
	int64_t tokens = meters_tokens(used), uusd_allowed, tokens_allowed;

	if (attempt->stop_reason)
		return;
	ledger_allowed(attempt->core, attempt->run.seq, &uusd_allowed, &tokens_allowed);
	if (used->cost_uusd > uusd_allowed)
		meter_stop(attempt, METER_COST, used->cost_uusd, uusd_allowed,
			   "what its day had left");
	else if (tokens > tokens_allowed)
		meter_stop(attempt, METER_TOKENS, tokens, tokens_allowed, "what its day had left");
}

void
meter_step(struct attempt *attempt)
{
	attempt->now.used.steps++;
	attempt->now.run_used.steps++;
	meter_check(attempt, METER_STEPS);
}

void
meter_tool(struct attempt *attempt)
{
	attempt->now.used.tools++;
	attempt->now.run_used.tools++;
	meter_check(attempt, METER_TOOLS);
}

/* --- usage --------------------------------------------------------------------------------- */

/* A count that an agent reports: nothing below zero, nothing beyond reason, whole. */
static int64_t
count_of(const json_t *line, const char *key)
{
	double n = json_num(line, key, 0);

	if (!isfinite(n) || n <= 0)
		return 0;
	return n > (double)TOKENS_MAX ? TOKENS_MAX : (int64_t)n;
}

static int64_t
uusd_of(double uusd)
{
	if (!isfinite(uusd) || uusd <= 0)
		return 0;
	return uusd > (double)COST_MAX ? COST_MAX : llround(uusd);
}

const struct conf_section *
meter_model(const struct conf *conf, const char *model)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;

	for (const char *p = model; p && *p && name.len < NAME_MAX_LEN; p++)
		buf_putc(&name, *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p);
	while (name.len) {
		const char *behind = model + name.len;
		const struct conf_section *section =
			*behind && strchr("-@:.", *behind) == NULL
				? NULL
				: conf_section(conf, "model", buf_cstr(&name));

		if (section)
			return section;
		buf_truncate(&name, name.len - 1);
	}
	return NULL;
}

/* Dollars a million tokens are millionths of a dollar a token. */
static double
price_of(const struct conf_section *section, const char *key, int64_t tokens)
{
	int64_t price = conf_int(section, key);

	return price == INT64_MIN ? 0 : (double)tokens * (double)price / 1e6;
}

/* What the agent says that it cost, else what the list says. */
static int64_t
cost_of(struct attempt *attempt, const json_t *line, const struct run_meters *use)
{
	const struct conf_section *section;
	json_t *said = json_object_get(line, "cost_usd");
	const char *model = json_str(line, "model");

	if (json_is_number(said))
		return uusd_of(json_number_value(said) * 1e6);
	if (!model)
		return 0;
	section = meter_model(registry_conf(attempt->registry), model);
	if (!section) {
		if (!attempt->unpriced)
			log_warning("model without a price: its cost is not counted", "run",
				    attempt->run.id, "model", model);
		attempt->unpriced = true;
		return 0;
	}
	return uusd_of(
		ceil(price_of(section, "input_price", use->input_tokens) +
		     price_of(section, "output_price", use->output_tokens) +
		     price_of(section, "cache_read_price", use->cache_tokens) +
		     price_of(section, "cache_write_price", count_of(line, "cache_write_tokens"))));
}

static void
meters_add(struct run_meters *used, const struct run_meters *use)
{
	used->input_tokens = add_up(used->input_tokens, use->input_tokens);
	used->output_tokens = add_up(used->output_tokens, use->output_tokens);
	used->cache_tokens = add_up(used->cache_tokens, use->cache_tokens);
	used->cost_uusd = add_up(used->cost_uusd, use->cost_uusd);
	used->context = use->context;
}

void
meter_usage(struct attempt *attempt, const json_t *line)
{
	struct run_meters use = {.input_tokens = count_of(line, "input_tokens"),
				 .output_tokens = count_of(line, "output_tokens"),
				 .cache_tokens = count_of(line, "cache_read_tokens"),
				 .context = count_of(line, "context_tokens")};

	use.cost_uusd = cost_of(attempt, line, &use);
	meters_add(&attempt->now.used, &use);
	meters_add(&attempt->now.run_used, &use);
	meter_check(attempt, METER_TOKENS);
	meter_check(attempt, METER_CONTEXT);
	meter_check(attempt, METER_COST);
	day_check(attempt);
}
