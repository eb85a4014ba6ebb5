/* Take: marked paths that came to rest are looked at, judged against the index, and admitted. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "core/admit.h"
#include "core/echo.h"
#include "io/work.h"
#include "pure/backoff.h"
#include "triggers/file/watcher.h"

/* Paths of one job; with content, so many that the memory is bounded by this. */
#define SHIFT_MAX 128
#define SHIFT_BYTES (8 << 20)
/* Paths on threads, and on their way into the store, at once. */
#define LOOKING_MAX 512
#define KEEPING_MAX 512
/* At least so long between two looks at a file that is written. */
#define OPEN_MS 250
#define OPEN_MAX_MS 30000

static const struct backoff again = {
	.base_ms = 250, .cap_ms = 30000, .factor = 2, .jitter = BACKOFF_FULL};

/* Looks of one trigger on a thread. */
struct shift {
	struct watcher *watcher; /* NULL: it has ended */
	struct ground *ground;	 /* NULL: there is no root, nothing is looked at */
	bool is_there;
	size_t count;
	LIST_ENTRY(shift) alive;
	struct look looks[SHIFT_MAX];
};
static LIST_HEAD(, shift) shifts = LIST_HEAD_INITIALIZER(shifts);

/* --- when ---------------------------------------------------------------------------------- */

static void
on_due(void *arg)
{
	take_run(arg);
}

void
take_arm(struct watcher *w)
{
	int64_t due = pendings_next(&w->pendings), now = watcher_now(w);

	w->source.backlog = (int64_t)w->pendings.count;
	if (due < 0 || w->broken || w->is_shut)
		return;
	if (due < w->pause_until)
		due = w->pause_until;
	core_timer_arm(w->source.core, &w->due_timer, due > now ? due - now : 0, on_due, w);
}

/* The store or the queue takes no more: everything waits, not this one alone. */
static void
take_pause(struct watcher *w, const struct err *err)
{
	/* Many that are refused at once are one pause. */
	if (watcher_now(w) >= w->pause_until) {
		w->pauses++;
		w->pause_until = watcher_now(w) + 50 +
				 backoff_delay(&again, w->pauses, entropy_below(UINT64_MAX));
	}
	watcher_tell(w, err_text(err));
}

/* --- the judgement ------------------------------------------------------------------------- */

/* What is to be done about a path. */
struct verdict {
	enum { NOTHING, QUIETLY, EVENT } what;
	enum file_event event;
	bool drops_from; /* the index forgets where it was */
	struct version version;
};

static bool
same_content(const struct watcher *w, const struct version *old, const struct version *now)
{
	return w->sight.hash && old->hashed && now->hashed &&
	       !memcmp(old->hash, now->hash, HASH_BYTES);
}

/* A file that was not known when its folder was first looked at: it may have been there before. */
static bool
is_older(struct watcher *w, const struct look *look)
{
	const struct pending *pending = pendings_find(&w->pendings, str_of(look->path));

	return (!w->is_known || (pending && pending->met)) && look->born_ns &&
	       look->born_ns < w->since_ns;
}

static bool
was_renamed(struct watcher *w, const struct look *look, struct err *err, bool *ret_yes)
{
	struct version old;
	bool known = false;

	*ret_yes = false;
	if (!look->from || look->from_is_there || look->found != LOOK_FILE)
		return true;
	if (!index_get(&w->index, str_of(look->from), &old, &known, err))
		return false;
	*ret_yes = known && old.inode == look->version.inode;
	return true;
}

static bool
judge(struct watcher *w, const struct look *look, struct verdict *ret, struct err *err)
{
	struct version old;
	bool known, renamed;

	*ret = (struct verdict){.version = look->version};
	if (!index_get(&w->index, str_of(look->path), &old, &known, err) ||
	    !was_renamed(w, look, err, &renamed))
		return false;
	if (look->found != LOOK_FILE || !sight_has_file(&w->sight, str_of(look->path))) {
		if (!known)
			return true;
		ret->event = FILE_DELETE;
		ret->version = old;
	} else if (known && version_same(&old, &look->version)) {
		return true;
	} else if (renamed && w->wants[FILE_MOVE]) {
		ret->event = FILE_MOVE;
		ret->drops_from = true;
	} else if (!known) {
		ret->event = is_older(w, look) ? FILE_MODIFY : FILE_CREATE;
	} else {
		ret->event = FILE_MODIFY;
	}
	ret->what = w->wants[ret->event] ? EVENT : QUIETLY;
	if (ret->event == FILE_DELETE && look->found == LOOK_FILE)
		ret->what = QUIETLY;
	if (ret->event == FILE_MODIFY && known && same_content(w, &old, &look->version))
		ret->what = QUIETLY;
	return true;
}

