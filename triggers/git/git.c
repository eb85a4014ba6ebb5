/* Source git: refs that are new, moved, forced or gone, of local and remote repositories. SPEC 7.
 */
/* SPDX-License-Identifier: MIT */
#include "triggers/git/git.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/os.h"
#include "base/uuid.h"
#include "core/admit.h"
#include "io/work.h"
#include "pure/backoff.h"
#include "store/keys.h"
#include "store/state.h"
#include "triggers/git/look.h"
#include "triggers/git/request.h"
#include "triggers/git/settings.h"
#include "triggers/git/watch.h"

/* So many looks that die on the way one after another, and less is asked. */
#define DEATHS_MAX 3
/* Looks at once, of all triggers. */
#define LOOKS_MAX 4
/* Events admitted in one commit, refs learned in one. */
#define WINDOW 32
#define LEARN_STEP 500
/* What a repository does in one go is looked at once. */
#define SETTLE_MS 100
#define AGAIN_MAX_MS 300000

struct repo {
	struct source source; /* first */
	enum git_way way;
	char *cache;
	char digest[65]; /* of what is looked at, and of which refs: DIGEST of the cursor */
	int64_t poll_ms;
	uint64_t id; /* of this life of it */

	int64_t moves; /* events so far */
	bool learn;    /* refs that are not known wake nobody */
	bool plain;    /* the last look died: no deeper than names this time */
	bool again;    /* something came up during a look */
	unsigned failures;

	struct look *look;
	bool waits; /* for its turn to look */
	struct buf answer;
	size_t at;			      /* of the answer: what is handled */
	bool answering, more, whole, trouble; /* whole: it came to its end */
	bool deep;			      /* it had begun to read what is in the repository */
	size_t in_flight;
	struct core_timer *poll, *step;
	struct watch *watch;
	TAILQ_ENTRY(repo) entry; /* while it waits */
};

/* An event whose commit is awaited. */
struct admitted {
	struct core *core;
	char *name;
	uint64_t repo;
};

static TAILQ_HEAD(, repo) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static unsigned looking, repos;

static void repo_look(void *arg);
static void answer_step(void *arg);

/* --- when to look --------------------------------------------------------------------------- */

static void
repo_look_in(struct repo *repo, int64_t ms)
{
	core_timer_arm(repo->source.core, &repo->poll, ms, repo_look, repo);
}

static void
repo_look_again(struct repo *repo)
{
	const struct backoff backoff = {.base_ms = 1000,
					.cap_ms = repo->poll_ms > AGAIN_MAX_MS ? repo->poll_ms
									       : AGAIN_MAX_MS,
					.factor = 2,
					.jitter = BACKOFF_FULL};

	repo->failures++;
	repo_look_in(repo,
		     500 + backoff_delay(&backoff, repo->failures, entropy_below(UINT64_MAX)));
}

static void
repo_on_hint(void *arg)
{
	struct repo *repo = arg;

	if (repo->look || repo->answering || repo->waits)
		repo->again = true;
	else if (!repo->failures)
		repo_look_in(repo, SETTLE_MS);
}

/* Another may look now. */
static void
looks_next(void)
{
	struct repo *repo = TAILQ_FIRST(&waiting);

	if (!repo || looking >= LOOKS_MAX)
		return;
	TAILQ_REMOVE(&waiting, repo, entry);
	repo->waits = false;
	repo_look_in(repo, 0);
}

/* --- a look -------------------------------------------------------------------------------- */

static void repo_on_looked(void *arg, struct str answer, const char *died);

static void
repo_failed(struct repo *repo, const char *why)
{
	source_set_health(&repo->source, HEALTH_FAILING, why);
	repo_look_again(repo);
}

static void
repo_look(void *arg)
{
	struct repo *repo = arg;
	struct core *core = repo->source.core;
	const struct trigger *trigger = source_trigger(&repo->source);
	const struct request_terms asked = {core, repo->cache, repo->learn, repo->plain};
	AUTO(buf_fini) struct buf request = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!trigger || repo->look || repo->answering || repo->waits || core->draining ||
	    !trigger_is_on(core, trigger))
		return;
	if (looking >= LOOKS_MAX) {
		repo->waits = true;
		TAILQ_INSERT_TAIL(&waiting, repo, entry);
		return;
	}
	watch_refresh(repo->watch);
	repo->again = false;
	if (request_build(&asked, trigger, &request, &err))
		repo->look =
			look_start(core, buf_str(&request), conf_ms(trigger->section, "timeout"),
				   repo_on_looked, repo, &err);
	if (request.data)
		mem_zero(request.data, request.len);
	if (repo->look)
		looking++;
	else
		repo_failed(repo, err_text(&err));
}

