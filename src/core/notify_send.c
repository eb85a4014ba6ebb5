/* Notifications: from the outbox to whoever carries them, until they are taken or given up. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/log.h"
#include "base/os.h"
#include "base/uuid.h"
#include "core/metrics.h"
#include "core/notify_inside.h"
#include "store/notices.h"

/* How long a step that the store refused waits before it is tried again. */
#define STORE_RETRY_MS 1000
/* Of a clock that was set back: no longer than this. */
#define RETRY_MAX_MS (24LL * 3600 * 1000)
/* Old ones that go when a new one was sent. */
#define FORGOTTEN_MOST 20

struct notify_job {
	LIST_ENTRY(notify_job) entry;
	struct core *core;
	struct notifier *notifier;
	struct notification_row row; /* seq 0: a trial, that is on no disk */
	struct notify_draft draft;
	struct core_timer *timer;
	/* Of a trial. */
	void (*on_tried)(void *arg, const struct err *err);
	void *arg;
	/* How it went, while that is being written. */
	struct notify_result result;
	struct err err;
};

static void notify_look(void *arg);

/* --- time ---------------------------------------------------------------------------------- */

static void
timer_set(struct notify *notify)
{
	struct notifier *notifier;
	int64_t now = clock_mono(notify->core->clock).ms, due = INT64_MAX;

	LIST_FOREACH (notifier, &notify->notifiers, entry)
		if (notifier->due.ms >= 0 && notifier->due.ms < due)
			due = notifier->due.ms;
	if (due != INT64_MAX)
		core_timer_arm(notify->core, &notify->timer, due > now ? due - now : 1, notify_look,
			       notify);
}

void
notifier_wake(struct notifier *notifier, int64_t ms)
{
	int64_t at = clock_mono(notifier->core->clock).ms + ms;

	if (notifier->job || (notifier->due.ms >= 0 && notifier->due.ms <= at))
		return;
	notifier->due.ms = at;
	timer_set(notifier->core->notify);
}

/* --- jobs ---------------------------------------------------------------------------------- */

static struct notify_job *
job_new(struct notifier *notifier, struct notification_row *take_row)
{
	struct notify_job *job = mem_alloc(sizeof(*job));

	job->core = notifier->core;
	job->notifier = notifier;
	job->row = *take_row;
	*take_row = (struct notification_row){0};
	LIST_INSERT_HEAD(&notifier->core->notify->jobs, job, entry);
	return job;
}

static void
job_free(struct notify_job *job)
{
	LIST_REMOVE(job, entry);
	if (job->notifier->job == job)
		job->notifier->job = NULL;
	notification_row_fini(&job->row);
	draft_fini(&job->draft);
	core_timer_free(job->timer);
	err_fini(&job->err);
	free(job);
}

void
notify_jobs_free(struct notify *notify)
{
	while (!LIST_EMPTY(&notify->jobs))
		job_free(LIST_FIRST(&notify->jobs));
}

/* --- how it went --------------------------------------------------------------------------- */

static void job_write(void *arg);

static void
job_count(const struct notify_job *job)
{
	const char *outcome = job->result.sent			   ? "sent"
			      : !strcmp(job->row.state, "dropped") ? "dropped"
								   : "failed";

	metrics_count(job->core->metrics, "rouse_notifications_total", "notify",
		      job->notifier->name, "outcome", outcome, 1);
	if (job->result.sent)
		log_info("notification sent", "notify", job->notifier->name, "id", job->row.id);
	else
		log_warning(!strcmp(outcome, "dropped") ? "notification given up"
							: "notification not sent yet",
			    "notify", job->notifier->name, "id", job->row.id, "error",
			    err_text(&job->err));
}

static void
on_written(void *arg, const struct err *err)
{
	struct notify_job *job = arg;
	struct notifier *notifier = job->notifier;
	int64_t wait = job->row.due.ms - core_wall(job->core).ms;

	if (err->code != E_OK) {
		core_timer_arm(job->core, &job->timer, STORE_RETRY_MS, job_write, job);
		return;
	}
	job_count(job);
	if (strcmp(job->row.state, "waiting"))
		wait = 0;
	job_free(job);
	notifier_wake(notifier, wait > 0 ? wait : 0);
}