/* --- keeping ------------------------------------------------------------------------------- */

/* An event on its way into the store. */
struct keeping {
	struct core *core;
	char *trigger, *path, *from;
	uint64_t serial;
};

static void
keeping_free(struct keeping *keeping)
{
	free(keeping->trigger);
	free(keeping->path);
	free(keeping->from);
	free(keeping);
}

/* The path is done with; ok false: it is to be tried again. */
static void
path_settle(struct watcher *w, const char *path, bool ok)
{
	struct pending *pending = path ? pendings_find(&w->pendings, str_of(path)) : NULL;

	if (!pending || !pending->busy)
		return;
	if (ok)
		pendings_done(&w->pendings, pending, watcher_now(w));
	else
		pendings_again(&w->pendings, pending, watcher_now(w) + OPEN_MS);
}

static void
on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct keeping *keeping = arg;
	struct watcher *w = watcher_find(keeping->core, keeping->trigger, keeping->serial);

	if (w) {
		w->keeping--;
		/* Notes are counted when they are made; they may have been folded since. */
		w->index.notes++;
		if (!result) {
			take_pause(w, err);
		} else if (watcher_now(w) >= w->pause_until) {
			w->pauses = 0;
			watcher_tell(w, NULL);
		}
		/* Where it came from first: it would be woken by its heir's end. */
		path_settle(w, keeping->from, result != NULL);
		path_settle(w, keeping->path, result != NULL);
		watcher_step_soon(w, 0);
		take_arm(w);
	}
	keeping_free(keeping);
}

static void
cause_find(struct watcher *w, const struct look *look, struct happening *happening, struct buf *out)
{
	static const char nothing[HASH_BYTES];
	bool gone = look->found == LOOK_NOTHING;
	AUTO(buf_fini) struct buf path = BUF_INIT;

	if (!gone && !look->version.hashed)
		return;
	buf_cat(&path, w->ground ? w->ground->real : w->path, "/", look->path);
	if (!echo_find(w->source.core, buf_str(&path),
		       str_make(gone ? nothing : (const char *)look->version.hash, HASH_BYTES),
		       out))
		return;
	happening->cause = buf_str(out);
	happening->by_change = true;
}

/* What the facts of an event borrow. */
struct paper {
	struct buf data, key, cause, subject, item, value, from_item, from_value;
};

static void
paper_fini(struct paper *paper)
{
	struct buf *const all[] = {&paper->data,      &paper->key,	 &paper->cause,
				   &paper->subject,   &paper->item,	 &paper->value,
				   &paper->from_item, &paper->from_value};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		buf_fini(all[i]);
}

static void
subject_put(struct buf *out, const char *path)
{
	AUTO(buf_fini) struct buf json = BUF_INIT;

	/* By way of JSON, which has only text in it. */
	buf_json_str(&json, str_of(path));
	json_raw_string(buf_str(&json), out);
}

/* Hands the event to core. False: core takes none now; the path stays marked. */
static bool
event_admit(struct watcher *w, const struct look *look, const struct verdict *verdict,
	    struct err *err)
{
	struct core *core = w->source.core;
	AUTO(paper_fini) struct paper paper = {0};
	bool gone = verdict->event == FILE_DELETE;
	const struct file_change change = {.event = verdict->event,
					   .root = str_of(w->path),
					   .path = str_of(look->path),
					   .from = str_of(look->from),
					   .version = &verdict->version,
					   .look = gone ? NULL : look,
					   .content = w->sight.content};
	struct happening happening = {.trigger = source_trigger(&w->source), .fact_count = 1};
	struct fact facts[2];
	struct keeping *keeping;

	file_event_data(&change, &paper.data);
	file_event_key(&change, core_wall(core).ms, &paper.key);
	subject_put(&paper.subject, look->path);
	cause_find(w, look, &happening, &paper.cause);
	facts[0] = index_note(&w->index, str_of(look->path), gone ? NULL : &verdict->version,
			      &paper.item, &paper.value);
	if (verdict->drops_from)
		facts[happening.fact_count++] = index_note(&w->index, str_of(look->from), NULL,
							   &paper.from_item, &paper.from_value);
	happening.facts = facts;
	happening.data = buf_str(&paper.data);
	happening.natural_key = buf_str(&paper.key);
	happening.subject = buf_str(&paper.subject);
	keeping = mem_alloc(sizeof(*keeping));
	*keeping = (struct keeping){.core = core,
				    .trigger = mem_strdup(w->source.name),
				    .path = mem_strdup(look->path),
				    .from = verdict->drops_from ? mem_strdup(look->from) : NULL,
				    .serial = w->serial};
	if (admit_event(core, &happening, on_admitted, keeping, err)) {
		w->keeping++;
		return true;
	}
	keeping_free(keeping);
	return false;
}

