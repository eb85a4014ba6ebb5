/* Exec agents: programs that carry out runs, each below a shim that outlives the daemon. SPEC 6. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/exec.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/os.h"
#include "core/run.h"
#include "io/proc.h"
#include "io/spool.h"
#include "io/work.h"
#include "plugins/agents/exec_job.h"
#include "pure/ndjson.h"

/* Of one attempt in one turn; the others want to be read too. */
#define READ_A_TURN (256 * 1024)
#define LINE_BYTES_MAX (1 << 20)
#define RESULT_BYTES_MAX (64 * 1024)
#define STDERR_TAIL_BYTES 4096
/* Zero would go on within the turn that has to be committed first. */
#define NEXT_TURN_MS 1
#define AGAIN_MS 500
/* Wakes may get lost; somebody looks now and then. */
#define LOOK_MS 5000
#define LOOKS_A_SWEEP 12
/* How long a shim that was started by an earlier daemon may take to say who it is. */
#define DOUBT_MS 1000
#define DOUBT_LOOK_MS 50
/* What a shim gets beyond all times that it was given before it counts as stuck. */
#define STUCK_MS 10000

/* A rouse-shim that is our child or was adopted: watched until it exits, also when its attempt has
 * ended before, so that it never counts as a stranger. */
struct shim {
	LIST_ENTRY(shim) entry;
	struct proc *proc;
	char id[64];
};

/* What all attempts of a daemon share. */
struct exec {
	struct core *core;
	struct spool_wake *wake;
	struct core_timer *look;
	unsigned looks;
	LIST_HEAD(, shim) shims;
};
static struct exec *shared;

enum exec_phase {
	EXEC_DOUBT, /* taken up, and its shim has not said who it is */
	EXEC_RUNS,
	EXEC_SETTLES, /* all is read; its commit is awaited */
	EXEC_KILLS,   /* without a word; what it left is being killed */
	EXEC_ENDED
};

/* attempt->state */
struct exec_run {
	struct attempt *attempt;
	char *dir;
	bool text, open;
	enum exec_phase phase;
	struct shim *shim; /* NULL: not there (any more) */
	struct ndjson lines;
	int64_t read; /* bytes of `out` that the splitter has got */
	struct mono doubt_until;
	struct spool_status status; /* from EXEC_SETTLES on */
	struct core_timer *turn, *stuck;
};

/* What may take a moment, in a work thread; by id, because the attempt may go meanwhile. */
struct chore {
	struct core *core;
	char id[64];
	char *dir;	    /* removed; NULL: it stays */
	bool kill;	    /* whatever bears its mark */
	const char *reason; /* the attempt then ends with it; "" lost; NULL: it does not end */
};

static void exec_on_turn(void *arg);
static void exec_lose(struct exec_run *run, const char *reason);

static char *dir_of(const struct core *core, const char *id)
{
	struct buf dir = BUF_INIT;

	buf_printf(&dir, "%s/%s", core->spool_root, id);
	return buf_take(&dir);
}

static void run_wake(struct exec_run *run, int64_t ms)
{
	core_timer_arm(run->attempt->core, &run->turn, ms, exec_on_turn, run);
}

/* Back to the last line that core has. */
static void run_rewind(struct exec_run *run)
{
	ndjson_fini(&run->lines);
	run->read = run->attempt->now.offset;
	ndjson_init(&run->lines, LINE_BYTES_MAX, (uint64_t)run->read);
}

/* The state of a live attempt of this kind. */
static struct exec_run *run_find(struct core *core, const char *id)
{
	struct attempt *attempt = attempt_find(core, id);

	return attempt && attempt->agent && attempt->agent->kind == &exec_agent ? attempt->state
										: NULL;
}

/* --- chores -------------------------------------------------------------------------------- */

static void chore_run(void *arg)
{
	struct chore *chore = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (chore->kill)
		proc_kill_marked(EXEC_MARK, chore->id);
	if (chore->dir && !os_remove_tree(chore->dir, &err))
		log_warning("spool not removed", "attempt", chore->id, "error", err_text(&err));
}

