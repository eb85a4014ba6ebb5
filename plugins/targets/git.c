/* Git targets: the changes of a run become a commit on a branch of its own, which is brought to the
 * target's branch, and pushed where that is asked for. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/git.h"

#include <pthread.h>
#include <string.h>

#include "base/os.h"
#include "io/work.h"
#include "plugins/targets/git_parts.h"
#include "plugins/targets/outcome.h"

/* Somebody else pushes at the same time. */
#define PUSH_TRIES 5

static const struct conf_key keys[] = {
	{"repo", CONF_PATH, .flags = CONF_REQUIRED,
	 .help = "the repository: a bare one, or one whose work tree is on another branch (or see "
		 "checked_out)"},
	{"branch", CONF_STRING, "main",
	 .help = "the branch that gets the commits; it must be there"},
	{"author", CONF_STRING, "Rouse <rouse@localhost>",
	 .help = "who the commits are by: NAME <MAIL>"},
	{"max_size", CONF_SIZE, "4M", .min = 1, .max = 64 << 20,
	 .help = "largest file; what was there before is kept with the change"},
	{"merge", CONF_ENUM, "files", "files|lines",
	 .help = "when somebody else committed meanwhile: files: a file that both changed is a "
		 "conflict; lines: only lines that both changed are"},
	{"run_branch", CONF_BOOL, "yes",
	 .help = "the commit of each run is kept as the branch rouse/RUN, too"},
	{"checked_out", CONF_ENUM, "refuse", "refuse|update",
	 .help = "a branch that is checked out in the repository: update: work tree and index go "
		 "along where nothing in the way is uncommitted; refuse: it gets no commits"},
	{"push", CONF_STRING,
	 .help = "a remote of the repository, by its name, its path or its URL (https: ssh: "
		 "file:): "
		 "its branch gets the commits first"},
};

/* git-check-ref-format(1), and no name that is an option. */
static bool
branch_is_name(const char *branch)
{
	struct str rest = str_of(branch), part;

	if (!*branch || *branch == '-' || strpbrk(branch, " ~^:?*[\\\x7f") ||
	    strstr(branch, "..") || strstr(branch, "@{") || branch[strlen(branch) - 1] == '.')
		return false;
	for (const char *p = branch; *p; p++)
		if ((unsigned char)*p < ' ')
			return false;
	while (rest.p) {
		rest = str_split(rest, '/', &part);
		if (!part.len || *part.p == '.' || str_ends(part, STR(".lock")))
			return false;
	}
	return true;
}

static bool
push_is_name(const char *push)
{
	const char *scheme = strstr(push, "://");

	if (!*push || *push == '-' || strstr(push, "::") || strpbrk(push, "\n\r\t"))
		return false;
	return !scheme || !strncmp(push, "https://", 8) || !strncmp(push, "ssh://", 6) ||
	       !strncmp(push, "file://", 7);
}

static void
section_check(const struct conf_section *section, struct conf_report *report)
{
	const char *author = conf_str(section, "author"), *branch = conf_str(section, "branch"),
		   *push = conf_str(section, "push");

	if (author && (!strchr(author, '<') || author[strlen(author) - 1] != '>' || *author == '<'))
		conf_complain(report, section, "author", "\"%s\": expected NAME <MAIL>", author);
	if (branch && !branch_is_name(branch))
		conf_complain(report, section, "branch", "\"%s\" is no name of a branch", branch);
	if (branch && !strncmp(branch, GIT_RUN_BRANCHES, strlen(GIT_RUN_BRANCHES)))
		conf_complain(report, section, "branch",
			      "\"%s\": branches below " GIT_RUN_BRANCHES
			      " are those of runs; name another",
			      branch);
	if (push && !strcmp(conf_str(section, "checked_out"), "update"))
		conf_complain(report, section, "checked_out",
			      "update, and what is pushed brings others' commits along; expected a "
			      "bare repository, or no push");
	if (push && !push_is_name(push))
		conf_complain(report, section, "push",
			      "\"%s\": expected the name of a remote, a path, or a URL of https:, "
			      "ssh: or file:",
			      push);
}

