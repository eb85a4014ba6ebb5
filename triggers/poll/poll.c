/* Source poll: when a resource is looked at, and how that went. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/poll/inside.h"

#include "base/uuid.h"
#include "store/state.h"

/* After a failure it is looked at sooner than by its interval, but ever less often. */
#define AGAIN_MS 60000
#define AGAIN_CAP_MS 300000

static int64_t
min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void
on_timer(void *arg)
{
	struct poll *poll = arg;
	const struct trigger *trigger = source_trigger(&poll->source);
	struct core *core = poll->source.core;

	poll->next = WALL_NONE;
	if (poll->look || !trigger)
		return;
	/* Nobody is asked meanwhile: what changes is found when it goes on. */
	poll->resting = !trigger_is_on(core, trigger);
	if (!poll->resting)
		look_begin(poll);
}

static void
poll_wait(struct poll *poll, int64_t ms)
{
	poll->next = (struct wall){core_wall(poll->source.core).ms + ms};
	core_timer_arm(poll->source.core, &poll->timer, max64(ms, 1), on_timer, poll);
}

void
poll_is_fine(struct poll *poll)
{
	poll->failures = 0;
	source_set_backlog(&poll->source, 0, WALL_NONE);
	source_set_health(&poll->source, HEALTH_OK, NULL);
	poll_wait(poll, poll->interval_ms + (int64_t)entropy_below((uint64_t)poll->jitter_ms + 1));
}

void
poll_has_failed(struct poll *poll, int64_t wait_ms, const char *why)
{
	const struct backoff backoff = {.base_ms = min64(poll->interval_ms, AGAIN_MS),
					.cap_ms = max64(poll->interval_ms, AGAIN_CAP_MS),
					.factor = 2,
					.jitter = BACKOFF_NONE};
	int64_t ms = backoff_ceiling(&backoff, ++poll->failures);

	source_set_health(&poll->source, HEALTH_FAILING, why);
	ms = max64(ms, wait_ms);
	poll_wait(poll, ms + (int64_t)entropy_below((uint64_t)ms / 4 + 1));
}

static void
poll_free(struct poll *poll)
{
	core_timer_free(poll->timer);
	known_fini(&poll->known);
	poll_unconfigure(poll);
	source_fini(&poll->source);
	free(poll);
}

static struct source *
poll_start(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct poll *poll = mem_alloc(sizeof(*poll));
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err none = ERR_INIT;

	source_init(&poll->source, core, &poll_kind, trigger->name);
	if (!poll_configure(poll, trigger->section, err)) {
		poll_free(poll);
		return NULL;
	}
	if (cursors_get(core->store, trigger->name, &text, &none)) {
		known_parse(buf_str(&text), poll->print, &poll->known);
	} else if (none.code != E_NOT_FOUND) {
		err_move(err, &none);
		poll_free(poll);
		return NULL;
	}
	/* Soon; a hundred of them not in one moment. */
	poll_wait(poll, (int64_t)entropy_below((uint64_t)min64(poll->jitter_ms, 1000) + 1));
	return &poll->source;
}

static void
poll_stop(struct source *source)
{
	struct poll *poll = CONTAINER_OF(source, struct poll, source);

	look_abandon(poll->look);
	poll_free(poll);
}

static void
poll_wake(struct source *source)
{
	struct poll *poll = CONTAINER_OF(source, struct poll, source);

	if (poll->resting)
		poll_wait(poll, 0);
}

static struct wall
poll_next(struct source *source)
{
	return CONTAINER_OF(source, struct poll, source)->next;
}

const struct source_kind poll_kind = {.name = "poll",
				      .tables = poll_tables,
				      .trust = TRUST_UNTRUSTED,
				      .start = poll_start,
				      .stop = poll_stop,
				      .next = poll_next,
				      .wake = poll_wake};