static void chore_on_done(void *arg)
{
	struct chore *chore = arg;
	struct exec_run *run = chore->reason ? run_find(chore->core, chore->id) : NULL;

	if (run && run->phase == EXEC_KILLS) {
		run->phase = EXEC_ENDED;
		attempt_exit(
			run->attempt,
			&(struct attempt_end){.lost = !*chore->reason,
					      .exit_code = -1,
					      .reason = *chore->reason ? chore->reason : NULL});
	}
	free(chore->dir);
	free(chore);
}

static void chore_start(const struct chore *template)
{
	struct chore *chore = mem_alloc(sizeof(*chore));

	*chore = *template;
	if (work_submit(chore->core->work, chore_run, chore_on_done, chore, NULL))
		return;
	/* Too much waits: then the loop waits, a second at most. */
	chore_run(chore);
	chore_on_done(chore);
}

static struct chore chore_of(struct core *core, const char *id)
{
	struct chore chore = {.core = core};

	assert(strlen(id) < sizeof(chore.id));
	memcpy(chore.id, id, strlen(id) + 1);
	return chore;
}

/* --- shims --------------------------------------------------------------------------------- */

static void shim_free(struct shim *shim)
{
	LIST_REMOVE(shim, entry);
	proc_free(shim->proc);
	free(shim);
}

static void shim_on_exit(void *arg, int wait_status)
{
	struct shim *shim = arg;
	struct exec_run *run = run_find(shared->core, shim->id);

	(void)wait_status;
	if (run && run->shim == shim) {
		run->shim = NULL;
		run_wake(run, 0);
	}
	shim_free(shim);
}

static struct shim *shim_new(const char *id)
{
	struct shim *shim = mem_alloc(sizeof(*shim));

	assert(strlen(id) < sizeof(shim->id));
	memcpy(shim->id, id, strlen(id) + 1);
	LIST_INSERT_HEAD(&shared->shims, shim, entry);
	return shim;
}

static bool shim_is_watched(const char *id)
{
	struct shim *shim;

	LIST_FOREACH (shim, &shared->shims, entry)
		if (!strcmp(shim->id, id))
			return true;
	return false;
}

/* It is no agent: it gets nothing of the daemon's environment, and a session of its own, so that a
 * ^C at the daemon's terminal ends the daemon alone. */
static bool shim_spawn(struct exec_run *run, struct err *err)
{
	struct core *core = run->attempt->core;
	const char *const argv[] = {core->shim_path, run->dir, NULL};
	struct proc_spec spec = {.argv = argv,
				 .workdir = "/",
				 .stdin_fd = -1,
				 .stdout_fd = -1,
				 .stderr_fd = STDERR_FILENO,
				 .new_session = true};
	struct shim *shim = shim_new(run->attempt->id);

	shim->proc = proc_spawn(core->base, &spec, shim_on_exit, shim, err);
	if (!shim->proc) {
		shim_free(shim);
		return false;
	}
	run->shim = shim;
	return true;
}

static bool shim_adopt(struct exec_run *run)
{
	struct shim *shim;
	pid_t pid;
	uint64_t start;

	if (!spool_shim_alive(run->dir, &pid, &start))
		return false;
	shim = shim_new(run->attempt->id);
	shim->proc = proc_adopt(run->attempt->core->base, pid, start, shim_on_exit, shim, NULL);
	if (!shim->proc) {
		shim_free(shim);
		return false;
	}
	run->shim = shim;
	return true;
}

static bool has_file(const char *dir, const char *name)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s", dir, name);
	return !access(buf_cstr(&path), F_OK);
}

/* --- what attempts share ------------------------------------------------------------------- */

static void exec_on_wake(void *arg, struct str id)
{
	struct exec *exec = arg;
	AUTO(auto_free) char *owned = str_dup(id);
	struct exec_run *run = run_find(exec->core, owned);

	if (run)
		run_wake(run, 0);
}

/* A spool that belongs to no live attempt: its end was stored, and the daemon died before it was
 * removed; or it was given up. */
static void sweep_one(void *arg, const char *id)
{
	struct exec *exec = arg;
	AUTO(auto_free) char *dir = NULL;
	struct chore chore;

	if (strlen(id) >= sizeof(chore.id) || attempt_find(exec->core, id) || shim_is_watched(id))
		return;
	dir = dir_of(exec->core, id);
	if (spool_shim_alive(dir, NULL, NULL)) {
		spool_control(dir, STR("C orphaned"), NULL);
		return;
	}
	chore = chore_of(exec->core, id);
	chore.kill = !has_file(dir, "status");
	chore.dir = TAKE(dir);
	chore_start(&chore);
}

