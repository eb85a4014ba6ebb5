/* Exec agents: what all attempts share: shims that are watched, chores in the background, sweeping.
 */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/exec.h"

#include <assert.h>
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "base/os.h"
#include "io/cgroup.h"
#include "io/proc.h"
#include "io/work.h"
#include "plugins/agents/exec_job.h"
#include "plugins/agents/exec_keep.h"
#include "plugins/agents/exec_run.h"
#include "plugins/agents/exec_workspace.h"
#include "plugins/agents/exec_way.h"

/* Wakes may get lost; somebody looks now and then. */
#define LOOK_MS 5000
#define LOOKS_A_SWEEP 12

/* What all attempts of a daemon share. */
struct exec {
	struct core *core;
	struct spool_wake *wake;
	struct spool_pool
		*pool;	      /* NULL where it could not be made: then each folder is a new one */
	struct buf limits;    /* that these keep */
	char *groups;	      /* where the leaves of runs are made; NULL: nowhere */
	struct err no_groups; /* why, where they are asked for */
	struct core_timer *look;
	unsigned looks;
	bool looking; /* the timer is armed */
	struct exec_shim_list shims;
	LIST_HEAD(, exec_chore) chores; /* given to the work threads */
};
static struct exec *shared;

char *
exec_spool_dir(const struct core *core, const char *id)
{
	struct buf dir = BUF_INIT;

	buf_printf(&dir, "%s/%s", core->spool_root, id);
	return buf_take(&dir);
}

struct exec_run *
exec_run_find(struct core *core, const char *id)
{
	struct attempt *attempt = attempt_find(core, id);

	return attempt && attempt->agent && attempt->agent->kind == &exec_agent ? attempt->state
										: NULL;
}

/* --- groups -------------------------------------------------------------------------------- */

static const char leaf_prefix[] = "/rouse-run-";

char *
exec_group(const char *id)
{
	struct buf path = BUF_INIT;

	if (!shared || !shared->groups)
		return NULL;
	buf_cat(&path, shared->groups, leaf_prefix, id);
	return buf_take(&path);
}

bool
exec_group_check(struct err *err)
{
	return !shared || shared->no_groups.code == E_OK ||
	       err_set(err, shared->no_groups.code, "cgroup: %s", err_text(&shared->no_groups));
}

void
exec_groups_say(struct buf *out)
{
	if (!shared || !shared->groups)
		buf_puts(out, "; own session, subreaper and rlimits: no control group, so that "
			      "memory_max holds for each process, not for a whole run");
	else if (!shared->limits.len)
		buf_cat(out, "; each in a control group below ", shared->groups,
			", which has no controllers: memory_max holds for each process, not for a "
			"whole run");
	else
		buf_cat(out, "; each in a control group below ", shared->groups,
			", limits of it: ", buf_cstr(&shared->limits));
}

static void
groups_open(struct exec *exec, const char *wanted)
{
	struct buf *limits = &exec->limits;

	if (!cgroup_find(wanted, &exec->groups, &exec->no_groups)) {
		log_error("no run of a program starts", "cgroup", wanted, "error",
			  err_text(&exec->no_groups));
	} else if (exec->groups) {
		cgroup_prepare(exec->groups, limits);
		log_info("each run has a control group", "cgroup", exec->groups, "limits",
			 limits->len ? buf_cstr(limits) : "none");
	} else {
		log_debug("runs have no control groups: limits are those of each process");
	}
}

/* --- chores -------------------------------------------------------------------------------- */

static void
chore_run(void *arg)
{
	struct exec_chore *chore = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (chore->group && !cgroup_remove(chore->group))
		log_warning("group of a run not removed", "group", chore->group);
	if (chore->kill)
		proc_kill_marked(EXEC_MARK, chore->mark);
	if (!chore->dir)
		return;
	chore->clean = spool_pool_clean(chore->dir);
	if (!chore->clean && !os_remove_tree(chore->dir, &err))
		log_warning("spool not removed", "attempt", chore->id, "error", err_text(&err));
}

static void
chore_free(struct exec_chore *chore)
{
	LIST_REMOVE(chore, entry);
	free(chore->dir);
	free(chore->group);
	free(chore);
}

static void
chore_on_done(void *arg)
{
	struct exec_chore *chore = arg;
	struct exec_run *run = chore->reason ? exec_run_find(chore->core, chore->id) : NULL;

	if (run && run->phase == EXEC_KILLS) {
		exec_workspace_exit(run, &(struct attempt_end){
						 .lost = !*chore->reason,
						 .unread = run->unbegun,
						 .exit_code = -1,
						 .reason = *chore->reason ? chore->reason : NULL});
	}
	if (chore->clean && !spool_pool_give(shared->pool, chore->dir))
		os_remove_tree(chore->dir, NULL);
	chore_free(chore);
}

