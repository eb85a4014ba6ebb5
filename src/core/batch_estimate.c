/* Batches: what all of one would cost and take, from those that were tried. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/json.h"
#include "base/mem.h"
#include "core/batch_inside.h"

/* Student's t, both sides together 5 %, for 1 to 30 degrees of freedom; beyond, the normal's. */
static const double t95[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
			     2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
			     2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};

static double
t_of(int64_t n)
{
	return n < 2 ? 0 : n - 2 < (int64_t)ARRAY_LEN(t95) ? t95[n - 2] : 1.96;
}

/* The total of `all` like these, and how far it may be off: those that were tried are known, the
 * others are like them. */
static void
total_of(int64_t n, double sum, double squares, int64_t all, double *ret, double *ret_off)
{
	double mean = sum / (double)n, left = (double)(all - n);
	double variance = n > 1 ? fmax(0, (squares - sum * mean) / (double)(n - 1)) : 0;

	*ret = mean * (double)all;
	*ret_off = left > 0 ? t_of(n) * sqrt(variance * (left * left / (double)n + left)) : 0;
}

static void
put_interval(json_t *object, const char *name, double value, double off, double least)
{
	AUTO(buf_fini) struct buf low = BUF_INIT, high = BUF_INIT;

	buf_cat(&low, name, "_low");
	buf_cat(&high, name, "_high");
	json_object_set_new(object, name, json_real(value));
	json_object_set_new(object, buf_cstr(&low), json_real(fmax(least, value - off)));
	json_object_set_new(object, buf_cstr(&high), json_real(value + off));
}

static void
put_budget(const struct batch_settings *settings, double cost, int64_t all, json_t *object)
{
	double limit;

	if (!settings->section || !conf_is_set(settings->section, "batch_budget.cost"))
		return;
	limit = (double)conf_int(settings->section, "batch_budget.cost") / 1e6;
	json_object_set_new(object, "budget_usd", json_real(limit));
	json_object_set_new(object, "within_budget", json_boolean(cost <= limit));
	if (cost > limit)
		json_object_set_new(object, "budget_ends_after",
				    json_integer((json_int_t)((double)all * limit / cost)));
}

json_t *
batch_estimate(struct core *core, const struct batch_row *row)
{
	struct batch_settings settings;
	struct items_sample sample;
	double cost, cost_off, ms, ms_off, at_once;
	json_t *object;

	if (!batch_settings_of(core->registry, row, &settings, NULL) ||
	    !items_sample(core->store, row->seq, BATCH_TRIAL_MAX, &sample, NULL) || !sample.n)
		return NULL;
	total_of(sample.n, sample.cost_sum, sample.cost_squares, row->items, &cost, &cost_off);
	total_of(sample.n, sample.ms_sum, sample.ms_squares, row->items, &ms, &ms_off);
	at_once = (double)(settings.concurrency < settings.agent->concurrency
				   ? settings.concurrency
				   : settings.agent->concurrency);
	object = json_object();
	json_object_set_new(object, "tried", json_integer(sample.n));
	json_object_set_new(object, "entities", json_integer(row->items));
	json_object_set_new(object, "confidence", json_real(0.95));
	put_interval(object, "cost_usd", cost, cost_off, sample.cost_sum);
	put_interval(object, "seconds", ms / 1000 / at_once, ms_off / 1000 / at_once, 0);
	json_object_set_new(object, "at_once", json_integer((json_int_t)at_once));
	put_budget(&settings, cost, row->items, object);
	return object;
}