static void exec_on_look(void *arg)
{
	struct exec *exec = arg;
	struct attempt *attempt;

	LIST_FOREACH (attempt, attempts_live(exec->core), entry)
		if (attempt->state && attempt->agent && attempt->agent->kind == &exec_agent)
			run_wake(attempt->state, 0);
	if (exec->looks++ % LOOKS_A_SWEEP == 0)
		spool_each(exec->core->spool_root, sweep_one, exec, NULL);
	core_timer_arm(exec->core, &exec->look, LOOK_MS, exec_on_look, exec);
}

static bool exec_init(struct core *core, struct err *err)
{
	struct exec *exec;

	if (shared) {
		assert(shared->core == core);
		return true;
	}
	exec = mem_alloc(sizeof(*exec));
	exec->core = core;
	LIST_INIT(&exec->shims);
	exec->wake = spool_wake_new(core->base, core->spool_root, exec_on_wake, exec, err);
	if (!exec->wake) {
		free(exec);
		return false;
	}
	core_timer_arm(core, &exec->look, LOOK_MS, exec_on_look, exec);
	shared = exec;
	return true;
}

void exec_agent_fini(struct core *core)
{
	struct shim *shim, *next;

	if (!shared)
		return;
	assert(shared->core == core);
	LIST_FOREACH_SAFE (shim, &shared->shims, entry, next)
		shim_free(shim);
	core_timer_free(shared->look);
	spool_wake_free(shared->wake);
	free(shared);
	shared = NULL;
}

/* --- the end ------------------------------------------------------------------------------- */

/* Starting failed for want of something that comes back. */
static bool errno_is_transient(int errnum)
{
	static const int list[] = {EAGAIN, ENOMEM, EMFILE, ENFILE, ETXTBSY, EIO, ENOSPC};

	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		if (list[i] == errnum)
			return true;
	return false;
}

/* The word for which an earlier daemon stopped it: it stands in the shim's status alone. */
static const char *stop_word(const char *reason)
{
	size_t count;
	const char *const *words = run_reasons(&count);

	if (!strcmp(reason, "cancelled"))
		return "cancelled";
	for (size_t i = 0; i < count; i++)
		if (!strcmp(words[i], reason) && strcmp(reason, "deadline"))
			return words[i];
	return NULL;
}

static void run_exit(struct exec_run *run)
{
	const struct spool_status *status = &run->status;
	struct attempt *attempt = run->attempt;
	struct attempt_end end = {.exit_code = status->exit_code,
				  .signal = status->signal,
				  .reason = status->reason,
				  .text = status->error};

	run->phase = EXEC_ENDED;
	if (status->reason && !attempt->stop_reason)
		attempt->stop_reason = stop_word(status->reason);
	if (status->exec_failed && errno_is_transient(status->exec_errno))
		end.exit_code = 75;
	else
		end.not_started = status->exec_failed;
	attempt_exit(attempt, &end);
}

/* Its last lines are on disk, or have to be read once more. */
static void exec_on_settled(void *arg, const struct err *err)
{
	struct chore *note = arg;
	struct exec_run *run = run_find(note->core, note->id);

	free(note);
	if (!run || run->phase != EXEC_SETTLES)
		return;
	if (err->code == E_OK) {
		run_exit(run);
		return;
	}
	run->phase = EXEC_RUNS;
	run_rewind(run);
	run_wake(run, AGAIN_MS);
}

/* Cut in front, at a whole character, to the last max bytes. */
static struct str tail_of(struct str text, size_t max)
{
	if (text.len <= max)
		return text;
	text = str_make(text.p + text.len - max, max);
	for (int i = 0; i < 3 && text.len && ((unsigned char)*text.p & 0xc0) == 0x80; i++)
		text = str_make(text.p + 1, text.len - 1);
	return text;
}

