/* Batches that start by themselves: one timer of the wall's clock for all their schedules. SPEC 11.
 */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <event2/event.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"
#include "core/batch_inside.h"
#include "pure/cron_next.h"
#include "store/state.h"

/* A start that was missed is made up for, once, if it is no older. */
#define CATCHUP_MS 86400000
#define RETRY_MS 5000
/* Nominal times that are passed over one by one. */
#define MISSED_MAX 100000

struct appointment {
	struct appointment *after;
	char *name;
	struct cron *cron;
	char print[17];	  /* of schedule and zone: other times begin anew */
	struct wall last; /* nominal, handled */
	struct wall next; /* WALL_NONE: never again */
};

static void
cursor_name(const char *batch, struct buf *out)
{
	/* No trigger has a slash in its name. */
	buf_cat(out, "batch/", batch);
}

static bool
cursor_write(struct core *core, const struct appointment *a, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT, value = BUF_INIT;

	cursor_name(a->name, &name);
	buf_printf(&value, "%lld %s", (long long)a->last.ms, a->print);
	return cursors_set(core->store, buf_cstr(&name), buf_str(&value), err);
}

/* What is known of it; otherwise it begins now. */
static void
cursor_read(struct core *core, struct appointment *a)
{
	AUTO(buf_fini) struct buf name = BUF_INIT, value = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct str head, rest;

	cursor_name(a->name, &name);
	a->last = core_wall(core);
	if (cursors_get(core->store, buf_cstr(&name), &value, &err)) {
		rest = str_split(buf_str(&value), ' ', &head);
		if (str_eq_cstr(rest, a->print) && str_to_i64(head, &a->last.ms))
			return;
		a->last = core_wall(core);
	}
	if (!cursor_write(core, a, &err))
		log_warning("the schedule of a batch is not kept yet", "batch", a->name, "error",
			    err_text(&err));
}

static void schedules_arm(struct batches *batches);

/* The latest nominal time that has come. False: none has. */
static bool
due_find(const struct appointment *a, struct wall now, struct wall *ret)
{
	struct wall at = a->next;

	if (!wall_is_set(at) || at.ms > now.ms)
		return false;
	*ret = at;
	for (int i = 0; i < MISSED_MAX && cron_next(a->cron, at, &at) && at.ms <= now.ms; i++)
		*ret = at;
	return true;
}

/* False: to be tried again. */
static bool
appointment_keep(struct core *core, struct appointment *a, struct wall nominal, struct err *err)
{
	const struct batch_options options = {.nominal = nominal};
	AUTO(auto_free) char *id = NULL;
	AUTO(err_fini) struct err why = ERR_INIT;
	bool late = core_wall(core).ms - nominal.ms > CATCHUP_MS;

	if (late)
		log_warning("batch: its time was missed by more than a day, and is passed over",
			    "batch", a->name);
	else if (!batch_start(core, a->name, &options, &id, &why)) {
		if (why.code != E_STATE && why.code != E_EXISTS && why.code != E_NOT_FOUND)
			return err_move(err, &why);
		log_warning("batch does not start at its time", "batch", a->name, "why",
			    err_text(&why));
	}
	a->last = nominal;
	return cursor_write(core, a, err);
}

/* In one turn with what it starts, so that a time is neither lost nor kept twice. */
static bool
appointment_fire(struct core *core, struct appointment *a, struct wall nominal)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct wall before = a->last;

	if (turn_savepoint(core->store, &err)) {
		if (appointment_keep(core, a, nominal, &err)) {
			turn_release(core->store);
			return true;
		}
		turn_undo(core->store);
	}
	a->last = before;
	log_error("batch cannot start at its time now", "batch", a->name, "error", err_text(&err));
	return false;
}

static void
on_retry(void *arg)
{
	struct batches *batches = arg;

	batches->retrying = false;
	schedules_arm(batches);
}

