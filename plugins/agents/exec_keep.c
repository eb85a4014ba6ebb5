/* Exec agents: processes that stay for the next turn of their session (session = yes). */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/exec_keep.h"

#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "base/os.h"
#include "io/proc.h"
#include "io/tree.h"
#include "plugins/agents/exec.h"
#include "plugins/agents/exec_job.h"
#include "plugins/agents/exec_way.h"

bool
exec_keep_wants(const struct attempt *attempt)
{
	/* A unit with another user has the folder of one turn. */
	return attempt->run.session && conf_bool(attempt->agent->section, "session") &&
	       !exec_way_has_user(attempt);
}

static struct exec_shim *
keeper_find(const char *session)
{
	struct exec_shim *shim;

	LIST_FOREACH (shim, exec_shims(), entry)
		if (shim->session && !shim->leaves && !strcmp(shim->session, session))
			return shim;
	return NULL;
}

/* What it holds of its own between turns goes with it: nobody waits for that. */
static void
keeper_dismiss(struct core *core, struct exec_shim *shim, const char *why)
{
	AUTO(auto_free) char *home = exec_spool_dir(core, shim->id);
	AUTO(buf_fini) struct buf line = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	shim->leaves = true;
	buf_printf(&line, "C %s", why);
	if (!spool_control(home, buf_str(&line), &err) && err.code != E_NOT_FOUND) {
		log_warning("process of a session cannot be told to go; it is killed", "session",
			    shim->session, "error", err_text(&err));
		proc_signal(shim->proc, SIGKILL);
	}
}

/* --- a turn -------------------------------------------------------------------------------- */

bool
exec_keep_note(struct exec_run *run, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!run->print)
		return true;
	buf_cat(&text, run->attempt->run.session, "\n", run->attempt->carrier, "\n", run->print,
		"\n");
	return spool_session_write(run->dir, buf_str(&text), err);
}

static void
keeper_set(struct exec_shim *shim, struct str session, struct str agent, struct str print)
{
	shim->session = str_dup(session);
	shim->agent = str_dup(agent);
	shim->print = str_dup(print);
	shim->turns = 1;
}

bool
exec_keep_take(struct exec_run *run)
{
	struct attempt *attempt = run->attempt;
	struct exec_shim *shim = run->print ? keeper_find(attempt->run.session) : NULL;
	AUTO(auto_free) char *home = NULL;
	AUTO(buf_fini) struct buf line = BUF_INIT;

	if (!shim || *shim->turn)
		return false;
	if (strcmp(shim->print, run->print)) {
		keeper_dismiss(attempt->core, shim,
			       "its agent, its limits or its trust are others now");
		return false;
	}
	home = exec_spool_dir(attempt->core, shim->id);
	buf_cat(&line, "N ", attempt->id);
	if (!spool_control(home, buf_str(&line), NULL)) {
		shim->leaves = true;
		return false;
	}
	crash_point("exec-turn-given");
	memcpy(shim->turn, attempt->id, sizeof(shim->turn));
	shim->turns++;
	run->shim = shim;
	run->handed = true;
	memcpy(run->mark, shim->id, sizeof(run->mark));
	exec_unit_read(run);
	return true;
}

/* --- rest ---------------------------------------------------------------------------------- */

/* No more than so many of an agent wait: the one that waited longest goes. */
static void
keepers_bound(struct core *core, const struct agent *agent)
{
	int64_t most = conf_int(agent->section, "session_processes");

	for (;;) {
		struct exec_shim *shim, *oldest = NULL;
		int64_t count = 0;

		LIST_FOREACH (shim, exec_shims(), entry) {
			if (!shim->session || shim->leaves || *shim->turn ||
			    strcmp(shim->agent, agent->name))
				continue;
			count++;
			if (!oldest || shim->since.ms < oldest->since.ms)
				oldest = shim;
		}
		if (count <= most)
			return;
		keeper_dismiss(core, oldest, "others wait too (session_processes)");
	}
}