static void log_stderr(struct exec_run *run, const struct spool_status *status)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(buf_fini) struct buf data = BUF_INIT;
	int64_t from = status->err_bytes > STDERR_TAIL_BYTES + 4
			       ? status->err_bytes - STDERR_TAIL_BYTES - 4
			       : 0;
	bool cut;

	if (!spool_read_err(run->dir, from, STDERR_TAIL_BYTES + 4, &text, NULL) || !text.len)
		return;
	cut = status->err_truncated || from > 0 || text.len > STDERR_TAIL_BYTES;
	buf_puts(&data, "{\"type\":\"stderr\",\"text\":");
	buf_json_str(&data, tail_of(buf_str(&text), STDERR_TAIL_BYTES));
	buf_printf(&data, ",\"truncated\":%s}", cut ? "true" : "false");
	attempt_log(run->attempt, "stderr", buf_str(&data));
}

/* output = text: what it printed, without the last line's end, is the result. */
static void give_text_result(struct exec_run *run)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(buf_fini) struct buf line = BUF_INIT;
	int64_t size = spool_out_size(run->dir);
	int64_t from = size > RESULT_BYTES_MAX + 4 ? size - RESULT_BYTES_MAX - 4 : 0;
	struct str tail;

	if (!spool_read_out(run->dir, from, RESULT_BYTES_MAX + 4, &text, NULL))
		return;
	tail = tail_of(buf_str(&text), RESULT_BYTES_MAX);
	if (str_ends(tail, STR("\n")))
		tail.len--;
	buf_puts(&line, "{\"type\":\"result\",\"output\":");
	buf_json_str(&line, tail);
	if (size > (int64_t)RESULT_BYTES_MAX)
		buf_puts(&line, ",\"truncated\":true");
	buf_putc(&line, '}');
	attempt_line(run->attempt, buf_str(&line), false, (int64_t)ndjson_offset(&run->lines));
}

static void give_line(struct exec_run *run, const struct ndjson_line *line)
{
	int64_t offset = (int64_t)ndjson_offset(&run->lines);
	AUTO(buf_fini) struct buf data = BUF_INIT;

	if (!run->text || !str_trim(line->text).len) {
		attempt_line(run->attempt, line->text, line->cut, offset);
		return;
	}
	buf_puts(&data, "{\"type\":\"log\",\"level\":\"info\",\"text\":");
	buf_json_str(&data, line->text);
	if (line->cut)
		buf_puts(&data, ",\"truncated\":true");
	buf_putc(&data, '}');
	attempt_line(run->attempt, buf_str(&data), false, offset);
}

/* The status is there and `out` is read to its end. The attempt ends once that is on disk: what
 * its last lines say and how it ended must not be torn apart by a commit that fails. */
static void run_settle(struct exec_run *run, struct spool_status *take_status)
{
	struct core *core = run->attempt->core;
	struct ndjson_line line;
	struct chore *note;

	spool_status_fini(&run->status);
	run->status = *take_status;
	*take_status = (struct spool_status){0};
	run->phase = EXEC_SETTLES;
	core_timer_stop(run->stuck);
	if (ndjson_end(&run->lines, &line))
		give_line(run, &line);
	if (run->text && run->status.exit_code == 0 && !run->status.reason)
		give_text_result(run);
	log_stderr(run, &run->status);
	attempt_took(run->attempt);
	note = mem_alloc(sizeof(*note));
	*note = chore_of(core, run->attempt->id);
	turn_after(core->store, exec_on_settled, note);
}

/* Without a word, or not to be waited for: first all that it left behind dies, so that the next
 * attempt runs alone. */
static void exec_lose(struct exec_run *run, const char *reason)
{
	struct chore chore = chore_of(run->attempt->core, run->attempt->id);

	run->phase = EXEC_KILLS;
	core_timer_stop(run->stuck);
	if (run->shim)
		proc_signal(run->shim->proc, SIGKILL);
	chore.kill = true;
	chore.reason = reason;
	chore_start(&chore);
}

static void exec_on_stuck(void *arg)
{
	struct exec_run *run = arg;

	if (run->phase == EXEC_SETTLES || run->phase == EXEC_KILLS || run->phase == EXEC_ENDED)
		return;
	log_error("shim does not end its agent in time; killing both", "attempt", run->attempt->id);
	exec_lose(run, "deadline");
}

