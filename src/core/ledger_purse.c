/* Purses: what a scope with a limit has left of its day. */
/* SPDX-License-Identifier: MIT */
#include "core/ledger_inside.h"

#include <assert.h>

#include "base/log.h"
#include "core/notify.h"
#include "core/replay.h"

/* Purses beyond this many push out those that nothing is reserved in: they are read again. */
#define PURSES_MAX 16384
#define PERCENT 80

static const char *const payer_names[] = {"all", "tenant", "user", "batch", "agent", "trigger"};
static_assert(ARRAY_LEN(payer_names) == PAYERS, "a name for every payer");

const char *
payer_name(enum payer payer)
{
	return payer_names[payer];
}

static void
purse_free(struct ledger *ledger, struct purse *purse)
{
	HASH_DEL(ledger->purses, purse);
	free(purse->key);
	free(purse);
}

void
purses_free(struct ledger *ledger)
{
	struct purse *purse, *next;

	HASH_ITER (hh, ledger->purses, purse, next)
		purse_free(ledger, purse);
}

struct purse *
purse_find(struct ledger *ledger, const char *key, const char *day)
{
	struct purse *purse = NULL;

	if (key)
		HASH_FIND_STR(ledger->purses, key, purse);
	return purse && !strcmp(purse->day, day) ? purse : NULL;
}

/* --- days and limits ----------------------------------------------------------------------- */

static const struct conf_section *
tenant_section(struct core *core, const char *tenant)
{
	return tenant ? conf_section(registry_conf(core->registry), "tenant", tenant) : NULL;
}

const struct zone *
payer_zone(struct ledger *ledger, enum payer payer, const char *tenant)
{
	const struct conf_section *section = tenant_section(ledger->core, tenant);
	const char *name = section ? conf_str(section, "timezone") : NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct place *place;

	if (!name || (payer != PAYER_TENANT && payer != PAYER_USER))
		return NULL;
	HASH_FIND_STR(ledger->places, name, place);
	if (place)
		return place->zone;
	place = mem_alloc(sizeof(*place));
	place->name = mem_strdup(name);
	if (!zone_load(str_of(name), &place->zone, &err))
		log_warning("days of a tenant are counted in UTC", "tenant", tenant, "error",
			    err_text(&err));
	HASH_ADD_KEYPTR(hh, ledger->places, place->name, strlen(place->name), place);
	return place->zone;
}

static int64_t
limit_of(const struct conf_section *section, const char *key)
{
	int64_t limit = section ? conf_int(section, key) : INT64_MIN;

	return limit == INT64_MIN ? INT64_MAX : limit;
}

/* Of NAME/START. */
static const struct conf_section *
batch_section(struct core *core, const char *id)
{
	struct str name;
	AUTO(auto_free) char *owned = NULL;

	str_split(str_of(id), '/', &name);
	owned = str_dup(name);
	return conf_section(registry_conf(core->registry), "batch", owned);
}

#define DAY_MS 86400000

void
payer_day(struct ledger *ledger, enum payer payer, const char *tenant, const char *name,
	  struct wall at, char day[DAY_LEN], struct wall *ret_ends)
{
	const char *slash = payer == PAYER_BATCH ? strrchr(name, '/') : NULL;

	if (!slash || strlen(slash + 1) < DAY_LEN - 1) {
		day_of(payer_zone(ledger, payer, tenant), at, day, ret_ends);
		return;
	}
	memcpy(day, slash + 1, DAY_LEN - 1);
	day[DAY_LEN - 1] = '\0';
	if (ret_ends)
		ret_ends->ms = at.ms + DAY_MS;
}

void
payer_limits(struct core *core, enum payer payer, const char *tenant, const char *name,
	     int64_t *ret_uusd, int64_t *ret_tokens)
{
	const struct conf_section *budget =
		conf_section(registry_conf(core->registry), "budget", "");
	const struct conf_section *section = tenant_section(core, tenant);

	*ret_uusd = *ret_tokens = INT64_MAX;
	switch (payer) {
	case PAYER_ALL:
		*ret_uusd = limit_of(budget, "cost_per_day");
		*ret_tokens = limit_of(budget, "tokens_per_day");
		return;
	case PAYER_TENANT:
		*ret_uusd = limit_of(section, "cost_per_day");
		if (*ret_uusd == INT64_MAX)
			*ret_uusd = limit_of(budget, "cost_per_tenant_day");
		*ret_tokens = limit_of(section, "tokens_per_day");
		return;
	case PAYER_USER:
		*ret_uusd = limit_of(budget, "cost_per_user_day");
		return;
	case PAYER_BATCH:
		if (replay_is(name)) {
			*ret_uusd = replay_limit_uusd(core, name);
			return;
		}
		section = batch_section(core, name);
		*ret_uusd = limit_of(section, "batch_budget.cost");
		*ret_tokens = limit_of(section, "batch_budget.tokens");
		return;
	default:
		return;
	}
}