/* --- what is answered ----------------------------------------------------------------------- */

static void
cursor_text(const struct repo *repo, struct buf *out)
{
	buf_printf(out, "%lld %s", (long long)repo->moves, repo->digest);
}

/* All that was answered is handled: the next look, and when. */
static void
answer_end(struct repo *repo)
{
	if (repo->in_flight)
		return;
	repo->answering = false;
	buf_fini(&repo->answer);
	repo->answer = (struct buf)BUF_INIT;
	if (!repo->whole && !repo->trouble) {
		source_set_health(&repo->source, HEALTH_FAILING, "rouse-git gave no whole answer");
		repo->trouble = true;
	}
	if (repo->trouble) {
		/* What it died of, it would die of again. A server that hung may not hang for ever.
		 */
		if (!repo->whole && (repo->deep || repo->failures + 1 >= DEATHS_MAX))
			repo->plain = true;
		repo_look_again(repo);
		return;
	}
	repo->failures = 0;
	repo->plain = false;
	if (repo->source.health == HEALTH_FAILING || repo->source.health == HEALTH_IDLE)
		source_set_health(&repo->source, HEALTH_OK, NULL);
	repo_look_in(repo, repo->more ? 0 : repo->again ? SETTLE_MS : repo->poll_ms);
}

static void
answer_go_on(struct repo *repo)
{
	core_timer_arm(repo->source.core, &repo->step, 0, answer_step, repo);
}

/* Not now: what is left of the answer is asked for again. */
static void
answer_drop(struct repo *repo, const struct err *err)
{
	source_set_health(&repo->source, HEALTH_FAILING, err_text(err));
	repo->trouble = true;
	repo->at = repo->answer.len;
}

static void
on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct admitted *admitted = arg;
	struct source *source = sources_find(admitted->core->sources, admitted->name);
	struct repo *repo = source && source->kind == &git_kind
				    ? CONTAINER_OF(source, struct repo, source)
				    : NULL;

	if (repo && repo->id == admitted->repo) {
		repo->in_flight--;
		if (!result)
			answer_drop(repo, err);
		if (!repo->in_flight)
			answer_go_on(repo);
	}
	free(admitted->name);
	free(admitted);
}

/* Keys are text: a name that is none is written byte by byte, so that no two become one. */
static void
name_print(struct str name, struct buf *out)
{
	if (str_is_utf8(name)) {
		buf_add_str(out, name);
		return;
	}
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		buf_printf(out, c < 0x80 && c != '%' ? "%c" : "%%%02X", c);
	}
}

/* The ref and what it is at now; where it comes back to what it was at before, also the how
 * manieth move of the repository it is. */
static bool
key_make(const struct repo *repo, const struct look_line *line, struct buf *key, struct err *err)
{
	AUTO(buf_fini) struct buf scope = BUF_INIT;
	int64_t known;

	name_print(line->ref, key);
	buf_putc(key, ' ');
	buf_add_str(key, line->id);
	buf_cat(&scope, "trigger/", repo->source.name);
	if (!keys_find(repo->source.core->store, buf_str(&scope), buf_str(key), &known, err))
		return false;
	if (known)
		buf_printf(key, " %lld", (long long)repo->moves);
	return true;
}

static bool
id_is_none(struct str id)
{
	for (size_t i = 0; i < id.len; i++)
		if (id.p[i] != '0')
			return false;
	return true;
}

