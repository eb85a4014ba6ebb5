/* Exec agents: programs that carry out runs, each below a shim that outlives the daemon. SPEC 6. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/exec.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/log.h"
#include "base/os.h"
#include "io/proc.h"
#include "io/tree.h"
#include "plugins/agents/exec_job.h"
#include "plugins/agents/exec_keep.h"
#include "plugins/agents/exec_run.h"
#include "plugins/agents/exec_workspace.h"
#include "plugins/agents/exec_way.h"

/* How long a shim that was started by an earlier daemon may take to say who it is. */
#define DOUBT_MS 1000
/* How long a deadline stands without a word of ours: a day, so that an agent whose daemon does not
 * come back is not kept for ever. Said anew in time. */
#define STAND_MS 86400000
#define STAND_ANEW_MS (STAND_MS / 2)
#define STAND_AGAIN_MS 1000

static struct exec_run *
run_new(struct attempt *attempt)
{
	struct exec_run *run = mem_alloc(sizeof(*run));

	run->attempt = attempt;
	run->dir = exec_spool_dir(attempt->core, attempt->id);
	run->text = exec_is_text(attempt->agent->section);
	run->open = exec_is_open(attempt->agent->section);
	run->phase = EXEC_RUNS;
	memcpy(run->mark, attempt->id, sizeof(run->mark));
	exec_run_rewind(run);
	return run;
}

static void
run_free(struct exec_run *run)
{
	core_timer_free(run->turn);
	core_timer_free(run->stuck);
	core_timer_free(run->stand);
	ndjson_fini(&run->lines);
	spool_status_fini(&run->status);
	free(run->print);
	free(run->unit);
	free(run->dir);
	free(run);
}

/* A folder of this name, though the attempt is new: the database is older than the spool. */
static bool
spool_make(struct attempt *attempt, const char *dir, struct str envelope, char **ret_print,
	   struct err *err)
{
	AUTO(err_fini) struct err first = ERR_INIT;

	if (exec_job_create(attempt, dir, envelope, ret_print, &first))
		return true;
	if (first.code != E_EXISTS || spool_shim_alive(dir, NULL, NULL))
		return err_move(err, &first);
	log_warning("spool of an unknown attempt was in the way; removed", "attempt", attempt->id);
	return os_remove_tree(dir, err) && exec_job_create(attempt, dir, envelope, ret_print, err);
}

static void
executor_note(struct exec_run *run)
{
	pid_t pid = run->shim ? proc_pid(run->shim->proc) : 0;
	struct buf text = BUF_INIT;

	buf_puts(&text, "{\"dir\":");
	buf_json_cstr(&text, run->dir);
	if (run->unit) {
		buf_puts(&text, ",\"unit\":");
		buf_json_cstr(&text, run->unit);
	}
	if (pid)
		buf_printf(&text, ",\"pid\":%d,\"start\":%" PRIu64, (int)pid,
			   os_process_start(pid));
	buf_putc(&text, '}');
	free(run->attempt->executor);
	run->attempt->executor = buf_take(&text);
}

bool
exec_begin(struct exec_run *run, struct str envelope, struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;
	struct attempt *attempt = run->attempt;

	if (!spool_make(attempt, run->dir, envelope, &run->print, err))
		return false;
	crash_point("exec-spool-made");
	run->phase = EXEC_RUNS;
	if (!exec_keep_take(run) && (!exec_keep_note(run, &why) || !exec_way_start(run, &why))) {
		os_remove_tree(run->dir, NULL);
		/* Not the agent's fault, and it may be there again in a moment (an upgrade). */
		return err_set(err, E_UNAVAILABLE, "cannot start %s: %s", attempt->core->shim_path,
			       err_text(&why));
	}
	crash_point("exec-shim-started");
	executor_note(run);
	if (attempt->run.limits.deadline_ms >= 0)
		exec_run_watch(run, attempt_time_left_ms(attempt));
	return true;
}