char *
payer_key(enum payer payer, const char *tenant, const char *name)
{
	struct buf key = BUF_INIT;

	buf_cat(&key, payer_names[payer], "/");
	if (payer == PAYER_USER && tenant)
		buf_cat(&key, tenant, "/");
	buf_puts(&key, name);
	return buf_take(&key);
}

enum payer
payer_of_key(const char *key)
{
	int i = 0;

	for (; i < PAYERS; i++) {
		size_t len = strlen(payer_names[i]);

		if (!strncmp(key, payer_names[i], len) && key[len] == '/')
			break;
	}
	return (enum payer)i;
}

void
payer_row(const char *key, const char *day, struct budget_row *ret)
{
	enum payer payer = payer_of_key(key);

	*ret = (struct budget_row){.scope = payer < PAYERS ? payer_names[payer] : NULL,
				   .name = strchr(key, '/') + 1,
				   .day = day};
}

static bool
is_share(int64_t spent, int64_t limit, int percent)
{
	return limit != INT64_MAX && (double)spent * 100 >= (double)limit * percent;
}

/* So many percent of it, this much more included? */
static bool
purse_is_used(const struct purse *purse, int percent, int64_t uusd, int64_t tokens)
{
	return is_share(add_up(purse->spent_uusd, uusd), purse->limit_uusd, percent) ||
	       is_share(add_up(purse->spent_tokens, tokens), purse->limit_tokens, percent);
}

static bool
purse_tell(struct ledger *ledger, const struct purse *purse, bool spent, struct err *err)
{
	AUTO(buf_fini)
	struct buf subject = BUF_INIT, text = BUF_INIT, topic = BUF_INIT, who = BUF_INIT;
	struct budget_row row;

	payer_row(purse->key, purse->day, &row);
	/* Who replays is there, and is told by its end. */
	if (payer_of_key(purse->key) == PAYER_BATCH && replay_is(row.name))
		return true;
	buf_cat(&topic, purse->key, spent ? "/spent" : "/nearly");
	if (*row.name)
		buf_cat(&who, row.scope, " ", row.name);
	else
		buf_puts(&who, "all runs together");
	buf_cat(&subject, "the day's budget of ", buf_cstr(&who),
		spent ? " is spent" : " is nearly spent");
	buf_printf(&text, "On %s, ", purse->day);
	if (purse->limit_uusd != INT64_MAX)
		buf_printf(&text, "%.2f of %.2f dollars ", (double)purse->spent_uusd / 1e6,
			   (double)purse->limit_uusd / 1e6);
	if (purse->limit_tokens != INT64_MAX)
		buf_printf(&text, "%s%lld of %lld tokens ",
			   purse->limit_uusd != INT64_MAX ? "and " : "",
			   (long long)purse->spent_tokens, (long long)purse->limit_tokens);
	buf_puts(&text, spent ? "were spent before the last run; what wants more waits until "
			      : "were spent before the last run; the next day begins at ");
	wall_format(purse->ends, &text);
	buf_putc(&text, '.');
	return notify_raise(ledger->core,
			    &(struct notify_fact){.event = NOTIFY_BUDGET,
						  .topic = buf_cstr(&topic),
						  .subject = buf_cstr(&subject),
						  .text = buf_cstr(&text),
						  .todo = "rouse budget",
						  .tenant = payer_of_key(purse->key) == PAYER_TENANT
								    ? row.name
								    : NULL},
			    err);
}

bool
purse_note(struct ledger *ledger, struct purse *purse, int64_t uusd, int64_t tokens,
	   struct err *err)
{
	bool spent = purse_is_used(purse, 100, uusd, tokens);

	if (!notify_wants(ledger->core, NOTIFY_BUDGET) ||
	    (spent ? purse->told_spent
		   : purse->told_nearly || !purse_is_used(purse, PERCENT, uusd, tokens)))
		return true;
	if (!purse_tell(ledger, purse, spent, err))
		return false;
	purse->told_nearly = true;
	purse->told_spent |= spent;
	return true;
}

void
purse_is_short(struct ledger *ledger, struct purse *purse)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (purse->told_spent || !notify_wants(ledger->core, NOTIFY_BUDGET))
		return;
	purse->told_nearly = purse->told_spent = purse_tell(ledger, purse, true, &err);
	if (!purse->told_spent)
		log_warning("nobody is told of a budget that is spent", "budget", purse->key,
			    "error", err_text(&err));
}

/* Another day, or a purse that was not there: what is spent from its row, what is reserved from all
 * that runs. */