static const struct conf_table git_table = {
	.section = "target",
	.named = true,
	.selector = "kind",
	.value = "git",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = section_check,
	.help = "a target that is a branch of a git repository: an entity is a path in it",
};

static bool
target_open(struct target *target, struct conf_report *report)
{
	const struct conf_section *section = target->section;
	struct git_target *t = mem_alloc(sizeof(*t));
	const char *author = conf_str(section, "author"), *at = strchr(author, '<');
	size_t len = at ? strlen(at) : 0;

	(void)report;
	git_lock_init();
	target->state = t;
	t->name = target->name;
	t->repo = conf_str(section, "repo");
	t->branch = conf_str(section, "branch");
	t->push = conf_str(section, "push");
	t->max_bytes = conf_int(section, "max_size");
	t->timeout_ms = target->timeout_ms;
	t->lines = !strcmp(conf_str(section, "merge"), "lines");
	t->follows = !strcmp(conf_str(section, "checked_out"), "update");
	t->run_branch = conf_bool(section, "run_branch");
	t->author =
		str_dup(str_trim(at ? str_make(author, (size_t)(at - author)) : str_of(author)));
	t->mail = str_dup(len > 2 ? str_make(at + 1, len - 2) : STR(""));
	return true;
}

static void
target_close(struct target *target)
{
	struct git_target *t = target->state;

	if (!t)
		return;
	free(t->author);
	free(t->mail);
	free(t);
	target->state = NULL;
}

static const struct git_target *
git_of(const struct target *target)
{
	return target && target->kind == &git_target_kind ? target->state : NULL;
}

const char *
git_target_repo(const struct target *target)
{
	const struct git_target *t = git_of(target);

	return t ? t->repo : NULL;
}

const char *
git_target_branch(const struct target *target)
{
	const struct git_target *t = git_of(target);

	return t ? t->branch : NULL;
}

int64_t
git_target_max_bytes(const struct target *target)
{
	const struct git_target *t = git_of(target);

	return t ? t->max_bytes : 0;
}

static bool
target_check(struct core *core, const struct target *target, const struct change_row *change,
	     struct err *err)
{
	(void)core;
	return git_change_check(target, change, err);
}

/* --- one group ------------------------------------------------------------------------------ */

/* What a daemon that ends does not wait for stays reachable. */
static LIST_HEAD(, git_work) works = LIST_HEAD_INITIALIZER(works);
/* One group after the other, of all targets. */
static pthread_mutex_t applying = PTHREAD_MUTEX_INITIALIZER;

/* All that were done, or were to be. */
static void
jobs_fail(struct git_job *jobs, size_t count, const struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].what == TARGET_DRIFTED || jobs[i].what == TARGET_ALREADY ||
		    jobs[i].err.code != E_OK)
			continue;
		jobs[i].what = TARGET_FAILED;
		buf_clear(&jobs[i].receipt);
		err_set(&jobs[i].err, err->code, "%s", err_text(err));
	}
}

static void
runs_do(struct git_work *w)
{
	size_t from = 0;

	w->made = false;
	for (size_t i = 1; i <= w->count; i++) {
		AUTO(err_fini) struct err err = ERR_INIT;

		if (i < w->count && w->jobs[i].change->run == w->jobs[from].change->run)
			continue;
		if (!git_run_do(w, &w->jobs[from], i - from, &err))
			jobs_fail(&w->jobs[from], i - from, &err);
		from = i;
	}
}

/* In a thread. */
static void
work_run(void *arg)
{
	struct git_work *w = arg;

	pthread_mutex_lock(&applying);
	git_lock_recover(w);
	if (git_place_open(&w->place, w->t, &w->err))
		runs_do(w);
	else
		jobs_fail(w->jobs, w->count, &w->err);
	if (w->t->push && !w->made && w->err.code == E_OK)
		git_branch_follow(w, NULL);
	git_place_close(&w->place);
	pthread_mutex_unlock(&applying);
}

/* In a thread: what was pushed is to be here as well. Where it cannot be now, the next one fetches
 * it. */
static void
follow_run(void *arg)
{
	struct git_work *w = arg;

	crash_point("git-pushed");
	pthread_mutex_lock(&applying);
	w->made = git_place_open(&w->place, w->t, NULL) && w->made;
	if (w->made)
		git_branch_follow(w, NULL);
	git_place_close(&w->place);
	pthread_mutex_unlock(&applying);
}