static bool
exec_start(struct attempt *attempt, struct str envelope, struct err *err)
{
	struct exec_run *run;

	if (!exec_share(attempt, err) || !exec_way_check(attempt, err))
		return false;
	run = run_new(attempt);
	if (exec_workspace_wants(attempt->agent)) {
		attempt->state = run;
		exec_workspace_make(run, envelope);
		return true;
	}
	if (!exec_begin(run, envelope, err)) {
		run_free(run);
		return false;
	}
	attempt->state = run;
	return true;
}

/* Nobody has read its job: it stands in the folder still. */
void
exec_run_anew(struct exec_run *run)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	run->handed = false;
	free(run->unit);
	run->unit = NULL;
	memcpy(run->mark, run->attempt->id, sizeof(run->mark));
	log_debug("process of a session had gone; another is started", "attempt", run->attempt->id);
	if (exec_keep_note(run, &err) && exec_way_start(run, &err)) {
		executor_note(run);
		return;
	}
	log_error("process of a session cannot be started", "attempt", run->attempt->id, "error",
		  err_text(&err));
	run->phase = EXEC_ENDED;
	attempt_exit(run->attempt,
		     &(struct attempt_end){.ours = true, .exit_code = 75, .text = err_text(&err)});
}

/* The folder tells, not attempt->executor: that may not have been stored when the daemon died. */
static bool
exec_adopt(struct attempt *attempt, struct err *err)
{
	struct exec_run *run;

	if (!exec_share(attempt, err))
		return false;
	run = run_new(attempt);
	if (access(run->dir, F_OK)) {
		err_set(err, E_NOT_FOUND, "its spool %s is not there", run->dir);
		run_free(run);
		return false;
	}
	exec_unit_read(run);
	run->phase = EXEC_DOUBT;
	run->doubt_until = (struct mono){clock_mono(attempt->core->clock).ms + DOUBT_MS};
	attempt->state = run;
	exec_run_wake(run, 0);
	return true;
}

static bool
send_line(struct exec_run *run, struct str line, struct err *err)
{
	AUTO(buf_fini) struct buf control = BUF_INIT;

	if (memchr(line.p, '\n', line.len))
		return err_set(err, E_INVALID,
			       "a message to an agent is one line; this one has more");
	buf_putc(&control, '>');
	buf_add_str(&control, line);
	return spool_control(run->dir, buf_str(&control), err);
}

static bool
exec_send(struct attempt *attempt, struct str line, struct err *err)
{
	struct exec_run *run = attempt->state;

	if (run && run->phase == EXEC_PREPARES)
		return err_set(err, E_UNAVAILABLE,
			       "run %s has not begun yet: its workspace is being made; try again",
			       attempt->run.id);
	if (!run || run->phase > EXEC_RUNS)
		return err_set(err, E_STATE, "run %s has ended; it cannot be told anything",
			       attempt->run.id);
	if (!run->open)
		return err_set(err, E_STATE,
			       "agent %s gets its envelope and nothing more; set stdin = open for "
			       "messages",
			       attempt->agent->name);
	return send_line(run, line, err);
}

static int64_t
exec_pulse(const struct attempt *attempt)
{
	const struct exec_run *run = attempt->state;

	if (!run || (run->phase == EXEC_RUNS && !run->shim))
		return -1;
	if (run->phase == EXEC_PREPARES)
		return 0;
	return spool_out_size(run->dir) + spool_err_size(run->dir);
}

static void
exec_hurry(struct attempt *attempt, int64_t ms)
{
	struct exec_run *run = attempt->state;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!run || run->phase > EXEC_RUNS)
		return;
	buf_printf(&text, "G %" PRId64, ms);
	spool_control(run->dir, buf_str(&text), NULL);
}