static void
outcome_fill(struct notify_job *job)
{
	struct notification_row *row = &job->row;
	const struct retry_policy *retry = &job->notifier->retry;
	struct wall now = core_wall(job->core);
	int64_t delay;

	free(row->state);
	free(row->error);
	row->error = mem_strdup(job->result.sent ? NULL : err_text(&job->err));
	row->done_at = now;
	if (job->result.sent) {
		row->state = mem_strdup("sent");
		return;
	}
	row->attempts++;
	if (job->result.never || row->attempts >= retry->attempts) {
		row->state = mem_strdup("dropped");
		return;
	}
	delay = backoff_delay(&retry->backoff, (unsigned)row->attempts, entropy_below(UINT64_MAX));
	if (job->result.retry_after_ms > delay)
		delay = job->result.retry_after_ms;
	row->state = mem_strdup("waiting");
	row->done_at = WALL_NONE;
	row->due = (struct wall){now.ms + (delay < RETRY_MAX_MS ? delay : RETRY_MAX_MS)};
}

static int64_t
kept_ms(const struct core *core)
{
	return conf_ms(conf_section(registry_conf(core->registry), "retention", ""), "logs");
}

static void
job_write(void *arg)
{
	struct notify_job *job = arg;
	struct core *core = job->core;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (turn_savepoint(core->store, &err)) {
		if (notifications_move(core->store, &job->row, &err) &&
		    notifications_forget(core->store,
					 (struct wall){core_wall(core).ms - kept_ms(core)},
					 FORGOTTEN_MOST, &err)) {
			turn_release(core->store);
			turn_after(core->store, on_written, job);
			return;
		}
		turn_undo(core->store);
	}
	log_error("what became of a notification is not kept yet", "notify", job->notifier->name,
		  "error", err_text(&err));
	core_timer_arm(core, &job->timer, STORE_RETRY_MS, job_write, job);
}

static void
job_over(void *arg)
{
	struct notify_job *job = arg;

	if (job->on_tried) {
		job->on_tried(job->arg, &job->err);
		job_free(job);
		return;
	}
	outcome_fill(job);
	job_write(job);
}

void
notify_done(struct notify_job *job, const struct notify_result *result, const struct err *err)
{
	job->result = *result;
	if (!result->sent)
		err_set(&job->err, err->code == E_OK ? E_UNAVAILABLE : err->code, "%s",
			err->code == E_OK ? "not sent" : err_text(err));
	crash_point("notification-sent");
	job_over(job);
}

/* --- sending ------------------------------------------------------------------------------- */

static bool
on_notice(void *arg, const struct notice_row *row)
{
	draft_add(arg, row);
	return true;
}

/* Hands it over; what cannot even begin ends a turn later, as a try that failed. */
static void
job_send(struct notify_job *job)
{
	struct notifier *notifier = job->notifier;
	struct notify_message message = {.id = job->row.id,
					 .notify = notifier->name,
					 .at = job->row.created,
					 .attempt = (int)job->row.attempts + 1,
					 .timeout_ms = notifier->timeout_ms};

	draft_end(&job->draft);
	message.event = job->draft.event;
	message.subject = buf_cstr(&job->draft.subject);
	message.text = buf_str(&job->draft.text);
	message.json = buf_str(&job->draft.json);
	if (notifier->kind &&
	    notifier->kind->send(job->core, notifier->section, &message, job, &job->err))
		return;
	core_timer_arm(job->core, &job->timer, 1, job_over, job);
}

static void
notifier_send(struct notifier *notifier, struct notification_row *take_row)
{
	struct notify_job *job = job_new(notifier, take_row);
	AUTO(err_fini) struct err err = ERR_INIT;

	notifier->job = job;
	notifier->due.ms = -1;
	draft_init(&job->draft, job->core, notifier->name, job->row.id, job->row.created,
		   notifier->links);
	if (notices_of(job->core->store, job->row.seq, on_notice, &job->draft, &err)) {
		job_send(job);
		return;
	}
	log_error("a notification cannot be read", "notify", notifier->name, "error",
		  err_text(&err));
	job_free(job);
	notifier_wake(notifier, STORE_RETRY_MS);
}

/* The message is on disk: the next look sends it. */
static void
on_made(void *arg, const struct err *err)
{
	struct notifier *notifier = arg;

	notifier_wake(notifier, err->code == E_OK ? 0 : STORE_RETRY_MS);
}

/* One of all that waits. */
static bool
message_make(struct notifier *notifier, struct err *err)
{
	struct core *core = notifier->core;
	struct wall now = core_wall(core);
	struct uuid id = uuid_v7(now);
	const struct notification_row row = {
		.id = id.text, .notify = notifier->name, .created = now, .due = now};
	int64_t seq;
	bool ok;

	if (!turn_savepoint(core->store, err))
		return false;
	ok = notifications_make(core->store, &row, &seq, err);
	if (ok)
		turn_release(core->store);
	else
		turn_undo(core->store);
	if (!ok)
		return false;
	notifier->next.ms = clock_mono(core->clock).ms + notifier->gap_ms;
	turn_after(core->store, on_made, notifier);
	return true;
}

