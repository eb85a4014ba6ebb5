/* Source file: what happens to the files of a folder. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/file.h"

#include <time.h>

#include "base/digest.h"
#include "base/log.h"
#include "pure/glob.h"
#include "triggers/file/watcher.h"

/* What editors and downloads leave for a moment; protocols.md 8.1. */
#define IGNORED                                                                                    \
	"*.swp, *.swx, .*.sw?, .#*, #?*#, ?*~, 4913, *.part, *.crdownload, .nfs*, .git, .hg, .svn"

static const struct conf_key keys[] = {
	{"path", CONF_PATH, .flags = CONF_REQUIRED, .help = "the folder that is watched"},
	{"recursive", CONF_BOOL, "yes", .help = "folders below it too"},
	{"match", CONF_LIST,
	 .help = "globs of the files that count (*.csv, in/**/*.json); default: all"},
	{"ignore", CONF_LIST, IGNORED,
	 .help = "globs of files and folders that do not; given, they take the place of these"},
	{"events", CONF_ENUM_LIST, "create, modify, delete, move", "create|modify|delete|move",
	 .help = "what of them wakes the agent"},
	{"settle", CONF_DURATION, "2s", .min = 0, .max = 3600000,
	 .help = "a file is taken when nothing has happened to it for so long"},
	{"settle_max", CONF_DURATION, "30s", .min = 1000, .max = 86400000,
	 .help = "one that is written again and again is taken after so long at a moment when "
		 "nobody has it open"},
	{"initial", CONF_BOOL, "no",
	 .help = "files that are there at the first start count as new"},
	{"catchup", CONF_BOOL, "yes",
	 .help = "what changed while the daemon was not running is found when it starts"},
	{"content", CONF_ENUM, "none", "none|text|base64",
	 .help = "the file's content in the event"},
	{"max_content", CONF_SIZE, "1M", .min = 1, .max = 16LL << 20,
	 .help = "of larger files the event has path, size and hash alone"},
	{"hash", CONF_BOOL, "no",
	 .help = "a file counts as changed only when its content did; every file is read for it"},
	{"poll", CONF_DURATION, "60s", .min = 1000, .max = 86400000,
	 .help = "how often file systems that do not tell of all changes (NFS, overlay, ...) and "
		 "folders for which no watch is left are looked through"},
};

static void file_check(const struct conf_section *section, struct conf_report *report);

static const struct conf_table table = {.section = "trigger",
					.named = true,
					.selector = "source",
					.value = "file",
					.keys = keys,
					.count = ARRAY_LEN(keys),
					.check = file_check,
					.help = "what happens to the files of a folder"};
static const struct conf_table *const tables[] = {&table, NULL};

static const char *const contents[] = {"none", "text", "base64"};

static uint64_t serials;

/* --- configuration ------------------------------------------------------------------------- */

static void
globs_check(const struct conf_section *section, const char *key, struct conf_report *report)
{
	const char *const *globs;
	size_t count = conf_list(section, key, &globs);

	for (size_t i = 0; i < count; i++) {
		AUTO(err_fini) struct err err = ERR_INIT;

		if (!glob_check(str_of(globs[i]), &err))
			conf_complain(report, section, key, "%s", err_text(&err));
	}
}

static void
file_check(const struct conf_section *section, struct conf_report *report)
{
	globs_check(section, "match", report);
	globs_check(section, "ignore", report);
	if (conf_ms(section, "settle") > conf_ms(section, "settle_max"))
		conf_complain(report, section, "settle",
			      "is longer than settle_max (%s); raise settle_max with it",
			      conf_str(section, "settle_max"));
	if (conf_is_set(section, "max_content") && !strcmp(conf_str(section, "content"), "none"))
		conf_warn(report, section, "max_content",
			  "means nothing while content = none; set content = text or base64");
}

static char **
list_copy(const struct conf_section *section, const char *key)
{
	const char *const *items;
	size_t count = conf_list(section, key, &items);
	char **copy = mem_alloc_array(count + 1, sizeof(*copy));

	for (size_t i = 0; i < count; i++)
		copy[i] = mem_strdup(items[i]);
	return copy;
}

/* Without slashes at the end. */
static char *
path_of(const struct conf_section *section)
{
	const char *path = conf_str(section, "path");
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return mem_memdup(path, len);
}

