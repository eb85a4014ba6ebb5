/* Accounts: what the triggers of one account share: a few connections, and how long a login that
 * was refused is not tried again. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_IMAP_ACCOUNT_H
#define ROUSE_TRIGGERS_IMAP_ACCOUNT_H

#include "base/clock.h"
#include "base/list.h"
#include "base/str.h"

/* Providers count them, and people's own programs need some too. */
#define ACCOUNT_CONNECTIONS 5

/* After the first refusal, after the second, and from then on. Providers lock accounts over less.
 */
#define REFUSED_PAUSES_MS                                                                          \
	{                                                                                          \
		60000, 600000, 21600000                                                            \
	}

struct account;

/* A trigger's place among those of its account. */
struct place {
	struct account *account;
	void (*granted)(
		struct place *place); /* a connection is ours, after it had to be waited for */
	void (*wanted)(struct place *place); /* others wait, and ours has rested the longest */
	void (*forgiven)(
		struct place *place); /* the configuration was read anew: see account_pause() */
	bool holds, waits, rests;
	int64_t rests_since;
	TAILQ_ENTRY(place) entry;
};

/* The callbacks are the caller's to set before. */
void place_init(struct place *place, const char *host, int port, const char *user);
void place_fini(struct place *place);

/* True: a connection may be made, until place_leave(). False: granted() will come. */
bool place_take(struct place *place);
/* Gives it back, or does not wait any more. */
void place_leave(struct place *place);
/* It does nothing but wait for mail, or something again. */
void place_set_resting(struct place *place, bool rests, struct mono now);
/* Does anyone wait for a connection of this account? */
bool place_is_wanted(const struct place *place);

/* What the server said to the login. secret: what it was tried with. */
void place_refused(struct place *place, struct str secret, struct mono now);
void place_accepted(struct place *place);
/* How long no login may be tried; 0: it may. Another secret may be tried at once. */
int64_t place_pause(const struct place *place, struct str secret, struct mono now);
/* The configuration was read: every pause is now at most a minute from its refusal. */
void accounts_forgive(void);

#endif
