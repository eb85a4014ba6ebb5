/* Signals: the triggers that hear them, and how what they heard becomes their events. */
/* SPDX-License-Identifier: MIT */
#include "core/signal.h"

#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "core/admit.h"
#include "core/metrics.h"
#include "pure/backoff.h"

/* Facts taken up at once, by number and by bytes: one commit has them all. */
#define WINDOW 64
#define WINDOW_BYTES (4 << 20)

#define AGAIN_MS 100

static const struct backoff again_backoff = {
	.base_ms = 500, .cap_ms = 30000, .factor = 2, .jitter = BACKOFF_FULL};

/* A fact whose commit is awaited; by name and id, because a reload may end its listener. */
struct note {
	struct core *core;
	char *name;
	uint64_t listener;
};

/* Facts read before any is admitted: admitting writes. */
struct window {
	struct buf items, values;
	size_t item_ends[WINDOW], value_ends[WINDOW];
	size_t count, most;
};

static void listener_drain(void *arg);

/* NULL: that life of it is over. */
static struct listener *
listener_find(struct core *core, const char *name, uint64_t id)
{
	struct source *source = core->listeners ? sources_find(core->sources, name) : NULL;
	struct listener *listener;

	if (!source || source->kind->wake != listener_wake)
		return NULL;
	listener = CONTAINER_OF(source, struct listener, source);
	return listener->id == id ? listener : NULL;
}

static struct note *
note_new(const struct listener *listener)
{
	struct note *note = mem_alloc(sizeof(*note));

	note->core = listener->source.core;
	note->name = mem_strdup(listener->source.name);
	note->listener = listener->id;
	return note;
}

static struct listener *
note_end(struct note *note)
{
	struct listener *listener = listener_find(note->core, note->name, note->listener);

	free(note->name);
	free(note);
	return listener;
}

/* --- taking up ---------------------------------------------------------------------------- */

/* All that was taken up has its answer: on with it, or once more from the oldest. */
static void
listener_go_on(struct listener *listener)
{
	int64_t ms = 0;

	if (listener->in_flight)
		return;
	if (listener->again) {
		listener->again = false;
		listener->behind[0] = '\0';
		ms = backoff_delay(&again_backoff, ++listener->failures, entropy_below(UINT64_MAX));
		ms += AGAIN_MS;
	}
	core_timer_arm(listener->source.core, &listener->timer, ms, listener_drain, listener);
}

static void
listener_on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct listener *listener = note_end(arg);

	if (!listener)
		return;
	listener->in_flight--;
	if (result) {
		listener->failures = 0;
		listener->source.backlog--;
		source_set_health(&listener->source, HEALTH_OK, NULL);
	} else {
		listener->again = true;
		source_set_health(&listener->source, HEALTH_FAILING, err_text(err));
	}
	listener_go_on(listener);
}

/* What stands in a fact: a line of JSON, and behind it the data as it was said. */
static bool
fact_admit(struct listener *listener, const struct fact *fact, struct err *err)
{
	struct core *core = listener->source.core;
	const struct trigger *trigger = source_trigger(&listener->source);
	const struct fact done = {fact->item, STR_NONE};
	struct str line, data = str_split(fact->value, '\n', &line);
	AUTO(json_auto_decref) json_t *head = NULL;
	struct note *note;
	const char *trust;

	if (!json_read(line, &head, err) || !data.p)
		return err_set(err, E_CORRUPT, "what trigger %s heard cannot be read (fact %.*s)",
			       trigger->name, STR_ARG(fact->item));
	struct happening happening = {.trigger = trigger,
				      .type = str_of(json_str(head, "type")),
				      .subject = str_of(json_str(head, "subject")),
				      .data = data,
				      .extension = str_of(json_str(head, "extension")),
				      .natural_key = str_of(json_str(head, "key")),
				      .correlation = str_of(json_str(head, "correlation")),
				      .traceparent = str_of(json_str(head, "traceparent")),
				      .cause = str_of(json_str(head, "cause")),
				      .tenant = str_of(json_str(head, "tenant")),
				      .user = str_of(json_str(head, "user")),
				      .facts = &done,
				      .fact_count = 1};

	/* What was said in a run that applies nothing makes nothing applied, unless the trigger
	 * says so. */
	happening.stage = json_bool(head, "stage", false) && trigger->mode == MODE_BY_TRUST;
	trust = json_str(head, "trust");
	for (int i = 0; trust && i < TRUSTS; i++) {
		if (strcmp(trust, trust_name((enum trust)i)))
			continue;
		happening.trust_is_set = true;
		happening.trust = (enum trust)i;
	}
	note = note_new(listener);
	if (admit_event(core, &happening, listener_on_admitted, note, err))
		return true;
	note_end(note);
	return false;
}