static void stuck_arm(struct exec_run *run, int64_t ms)
{
	const struct conf_section *section = run->attempt->agent->section;

	core_timer_arm(run->attempt->core, &run->stuck,
		       ms + conf_ms(section, "grace") + conf_ms(section, "linger") + STUCK_MS,
		       exec_on_stuck, run);
}

/* --- output -------------------------------------------------------------------------------- */

/* At most READ_A_TURN; false when nothing can be read now. *ret_more: there may be more at once. */
static bool run_read(struct exec_run *run, bool *ret_more, struct err *err)
{
	AUTO(buf_fini) struct buf bytes = BUF_INIT;
	struct ndjson_line line;
	struct str rest;

	if (!spool_read_out(run->dir, run->read, READ_A_TURN, &bytes, err))
		return false;
	run->read += (int64_t)bytes.len;
	*ret_more = bytes.len == READ_A_TURN;
	rest = buf_str(&bytes);
	while (ndjson_next(&run->lines, &rest, &line))
		give_line(run, &line);
	attempt_took(run->attempt);
	return true;
}

/* True while its shim has to be waited for. */
static bool run_in_doubt(struct exec_run *run)
{
	if (run->phase != EXEC_DOUBT)
		return false;
	if (!has_file(run->dir, "shim") && !has_file(run->dir, "status") &&
	    clock_mono(run->attempt->core->clock).ms < run->doubt_until.ms) {
		run_wake(run, DOUBT_LOOK_MS);
		return true;
	}
	run->phase = EXEC_RUNS;
	shim_adopt(run);
	return false;
}

/* One turn of one attempt: what is new, then whether that was all. The shim's death is looked at
 * before its status, and that before the output: each is final only when the next one is read. */
static void exec_on_turn(void *arg)
{
	struct exec_run *run = arg;
	AUTO(spool_status_fini) struct spool_status status = {.exit_code = -1};
	AUTO(err_fini) struct err err = ERR_INIT;
	bool gone, over, corrupt, more = false;

	if (run->phase > EXEC_RUNS || run_in_doubt(run))
		return;
	/* A turn failed and took lines back: they come first, whoever woke us. */
	if ((int64_t)ndjson_offset(&run->lines) != run->attempt->now.offset)
		run_rewind(run);
	gone = !run->shim;
	over = spool_status_read(run->dir, &status, &err);
	corrupt = err.code == E_CORRUPT;
	if (!run_read(run, &more, &err)) {
		if (err.code == E_NOT_FOUND || err.code == E_CORRUPT) {
			log_error("spool is damaged", "attempt", run->attempt->id, "error",
				  err_text(&err));
			exec_lose(run, "");
			return;
		}
		log_error("output cannot be read now", "attempt", run->attempt->id, "error",
			  err_text(&err));
		run_wake(run, AGAIN_MS);
		return;
	}
	if (run->phase != EXEC_RUNS)
		return;
	if (more)
		run_wake(run, NEXT_TURN_MS);
	else if (over)
		run_settle(run, &status);
	else if (gone && (corrupt || err.code == E_NOT_FOUND))
		exec_lose(run, "");
	else if (gone)
		run_wake(run, AGAIN_MS);
}

/* --- the kind ------------------------------------------------------------------------------ */

static struct exec_run *run_new(struct attempt *attempt)
{
	struct exec_run *run = mem_alloc(sizeof(*run));

	run->attempt = attempt;
	run->dir = dir_of(attempt->core, attempt->id);
	run->text = exec_is_text(attempt->agent->section);
	run->open = exec_is_open(attempt->agent->section);
	run->phase = EXEC_RUNS;
	run_rewind(run);
	return run;
}

static void run_free(struct exec_run *run)
{
	core_timer_free(run->turn);
	core_timer_free(run->stuck);
	ndjson_fini(&run->lines);
	spool_status_fini(&run->status);
	free(run->dir);
	free(run);
}

/* A folder of this name, though the attempt is new: the database is older than the spool. */
static bool spool_make(struct attempt *attempt, const char *dir, struct str envelope,
		       struct err *err)
{
	AUTO(err_fini) struct err first = ERR_INIT;