static void
settings_read(struct watcher *w, const struct conf_section *section)
{
	const char *const *events;
	size_t count = conf_list(section, "events", &events);
	enum file_event event;

	w->path = path_of(section);
	w->sight.match = list_copy(section, "match");
	w->sight.ignore = list_copy(section, "ignore");
	w->sight.recursive = conf_bool(section, "recursive");
	w->sight.hash = conf_bool(section, "hash");
	w->sight.max_content = conf_int(section, "max_content");
	for (size_t i = 0; i < ARRAY_LEN(contents); i++)
		if (!strcmp(contents[i], conf_str(section, "content")))
			w->sight.content = (enum content)i;
	for (size_t i = 0; i < count; i++)
		if (file_event_parse(events[i], &event))
			w->wants[event] = true;
	w->initial = conf_bool(section, "initial");
	w->catchup = conf_bool(section, "catchup");
	w->poll_ms = conf_ms(section, "poll");
	w->pendings.settle_ms = conf_ms(section, "settle");
	w->pendings.longest_ms = conf_ms(section, "settle_max");
	w->pendings.max = PENDING_MAX;
}

/* --- what is known ------------------------------------------------------------------------- */

static void
list_digest(struct buf *out, char *const *items)
{
	for (size_t i = 0; items[i]; i++)
		buf_add(out, items[i], strlen(items[i]) + 1);
	buf_putc(out, '\0');
}

/* What the index is of: the root, and what of it is in sight. */
static void
sight_digest(const struct watcher *w, struct buf *out)
{
	AUTO(buf_fini) struct buf all = BUF_INIT;
	struct digest digest;

	buf_putc(&all, w->sight.recursive ? 'r' : '-');
	list_digest(&all, w->sight.match);
	list_digest(&all, w->sight.ignore);
	digest = digest_of(DIGEST_SHA256, buf_str(&all));
	hex_encode(out, str_make(digest.bytes, 16));
}

/* about: SINCE KNOWN SIGHT PATH */
static bool
about_write(struct watcher *w, struct err *err)
{
	AUTO(buf_fini) struct buf about = BUF_INIT;

	buf_printf(&about, "%lld %c ", (long long)w->since_ns, w->is_known ? 'k' : '-');
	sight_digest(w, &about);
	buf_cat(&about, " ", w->path);
	return index_about_set(&w->index, buf_str(&about), err);
}

bool
watcher_set_known(struct watcher *w, struct err *err)
{
	w->is_known = true;
	return about_write(w, err);
}

/* The clock that file systems stamp with: coarse, so that nothing that comes later has an earlier
 * time. */
static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct about {
	int64_t since_ns;
	bool is_known, same_sight, same_path;
};

static bool
about_read(struct watcher *w, struct about *ret, bool *ret_found, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(buf_fini) struct buf sight = BUF_INIT;
	AUTO(err_fini) struct err none = ERR_INIT;
	struct str since, known, was;
	struct str rest;

	*ret_found = index_about_get(&w->index, &text, &none);
	if (!*ret_found)
		return none.code == E_NOT_FOUND || err_move(err, &none);
	rest = str_split(buf_str(&text), ' ', &since);
	rest = rest.p ? str_split(rest, ' ', &known) : rest;
	rest = rest.p ? str_split(rest, ' ', &was) : rest;
	if (!rest.p || !str_to_i64(since, &ret->since_ns))
		return err_set(err, E_CORRUPT, "the index of trigger %s is damaged: %s",
			       w->source.name, buf_cstr(&text));
	sight_digest(w, &sight);
	ret->is_known = str_eq_cstr(known, "k");
	ret->same_sight = str_eq(was, buf_str(&sight));
	ret->same_path = str_eq_cstr(rest, w->path);
	return true;
}

/* Where the last daemon stopped; what is new begins now. */
static bool
watcher_resume(struct watcher *w, struct err *err)
{
	struct about about;
	bool found, fold = true;

	w->index = (struct index){w->source.core->store, w->source.name, 1};
	if (!about_read(w, &about, &found, err))
		return false;
	w->since_ns = now_ns();
	if (found && about.same_path && w->catchup) {
		/* What is in sight only now was never looked for: it begins now, as all did once.
		 */
		w->is_known = about.is_known && about.same_sight;
		if (about.same_sight)
			w->since_ns = about.since_ns;
		while (fold)
			if (!index_fold(&w->index, &fold, err))
				return false;
	} else {
		if (!index_forget(&w->index, err))
			return false;
		if (w->initial && !(found && about.same_path))
			w->since_ns = INT64_MIN;
	}
	return about_write(w, err);
}

/* --- life ---------------------------------------------------------------------------------- */

int64_t
watcher_now(const struct watcher *w)
{
	return clock_mono(w->source.core->clock).ms;
}

struct watcher *
watcher_find(struct core *core, const char *name, uint64_t serial)
{
	struct source *source = sources_find(core->sources, name);
	struct watcher *w = source && source->kind == &file_kind
				    ? CONTAINER_OF(source, struct watcher, source)
				    : NULL;

	return w && w->serial == serial ? w : NULL;
}

static void
on_poll(void *arg)
{
	struct watcher *w = arg;

	if (w->broken)
		return;
	scan_poll(w);
	core_timer_arm(w->source.core, &w->poll_timer, w->poll_ms, on_poll, w);
}

