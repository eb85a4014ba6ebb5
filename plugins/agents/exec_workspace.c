/* Exec agents: those that work in a copy of a branch, and what they leave there. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/exec_workspace.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/os.h"
#include "conf/conf.h"
#include "io/work.h"
#include "plugins/agents/exec.h"
#include "plugins/agents/workspace.h"
#include "plugins/targets/git.h"

static const char way[] = "git:";
/* What cannot be looked at now is looked at again so often. */
#define LOOKS 4
#define LOOK_AGAIN_MS 500

/* Something that a thread does for an attempt; by id, because that may go meanwhile. */
struct chore {
	LIST_ENTRY(chore) entry;
	struct core *core;
	char id[64];
	struct workspace_plan plan;
	char *root, *envelope;
	struct registry *registry; /* which the plan's words are of */
	struct attempt_end end;
	char *end_reason, *end_text;
	json_t *left;
	struct err err;
	int looks;
	struct core_timer *timer;
};
/* What a daemon that ends does not wait for stays reachable. */
static LIST_HEAD(, chore) chores = LIST_HEAD_INITIALIZER(chores);

/* --- what the sections say -------------------------------------------------------------------- */

static const char *
repo_of(const struct conf_section *section)
{
	const char *text = conf_str(section, "workspace");

	return text && !strncmp(text, way, strlen(way)) ? text + strlen(way) : NULL;
}

void
exec_workspace_check(const struct conf_section *section, struct conf_report *report)
{
	const char *repo = repo_of(section);

	if (!conf_str(section, "workspace"))
		return;
	if (!repo || *repo != '/') {
		conf_complain(report, section, "workspace",
			      "\"%s\": expected git:/PATH, a repository on this machine",
			      conf_str(section, "workspace"));
		return;
	}
	if (conf_bool(section, "session"))
		conf_complain(report, section, "workspace",
			      "each of its runs has a workspace of its own, and with session = yes "
			      "its process would stay in the first; expected one of the two");
	if (conf_is_set(section, "workdir"))
		conf_warn(report, section, "workdir",
			  "not looked at: its runs start in their workspaces");
}

static bool
same_folder(const char *a, const char *b)
{
	AUTO(auto_free) char *one = realpath(a, NULL);
	AUTO(auto_free) char *two = realpath(b, NULL);

	return !strcmp(one ? one : a, two ? two : b);
}

/* The target that takes what is left: the one of kind git on the same repository. */
static const struct target *
target_find(const struct registry *registry, const struct agent *agent, size_t *ret_count)
{
	const struct target *found = NULL;

	*ret_count = 0;
	for (size_t i = 0; i < agent->target_count; i++) {
		const struct target *target = registry_target(registry, agent->targets[i]);
		const char *repo = git_target_repo(target);

		if (repo && same_folder(repo, repo_of(agent->section))) {
			found = target;
			++*ret_count;
		}
	}
	return found;
}

void
exec_workspace_check_all(const struct registry *registry, struct conf_report *report)
{
	for (size_t i = 0; i < registry_agent_count(registry); i++) {
		const struct agent *agent = registry_agent_at(registry, i);
		size_t count;

		if (agent->kind != &exec_agent || !repo_of(agent->section))
			continue;
		target_find(registry, agent, &count);
		if (count != 1)
			conf_complain(report, agent->section, "workspace",
				      "what is left in it becomes changes for the target of kind "
				      "git on this repository, and its targets name %s such; "
				      "expected one",
				      count ? "several" : "no");
	}
}

bool
exec_workspace_wants(const struct agent *agent)
{
	return repo_of(agent->section) != NULL;
}

static char *
root_of(const struct core *core)
{
	struct buf root = BUF_INIT;

	buf_cat(&root, core->state_dir, "/workspaces");
	return buf_take(&root);
}

char *
exec_workspace_dir(const struct attempt *attempt)
{
	AUTO(auto_free) char *root = root_of(attempt->core);

	return exec_workspace_wants(attempt->agent) ? workspace_tree_path(root, attempt->id) : NULL;
}

/* --- chores ----------------------------------------------------------------------------------- */

static struct chore *
chore_new(struct core *core, const char *id)
{
	struct chore *chore = mem_alloc(sizeof(*chore));

	chore->core = core;
	chore->root = root_of(core);
	snprintf(chore->id, sizeof(chore->id), "%s", id);
	LIST_INSERT_HEAD(&chores, chore, entry);
	return chore;
}

static void
chore_free(struct chore *chore)
{
	LIST_REMOVE(chore, entry);
	core_timer_free(chore->timer);
	registry_unref(chore->registry);
	err_fini(&chore->err);
	json_decref(chore->left);
	free(chore->root);
	free(chore->envelope);
	free(chore->end_reason);
	free(chore->end_text);
	free(chore);
}