bool
notifier_give_up(struct notifier *notifier, const char *why, struct err *err)
{
	struct core *core = notifier->core;
	AUTO(notification_row_fini) struct notification_row row = {0};
	AUTO(err_fini) struct err none = ERR_INIT;

	if (!notifications_waiting(core->store, notifier->name, &row, &none))
		return none.code == E_NOT_FOUND ? message_make(notifier, err)
						: err_move(err, &none);
	log_warning("notification given up", "notify", notifier->name, "error", why);
	free(row.state);
	free(row.error);
	row.state = mem_strdup("dropped");
	row.error = mem_strdup(why);
	row.done_at = core_wall(core);
	turn_after(core->store, on_made, notifier);
	return notifications_move(core->store, &row, err);
}

/* What waits under a name that is gone: put together, then given up at the look after. */
static bool
gone_look(struct notifier *notifier, struct err *err)
{
	int64_t waiting;
	AUTO(notification_row_fini) struct notification_row row = {0};

	if (!notices_waiting(notifier->core->store, notifier->name, &waiting, NULL, err))
		return false;
	if (!waiting && !notifications_waiting(notifier->core->store, notifier->name, &row, NULL))
		return true;
	return notifier_give_up(notifier, "there is no such [notify] any more", err);
}

static bool
notifier_look(struct notifier *notifier, struct err *err)
{
	struct core *core = notifier->core;
	AUTO(notification_row_fini) struct notification_row row = {0};
	AUTO(err_fini) struct err why = ERR_INIT;
	int64_t count, wait;

	if (!notifier->section)
		return gone_look(notifier, err);
	if (notifications_waiting(core->store, notifier->name, &row, &why)) {
		wait = row.due.ms - core_wall(core).ms;
		if (wait > 0)
			notifier_wake(notifier, wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
		else
			notifier_send(notifier, &row);
		return true;
	}
	if (why.code != E_NOT_FOUND)
		return err_move(err, &why);
	if (!notices_waiting(core->store, notifier->name, &count, NULL, err))
		return false;
	if (!count)
		return true;
	wait = notifier->next.ms - clock_mono(core->clock).ms;
	if (wait > 0) {
		notifier_wake(notifier, wait);
		return true;
	}
	return message_make(notifier, err);
}

static void
notify_look(void *arg)
{
	struct notify *notify = arg;
	int64_t now = clock_mono(notify->core->clock).ms;
	struct notifier *notifier;

	LIST_FOREACH (notifier, &notify->notifiers, entry) {
		AUTO(err_fini) struct err err = ERR_INIT;

		if (notifier->due.ms < 0 || notifier->due.ms > now || notifier->job)
			continue;
		notifier->due.ms = -1;
		if (notifier_look(notifier, &err))
			continue;
		log_error("notifications wait", "notify", notifier->name, "error", err_text(&err));
		notifier_wake(notifier, STORE_RETRY_MS);
	}
	timer_set(notify);
}

/* --- a trial ------------------------------------------------------------------------------- */

bool
notify_try(struct core *core, const char *name, void (*on_done)(void *arg, const struct err *err),
	   void *arg, struct err *err)
{
	struct wall now = core_wall(core);
	struct uuid id = uuid_v7(now);
	struct notification_row row = {.created = now, .due = now};
	const struct notice_row notice = {
		.event = (char *)notify_word(NOTIFY_TEST),
		.n = 1,
		.first = now,
		.last = now,
		.data = (char *)"{\"subject\":\"a test\",\"text\":\"Somebody asked whether this "
				"way of being told works. It does.\",\"command\":\"rouse notify "
				"list\"}",
	};
	struct notifier *notifier;
	struct notify_job *job;

	LIST_FOREACH (notifier, &core->notify->notifiers, entry)
		if (notifier->section && !strcmp(notifier->name, name))
			break;
	if (!notifier)
		return err_set(err, E_NOT_FOUND,
			       "there is no [notify %s]; rouse notify list shows those there are",
			       name);
	row.id = mem_strdup(id.text);
	job = job_new(notifier, &row);
	job->on_tried = on_done;
	job->arg = arg;
	draft_init(&job->draft, core, notifier->name, job->row.id, now, false);
	draft_add(&job->draft, &notice);
	job_send(job);
	return true;
}
