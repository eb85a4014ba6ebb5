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
#include "core/notify.h"
#include "core/stream.h"
#include "pure/model_answer.h"

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

/* Of money people hear as well. */
static void
warn_notify(const struct attempt *attempt)
{
	const struct run_row *run = &attempt->run;
	AUTO(buf_fini) struct buf subject = BUF_INIT, text = BUF_INIT, todo = BUF_INIT;

	if (!notify_wants(attempt->core, NOTIFY_BUDGET))
		return;
	buf_cat(&subject, "a run of ", run->agent, " has nearly spent its budget");
	buf_printf(&text, "Run %s of agent %s has spent ", run->id, run->agent);
	amount(&text, METER_COST, meter_used(attempt, METER_COST));
	buf_puts(&text, " of ");
	amount(&text, METER_COST, meter_limit(attempt, METER_COST));
	buf_puts(&text, " dollars (budget.cost); beyond that it is stopped.");
	buf_cat(&todo, "rouse run show ", run->id);
	notify_say(attempt->core, &(struct notify_fact){.event = NOTIFY_BUDGET,
							.topic = run->agent,
							.subject = buf_cstr(&subject),
							.text = buf_cstr(&text),
							.todo = buf_cstr(&todo),
							.agent = run->agent,
							.trigger = run->trigger,
							.tenant = run->tenant,
							.run = run->seq,
							.run_id = run->id});
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
	if (meter == METER_COST)
		warn_notify(attempt);
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
price_of(const struct conf_section *model, const char *key, const char *otherwise, int64_t tokens)
{
	int64_t price = conf_int(model, conf_is_set(model, key) ? key : otherwise);

	return price == INT64_MIN ? 0 : (double)tokens * (double)price / 1e6;
}

bool
meter_is_priced(const struct conf_section *model)
{
	return conf_is_set(model, "input_price") && conf_is_set(model, "output_price");
}

int64_t
meter_price(const struct conf_section *model, const struct meter_use *use)
{
	if (!model)
		return 0;
	return uusd_of(
		ceil(price_of(model, "input_price", "input_price", use->input) +
		     price_of(model, "output_price", "output_price", use->output) +
		     price_of(model, "cache_read_price", "input_price", use->cache_read) +
		     price_of(model, "cache_write_price", "input_price", use->cache_written)));
}

/* What the agent says that it cost, else what the list says. */
static int64_t
cost_of(struct attempt *attempt, const json_t *line, const struct meter_use *use)
{
	const struct conf_section *section;
	json_t *said = json_object_get(line, "cost_usd");
	const char *model = json_str(line, "model");

	if (json_is_number(said))
		return uusd_of(json_number_value(said) * 1e6);
	if (!model)
		return 0;
	section = meter_model(registry_conf(attempt->registry), model);
	if (!section && !attempt->unpriced) {
		log_warning("model without a price: its cost is not counted", "run",
			    attempt->run.id, "model", model);
		attempt->unpriced = true;
	}
	return meter_price(section, use);
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

static void
use_check(struct attempt *attempt)
{
	meter_check(attempt, METER_TOKENS);
	meter_check(attempt, METER_CONTEXT);
	meter_check(attempt, METER_COST);
	day_check(attempt);
}

void
meter_usage(struct attempt *attempt, const json_t *line)
{
	struct meter_use use = {.input = model_count(line, "input_tokens"),
				.output = model_count(line, "output_tokens"),
				.cache_read = model_count(line, "cache_read_tokens"),
				.cache_written = model_count(line, "cache_write_tokens")};
	struct run_meters meters = {.input_tokens = use.input,
				    .output_tokens = use.output,
				    .cache_tokens = use.cache_read,
				    .context = model_count(line, "context_tokens")};

	if (attempt->agent && attempt->agent->proxied)
		return;
	meters.cost_uusd = cost_of(attempt, line, &use);
	meters_add(&attempt->now.used, &meters);
	meters_add(&attempt->now.run_used, &meters);
	use_check(attempt);
}

/* --- counted on its way -------------------------------------------------------------------- */

/* What the attempt may still use of a meter; INT64_MAX: no bound. */
static int64_t
meter_left(const struct attempt *attempt, enum meter meter)
{
	int64_t limit = meter_limit(attempt, meter), used = meter_used(attempt, meter), uusd,
		tokens, left = limit < 0 ? INT64_MAX : limit - used;
	const struct run_meters *own = &attempt->now.used;
	const struct meter_hold *hold;

	ledger_allowed(attempt->core, attempt->run.seq, &uusd, &tokens);
	if (meter == METER_COST && uusd != INT64_MAX && uusd - own->cost_uusd < left)
		left = uusd - own->cost_uusd;
	if (meter == METER_TOKENS && tokens != INT64_MAX && tokens - meters_tokens(own) < left)
		left = tokens - meters_tokens(own);
	LIST_FOREACH (hold, &attempt->holds, entry)
		if (left != INT64_MAX)
			left -= meter == METER_COST ? hold->uusd : hold->tokens;
	return left > 0 ? left : 0;
}

static bool
hold_refuse(struct attempt *attempt, enum meter meter, int64_t need, int64_t left, struct err *err)
{
	AUTO(buf_fini) struct buf most = BUF_INIT, rest = BUF_INIT;
	AUTO(err_fini) struct err why = ERR_INIT;

	amount(&most, meter, need);
	amount(&rest, meter, left);
	err_set(&why, E_BUDGET,
		"this request may take up to %s %s, and the run has %s left%s; ask for less "
		"(max_tokens), or raise budget.%s",
		buf_cstr(&most), rows[meter].what, buf_cstr(&rest),
		LIST_EMPTY(&attempt->holds) ? "" : " beside its requests that go on",
		meter == METER_COST ? "cost" : rows[meter].name);
	if (!attempt->over_reason) {
		attempt->over_reason = rows[meter].reason;
		attempt->over_text = mem_strdup(err_text(&why));
		metrics_count(attempt->core->metrics, "rouse_budget_refusals_total", "agent",
			      attempt->run.agent, "limit", rows[meter].name, 1);
	}
	return err_move(err, &why);
}

bool
meter_hold(struct attempt *attempt, struct meter_hold *hold, struct err *err)
{
	int64_t uusd = meter_left(attempt, METER_COST), tokens = meter_left(attempt, METER_TOKENS);

	if (hold->uusd > uusd)
		return hold_refuse(attempt, METER_COST, hold->uusd, uusd, err);
	if (hold->tokens > tokens)
		return hold_refuse(attempt, METER_TOKENS, hold->tokens, tokens, err);
	hold->attempt = attempt;
	LIST_INSERT_HEAD(&attempt->holds, hold, entry);
	return true;
}

void
meter_hold_drop(struct meter_hold *hold)
{
	if (!hold->attempt)
		return;
	LIST_REMOVE(hold, entry);
	hold->attempt = NULL;
}

static void
settle(struct attempt *attempt, const struct run_meters *meters)
{
	meters_add(&attempt->now.used, meters);
	meters_add(&attempt->now.run_used, meters);
	meters_add(&attempt->now.settled, meters);
	attempt->progress_dirty = true;
}

void
meter_hold_settle(struct meter_hold *hold, const struct meter_use *use)
{
	struct attempt *attempt = hold->attempt;
	int64_t input = add_up(use->input, use->cache_written);

	if (!attempt)
		return;
	meter_hold_drop(hold);
	settle(attempt, &(struct run_meters){.input_tokens = input,
					     .output_tokens = use->output,
					     .cache_tokens = use->cache_read,
					     .context = add_up(input, use->cache_read),
					     .cost_uusd = use->uusd});
	attempt->heard = clock_mono(attempt->core->clock);
	use_check(attempt);
	attempt_took(attempt);
}

void
meter_holds_over(struct attempt *attempt, bool ends)
{
	struct meter_hold *hold, *next;

	LIST_FOREACH_SAFE (hold, &attempt->holds, entry, next) {
		if (ends)
			hold->on_over(hold);
		meter_hold_drop(hold);
	}
}

void
meter_again(struct attempt *attempt, const struct run_meters *settled)
{
	const struct run_meters *kept = &attempt->now.settled;
	struct run_meters lost = {.input_tokens = settled->input_tokens - kept->input_tokens,
				  .output_tokens = settled->output_tokens - kept->output_tokens,
				  .cache_tokens = settled->cache_tokens - kept->cache_tokens,
				  .cost_uusd = settled->cost_uusd - kept->cost_uusd,
				  .context = settled->context};

	if (meters_tokens(&lost) || lost.cache_tokens || lost.cost_uusd)
		settle(attempt, &lost);
}