	if (exec_job_create(attempt, dir, envelope, &first))
		return true;
	if (first.code != E_EXISTS || spool_shim_alive(dir, NULL, NULL))
		return err_move(err, &first);
	log_warning("spool of an unknown attempt was in the way; removed", "attempt", attempt->id);
	return os_remove_tree(dir, err) && exec_job_create(attempt, dir, envelope, err);
}

static void executor_note(struct exec_run *run)
{
	pid_t pid = proc_pid(run->shim->proc);
	struct buf text = BUF_INIT;

	buf_puts(&text, "{\"dir\":");
	buf_json_cstr(&text, run->dir);
	buf_printf(&text, ",\"pid\":%d,\"start\":%" PRIu64 "}", (int)pid, os_process_start(pid));
	free(run->attempt->executor);
	run->attempt->executor = buf_take(&text);
}

static bool exec_start(struct attempt *attempt, struct str envelope, struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;
	struct exec_run *run;

	if (!exec_init(attempt->core, err))
		return false;
	run = run_new(attempt);
	if (!spool_make(attempt, run->dir, envelope, err)) {
		run_free(run);
		return false;
	}
	crash_point("exec-spool-made");
	if (!shim_spawn(run, &why)) {
		os_remove_tree(run->dir, NULL);
		run_free(run);
		/* Not the agent's fault, and it may be there again in a moment (an upgrade). */
		return err_set(err, E_UNAVAILABLE, "cannot start %s: %s", attempt->core->shim_path,
			       err_text(&why));
	}
	crash_point("exec-shim-started");
	attempt->state = run;
	executor_note(run);
	if (attempt->run.limits.deadline_ms >= 0)
		stuck_arm(run, attempt_time_left_ms(attempt));
	return true;
}

/* The folder tells, not attempt->executor: that may not have been stored when the daemon died. */
static bool exec_adopt(struct attempt *attempt, struct err *err)
{
	struct exec_run *run;

	if (!exec_init(attempt->core, err))
		return false;
	run = run_new(attempt);
	if (access(run->dir, F_OK)) {
		err_set(err, E_NOT_FOUND, "its spool %s is gone", run->dir);
		run_free(run);
		return false;
	}
	run->phase = EXEC_DOUBT;
	run->doubt_until = (struct mono){clock_mono(attempt->core->clock).ms + DOUBT_MS};
	attempt->state = run;
	if (attempt->run.limits.deadline_ms >= 0)
		stuck_arm(run, attempt_time_left_ms(attempt));
	run_wake(run, 0);
	return true;
}

static bool send_line(struct exec_run *run, struct str line, struct err *err)
{
	AUTO(buf_fini) struct buf control = BUF_INIT;

	if (memchr(line.p, '\n', line.len))
		return err_set(err, E_INVALID,
			       "a message to an agent is one line; this one has more");
	buf_putc(&control, '>');
	buf_add_str(&control, line);
	return spool_control(run->dir, buf_str(&control), err);
}

static bool exec_send(struct attempt *attempt, struct str line, struct err *err)
{
	struct exec_run *run = attempt->state;

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

static void exec_cancel(struct attempt *attempt, const char *reason)
{
	struct exec_run *run = attempt->state;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!run || run->phase > EXEC_RUNS)
		return;
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
	stuck_arm(run, 0);
	run_wake(run, NEXT_TURN_MS);
}

static void exec_release(struct attempt *attempt, bool over)
{
	struct exec_run *run = attempt->state;
	struct chore chore;

	attempt->state = NULL;
	if (!run)
		return;
	if (over) {
		chore = chore_of(attempt->core, attempt->id);
		chore.dir = TAKE(run->dir);
		chore_start(&chore);
	}
	run_free(run);
}

static void exec_rewind(struct attempt *attempt)
{
	struct exec_run *run = attempt->state;

	if (!run || run->phase > EXEC_SETTLES)
		return;
	run_rewind(run);
	if (run->phase == EXEC_SETTLES)
		run->phase = EXEC_RUNS;
	run_wake(run, 0);
}

const struct agent_kind exec_agent = {
	.name = "exec",
	.table = &exec_agent_table,
	.start = exec_start,
	.adopt = exec_adopt,
	.send = exec_send,
	.cancel = exec_cancel,
	.release = exec_release,
	.rewind = exec_rewind,
};