static bool
purse_fill(struct ledger *ledger, struct purse *purse, enum payer payer, const char *day,
	   struct err *err)
{
	struct reservation *reservation, *next;
	struct budget_row row;

	payer_row(purse->key, day, &row);
	if (!budgets_get(ledger->core->store, &row, err))
		return false;
	memcpy(purse->day, day, DAY_LEN);
	purse->spent_uusd = row.spent_uusd;
	purse->spent_tokens = row.tokens;
	purse->reserved_uusd = purse->reserved_tokens = 0;
	/* Before a restart it was told. */
	purse->told_nearly = purse_is_used(purse, PERCENT, 0, 0);
	purse->told_spent = purse_is_used(purse, 100, 0, 0);
	HASH_ITER (hh, ledger->reservations, reservation, next) {
		const char *key = reservation->keys[payer];

		if (!key || strcmp(key, purse->key) || strcmp(reservation->days[payer], day))
			continue;
		purse->reserved_uusd = add_up(purse->reserved_uusd, reservation->uusd);
		purse->reserved_tokens = add_up(purse->reserved_tokens, reservation->tokens);
	}
	return true;
}

static void
purses_drop_idle(struct ledger *ledger)
{
	struct purse *purse, *next;

	HASH_ITER (hh, ledger->purses, purse, next)
		if (!purse->reserved_uusd && !purse->reserved_tokens)
			purse_free(ledger, purse);
}

bool
purse_of(struct ledger *ledger, enum payer payer, const char *tenant, const char *name,
	 struct purse **ret, struct err *err)
{
	AUTO(auto_free) char *key = NULL;
	int64_t uusd, tokens;
	char day[DAY_LEN];
	struct wall ends;
	struct purse *purse;

	*ret = NULL;
	payer_limits(ledger->core, payer, tenant, name, &uusd, &tokens);
	if (uusd == INT64_MAX && tokens == INT64_MAX)
		return true;
	key = payer_key(payer, tenant, name);
	payer_day(ledger, payer, tenant, name, core_wall(ledger->core), day, &ends);
	HASH_FIND_STR(ledger->purses, key, purse);
	if (!purse) {
		if (HASH_COUNT(ledger->purses) >= PURSES_MAX)
			purses_drop_idle(ledger);
		purse = mem_alloc(sizeof(*purse));
		purse->key = TAKE(key);
		HASH_ADD_KEYPTR(hh, ledger->purses, purse->key, strlen(purse->key), purse);
	}
	purse->limit_uusd = uusd;
	purse->limit_tokens = tokens;
	if (strcmp(purse->day, day) && !purse_fill(ledger, purse, payer, day, err)) {
		purse_free(ledger, purse);
		return false;
	}
	purse->ends = ends;
	*ret = purse;
	return true;
}

/* As has_room() of the ledger: where a whole run's budget is more than the limit, one run at a time
 * gets what is left. */
static int64_t
more_of(int64_t limit, int64_t spent, int64_t reserved, int64_t pending, int64_t need)
{
	int64_t left;

	if (limit == INT64_MAX || !need)
		return INT64_MAX;
	if (need > limit)
		return !reserved && !pending && spent < limit;
	left = limit - spent - reserved;
	return left > 0 ? left / need - pending : 0;
}

static int64_t
reserved_runs(const struct ledger *ledger, const char *key)
{
	struct reservation *reservation, *next;
	int64_t count = 0;

	HASH_ITER (hh, ledger->reservations, reservation, next)
		count += reservation->keys[PAYER_BATCH] &&
			 !strcmp(reservation->keys[PAYER_BATCH], key);
	return count;
}

bool
ledger_batch_room(struct core *core, const char *batch, const struct run_limits *limits,
		  int64_t running, int64_t *ret_more, bool *ret_idle, struct err *err)
{
	int64_t cost = limits->cost_uusd < 0 ? INT64_MAX : limits->cost_uusd;
	int64_t tokens = limits->tokens < 0 ? INT64_MAX : limits->tokens, by_cost, by_tokens,
		claimed;
	struct purse *purse;

	*ret_more = INT64_MAX;
	*ret_idle = true;
	if (!purse_of(core->ledger, PAYER_BATCH, NULL, batch, &purse, err))
		return false;
	if (!purse)
		return true;
	claimed = reserved_runs(core->ledger, purse->key);
	*ret_idle = !claimed;
	running = running > claimed ? running - claimed : 0;
	by_cost =
		more_of(purse->limit_uusd, purse->spent_uusd, purse->reserved_uusd, running, cost);
	by_tokens = more_of(purse->limit_tokens, purse->spent_tokens, purse->reserved_tokens,
			    running, tokens);
	*ret_more = by_cost < by_tokens ? by_cost : by_tokens;
	if (*ret_more < 0)
		*ret_more = 0;
	return true;
}