static bool
change_admit(struct repo *repo, const struct look_line *line, struct err *err)
{
	struct core *core = repo->source.core;
	AUTO(buf_fini) struct buf key = BUF_INIT, cursor = BUF_INIT;
	const struct fact fact = {line->ref, id_is_none(line->id) ? STR_NONE : line->id};
	struct happening happening = {.trigger = source_trigger(&repo->source),
				      .data = line->data,
				      .subject = line->ref,
				      .facts = &fact,
				      .fact_count = 1};
	struct admitted *admitted;

	repo->moves++;
	if (!key_make(repo, line, &key, err))
		return false;
	cursor_text(repo, &cursor);
	happening.natural_key = buf_str(&key);
	happening.cursor = buf_str(&cursor);
	if (line->cause.len) {
		happening.cause = line->cause;
		happening.by_change = true;
	}
	admitted = mem_alloc(sizeof(*admitted));
	*admitted = (struct admitted){core, mem_strdup(repo->source.name), repo->id};
	repo->in_flight++;
	if (admit_event(core, &happening, on_admitted, admitted, err))
		return true;
	repo->in_flight--;
	free(admitted->name);
	free(admitted);
	return false;
}

/* Refs that are known from now on, and wake nobody. */
static bool
line_learn(struct repo *repo, const struct look_line *line, struct err *err)
{
	const struct fact fact = {line->ref, line->id};

	return facts_write(repo->source.core->store, repo->source.name, &fact, 1, err);
}

/* Of all that is there it is known now what it is at: what is new from here on is an event. */
static bool
learn_end(struct repo *repo, struct err *err)
{
	AUTO(buf_fini) struct buf cursor = BUF_INIT;

	if (!repo->learn)
		return true;
	cursor_text(repo, &cursor);
	if (!cursors_set(repo->source.core->store, repo->source.name, buf_str(&cursor), err))
		return false;
	repo->learn = false;
	return true;
}

static void
end_read(struct repo *repo, struct str data)
{
	AUTO(json_auto_decref) json_t *end = NULL;
	int64_t unreadable;

	if (!json_read(data, &end, NULL))
		return;
	repo->whole = true;
	repo->more = json_bool(end, "more", false);
	unreadable = json_int(end, "unreadable", 0);
	if (unreadable)
		log_warning("refs cannot be read", "trigger", repo->source.name);
}

static void
trouble_read(struct repo *repo, struct str data)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	json_raw_string(data, &text);
	repo->whole = true;
	source_set_health(&repo->source, HEALTH_FAILING, buf_cstr(&text));
	repo->trouble = true;
}

/* False: the rest comes later (what is in flight, or another turn). */
static bool
line_handle(struct repo *repo, const struct look_line *line, unsigned *learned, struct err *err)
{
	switch (line->kind) {
	case LOOK_LEARN:
		++*learned;
		return line_learn(repo, line, err);
	case LOOK_CHANGE:
		return learn_end(repo, err) && change_admit(repo, line, err);
	case LOOK_DEEP:
		repo->deep = true;
		return true;
	case LOOK_END:
		end_read(repo, line->data);
		return learn_end(repo, err);
	case LOOK_TROUBLE:
		trouble_read(repo, line->data);
		return true;
	case LOOK_NONE:
		break;
	}
	repo->at = repo->answer.len;
	return true;
}

static void
answer_step(void *arg)
{
	struct repo *repo = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	unsigned learned = 0;

	/* Disabled or paused since it was asked: nothing of it is told, and it is asked again. */
	if (repo->at < repo->answer.len &&
	    !trigger_is_on(repo->source.core, source_trigger(&repo->source))) {
		repo->at = repo->answer.len;
		repo->whole = repo->again = true;
	}
	while (repo->at < repo->answer.len && repo->in_flight < WINDOW && learned < LEARN_STEP) {
		struct str rest =
			str_make(repo->answer.data + repo->at, repo->answer.len - repo->at);
		struct look_line line = look_next(&rest);

		if (line.kind != LOOK_NONE)
			repo->at = repo->answer.len - rest.len;
		if (!line_handle(repo, &line, &learned, &err))
			answer_drop(repo, &err);
	}
	if (learned >= LEARN_STEP)
		answer_go_on(repo);
	else if (repo->at >= repo->answer.len)
		answer_end(repo);
}

static void
repo_on_looked(void *arg, struct str answer, const char *died)
{
	struct repo *repo = arg;

	repo->look = NULL;
	looking--;
	repo->answering = true;
	repo->more = repo->whole = repo->deep = false;
	repo->trouble = *died != '\0';
	repo->at = 0;
	buf_add_str(&repo->answer, answer);
	if (*died)
		source_set_health(&repo->source, HEALTH_FAILING, died);
	answer_go_on(repo);
	looks_next();
}

