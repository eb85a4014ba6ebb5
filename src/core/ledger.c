/* The ledger: what is reserved while runs go on, and settled when they end. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "core/batch.h"
#include "core/ledger_inside.h"

void
hold_fini(struct hold *hold)
{
	buf_fini(&hold->scope);
}

struct ledger *
ledger_new(struct core *core)
{
	struct ledger *ledger = mem_alloc(sizeof(*ledger));

	ledger->core = core;
	return ledger;
}

static void
reservation_free(struct reservation *reservation)
{
	for (int i = 0; i < PAYERS; i++)
		free(reservation->keys[i]);
	free(reservation->tenant);
	free(reservation);
}

void
ledger_free(struct ledger *ledger)
{
	struct reservation *reservation, *next_reservation;
	struct place *place, *next_place;

	if (!ledger)
		return;
	purses_free(ledger);
	held_free_all(ledger);
	HASH_ITER (hh, ledger->reservations, reservation, next_reservation) {
		HASH_DEL(ledger->reservations, reservation);
		reservation_free(reservation);
	}
	HASH_ITER (hh, ledger->places, place, next_place) {
		HASH_DEL(ledger->places, place);
		zone_free(place->zone);
		free(place->name);
		free(place);
	}
	core_timer_free(ledger->timer);
	free(ledger);
}

/* Is there room for `need` beside what is spent and reserved? Where a day may not spend even one
 * run's budget, one run at a time gets what is left. */
static bool
has_room(int64_t limit, int64_t spent, int64_t reserved, int64_t need, int64_t *ret_allowed)
{
	*ret_allowed = need;
	if (limit == INT64_MAX)
		return true;
	if (need <= limit)
		return need <= limit - spent && reserved <= limit - spent - need;
	*ret_allowed = limit - spent;
	return !reserved && spent < limit;
}

static void
refuse(const struct purse *purse, bool tokens, int64_t need, struct err *err)
{
	AUTO(buf_fini) struct buf until = BUF_INIT;
	AUTO(buf_fini) struct buf who = BUF_INIT;
	struct budget_row row;

	payer_row(purse->key, purse->day, &row);
	if (payer_of_key(purse->key) == PAYER_BATCH) {
		err_set(err, E_BUDGET,
			"batch %s has no room for it (batch_budget): %.2f dollars and %lld tokens "
			"are spent, %.2f and %lld reserved by what runs",
			row.name, (double)purse->spent_uusd / 1e6, (long long)purse->spent_tokens,
			(double)purse->reserved_uusd / 1e6, (long long)purse->reserved_tokens);
		return;
	}
	buf_puts(&who, *row.name ? row.scope : "all runs together");
	if (*row.name)
		buf_cat(&who, " ", row.name);
	wall_format(purse->ends, &until);
	if (tokens)
		err_set(err, E_BUDGET,
			"%s may use %lld tokens a day: %lld are used, %lld reserved by what runs, "
			"and this run may use %lld; the next day begins at %s",
			buf_cstr(&who), (long long)purse->limit_tokens,
			(long long)purse->spent_tokens, (long long)purse->reserved_tokens,
			(long long)need, buf_cstr(&until));
	else
		err_set(err, E_BUDGET,
			"%s may spend %.2f dollars a day: %.2f are spent, %.2f reserved by what "
			"runs, and this run may cost %.2f; the next day begins at %s",
			buf_cstr(&who), (double)purse->limit_uusd / 1e6,
			(double)purse->spent_uusd / 1e6, (double)purse->reserved_uusd / 1e6,
			(double)need / 1e6, buf_cstr(&until));
}

/* --- reserving ----------------------------------------------------------------------------- */

static int64_t
left_of(int64_t limit, int64_t used)
{
	return limit < 0 ? INT64_MAX : limit > used ? limit - used : 0;
}