static bool
on_fact(void *arg, const struct fact *fact)
{
	struct window *window = arg;

	if (window->count && window->values.len + fact->value.len > WINDOW_BYTES)
		return false;
	buf_add_str(&window->items, fact->item);
	buf_add_str(&window->values, fact->value);
	window->item_ends[window->count] = window->items.len;
	window->value_ends[window->count] = window->values.len;
	return ++window->count < window->most;
}

static struct fact
window_fact(const struct window *window, size_t i)
{
	size_t item = i ? window->item_ends[i - 1] : 0, value = i ? window->value_ends[i - 1] : 0;

	return (struct fact){str_make(window->items.data + item, window->item_ends[i] - item),
			     str_make(window->values.data + value, window->value_ends[i] - value)};
}

static void
window_fini(struct window *window)
{
	buf_fini(&window->items);
	buf_fini(&window->values);
}

/* Not now: it stays where it is. */
static void
listener_refused(struct listener *listener, const struct err *err)
{
	source_set_health(&listener->source, HEALTH_FAILING, err_text(err));
	listener->again = true;
	listener_go_on(listener);
}

static void
listener_admit(struct listener *listener, const struct window *window)
{
	for (size_t i = 0; i < window->count; i++) {
		AUTO(err_fini) struct err err = ERR_INIT;
		const struct fact fact = window_fact(window, i);

		listener->in_flight++;
		if (!fact_admit(listener, &fact, &err)) {
			listener->in_flight--;
			if (err.code != E_CORRUPT) {
				listener_refused(listener, &err);
				return;
			}
			log_error("signal left out", "trigger", listener->source.name, "error",
				  err_text(&err));
		}
		if (fact.item.len < sizeof(listener->behind)) {
			memcpy(listener->behind, fact.item.p, fact.item.len);
			listener->behind[fact.item.len] = '\0';
		}
	}
}

static void
listener_drain(void *arg)
{
	struct listener *listener = arg;
	struct core *core = listener->source.core;
	const struct trigger *trigger = source_trigger(&listener->source);
	AUTO(window_fini)
	struct window window = {.most = WINDOW - listener->in_flight};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!trigger || listener->in_flight >= WINDOW || listener->again || core->draining ||
	    !listener->source.backlog || !trigger_is_on(core, trigger))
		return;
	if (facts_each(core->store, trigger->name, str_of(listener->behind), (unsigned)window.most,
		       on_fact, &window, &err))
		listener_admit(listener, &window);
	else
		listener_refused(listener, &err);
}

void
listener_wake(struct source *source)
{
	struct listener *listener = CONTAINER_OF(source, struct listener, source);

	if (listener->source.backlog && !listener->in_flight)
		core_timer_arm(source->core, &listener->timer, 0, listener_drain, listener);
}

/* --- life --------------------------------------------------------------------------------- */

bool
listener_start(struct listener *listener, struct core *core, const struct source_kind *kind,
	       const char *name,
	       bool (*hears)(const struct listener *listener, const struct signal *signal),
	       struct err *err)
{
	static uint64_t lives;
	int64_t backlog;