/* --- life ----------------------------------------------------------------------------------- */

static void
digest_make(struct repo *repo, const struct conf_section *section)
{
	struct digest digest = digest_of(DIGEST_SHA256, str_of(conf_str(section, "repo")));
	AUTO(buf_fini) struct buf text = BUF_INIT;

	hex_encode(&text, str_make(digest.bytes, 16));
	digest = digest_of(DIGEST_SHA256, str_of(conf_str(section, "refs")));
	hex_encode(&text, str_make(digest.bytes, 16));
	memcpy(repo->digest, buf_cstr(&text), text.len + 1);
}

/* Where the last daemon stopped. Of another repository nothing is known; with other globs, what is
 * known stays so. */
static bool
repo_resume(struct repo *repo, struct err *err)
{
	struct store *store = repo->source.core->store;
	AUTO(buf_fini) struct buf cursor = BUF_INIT;
	AUTO(err_fini) struct err none = ERR_INIT;
	struct str head, rest;

	repo->learn = true;
	if (!cursors_get(store, repo->source.name, &cursor, &none))
		return none.code == E_NOT_FOUND || err_move(err, &none);
	rest = str_split(buf_str(&cursor), ' ', &head);
	if (!str_to_i64(head, &repo->moves) || rest.len != 64)
		return err_set(err, E_CORRUPT, "the cursor of trigger %s is damaged: %s",
			       repo->source.name, buf_cstr(&cursor));
	repo->learn = !str_eq_cstr(rest, repo->digest);
	if (!memcmp(rest.p, repo->digest, 32))
		return true;
	log_info("another repository than before: what is there now wakes nobody", "trigger",
		 repo->source.name);
	return facts_forget(store, repo->source.name, err);
}

static void
repo_free(struct repo *repo)
{
	core_timer_free(repo->poll);
	core_timer_free(repo->step);
	watch_free(repo->watch);
	buf_fini(&repo->answer);
	free(repo->cache);
	source_fini(&repo->source);
	free(repo);
}

static bool
cache_make(struct repo *repo, struct err *err)
{
	struct buf path = BUF_INIT;

	buf_cat(&path, repo->source.core->state_dir, "/git/", repo->source.name);
	repo->cache = buf_take(&path);
	return os_mkdirs(repo->cache, 0700, err);
}

static struct source *
git_start(struct core *core, const struct trigger *trigger, struct err *err)
{
	static uint64_t lives;
	struct repo *repo = mem_alloc(sizeof(*repo));
	const char *path;

	source_init(&repo->source, core, &git_kind, trigger->name);
	repo->id = ++lives;
	repo->poll_ms = conf_ms(trigger->section, "poll");
	repo->way = git_way_of(conf_str(trigger->section, "repo"), &path);
	digest_make(repo, trigger->section);
	if (!cache_make(repo, err) || !repo_resume(repo, err)) {
		repo_free(repo);
		return NULL;
	}
	if (path)
		repo->watch = watch_new(core, path, repo_on_hint, repo);
	repos++;
	repo_look_in(repo, 0);
	return &repo->source;
}

static void
cache_remove(void *arg)
{
	os_remove_tree(arg, NULL);
}

static void
git_stop(struct source *source)
{
	struct repo *repo = CONTAINER_OF(source, struct repo, source);

	/* Removed, and not only started anew. */
	if (!source_trigger(source) &&
	    work_submit(source->core->work, cache_remove, free, repo->cache, NULL))
		repo->cache = NULL;
	if (repo->waits)
		TAILQ_REMOVE(&waiting, repo, entry);
	if (repo->look) {
		look_cancel(repo->look);
		looking--;
	}
	repo_free(repo);
	looks_next();
	if (!--repos)
		looks_forget();
}

static void
git_wake(struct source *source)
{
	struct repo *repo = CONTAINER_OF(source, struct repo, source);

	if (repo->look || repo->answering)
		repo->again = true;
	else if (!repo->waits && !repo->failures)
		repo_look_in(repo, 0);
}

const struct source_kind git_kind = {.name = "git",
				     .tables = git_tables,
				     .trust = TRUST_AUTHENTICATED,
				     .trust_of = git_trust,
				     .start = git_start,
				     .stop = git_stop,
				     .wake = git_wake};