static struct reservation *
reservation_new(struct ledger *ledger, const struct run_row *run, struct wall at)
{
	struct reservation *reservation = mem_alloc(sizeof(*reservation));
	const char *const names[PAYERS] = {
		[PAYER_ALL] = "",	    [PAYER_TENANT] = run->tenant,
		[PAYER_USER] = run->user,   [PAYER_BATCH] = run->batch,
		[PAYER_AGENT] = run->agent, [PAYER_TRIGGER] = *run->trigger ? run->trigger : NULL};

	reservation->run = run->seq;
	reservation->tenant = mem_strdup(run->tenant);
	reservation->uusd = left_of(run->limits.cost_uusd, run->used.cost_uusd);
	reservation->tokens = left_of(run->limits.tokens, meters_tokens(&run->used));
	for (int i = 0; i < PAYERS; i++) {
		if (!names[i])
			continue;
		reservation->keys[i] = payer_key((enum payer)i, run->tenant, names[i]);
		payer_day(ledger, (enum payer)i, run->tenant, names[i], at, reservation->days[i],
			  NULL);
	}
	return reservation;
}

/* Adds to (or, by -1, takes from) every purse that it stands in. */
static void
purses_move(struct ledger *ledger, const struct reservation *reservation, int by)
{
	for (int i = 0; i < LIMITED; i++) {
		struct purse *purse =
			purse_find(ledger, reservation->keys[i], reservation->days[i]);

		if (!purse)
			continue;
		purse->reserved_uusd += by * reservation->uusd;
		purse->reserved_tokens += by * reservation->tokens;
	}
}

/* Narrowed to what its purses have room for; E_BUDGET: one has none. */
static bool
reservation_fit(struct ledger *ledger, struct reservation *reservation, const struct run_row *run,
		struct hold *hold, struct err *err)
{
	for (int i = 0; i < LIMITED; i++) {
		const char *key = reservation->keys[i];
		struct purse *purse;
		int64_t uusd, tokens;
		bool fits_uusd, fits_tokens;

		if (!key)
			continue;
		if (!purse_of(ledger, (enum payer)i, run->tenant,
			      i == PAYER_USER ? run->user : strchr(key, '/') + 1, &purse, err))
			return false;
		if (!purse)
			continue;
		fits_uusd = has_room(purse->limit_uusd, purse->spent_uusd, purse->reserved_uusd,
				     reservation->uusd, &uusd);
		fits_tokens = has_room(purse->limit_tokens, purse->spent_tokens,
				       purse->reserved_tokens, reservation->tokens, &tokens);
		if (!fits_uusd || !fits_tokens) {
			refuse(purse, fits_uusd,
			       fits_uusd ? reservation->tokens : reservation->uusd, err);
			buf_puts(&hold->scope, purse->key);
			hold->until = purse->ends;
			/* Also when all that runs has given back what it reserved. */
			if (!has_room(purse->limit_uusd, purse->spent_uusd, 0, reservation->uusd,
				      &uusd) ||
			    !has_room(purse->limit_tokens, purse->spent_tokens, 0,
				      reservation->tokens, &tokens))
				purse_is_short(ledger, purse);
			return false;
		}
		reservation->uusd = uusd;
		reservation->tokens = tokens;
	}
	return true;
}

/* Without a bound nothing can be set aside: what has no limit at all reserves nothing. */
static void
reservation_close(struct ledger *ledger, struct reservation *reservation)
{
	if (reservation->uusd == INT64_MAX)
		reservation->uusd = 0;
	if (reservation->tokens == INT64_MAX)
		reservation->tokens = 0;
	HASH_ADD(hh, ledger->reservations, run, sizeof(reservation->run), reservation);
	purses_move(ledger, reservation, 1);
}

static struct reservation *
reservation_find(struct ledger *ledger, int64_t run)
{
	struct reservation *reservation;

	HASH_FIND(hh, ledger->reservations, &run, sizeof(run), reservation);
	return reservation;
}

bool
ledger_has(struct core *core, int64_t run)
{
	return reservation_find(core->ledger, run);
}

bool
ledger_reserve(struct core *core, const struct run_row *run, struct hold *hold, struct err *err)
{
	struct ledger *ledger = core->ledger;
	struct reservation *reservation = reservation_find(ledger, run->seq);

	assert(!reservation);
	reservation = reservation_new(ledger, run, core_wall(core));
	if (!reservation_fit(ledger, reservation, run, hold, err)) {
		reservation_free(reservation);
		return false;
	}
	reservation_close(ledger, reservation);
	return true;
}

void
ledger_adopt(struct core *core, const struct run_row *run, const struct run_meters *used,
	     struct wall began)
{
	/* As it was when it was claimed. Borrowed strings. */
	struct run_row then = *run;

