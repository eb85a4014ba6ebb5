/* Accounts: what the triggers of one account share: a few connections, and how long a login that
 * was refused is not tried again. */
/* SPDX-License-Identifier: MIT */
#include "triggers/imap/account.h"

#include <assert.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/map.h"

static const int64_t pauses_ms[] = REFUSED_PAUSES_MS;

struct account {
	char *name;
	int references, held;
	TAILQ_HEAD(, place) places;
	unsigned refusals;
	struct mono refused_at;
	int64_t pause_ms;
	struct digest secret; /* that was refused */
	UT_hash_handle hh;
};

/* Of this process. */
static struct account *accounts;

void
place_init(struct place *place, const char *host, int port, const char *user)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	struct account *account;

	buf_printf(&name, "%s@%s:%d", user, host, port);
	HASH_FIND_STR(accounts, buf_cstr(&name), account);
	if (!account) {
		account = mem_alloc(sizeof(*account));
		account->name = buf_take(&name);
		TAILQ_INIT(&account->places);
		HASH_ADD_KEYPTR(hh, accounts, account->name, strlen(account->name), account);
	}
	account->references++;
	place->account = account;
	TAILQ_INSERT_TAIL(&account->places, place, entry);
}

void
place_fini(struct place *place)
{
	struct account *account = place->account;

	if (!account)
		return;
	place_leave(place);
	TAILQ_REMOVE(&account->places, place, entry);
	place->account = NULL;
	if (--account->references)
		return;
	HASH_DEL(accounts, account);
	free(account->name);
	free(account);
}

/* Who has rested longest makes room. */
static void
room_ask(struct account *account)
{
	struct place *place, *oldest = NULL;

	TAILQ_FOREACH (place, &account->places, entry)
		if (place->holds && place->rests &&
		    (!oldest || place->rests_since < oldest->rests_since))
			oldest = place;
	if (oldest) {
		oldest->rests = false;
		oldest->wanted(oldest);
	}
}

bool
place_take(struct place *place)
{
	struct account *account = place->account;

	if (place->holds)
		return true;
	if (account->held < ACCOUNT_CONNECTIONS) {
		account->held++;
		place->holds = true;
		place->waits = false;
		return true;
	}
	place->waits = true;
	room_ask(account);
	return false;
}

void
place_leave(struct place *place)
{
	struct account *account = place->account;
	struct place *next;

	place->waits = place->rests = false;
	if (!place->holds)
		return;
	place->holds = false;
	account->held--;
	TAILQ_FOREACH (next, &account->places, entry) {
		if (!next->waits)
			continue;
		/* Behind all others, when it waits the next time. */
		TAILQ_REMOVE(&account->places, next, entry);
		TAILQ_INSERT_TAIL(&account->places, next, entry);
		next->waits = false;
		next->holds = true;
		account->held++;
		next->granted(next);
		return;
	}
}

void
place_set_resting(struct place *place, bool rests, struct mono now)
{
	place->rests = rests;
	place->rests_since = now.ms;
}

bool
place_is_wanted(const struct place *place)
{
	const struct place *other;

	TAILQ_FOREACH (other, &place->account->places, entry)
		if (other->waits)
			return true;
	return false;
}

/* --- refusals -----------------------------------------------------------------------------------
 */

void
place_refused(struct place *place, struct str secret, struct mono now)
{
	struct account *account = place->account;
	size_t i = account->refusals++;

	account->refused_at = now;
	account->secret = digest_of(DIGEST_SHA256, secret);
	account->pause_ms = pauses_ms[i < ARRAY_LEN(pauses_ms) ? i : ARRAY_LEN(pauses_ms) - 1];
}

void
place_accepted(struct place *place)
{
	place->account->refusals = 0;
	place->account->pause_ms = 0;
}

int64_t
place_pause(const struct place *place, struct str secret, struct mono now)
{
	const struct account *account = place->account;
	struct digest digest = digest_of(DIGEST_SHA256, secret);
	int64_t left = account->refused_at.ms + account->pause_ms - now.ms;

	if (!account->pause_ms || left <= 0 ||
	    !digest_equal(digest.bytes, digest.len, account->secret.bytes, account->secret.len))
		return 0;
	return left;
}

void
accounts_forgive(void)
{
	struct account *account, *next;
	struct place *place;

	HASH_ITER (hh, accounts, account, next) {
		if (!account->pause_ms)
			continue;
		account->pause_ms = pauses_ms[0];
		TAILQ_FOREACH (place, &account->places, entry)
			place->forgiven(place);
	}
}