static void
schedules_look(struct batches *batches)
{
	struct core *core = batches->core;
	struct wall now = core_wall(core), nominal;

	if (core->draining)
		return;
	for (struct appointment *a = batches->appointments; a; a = a->after) {
		if (!due_find(a, now, &nominal))
			continue;
		if (!appointment_fire(core, a, nominal)) {
			batches->retrying = true;
			core_timer_arm(core, &batches->retry, RETRY_MS, on_retry, batches);
			continue;
		}
		if (!cron_next(a->cron, a->last, &a->next))
			a->next = WALL_NONE;
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct batches *batches = arg;
	uint64_t expirations;

	(void)what;
	/* ECANCELED: the clock was set. Either way the times say what is due. */
	(void)!read(fd, &expirations, sizeof(expirations));
	schedules_look(batches);
	if (!batches->retrying)
		schedules_arm(batches);
}

static void
schedules_arm(struct batches *batches)
{
	struct itimerspec when = {.it_value = {0, 0}};
	struct wall first = WALL_NONE;

	for (struct appointment *a = batches->appointments; a; a = a->after)
		if (wall_is_set(a->next) && (!wall_is_set(first) || a->next.ms < first.ms))
			first = a->next;
	if (!wall_is_set(first) || batches->timer_fd < 0)
		return;
	when.it_value.tv_sec = first.ms > 1000 ? first.ms / 1000 : 1;
	when.it_value.tv_nsec = first.ms % 1000 * 1000000;
	timerfd_settime(batches->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
			NULL);
}

static void
appointments_free(struct batches *batches)
{
	struct appointment *a;

	while ((a = batches->appointments)) {
		batches->appointments = a->after;
		cron_free(a->cron);
		free(a->name);
		free(a);
	}
}

static void
appointment_add(struct batches *batches, const struct batch_def *def)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT, hex = BUF_INIT;
	const char *schedule = conf_str(def->section, "schedule");
	const char *zone = conf_str(def->section, "timezone");
	struct appointment *a;
	struct digest digest;
	struct cron *cron;

	if (!schedule || !conf_bool(def->section, "enabled"))
		return;
	if (!cron_new(str_of(schedule), str_of(zone), str_of(def->name), &cron, &err)) {
		log_error("batch: its schedule is not followed", "batch", def->name, "error",
			  err_text(&err));
		return;
	}
	a = mem_alloc(sizeof(*a));
	a->name = mem_strdup(def->name);
	a->cron = cron;
	buf_cat(&text, schedule, "\n", zone ? zone : "");
	digest = digest_of(DIGEST_SHA256, buf_str(&text));
	hex_encode(&hex, str_make(digest.bytes, 8));
	memcpy(a->print, buf_cstr(&hex), sizeof(a->print));
	cursor_read(batches->core, a);
	if (!cron_next(cron, a->last, &a->next))
		a->next = WALL_NONE;
	a->after = batches->appointments;
	batches->appointments = a;
}

void
schedules_set(struct batches *batches)
{
	const struct registry *registry = batches->core->registry;

	appointments_free(batches);
	for (size_t i = 0; i < registry_batch_count(registry); i++)
		appointment_add(batches, registry_batch_at(registry, i));
	if (!batches->appointments)
		return;
	if (batches->timer_fd < 0) {
		batches->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
		if (batches->timer_fd < 0) {
			log_error("no timer for the schedules of batches", "error",
				  strerror(errno));
			return;
		}
		batches->timer_event = event_new(batches->core->base, batches->timer_fd,
						 EV_READ | EV_PERSIST, on_timer, batches);
		event_add(batches->timer_event, NULL);
	}
	schedules_arm(batches);
}

void
schedules_free(struct batches *batches)
{
	appointments_free(batches);
	core_timer_free(batches->retry);
	if (batches->timer_event)
		event_free(batches->timer_event);
	if (batches->timer_fd >= 0)
		close(batches->timer_fd);
}

struct wall
batch_next_start(struct core *core, const char *name)
{
	for (struct appointment *a = core->batches ? core->batches->appointments : NULL; a;
	     a = a->after)
		if (!strcmp(a->name, name))
			return a->next;
	return WALL_NONE;
}