static void
chore_start(struct chore *chore, void (*run)(void *), void (*done)(void *))
{
	if (work_submit(chore->core->work, run, done, chore, &chore->err))
		return;
	core_timer_arm(chore->core, &chore->timer, 0, done, chore);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void
make_run(void *arg)
{
	struct chore *chore = arg;

	workspace_make(&chore->plan, &chore->err);
}

static void
make_failed(struct exec_run *run, const struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	bool again = err_again(err->code);

	buf_cat(&text, "its workspace cannot be made: ", err_text(err));
	run->phase = EXEC_ENDED;
	attempt_exit(run->attempt, &(struct attempt_end){.not_started = !again,
							 .ours = again,
							 .exit_code = again ? 75 : -1,
							 .text = buf_cstr(&text)});
}

static void
on_made(void *arg)
{
	struct chore *chore = arg;
	struct exec_run *run = exec_run_find(chore->core, chore->id);
	AUTO(err_fini) struct err err = ERR_INIT;

	crash_point("workspace-made");
	if (!run || run->phase != EXEC_PREPARES) {
		chore_free(chore);
		return;
	}
	if (run->stops) {
		run->phase = EXEC_ENDED;
		attempt_exit(run->attempt, &(struct attempt_end){.exit_code = -1});
	} else if (chore->err.code != E_OK) {
		make_failed(run, &chore->err);
	} else if (!exec_begin(run, str_of(chore->envelope), &err)) {
		make_failed(run, &err);
	}
	chore_free(chore);
}

void
exec_workspace_make(struct exec_run *run, struct str envelope)
{
	struct attempt *attempt = run->attempt;
	const struct conf_section *section = attempt->agent->section;
	struct chore *chore = chore_new(attempt->core, attempt->id);
	size_t count;
	const struct target *target = target_find(attempt->registry, attempt->agent, &count);

	run->phase = EXEC_PREPARES;
	chore->envelope = str_dup(envelope);
	chore->registry = registry_ref(attempt->registry);
	if (!target) {
		err_set(&chore->err, E_NOT_FOUND, "none of its targets is a branch of %s",
			repo_of(section));
		core_timer_arm(chore->core, &chore->timer, 0, on_made, chore);
		return;
	}
	chore->plan = (struct workspace_plan){.root = chore->root,
					      .id = chore->id,
					      .repo = git_target_repo(target),
					      .branch = git_target_branch(target),
					      .target = target->name,
					      .user = conf_str(section, "user"),
					      .max_bytes = conf_int(section, "workspace_max"),
					      .file_max = git_target_max_bytes(target)};
	chore_start(chore, make_run, on_made);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void
look_run(void *arg)
{
	struct chore *chore = arg;

	crash_point("workspace-left");
	workspace_left(chore->root, chore->id, &chore->left, &chore->err);
}

/* The agent did what it could, and that is lost: it is no success, whatever it said. */
static void
look_failed(struct chore *chore, struct attempt *attempt)
{
	err_fini(&attempt->said);
	attempt->said = (struct err)ERR_INIT;
	err_move(&attempt->said, &chore->err);
	attempt->said_retry_set = true;
	attempt->said_retry = err_again(attempt->said.code);
}

static void on_looked(void *arg);

static void
look_again(void *arg)
{
	chore_start(arg, look_run, on_looked);
}

static void
on_looked(void *arg)
{
	struct chore *chore = arg;
	struct exec_run *run = exec_run_find(chore->core, chore->id);

	if (!run || run->phase != EXEC_COLLECTS) {
		chore_free(chore);
		return;
	}
	if (chore->err.code != E_OK && err_again(chore->err.code) && ++chore->looks < LOOKS) {
		err_fini(&chore->err);
		chore->err = (struct err)ERR_INIT;
		core_timer_arm(chore->core, &chore->timer, LOOK_AGAIN_MS, look_again, chore);
		return;
	}
	if (chore->err.code != E_OK)
		look_failed(chore, run->attempt);
	json_decref(run->attempt->left);
	run->attempt->left = TAKE(chore->left);
	run->phase = EXEC_ENDED;
	attempt_exit(run->attempt, &chore->end);
	chore_free(chore);
}

void
exec_workspace_exit(struct exec_run *run, const struct attempt_end *end)
{
	struct attempt *attempt = run->attempt;
	AUTO(auto_free) char *root = root_of(attempt->core);
	bool wants = attempt->agent && exec_workspace_wants(attempt->agent);
	struct chore *chore;

	/* Also where a reload took the key away meanwhile, and where somebody took the workspace.
	 */
	if (end->unread || end->not_started || !(wants || workspace_is_there(root, attempt->id))) {
		run->phase = EXEC_ENDED;
		attempt_exit(attempt, end);
		return;
	}
	run->phase = EXEC_COLLECTS;
	chore = chore_new(attempt->core, attempt->id);
	chore->end = *end;
	chore->end.reason = chore->end_reason = mem_strdup(end->reason);
	chore->end.text = chore->end_text = mem_strdup(end->text);
	chore_start(chore, look_run, on_looked);
}

/* --- what is over ----------------------------------------------------------------------------- */

static void
remove_run(void *arg)
{
	struct chore *chore = arg;
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_cat(&path, chore->root, "/", chore->id);
	os_remove_tree(buf_cstr(&path), &chore->err);
}

static void
on_removed(void *arg)
{
	struct chore *chore = arg;

	/* The next sweep tries again. */
	if (chore->err.code != E_OK)
		log_warning("workspace not removed", "attempt", chore->id, "error",
			    err_text(&chore->err));
	chore_free(chore);
}

void
exec_workspace_remove(struct core *core, const char *id)
{
	chore_start(chore_new(core, id), remove_run, on_removed);
}

static bool
is_being_removed(const char *id)
{
	const struct chore *chore;

	LIST_FOREACH (chore, &chores, entry)
		if (!strcmp(chore->id, id))
			return true;
	return false;
}

void
exec_workspace_sweep(struct core *core)
{
	AUTO(auto_free) char *root = root_of(core);
	DIR *dir = opendir(root);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.' && strlen(entry->d_name) < sizeof(chores.lh_first->id) &&
		    !attempt_find(core, entry->d_name) && !is_being_removed(entry->d_name))
			exec_workspace_remove(core, entry->d_name);
	if (dir)
		closedir(dir);
}