void
watcher_tell(struct watcher *w, const char *error)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	bool polls = w->tree.polled || (w->ground && w->ground->is_remote);

	if (w->broken || !w->ground)
		return;
	if (polls && !w->poll_timer)
		core_timer_arm(w->source.core, &w->poll_timer, w->poll_ms, on_poll, w);
	else if (!polls && w->poll_timer) {
		core_timer_free(w->poll_timer);
		w->poll_timer = NULL;
	}
	if (error) {
		source_set_health(&w->source, HEALTH_FAILING, error);
	} else if (w->tree.polled) {
		buf_printf(&text,
			   "%zu folders cannot be watched and are looked through every %lld s: "
			   "no watch is left (fs.inotify.max_user_watches is %ld); raise it with "
			   "sysctl",
			   w->tree.polled, (long long)w->poll_ms / 1000,
			   watch_limit("max_user_watches"));
		source_set_health(&w->source, HEALTH_FAILING, buf_cstr(&text));
	} else {
		/* Idle while it meets everything for the first time. */
		source_set_health(&w->source, w->is_known ? HEALTH_OK : HEALTH_IDLE, NULL);
	}
}

void
watcher_break(struct watcher *w, const struct err *err)
{
	log_error("file trigger stops", "trigger", w->source.name, "error", err_text(err));
	w->broken = true;
	source_set_health(&w->source, HEALTH_FAILING, err_text(err));
}

static void
on_step(void *arg)
{
	struct watcher *w = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	bool more, fold = false;

	if (w->broken)
		return;
	more = scan_step(w);
	if (!w->broken)
		more = sweep_step(w) || more;
	/* Notes are few while others come one by one; after a storm they go into their chunks. */
	if (!w->broken && !more && w->index.notes > 1024 && !w->keeping)
		if (!index_fold(&w->index, &fold, &err))
			watcher_break(w, &err);
	if (more || fold)
		watcher_step_soon(w, 0);
}

void
watcher_step_soon(struct watcher *w, int64_t ms)
{
	core_timer_arm(w->source.core, &w->step_timer, ms, on_step, w);
}

bool
founds_add(struct founds *founds, uint64_t inode, struct str path)
{
	if (founds->count >= PAIRS_MAX)
		return false;
	if (founds->count == founds->room) {
		founds->room = founds->room ? founds->room * 2 : 64;
		founds->list = mem_realloc(founds->list, founds->room * sizeof(*founds->list));
	}
	founds->list[founds->count++] = (struct found){inode, str_dup(path)};
	return true;
}

void
founds_fini(struct founds *founds)
{
	for (size_t i = 0; i < founds->count; i++)
		free(founds->list[i].path);
	free(founds->list);
	*founds = (struct founds){0};
}

static void
watcher_free(struct watcher *w)
{
	struct core_timer *const timers[] = {w->due_timer, w->step_timer, w->poll_timer,
					     w->root_timer, w->move_timer};

	tree_clear(&w->tree);
	scan_stop(w);
	sweep_stop(w);
	take_stop(w);
	live_fini(w);
	root_fini(w);
	pendings_fini(&w->pendings);
	for (size_t i = 0; i < ARRAY_LEN(timers); i++)
		core_timer_free(timers[i]);
	sight_fini(&w->sight);
	free(w->path);
	source_fini(&w->source);
	free(w);
}

static struct source *
file_start(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct watcher *w = mem_alloc(sizeof(*w));

	source_init(&w->source, core, &file_kind, trigger->name);
	w->serial = ++serials;
	w->user = (struct watch_user){.on_event = live_on_event, .on_overflow = live_on_overflow};
	w->tree.on_leave = live_on_leave;
	TAILQ_INIT(&w->waiting);
	STAILQ_INIT(&w->walked);
	STAILQ_INIT(&w->sweeps);
	settings_read(w, trigger->section);
	if (!watcher_resume(w, err) || !watch_join(core, &w->user, err)) {
		watcher_free(w);
		return NULL;
	}
	root_look(w);
	return &w->source;
}

static void
file_stop(struct source *source)
{
	struct watcher *w = CONTAINER_OF(source, struct watcher, source);
	struct watch_user *user = &w->user;

	/* The folders first: their watches end before the instance does. */
	tree_clear(&w->tree);
	root_fini(w);
	watch_leave(user);
	watcher_free(w);
}

static void
file_wake(struct source *source)
{
	take_wake(CONTAINER_OF(source, struct watcher, source));
}

/* trust: anybody may write a file, as far as is known here; `trust` of the section says better. */
const struct source_kind file_kind = {.name = "file",
				      .tables = tables,
				      .trust = TRUST_UNTRUSTED,
				      .start = file_start,
				      .stop = file_stop,
				      .wake = file_wake};