void
exec_keep_rest(struct exec_run *run, bool keep)
{
	struct exec_shim *shim = run->shim;

	if (!shim)
		return;
	run->shim = NULL;
	*shim->turn = '\0';
	shim->since = clock_mono(run->attempt->core->clock);
	if (!shim->session)
		return;
	if (!keep)
		keeper_dismiss(run->attempt->core, shim, "its turn did not go well");
	else
		keepers_bound(run->attempt->core, run->attempt->agent);
}

bool
exec_is_home(const char *id)
{
	struct exec_shim *shim;

	LIST_FOREACH (shim, exec_shims(), entry)
		if (shim->session && !strcmp(shim->id, id))
			return true;
	return false;
}

void
exec_keep_gone(struct core *core, struct exec_shim *shim)
{
	AUTO(auto_free) char *home = NULL;
	AUTO(buf_fini) struct buf why = BUF_INIT;
	struct exec_chore chore;

	/* Its first turn is still being written down, and sweeps with its end. */
	if (!shim->session || attempt_find(core, shim->id))
		return;
	home = exec_spool_dir(core, shim->id);
	spool_why_read(home, &why);
	if (!*shim->turn)
		log_info("process of a session has gone", "session", shim->session, "agent",
			 shim->agent, "why", why.len ? buf_cstr(&why) : "without a word");
	chore = exec_chore_of(core, shim->id);
	chore.kill = true;
	chore.dir = TAKE(home);
	exec_chore(&chore);
}

/* --- those of an earlier daemon ------------------------------------------------------------ */

static void
scan_one(void *arg, const char *id)
{
	struct core *core = arg;
	AUTO(auto_free) char *home = exec_spool_dir(core, id);
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str rest, session, agent, print;
	struct exec_shim *shim;
	pid_t pid;
	uint64_t start;

	if (strlen(id) >= sizeof(shim->id) || !spool_session_read(home, &text) ||
	    !spool_shim_alive(home, &pid, &start))
		return;
	rest = str_split(buf_str(&text), '\n', &session);
	rest = str_split(rest.p ? rest : STR(""), '\n', &agent);
	rest = str_split(rest.p ? rest : STR(""), '\n', &print);
	if (!rest.p || !session.len || !agent.len || !print.len)
		return;
	shim = exec_shim_watch(core, id, pid, start);
	if (!shim)
		return;
	keeper_set(shim, session, agent, print);
	*shim->turn = '\0'; /* unless an attempt finds that it is its own */
	shim->since = clock_mono(core->clock);
}

void
exec_keep_scan(struct core *core)
{
	spool_each(core->spool_root, scan_one, core, NULL);
}

/* --- of agent_kind ------------------------------------------------------------------------- */

void
exec_dismiss(struct core *core, const char *session, const char *why)
{
	struct exec_shim *shim;

	if (!exec_share_core(core, NULL))
		return;
	LIST_FOREACH (shim, exec_shims(), entry)
		if (shim->session && !shim->leaves && !*shim->turn &&
		    (!session || !strcmp(shim->session, session)))
			keeper_dismiss(core, shim, why);
}

json_t *
exec_keeps(struct core *core, const char *session)
{
	struct exec_shim *shim = exec_share_core(core, NULL) ? keeper_find(session) : NULL;
	json_t *object;

	if (!shim)
		return NULL;
	object = json_object();
	json_put_str(object, "state", *shim->turn ? "works" : "waits");
	json_object_set_new(object, "shim", json_integer(proc_pid(shim->proc)));
	json_put_str(object, "began_as", shim->id);
	if (!*shim->turn)
		json_object_set_new(object, "waits_ms",
				    json_integer(clock_mono(core->clock).ms - shim->since.ms));
	return object;
}

bool
exec_kept_has(struct core *core, const char *session, pid_t pid)
{
	struct exec_shim *shim;

	if (!exec_share_core(core, NULL))
		return false;
	LIST_FOREACH (shim, exec_shims(), entry)
		if (shim->session && !strcmp(shim->session, session) &&
		    tree_is_below(pid, proc_pid(shim->proc)))
			return true;
	return false;
}

void
exec_keep_begin(struct exec_run *run)
{
	if (run->print && run->shim)
		keeper_set(run->shim, str_of(run->attempt->run.session),
			   str_of(run->attempt->carrier), str_of(run->print));
}