struct spool_pool *
exec_pool(void)
{
	return shared ? shared->pool : NULL;
}

void
exec_chore(const struct exec_chore *template)
{
	struct exec_chore *chore = mem_alloc(sizeof(*chore));
	char *retired;

	*chore = *template;
	chore->group = chore->spare ? NULL : exec_group(chore->mark);
	retired = chore->dir ? spool_pool_retire(exec_pool(), chore->dir) : NULL;
	if (retired) {
		free(chore->dir);
		chore->dir = retired;
	}
	LIST_INSERT_HEAD(&shared->chores, chore, entry);
	if (work_submit(chore->core->work, chore_run, chore_on_done, chore, NULL))
		return;
	/* Too much waits: then the loop waits, a second at most. */
	chore_run(chore);
	chore_on_done(chore);
}

struct exec_chore
exec_chore_of(struct core *core, const char *id)
{
	struct exec_chore chore = {.core = core};

	assert(strlen(id) < sizeof(chore.id));
	memcpy(chore.id, id, strlen(id) + 1);
	memcpy(chore.mark, id, strlen(id) + 1);
	return chore;
}

/* --- shims --------------------------------------------------------------------------------- */

static void
shim_free(struct exec_shim *shim)
{
	LIST_REMOVE(shim, entry);
	proc_free(shim->proc);
	free(shim->session);
	free(shim->agent);
	free(shim->print);
	free(shim);
}

static void
shim_on_exit(void *arg, int wait_status)
{
	struct exec_shim *shim = arg;
	struct exec_run *run = *shim->turn ? exec_run_find(shared->core, shim->turn) : NULL;

	(void)wait_status;
	if (run && run->shim == shim) {
		run->shim = NULL;
		exec_run_wake(run, 0);
	}
	exec_keep_gone(shared->core, shim);
	shim_free(shim);
}

static struct exec_shim *
shim_new(const char *id)
{
	struct exec_shim *shim = mem_alloc(sizeof(*shim));

	assert(strlen(id) < sizeof(shim->id));
	memcpy(shim->id, id, strlen(id) + 1);
	memcpy(shim->turn, id, strlen(id) + 1);
	LIST_INSERT_HEAD(&shared->shims, shim, entry);
	return shim;
}

static bool
shim_is_watched(const char *id)
{
	struct exec_shim *shim;

	LIST_FOREACH (shim, &shared->shims, entry)
		if (!strcmp(shim->id, id))
			return true;
	return false;
}

/* It is no agent: it gets nothing of the daemon's environment, and a session of its own, so that a
 * ^C at the daemon's terminal ends the daemon alone. */
bool
exec_shim_spawn(struct exec_run *run, struct err *err)
{
	struct core *core = run->attempt->core;
	const char *const argv[] = {core->shim_path, run->dir, NULL};
	struct proc_spec spec = {.argv = argv,
				 .workdir = "/",
				 .stdin_fd = -1,
				 .stdout_fd = -1,
				 .stderr_fd = STDERR_FILENO,
				 .new_session = true};
	struct exec_shim *shim = shim_new(run->attempt->id);

	shim->proc = proc_spawn(core->base, &spec, shim_on_exit, shim, err);
	if (!shim->proc) {
		shim_free(shim);
		return false;
	}
	run->shim = shim;
	exec_keep_begin(run);
	return true;
}

struct exec_shim *
exec_shim_watch(struct core *core, const char *id, pid_t pid, uint64_t start)
{
	struct exec_shim *shim = shim_new(id);

	shim->proc = proc_adopt(core->base, pid, start, shim_on_exit, shim, NULL);
	if (shim->proc)
		return shim;
	shim_free(shim);
	return NULL;
}

struct exec_shim_list *
exec_shims(void)
{
	return &shared->shims;
}

/* Of a later turn: its shim is known already, by the home that it has. */
static struct exec_shim *
shim_of_pid(pid_t pid)
{
	struct exec_shim *shim;

	LIST_FOREACH (shim, &shared->shims, entry)
		if (proc_pid(shim->proc) == pid)
			return shim;
	return NULL;
}

