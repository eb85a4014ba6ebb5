/* Notifications: who wants to hear of what, and the rows of what is to be told. SPEC 3, 12. */
/* SPDX-License-Identifier: MIT */
#include "core/notify.h"

#include <assert.h>
#include <inttypes.h>

#include "base/json.h"
#include "base/log.h"
#include "core/metrics.h"
#include "core/notify_inside.h"
#include "core/replay.h"
#include "store/notices.h"
#include "store/runs.h"

/* Topics that one message may be made of; what comes beyond is counted by event alone. */
#define TOPICS_MAX 200
#define TEXT_BYTES 2000
#define LINE_BYTES 160

static const char *const words[] = {
#define X(id, word, one, many) word,
	NOTIFY_EVENTS_LIST(X)
#undef X
};
static_assert(ARRAY_LEN(words) == NOTIFY_EVENTS, "a word for every event");

static const struct notify_kind *const *kinds;

const char *
notify_word(enum notify_event event)
{
	return words[event];
}

void
notify_set_kinds(const struct notify_kind *const *all)
{
	kinds = all;
}

void
notify_schema(struct conf_schema *schema)
{
	for (size_t i = 0; kinds && kinds[i]; i++)
		conf_schema_add(schema, kinds[i]->table);
}

static const struct notify_kind *
kind_find(const char *name)
{
	for (size_t i = 0; kinds && kinds[i]; i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

/* --- configuration ------------------------------------------------------------------------- */

/* What has failed by being lost is told to both. */
static unsigned
wants_of(const struct conf_section *section)
{
	const char *const *items;
	size_t count = conf_list(section, "on", &items);
	unsigned wants = 0;

	for (size_t i = 0; i < count; i++) {
		for (int event = 0; event < NOTIFY_TEST; event++)
			if (!strcmp(items[i], words[event]))
				wants |= 1U << event;
		if (!strcmp(items[i], "failed"))
			wants |= 1U << NOTIFY_LOST;
	}
	return wants;
}

static void
notifier_configure(struct notifier *notifier, const struct conf_section *section)
{
	int64_t count = 1, per_ms = 1;

	conf_rate(section, "rate", &count, &per_ms);
	notifier->section = section;
	notifier->kind = kind_find(conf_str(section, "kind"));
	notifier->wants = wants_of(section);
	notifier->gather_ms = conf_ms(section, "gather");
	notifier->gap_ms = per_ms / count;
	notifier->timeout_ms = conf_ms(section, "timeout");
	notifier->links = conf_bool(section, "links");
	notifier->retry = retry_of(section);
}

static struct notifier *
notifier_find(const struct notify *notify, const char *name)
{
	struct notifier *notifier;

	LIST_FOREACH (notifier, &notify->notifiers, entry)
		if (!strcmp(notifier->name, name))
			return notifier;
	return NULL;
}

static struct notifier *
notifier_of(struct notify *notify, const char *name)
{
	struct notifier *notifier = notifier_find(notify, name);

	if (notifier)
		return notifier;
	notifier = mem_alloc(sizeof(*notifier));
	notifier->core = notify->core;
	notifier->name = mem_strdup(name);
	notifier->due.ms = -1;
	LIST_INSERT_HEAD(&notify->notifiers, notifier, entry);
	return notifier;
}

static void
notifier_free(struct notifier *notifier)
{
	LIST_REMOVE(notifier, entry);
	free(notifier->name);
	free(notifier);
}

struct notify *
notify_new(struct core *core)
{
	struct notify *notify = mem_alloc(sizeof(*notify));

	notify->core = core;
	LIST_INIT(&notify->notifiers);
	LIST_INIT(&notify->jobs);
	return notify;
}

void
notify_free(struct notify *notify)
{
	if (!notify)
		return;
	notify_jobs_free(notify);
	while (!LIST_EMPTY(&notify->notifiers))
		notifier_free(LIST_FIRST(&notify->notifiers));
	core_timer_free(notify->timer);
	free(notify);
}

struct names {
	char **items;
	size_t count;
};

static bool
on_name(void *arg, const char *name)
{
	struct names *names = arg;

	names->items = mem_realloc(names->items, (names->count + 1) * sizeof(*names->items));
	names->items[names->count++] = mem_strdup(name);
	return true;
}

/* Each name under which something waits, a name that is gone included, is looked at soon. */
static void
waiting_wake(struct notify *notify)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct names names = {NULL, 0};

	if (!notices_names(notify->core->store, on_name, &names, &err))
		log_error("notifications from before are not looked at", "error", err_text(&err));
	for (size_t i = 0; i < names.count; i++) {
		notifier_wake(notifier_of(notify, names.items[i]), 0);
		free(names.items[i]);
	}
	free(names.items);
}

void
notify_reload(struct core *core)
{
	struct notify *notify = core->notify;
	struct conf *conf = registry_conf(core->registry);
	struct notifier *notifier;

	LIST_FOREACH (notifier, &notify->notifiers, entry) {
		notifier->section = NULL;
		notifier->wants = 0;
	}
	for (const struct conf_section *s = conf_next(conf, "notify", NULL); s;
	     s = conf_next(conf, "notify", s))
		notifier_configure(notifier_of(notify, conf_section_name(s)), s);
	notify->wants = 0;
	LIST_FOREACH (notifier, &notify->notifiers, entry)
		notify->wants |= notifier->wants;
	waiting_wake(notify);
}

/* --- raising ------------------------------------------------------------------------------- */

bool
notify_wants(const struct core *core, enum notify_event event)
{
	return core->notify && core->notify->wants >> event & 1;
}

/* No list: whoever it is of. A list: only what is of one in it. */
static bool
is_listed(const struct conf_section *section, const char *key, const char *name)
{
	const char *const *items;
	size_t count = conf_list(section, key, &items);

	for (size_t i = 0; name && i < count; i++)
		if (!strcmp(items[i], name))
			return true;
	return !count;
}

static bool
is_wanted(const struct notifier *notifier, const struct notify_fact *fact)
{
	return notifier->wants >> fact->event & 1 &&
	       is_listed(notifier->section, "agents", fact->agent) &&
	       is_listed(notifier->section, "triggers", fact->trigger) &&
	       is_listed(notifier->section, "tenants", fact->tenant);
}

static void
put_line(json_t *object, const char *key, const char *text, size_t max)
{
	AUTO(buf_fini) struct buf line = BUF_INIT;

	if (!text)
		return;
	notify_line(&line, text, max);
	json_put_str(object, key, buf_cstr(&line));
}

static void
data_write(const struct notify_fact *fact, struct buf *out)
{
	AUTO(json_auto_decref) json_t *object = json_object();

	put_line(object, "subject", fact->subject, LINE_BYTES);
	put_line(object, "text", fact->text, TEXT_BYTES);
	put_line(object, "command", fact->todo, LINE_BYTES);
	put_line(object, "agent", fact->agent, LINE_BYTES);
	put_line(object, "trigger", fact->trigger, LINE_BYTES);
	put_line(object, "tenant", fact->tenant, LINE_BYTES);
	json_put_str(object, "run", fact->run_id);
	json_put_str(object, "gate", fact->gate);
	json_put_str(object, "batch", fact->batch);
	json_write(out, object);
}

static void
topic_write(const struct notify_fact *fact, bool alone, struct buf *out)
{
	buf_printf(out, "%d", (int)fact->event);
	if (alone && fact->topic)
		buf_cat(out, "/", fact->topic);
}

/* Counted where something alike waits already. */
static bool
notice_add(struct notifier *notifier, const struct notify_fact *fact, const char *topic,
	   int64_t *ret_seq, struct err *err)
{
	struct store *store = notifier->core->store;
	struct wall now = core_wall(notifier->core);
	AUTO(notice_row_fini) struct notice_row known = {0};
	AUTO(err_fini) struct err why = ERR_INIT;
	AUTO(buf_fini) struct buf data = BUF_INIT;
	const struct notice_row row = {.notify = notifier->name,
				       .topic = (char *)topic,
				       .event = (char *)words[fact->event],
				       .n = 1,
				       .first = now,
				       .last = now};
	struct notice_row fresh = row;

	if (notices_find(store, notifier->name, topic, &known, &why)) {
		*ret_seq = known.seq;
		return notices_again(store, known.seq, now, NULL, err);
	}
	if (why.code != E_NOT_FOUND)
		return err_move(err, &why);
	data_write(fact, &data);
	fresh.data = (char *)buf_cstr(&data);
	return notices_insert(store, &fresh, ret_seq, err);
}

static bool
notifier_raise(struct notifier *notifier, const struct notify_fact *fact, struct err *err)
{
	AUTO(buf_fini) struct buf topic = BUF_INIT;
	int64_t waiting, seq;

	if (!notices_waiting(notifier->core->store, notifier->name, &waiting, NULL, err))
		return false;
	topic_write(fact, waiting < TOPICS_MAX, &topic);
	if (!notice_add(notifier, fact, buf_cstr(&topic), &seq, err) ||
	    (fact->run && !notices_add_run(notifier->core->store, seq, fact->run, err)))
		return false;
	notifier->raised = true;
	return true;
}

/* What was raised is on disk: soon it is told. */
static void
on_raised(void *arg, const struct err *err)
{
	struct notify *notify = arg;
	struct notifier *notifier;

	(void)err;
	notify->stirred = false;
	LIST_FOREACH (notifier, &notify->notifiers, entry) {
		if (notifier->raised)
			notifier_wake(notifier, notifier->gather_ms);
		notifier->raised = false;
	}
}

/* What happens in a replay is nobody's concern but of who replays. */
static bool
is_of_replay(struct core *core, const struct notify_fact *fact)
{
	AUTO(run_row_fini) struct run_row run = {0};

	return replay_is(fact->batch) ||
	       (fact->run && runs_get_seq(core->store, fact->run, &run, NULL) &&
		replay_is(run.batch));
}

bool
notify_raise(struct core *core, const struct notify_fact *fact, struct err *err)
{
	struct notify *notify = core->notify;
	struct notifier *notifier;

	if (!notify_wants(core, fact->event) || is_of_replay(core, fact))
		return true;
	LIST_FOREACH (notifier, &notify->notifiers, entry)
		if (notifier->section && is_wanted(notifier, fact) &&
		    !notifier_raise(notifier, fact, err))
			return false;
	if (!notify->stirred)
		turn_after(core->store, on_raised, notify);
	notify->stirred = true;
	return true;
}

void
notify_say(struct core *core, const struct notify_fact *fact)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!notify_wants(core, fact->event))
		return;
	if (turn_savepoint(core->store, &err)) {
		if (notify_raise(core, fact, &err)) {
			turn_release(core->store);
			return;
		}
		turn_undo(core->store);
	}
	log_warning("nobody is told of this", "event", words[fact->event], "subject", fact->subject,
		    "error", err_text(&err));
}