	if (!facts_count(core->store, name, &backlog, err))
		return false;
	source_init(&listener->source, core, kind, name);
	listener->source.backlog = backlog;
	listener->hears = hears;
	listener->id = ++lives;
	if (!core->listeners) {
		core->listeners = mem_alloc(sizeof(*core->listeners));
		LIST_INIT(core->listeners);
	}
	LIST_INSERT_HEAD(core->listeners, listener, entry);
	listener_wake(&listener->source);
	return true;
}

void
listener_stop(struct listener *listener)
{
	struct core *core = listener->source.core;

	LIST_REMOVE(listener, entry);
	if (LIST_EMPTY(core->listeners)) {
		free(core->listeners);
		core->listeners = NULL;
	}
	core_timer_free(listener->timer);
	source_fini(&listener->source);
}

/* --- raising ------------------------------------------------------------------------------ */

static void
on_raised(void *arg, const struct err *err)
{
	struct listener *listener = note_end(arg);

	if (!listener || err->code != E_OK)
		return;
	listener->source.backlog++;
	if (!listener->failures && listener->in_flight < WINDOW)
		core_timer_arm(listener->source.core, &listener->timer, 0, listener_drain,
			       listener);
}

static void
member(struct buf *out, const char *name, struct str value)
{
	if (!value.len)
		return;
	buf_cat(out, ",\"", name, "\":");
	buf_json_str(out, value);
}

static void
value_build(const struct signal *signal, struct buf *out)
{
	const struct run_row *run = signal->run;
	AUTO(buf_fini) struct buf cause = BUF_INIT;

	buf_reserve(out, signal->data.len + signal->extension.len + 512);
	buf_puts(out, "{\"version\":1");
	member(out, "type", str_of(signal->type));
	member(out, "subject", str_of(signal->subject));
	member(out, "key", signal->key);
	member(out, "extension", signal->extension);
	if (run) {
		buf_printf(&cause, "root=%s;parent=%s;hops=%d",
			   run->root ? run->root : run->event_id, run->id, run->hops + 1);
		member(out, "cause", buf_str(&cause));
		member(out, "correlation", str_of(run->id));
		member(out, "traceparent", str_of(run->traceparent));
		member(out, "tenant", str_of(run->tenant));
		member(out, "user", str_of(run->user));
		member(out, "trust", str_of(run->trust));
		if (run->mode && !strcmp(run->mode, "stage"))
			buf_puts(out, ",\"stage\":true");
	}
	buf_puts(out, "}\n");
	buf_add_str(out, signal->data);
}

/* What waits is bounded: beyond that a signal is not taken, and health and metrics say so. */
static bool
listener_is_full(struct listener *listener)
{
	struct core *core = listener->source.core;
	int64_t most =
		conf_int(conf_section(registry_conf(core->registry), "limits", ""), "max_queued");
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (listener->source.backlog < most)
		return false;
	buf_printf(&text,
		   "%lld signals wait already (limits.max_queued), and what comes now is "
		   "not taken; enable or resume the trigger, or remove it",
		   (long long)listener->source.backlog);
	source_set_health(&listener->source, HEALTH_FAILING, buf_cstr(&text));
	metrics_count(core->metrics, "rouse_events_total", "trigger", listener->source.name,
		      "outcome", "shed", 1);
	return true;
}

bool
signal_raise(struct core *core, const struct signal *signal, unsigned *ret_heard, struct err *err)
{
	AUTO(buf_fini) struct buf value = BUF_INIT;
	struct listener *listener;

	*ret_heard = 0;
	if (!core->listeners)
		return true;
	LIST_FOREACH (listener, core->listeners, entry) {
		struct uuid item;
		struct fact fact;

		if (!listener->hears(listener, signal) || listener_is_full(listener))
			continue;
		if (!value.len)
			value_build(signal, &value);
		item = uuid_v7(core_wall(core));
		fact = (struct fact){str_of(item.text), buf_str(&value)};
		if (!facts_write(core->store, listener->source.name, &fact, 1, err))
			return false;
		++*ret_heard;
		turn_after(core->store, on_raised, note_new(listener));
	}
	return true;
}
