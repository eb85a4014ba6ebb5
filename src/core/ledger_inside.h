/* What the files of the ledger share: purses, reservations, and what waits. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_LEDGER_INSIDE_H
#define ROUSE_CORE_LEDGER_INSIDE_H

#include "base/map.h"
#include "core/ledger.h"
#include "core/ledger_day.h"
#include "store/budgets.h"

/* Who pays. A name stands for itself; that of a user is his tenant's, a slash and his own. A batch
 * has one day alone, that of its id. */
enum payer { PAYER_ALL, PAYER_TENANT, PAYER_USER, PAYER_BATCH, PAYER_AGENT, PAYER_TRIGGER, PAYERS };
/* Those that may have a limit come first. */
#define LIMITED (PAYER_BATCH + 1)

/* What a scope that has a limit has left today. */
struct purse {
	char *key; /* "tenant/abc" */
	char day[DAY_LEN];
	struct wall ends;
	int64_t limit_uusd, limit_tokens; /* INT64_MAX: none */
	int64_t spent_uusd, spent_tokens, reserved_uusd, reserved_tokens;
	bool told_nearly, told_spent; /* of this day, to people */
	UT_hash_handle hh;
};

/* A run that goes on, or whose claim is being written. */
struct reservation {
	int64_t run;
	int64_t uusd, tokens; /* INT64_MAX: whatever it takes */
	char *keys[PAYERS];   /* NULL: it has none of this kind */
	char *tenant;
	char days[PAYERS][DAY_LEN];
	UT_hash_handle hh;
};

/* Scopes that runs are held for. */
struct held {
	char *key;
	int64_t room; /* how many may be tried again; 0: none yet */
	UT_hash_handle hh;
};

struct place {
	char *name;
	struct zone *zone;
	UT_hash_handle hh;
};

struct ledger {
	struct core *core;
	struct purse *purses;
	struct reservation *reservations;
	struct held *held;
	struct place *places;
	struct core_timer *timer;
	bool unhold_all;
};

/* --- ledger_purse.c --- */

const char *payer_name(enum payer payer);
/* Whose key it is; PAYERS: nobody's. */
enum payer payer_of_key(const char *key);
/* "user/abc/u1"; owned. */
char *payer_key(enum payer payer, const char *tenant, const char *name);
/* The row that a key stands for on a day; borrows both. */
void payer_row(const char *key, const char *day, struct budget_row *ret);
/* The zone of a payer's days; NULL: UTC. */
const struct zone *payer_zone(struct ledger *ledger, enum payer payer, const char *tenant);
/* What a payer may spend a day; INT64_MAX: no limit. */
void payer_limits(struct core *core, enum payer payer, const char *tenant, const char *name,
		  int64_t *ret_uusd, int64_t *ret_tokens);
/* The day that a payer spends on at `at`, and (NULL: no matter) when the next one begins. */
void payer_day(struct ledger *ledger, enum payer payer, const char *tenant, const char *name,
	       struct wall at, char day[DAY_LEN], struct wall *ret_ends);
/* As it is today. *ret NULL: this payer has no limit. */
bool purse_of(struct ledger *ledger, enum payer payer, const char *tenant, const char *name,
	      struct purse **ret, struct err *err);
/* The purse of a key, if it is of that day; NULL. */
struct purse *purse_find(struct ledger *ledger, const char *key, const char *day);
void purses_free(struct ledger *ledger);
/* In the turn that spends this from it: people are told when it is nearly (80 %) or wholly spent,
 * once a day each. */
bool purse_note(struct ledger *ledger, struct purse *purse, int64_t uusd, int64_t tokens,
		struct err *err);
/* Runs wait, or are refused, because it has no room for them: that is told, too. */
void purse_is_short(struct ledger *ledger, struct purse *purse);

/* --- ledger_held.c --- */

/* There is room again in what this reservation stood in. */
void held_give_room(struct ledger *ledger, const struct reservation *reservation);
void held_free_all(struct ledger *ledger);

#endif