	then.used.cost_uusd -= used->cost_uusd;
	then.used.input_tokens -= used->input_tokens;
	then.used.output_tokens -= used->output_tokens;
	if (!reservation_find(core->ledger, run->seq))
		reservation_close(core->ledger, reservation_new(core->ledger, &then, began));
}

void
ledger_allowed(struct core *core, int64_t run, int64_t *ret_uusd, int64_t *ret_tokens)
{
	struct reservation *reservation = reservation_find(core->ledger, run);

	*ret_uusd = *ret_tokens = INT64_MAX;
	for (int i = 0; reservation && i < LIMITED; i++) {
		int64_t uusd, tokens;

		if (!reservation->keys[i])
			continue;
		payer_limits(core, (enum payer)i, reservation->tenant,
			     strchr(reservation->keys[i], '/') + 1, &uusd, &tokens);
		if (uusd != INT64_MAX)
			*ret_uusd = reservation->uusd;
		if (tokens != INT64_MAX)
			*ret_tokens = reservation->tokens;
	}
}

/* --- settling ------------------------------------------------------------------------------ */

bool
ledger_settle(struct core *core, const struct run_row *run, const struct run_meters *used,
	      struct err *err)
{
	struct reservation *reservation = reservation_find(core->ledger, run->seq);

	if (!reservation || (!used->cost_uusd && !meters_tokens(used)))
		return true;
	for (int i = 0; i < PAYERS; i++) {
		struct budget_row row;
		struct purse *purse;

		if (!reservation->keys[i])
			continue;
		payer_row(reservation->keys[i], reservation->days[i], &row);
		row.spent_uusd = used->cost_uusd;
		row.tokens = meters_tokens(used);
		if (!budgets_add(core->store, &row, err))
			return false;
		purse = i < LIMITED ? purse_find(core->ledger, reservation->keys[i],
						 reservation->days[i])
				    : NULL;
		if (purse &&
		    !purse_note(core->ledger, purse, used->cost_uusd, meters_tokens(used), err))
			return false;
	}
	return true;
}

void
ledger_release(struct core *core, int64_t run, const struct run_meters *used)
{
	struct ledger *ledger = core->ledger;
	struct reservation *reservation = reservation_find(ledger, run);

	if (!reservation)
		return;
	purses_move(ledger, reservation, -1);
	for (int i = 0; used && i < LIMITED; i++) {
		struct purse *purse =
			purse_find(ledger, reservation->keys[i], reservation->days[i]);

		if (!purse)
			continue;
		purse->spent_uusd = add_up(purse->spent_uusd, used->cost_uusd);
		purse->spent_tokens = add_up(purse->spent_tokens, meters_tokens(used));
	}
	held_give_room(ledger, reservation);
	if (purse_find(ledger, reservation->keys[PAYER_BATCH], reservation->days[PAYER_BATCH]))
		batches_wake_id(core, strchr(reservation->keys[PAYER_BATCH], '/') + 1);
	HASH_DEL(ledger->reservations, reservation);
	reservation_free(reservation);
}

bool
ledger_door(struct core *core, const struct run_limits *limits, const char *tenant,
	    const char *user, struct wall *ret_until, struct err *err)
{
	const char *const names[LIMITED] = {
		[PAYER_ALL] = "", [PAYER_TENANT] = tenant, [PAYER_USER] = user};

	for (int i = 0; i < LIMITED; i++) {
		struct purse *purse;
		int64_t allowed, uusd = left_of(limits->cost_uusd, 0),
				 tokens = left_of(limits->tokens, 0);
		bool fits;

		if (!names[i])
			continue;
		if (!purse_of(core->ledger, (enum payer)i, tenant, names[i], &purse, err))
			return false;
		if (!purse)
			continue;
		fits = has_room(purse->limit_uusd, purse->spent_uusd, 0, uusd, &allowed);
		if (fits && has_room(purse->limit_tokens, purse->spent_tokens, 0, tokens, &allowed))
			continue;
		refuse(purse, fits, fits ? tokens : uusd, err);
		purse_is_short(core->ledger, purse);
		*ret_until = purse->ends;
		return false;
	}
	return true;
}