bool
exec_shim_adopt(struct exec_run *run)
{
	struct attempt *attempt = run->attempt;
	struct exec_shim *shim;
	pid_t pid;
	uint64_t start;

	if (!spool_shim_alive(run->dir, &pid, &start))
		return false;
	shim = shim_of_pid(pid);
	if (!shim)
		shim = exec_shim_watch(attempt->core, attempt->id, pid, start);
	if (!shim)
		return false;
	memcpy(shim->turn, attempt->id, sizeof(shim->turn));
	memcpy(run->mark, shim->id, sizeof(run->mark));
	run->handed = strcmp(shim->id, attempt->id) != 0;
	if (run->handed)
		exec_unit_read(run);
	run->shim = shim;
	if (!shim->session && !run->handed)
		exec_keep_begin(run);
	return true;
}

bool
exec_spool_has(const char *dir, const char *name)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s", dir, name);
	return !access(buf_cstr(&path), F_OK);
}

/* --- what attempts share ------------------------------------------------------------------- */

static void
exec_on_wake(void *arg, struct str id)
{
	struct exec *exec = arg;
	AUTO(auto_free) char *owned = str_dup(id);
	struct exec_run *run = exec_run_find(exec->core, owned);

	if (run)
		exec_run_wake(run, 0);
}

/* A spool that belongs to no live attempt: its end was stored, and the daemon died before it was
 * removed; or it was given up. */
static void
sweep_one(void *arg, const char *id)
{
	struct exec *exec = arg;
	AUTO(auto_free) char *dir = NULL;
	struct exec_chore chore;

	if (strlen(id) >= sizeof(chore.id) || attempt_find(exec->core, id) || shim_is_watched(id))
		return;
	dir = exec_spool_dir(exec->core, id);
	if (spool_shim_alive(dir, NULL, NULL)) {
		spool_control(dir, STR("C orphaned"), NULL);
		return;
	}
	chore = exec_chore_of(exec->core, id);
	/* One that stayed went on after its status. */
	chore.kill = !exec_spool_has(dir, "status") || exec_spool_has(dir, "session");
	chore.dir = TAKE(dir);
	exec_chore(&chore);
}

static void
exec_on_look(void *arg)
{
	struct exec *exec = arg;
	struct attempt *attempt;

	LIST_FOREACH (attempt, attempts_live(exec->core), entry)
		if (attempt->state && attempt->agent && attempt->agent->kind == &exec_agent)
			exec_run_wake(attempt->state, 0);
	if (exec->looks++ % LOOKS_A_SWEEP == 0)
		spool_each(exec->core->spool_root, sweep_one, exec, NULL);
	if (exec->looks % LOOKS_A_SWEEP == 1)
		exec_workspace_sweep(exec->core);
	/* Nobody is left to look at: the next start arms it again, and an idle daemon sleeps. */
	exec->looking = !LIST_EMPTY(attempts_live(exec->core));
	if (exec->looking)
		core_timer_arm(exec->core, &exec->look, LOOK_MS, exec_on_look, exec);
}

static void
look_later(struct exec *exec)
{
	if (exec->looking)
		return;
	exec->looking = true;
	core_timer_arm(exec->core, &exec->look, LOOK_MS, exec_on_look, exec);
}

bool
exec_share(const struct attempt *attempt, struct err *err)
{
	return exec_share_core(attempt->core, err);
}

bool
exec_share_core(struct core *core, struct err *err)
{
	const struct conf_section *daemon =
		conf_section(registry_conf(core->registry), "daemon", "");
	struct exec *exec;

	if (shared) {
		assert(shared->core == core);
		look_later(shared);
		return true;
	}
	exec = mem_alloc(sizeof(*exec));
	exec->core = core;
	LIST_INIT(&exec->shims);
	LIST_INIT(&exec->chores);
	exec->wake = spool_wake_new(core->base, core->spool_root, exec_on_wake, exec, err);
	if (!exec->wake) {
		free(exec);
		return false;
	}
	look_later(exec);
	exec->pool = spool_pool_new(core->spool_root, NULL);
	groups_open(exec, conf_str(daemon, "cgroup"));
	shared = exec;
	exec_ways_open(core);
	exec_keep_scan(core);
	return true;
}

json_t *
exec_means(struct core *core)
{
	return exec_share_core(core, NULL) ? exec_way_means(core) : NULL;
}

void
exec_agent_fini(struct core *core)
{
	struct exec_shim *shim, *next;
	struct exec_chore *chore, *later;

	if (!shared)
		return;
	assert(shared->core == core);
	LIST_FOREACH_SAFE (shim, &shared->shims, entry, next)
		shim_free(shim);
	LIST_FOREACH_SAFE (chore, &shared->chores, entry, later)
		chore_free(chore);
	core_timer_free(shared->look);
	exec_ways_fini();
	spool_wake_free(shared->wake);
	spool_pool_free(shared->pool);
	buf_fini(&shared->limits);
	free(shared->groups);
	err_fini(&shared->no_groups);
	free(shared);
	shared = NULL;
}