/* --- looking ------------------------------------------------------------------------------- */

static void
last_put(struct core *core, json_t *object, const char *name)
{
	AUTO(notification_row_fini) struct notification_row sent = {0}, waiting = {0}, lost = {0};
	bool any_sent = notifications_last(core->store, name, "sent", &sent, NULL);
	bool any_waiting = notifications_last(core->store, name, "waiting", &waiting, NULL);
	bool any_lost = notifications_last(core->store, name, "dropped", &lost, NULL);
	const char *error = any_waiting && waiting.error      ? waiting.error
			    : any_lost && lost.seq > sent.seq ? lost.error
							      : NULL;

	json_put_wall(object, "last_sent", any_sent ? sent.done_at.ms : WALL_NONE.ms);
	json_put_wall(object, "next_try", any_waiting ? waiting.due.ms : WALL_NONE.ms);
	json_object_set_new(object, "last_error", error ? json_string(error) : json_null());
}

static json_t *
notifier_object(struct notifier *notifier)
{
	struct core *core = notifier->core;
	json_t *object = json_object(), *on = json_array();
	const char *const *items;
	size_t count = conf_list(notifier->section, "on", &items);
	int64_t waiting = 0, unsent = 0, sent = 0, dropped = 0;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(on, json_string(items[i]));
	notices_waiting(core->store, notifier->name, &waiting, NULL, NULL);
	notifications_count(core->store, notifier->name, "waiting", &unsent, NULL);
	notifications_count(core->store, notifier->name, "sent", &sent, NULL);
	notifications_count(core->store, notifier->name, "dropped", &dropped, NULL);
	json_put_str(object, "name", notifier->name);
	json_put_str(object, "kind", notifier->kind ? notifier->kind->name : NULL);
	json_object_set_new(object, "on", on);
	json_object_set_new(object, "waiting", json_integer(waiting + unsent));
	json_object_set_new(object, "sent", json_integer(sent));
	json_object_set_new(object, "dropped", json_integer(dropped));
	last_put(core, object, notifier->name);
	return object;
}

json_t *
notify_objects(struct core *core)
{
	struct conf *conf = registry_conf(core->registry);
	json_t *items = json_array();

	for (const struct conf_section *s = conf_next(conf, "notify", NULL); s;
	     s = conf_next(conf, "notify", s))
		json_array_append_new(
			items, notifier_object(notifier_of(core->notify, conf_section_name(s))));
	return items;
}

struct telling {
	void (*fn)(void *arg, const char *notify, const char *event, struct wall first,
		   const char *state, struct wall at, const char *error);
	void *arg;
};

static bool
on_told(void *arg, const struct notice_row *notice, const struct notification_row *message)
{
	struct telling *telling = arg;

	telling->fn(telling->arg, notice->notify, notice->event, notice->first,
		    message ? message->state : "waiting", message ? message->done_at : WALL_NONE,
		    message ? message->error : NULL);
	return true;
}

bool
notify_told(struct core *core, int64_t run,
	    void (*fn)(void *arg, const char *notify, const char *event, struct wall first,
		       const char *state, struct wall at, const char *error),
	    void *arg, struct err *err)
{
	struct telling telling = {fn, arg};

	return notices_of_run(core->store, run, on_told, &telling, err);
}