static void
work_free(struct git_work *w)
{
	LIST_REMOVE(w, entry);
	for (size_t i = 0; i < w->count; i++)
		git_job_fini(&w->jobs[i]);
	err_fini(&w->err);
	core_timer_free(w->timer);
	free(w->known);
	free(w->jobs);
	free(w);
}

static void
work_give(void *arg)
{
	struct git_work *w = arg;
	AUTO(auto_free)
	struct target_result *results = mem_alloc_array(w->count, sizeof(*results));
	AUTO(auto_free) struct err *errs = mem_alloc_array(w->count, sizeof(*errs));

	for (size_t i = 0; i < w->count; i++) {
		struct git_job *job = &w->jobs[i];
		bool done = job->what == TARGET_DONE || job->what == TARGET_ALREADY;

		results[i] = (struct target_result){
			.outcome = job->what,
			.current = job->current.len ? buf_cstr(&job->current) : NULL,
			.receipt = done && job->receipt.len ? buf_cstr(&job->receipt) : NULL};
		errs[i] = job->err;
	}
	w->on_done(w->arg, results, errs);
	work_free(w);
}

static void
work_fail(struct git_work *w, const struct err *err)
{
	jobs_fail(w->jobs, w->count, err);
	core_timer_arm(w->core, &w->timer, 0, work_give, w);
}

static void
thread_start(struct git_work *w, void (*run)(void *), void (*then)(void *))
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!work_submit(w->core->work, run, then, w, &err))
		work_fail(w, &err);
}

/* --- the remote ----------------------------------------------------------------------------- */

static void work_look(struct git_work *w);

static void
on_pushed(void *arg, enum git_pushed what, struct err *err)
{
	struct git_work *w = arg;
	AUTO(err_fini) struct err why = ERR_INIT;

	if (what == GIT_PUSHED)
		thread_start(w, follow_run, work_give);
	else if (what == GIT_REJECTED && ++w->tries < PUSH_TRIES)
		work_look(w);
	else if (what == GIT_REJECTED)
		work_fail(w,
			  (err_set(&why, E_UNAVAILABLE, "%s (%d times, looked at anew each time)",
				   err_text(err), w->tries),
			   &why));
	else
		work_fail(w, err);
}

static void
on_worked(void *arg)
{
	struct git_work *w = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!w->made)
		work_give(w);
	else if (!git_push_start(w, on_pushed, &err))
		work_fail(w, &err);
}

static void
on_fetched(void *arg, struct err *err)
{
	struct git_work *w = arg;

	if (err->code != E_OK)
		work_fail(w, err);
	else
		thread_start(w, work_run, on_worked);
}

/* From what the branch, and the remote's, are now. */
static void
work_look(struct git_work *w)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!w->t->push)
		thread_start(w, work_run, work_give);
	else if (!git_fetch_start(w, on_fetched, &err))
		work_fail(w, &err);
}

static void
target_apply_many(struct core *core, const struct target *target,
		  const struct change_row *const *changes, size_t count, bool revert,
		  target_on_all_done *on_done, void *arg)
{
	struct git_work *w = mem_alloc(sizeof(*w));

	*w = (struct git_work){.core = core,
			       .t = target->state,
			       .revert = revert,
			       .count = count,
			       .until = {clock_mono(core->clock).ms + target->timeout_ms},
			       .on_done = on_done,
			       .arg = arg};
	LIST_INSERT_HEAD(&works, w, entry);
	w->jobs = mem_alloc_array(count, sizeof(*w->jobs));
	for (size_t i = 0; i < count; i++) {
		struct buf cause = BUF_INIT;

		w->jobs[i].change = changes[i];
		w->jobs[i].what = TARGET_FAILED;
		if (!i || changes[i]->run != changes[i - 1]->run)
			change_cause(core, changes[i], &cause);
		w->jobs[i].cause = buf_take(&cause);
	}
	work_look(w);
}

const struct target_kind git_target_kind = {
	.name = "git",
	.table = &git_table,
	.open = target_open,
	.close = target_close,
	.check = target_check,
	.apply_many = target_apply_many,
};