static void
exec_cancel(struct attempt *attempt, const char *reason)
{
	struct exec_run *run = attempt->state;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (run && run->phase == EXEC_PREPARES)
		run->stops = true;
	if (!run || run->phase > EXEC_RUNS)
		return;
	run->stops = true;
	core_timer_stop(run->stand);
	if (run->open) {
		buf_puts(&text, "{\"type\":\"cancel\",\"reason\":");
		buf_json_cstr(&text, reason);
		buf_putc(&text, '}');
		send_line(run, buf_str(&text), NULL);
	}
	buf_clear(&text);
	buf_printf(&text, "C %s", reason);
	if (!spool_control(run->dir, buf_str(&text), &err) && err.code != E_NOT_FOUND)
		log_warning("agent cannot be told to stop; it is killed soon", "attempt",
			    attempt->id, "error", err_text(&err));
	exec_run_watch(run, 0);
	exec_run_wake(run, 1);
}

/* What the shim should know of its clock; as often as it may have missed it. */
static void
exec_on_stand(void *arg)
{
	struct exec_run *run = arg;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (run->phase > EXEC_RUNS || run->stops)
		return;
	buf_printf(&text, "S %d", run->stands ? STAND_MS : 0);
	if (spool_control(run->dir, buf_str(&text), &err)) {
		if (run->stands)
			core_timer_arm(run->attempt->core, &run->stand, STAND_ANEW_MS,
				       exec_on_stand, run);
		return;
	}
	if (err.code == E_NOT_FOUND)
		return;
	log_warning("shim cannot be told whether its deadline stands; tried again", "attempt",
		    run->attempt->id, "error", err_text(&err));
	core_timer_arm(run->attempt->core, &run->stand, STAND_AGAIN_MS, exec_on_stand, run);
}

static void
exec_stand(struct attempt *attempt, bool stands)
{
	struct exec_run *run = attempt->state;

	if (!run || run->phase > EXEC_RUNS || run->stops || attempt->run.limits.deadline_ms < 0)
		return;
	run->stands = stands;
	core_timer_stop(run->stand);
	if (stands)
		core_timer_stop(run->stuck);
	else
		exec_run_watch(run, attempt_time_left_ms(attempt));
	exec_on_stand(run);
}

/* The shim gets every orphan of what it started, so that nobody leaves its tree. */
static bool
exec_has(const struct attempt *attempt, pid_t pid)
{
	const struct exec_run *run = attempt->state;

	return run && run->shim && tree_is_below(pid, proc_pid(run->shim->proc));
}

static void
exec_release(struct attempt *attempt, bool over)
{
	struct exec_run *run = attempt->state;
	struct exec_chore chore;

	attempt->state = NULL;
	if (!run)
		return;
	if (over && attempt->agent && exec_workspace_wants(attempt->agent))
		exec_workspace_remove(attempt->core, attempt->id);
	if (over && !exec_is_home(attempt->id)) {
		chore = exec_chore_of(attempt->core, attempt->id);
		chore.dir = TAKE(run->dir);
		chore.spare = run->handed;
		exec_chore(&chore);
	}
	run_free(run);
}

static void
exec_rewind(struct attempt *attempt)
{
	struct exec_run *run = attempt->state;

	if (!run || run->phase > EXEC_SETTLES)
		return;
	exec_run_rewind(run);
	if (run->phase == EXEC_SETTLES)
		run->phase = EXEC_RUNS;
	exec_run_wake(run, 0);
}

/* All of the machine is nobody's. */
static const char *
exec_folder(const struct agent *agent)
{
	const char *workdir = conf_str(agent->section, "workdir");

	if (exec_workspace_wants(agent))
		return NULL;
	return strcmp(workdir, "/") != 0 ? workdir : NULL;
}

const struct agent_kind exec_agent = {
	.name = "exec",
	.table = &exec_agent_table,
	.is_program = true,
	.start = exec_start,
	.adopt = exec_adopt,
	.folder = exec_folder,
	.check_all = exec_workspace_check_all,
	.send = exec_send,
	.pulse = exec_pulse,
	.cancel = exec_cancel,
	.hurry = exec_hurry,
	.release = exec_release,
	.stand = exec_stand,
	.has = exec_has,
	.rewind = exec_rewind,
	.dismiss = exec_dismiss,
	.keeps = exec_keeps,
	.kept_has = exec_kept_has,
	.means = exec_means,
};