/* The path that it came from is nobody else's until the move is kept. False: it is just now. */
static bool
from_hold(struct watcher *w, const struct look *look)
{
	struct pending *from = pendings_find(&w->pendings, str_of(look->from));

	if (!from)
		from = pendings_mark(&w->pendings, str_of(look->from), MARK_GONE, watcher_now(w));
	return !from || pendings_hold(&w->pendings, from);
}

static bool
quietly_keep(struct watcher *w, const struct look *look, const struct verdict *verdict,
	     struct err *err)
{
	return index_set(&w->index, str_of(look->path),
			 verdict->event == FILE_DELETE ? NULL : &verdict->version, err);
}

static void
path_judge(struct watcher *w, struct pending *pending, const struct look *look)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct verdict verdict;

	if (!judge(w, look, &verdict, &err)) {
		watcher_break(w, &err);
		return;
	}
	if (verdict.what == QUIETLY && !quietly_keep(w, look, &verdict, &err)) {
		take_pause(w, &err);
		pendings_again(&w->pendings, pending, watcher_now(w) + OPEN_MS);
		return;
	}
	if (verdict.what != EVENT) {
		pendings_done(&w->pendings, pending, watcher_now(w));
		return;
	}
	if (verdict.drops_from && !from_hold(w, look)) {
		pendings_again(&w->pendings, pending, watcher_now(w) + OPEN_MS);
		return;
	}
	if (event_admit(w, look, &verdict, &err))
		return;
	take_pause(w, &err);
	if (verdict.drops_from)
		path_settle(w, look->from, false);
	pendings_again(&w->pendings, pending, watcher_now(w) + OPEN_MS);
}

/* --- rest ---------------------------------------------------------------------------------- */

static int64_t
open_wait(const struct pending *pending)
{
	int64_t wait = OPEN_MS;

	for (unsigned i = 0; i < pending->tries && wait < OPEN_MAX_MS; i++)
		wait *= 2;
	return wait < OPEN_MAX_MS ? wait : OPEN_MAX_MS;
}

/* How long to wait before it is looked at again; 0: it is at rest. */
static int64_t
rest_wait(const struct watcher *w, const struct pending *pending, const struct look *look)
{
	bool same = pending->has_seen && version_same(&pending->seen, &look->version);
	bool long_enough = watcher_now(w) - pending->first >= w->pendings.longest_ms;
	int64_t settle = w->pendings.settle_ms;

	if (look->found != LOOK_FILE)
		return 0;
	if (look->wait_ns)
		return look->wait_ns / 1000000 + 1;
	if (look->is_moving)
		return OPEN_MS;
	/* Who made it has it open still: half a file. Any other writer's file is taken when nothing
	 * has come for long. */
	if (look->is_open)
		return pending->unclosed || !long_enough || !same ? open_wait(pending) : 0;
	/* Nobody can be asked. A second name comes with no close, a first one does. */
	if (pending->unclosed && !look->open_known && look->links < 2)
		return !long_enough || !same ? open_wait(pending) : 0;
	if (look->age_ms >= settle || same || long_enough)
		return 0;
	return look->age_ms < 0 ? settle : settle - look->age_ms + 1;
}

static void
look_failed(struct watcher *w, struct pending *pending, const struct look *look)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (look->errnum == EACCES || look->errnum == EPERM) {
		log_debug("file is out of reach; what is known of it is kept", "trigger",
			  w->source.name, "path", look->path);
		pendings_done(&w->pendings, pending, watcher_now(w));
		return;
	}
	err_errno(&err, look->errnum, "cannot look at %s/%s", w->path, look->path);
	watcher_tell(w, err_text(&err));
	pending->tries++;
	pendings_again(&w->pendings, pending, watcher_now(w) + open_wait(pending));
}

static void
look_take(struct watcher *w, const struct look *look, bool root_is_there)
{
	struct pending *pending = pendings_find(&w->pendings, str_of(look->path));
	int64_t wait;

	if (!pending || !pending->busy)
		return;
	if (!root_is_there) {
		pendings_again(&w->pendings, pending, watcher_now(w) + OPEN_MS);
		return;
	}
	if (look->found == LOOK_FAILED) {
		look_failed(w, pending, look);
		return;
	}
	wait = rest_wait(w, pending, look);
	pending->has_seen = look->found == LOOK_FILE;
	pending->seen = look->version;
	if (!wait) {
		path_judge(w, pending, look);
		return;
	}
	if (look->is_open || pending->unclosed)
		pending->tries++;
	pendings_again(&w->pendings, pending, watcher_now(w) + wait);
}

/* --- looking ------------------------------------------------------------------------------- */

static void
shift_free(struct shift *shift)
{
	LIST_REMOVE(shift, alive);
	for (size_t i = 0; i < shift->count; i++)
		look_fini(&shift->looks[i]);
	ground_unref(shift->ground);
	free(shift);
}

static void
shift_run(void *arg)
{
	struct shift *shift = arg;

	for (size_t i = 0; i < shift->count; i++)
		look_at(shift->ground, &shift->looks[i]);
	/* Afterwards: what is missing below a root that is missing is not gone. */
	shift->is_there = ground_is_there(shift->ground);
}

static void
shift_done(void *arg)
{
	struct shift *shift = arg;
	struct watcher *w = shift->watcher;

	if (w) {
		w->looking -= (int)shift->count;
		if (!shift->is_there)
			root_look_soon(w, 0);
		for (size_t i = 0; i < shift->count && !w->broken; i++)
			look_take(w, &shift->looks[i], shift->is_there);
		watcher_step_soon(w, 0);
		take_arm(w);
	}
	shift_free(shift);
}

static bool
is_noted(struct watcher *w, const char *path)
{
	AUTO(buf_fini) struct buf whole = BUF_INIT;

	buf_cat(&whole, w->ground->real, "/", path);
	return whole.len <= INDEX_PATH_MAX && echo_is_noted(w->source.core, buf_str(&whole));
}

static void
look_begin(struct watcher *w, const struct pending *pending, struct look *look)
{
	*look = (struct look){.path = mem_strdup(pending->path),
			      .from = mem_strdup(pending->from),
			      .content = w->sight.content != CONTENT_NONE};
	look->hash = w->sight.hash || is_noted(w, pending->path);
}

/* Sends what is due to a thread. False: nothing is, or nothing more at once. */
static bool
shift_start(struct watcher *w)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct shift *shift;
	struct pending *pending;
	size_t most = SHIFT_MAX;

	if (w->sight.content != CONTENT_NONE && SHIFT_BYTES / w->sight.max_content < SHIFT_MAX)
		most = (size_t)(SHIFT_BYTES / w->sight.max_content);
	if (w->looking >= LOOKING_MAX || w->keeping >= KEEPING_MAX)
		return false;
	shift = mem_alloc(sizeof(*shift));
	shift->watcher = w;
	shift->ground = ground_ref(w->ground);
	LIST_INSERT_HEAD(&shifts, shift, alive);
	while (shift->count < (most ? most : 1) &&
	       (pending = pendings_take(&w->pendings, watcher_now(w))))
		look_begin(w, pending, &shift->looks[shift->count++]);
	if (!shift->count) {
		shift_free(shift);
		return false;
	}
	if (work_submit(w->source.core->work, shift_run, shift_done, shift, &err)) {
		w->looking += (int)shift->count;
		return true;
	}
	take_pause(w, &err);
	for (size_t i = 0; i < shift->count; i++)
		path_settle(w, shift->looks[i].path, false);
	shift_free(shift);
	return false;
}

/* Without a root nothing is looked at: what was seen to be deleted with it is gone, and of the rest
 * its return will tell. */
static void
take_rootless(struct watcher *w)
{
	struct pending *pending;

	while (w->keeping < KEEPING_MAX && !w->broken &&
	       (pending = pendings_take(&w->pendings, watcher_now(w)))) {
		struct look look = {.path = mem_strdup(pending->path), .found = LOOK_NOTHING};

		if (w->is_deleted && pending->gone)
			path_judge(w, pending, &look);
		else
			pendings_done(&w->pendings, pending, watcher_now(w));
		look_fini(&look);
	}
}

void
take_run(struct watcher *w)
{
	if (w->broken)
		return;
	w->is_shut = !trigger_is_on(w->source.core, source_trigger(&w->source));
	if (!w->is_shut && watcher_now(w) >= w->pause_until) {
		if (!w->ground)
			take_rootless(w);
		else
			while (shift_start(w))
				;
	}
	/* Those that are full arm it again when there is room. */
	if (w->looking < LOOKING_MAX && w->keeping < KEEPING_MAX)
		take_arm(w);
}

void
take_wake(struct watcher *w)
{
	if (!w->is_shut)
		return;
	w->is_shut = false;
	take_arm(w);
}

void
take_stop(struct watcher *w)
{
	struct shift *shift;

	LIST_FOREACH (shift, &shifts, alive)
		if (shift->watcher == w)
			shift->watcher = NULL;
}
