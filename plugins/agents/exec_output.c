/* Exec agents: reading what they print, and how an attempt ends. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/exec_run.h"

#include <errno.h>
#include <signal.h>

#include "base/log.h"
#include "core/run.h"
#include "io/proc.h"
#include "plugins/agents/exec.h"
#include "plugins/agents/exec_keep.h"
#include "plugins/agents/exec_workspace.h"
#include "plugins/agents/exec_way.h"

/* Of one attempt in one turn; the others want to be read too. */
#define READ_A_TURN (256 * 1024)
#define LINE_BYTES_MAX (1 << 20)
#define RESULT_BYTES_MAX (64 * 1024)
#define STDERR_TAIL_BYTES 4096
/* Zero would go on within the turn that has to be committed first. */
#define NEXT_TURN_MS 1
#define AGAIN_MS 500
#define DOUBT_LOOK_MS 50
/* What a shim gets beyond all times that it was given before it counts as stuck. */
#define STUCK_MS 10000

static void exec_on_turn(void *arg);

void
exec_run_wake(struct exec_run *run, int64_t ms)
{
	core_timer_arm(run->attempt->core, &run->turn, ms, exec_on_turn, run);
}

void
exec_run_rewind(struct exec_run *run)
{
	ndjson_fini(&run->lines);
	run->read = run->attempt->now.offset;
	ndjson_init(&run->lines, LINE_BYTES_MAX, (uint64_t)run->read);
}

/* --- the end ------------------------------------------------------------------------------- */

/* Starting failed for want of something that comes back. */
static bool
errno_is_transient(int errnum)
{
	static const int list[] = {EAGAIN, ENOMEM, EMFILE, ENFILE, ETXTBSY, EIO, ENOSPC};

	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		if (list[i] == errnum)
			return true;
	return false;
}

/* The word for which an earlier daemon stopped it: it stands in the shim's status alone. */
static const char *
stop_word(const char *reason)
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

static bool
result_failed(const struct attempt *attempt)
{
	const char *status = attempt->result_status;

	return status && (!strcmp(status, "failed") || !strcmp(status, "error"));
}

static void
run_exit(struct exec_run *run)
{
	const struct spool_status *status = &run->status;
	struct attempt *attempt = run->attempt;
	struct attempt_end end = {.exit_code = status->exit_code,
				  .signal = status->signal,
				  .worked_ms = status->worked_ms,
				  .reason = status->reason,
				  .text = status->error};

	bool well = attempt->now.has_result && attempt->said.code == E_OK && !attempt->stop_reason;

	run->phase = EXEC_ENDED;
	if (status->kept)
		exec_keep_rest(run, well && !result_failed(attempt));
	/* It was there before this turn, and left without a word about it: that is no success. */
	if (!attempt->now.has_result &&
	    (status->kept || (status->turn > 1 && !status->exit_code))) {
		end.lost = true;
		end.exit_code = -1;
		end.text = "its process of earlier turns ended without a result of this one";
	}
	end.unread = status->unread;
	if (status->oom_kills && !status->reason && (status->signal || status->exit_code))
		end.text = "it used more than memory_max, and the system killed it";
	if (status->reason && !attempt->stop_reason)
		attempt->stop_reason = stop_word(status->reason);
	if (status->exec_failed && errno_is_transient(status->exec_errno))
		end.exit_code = 75;
	else
		end.not_started = status->exec_failed;
	exec_workspace_exit(run, &end);
}

/* Its last lines are on disk, or have to be read once more. */
static void
exec_on_settled(void *arg, const struct err *err)
{
	struct exec_chore *note = arg;
	struct exec_run *run = exec_run_find(note->core, note->id);

	free(note);
	if (!run || run->phase != EXEC_SETTLES)
		return;
	if (err->code == E_OK) {
		run_exit(run);
		return;
	}
	run->phase = EXEC_RUNS;
	exec_run_rewind(run);
	exec_run_wake(run, AGAIN_MS);
}

/* Cut in front, at a whole character, to the last max bytes. */
static struct str
tail_of(struct str text, size_t max)
{
	if (text.len <= max)
		return text;
	text = str_make(text.p + text.len - max, max);
	for (int i = 0; i < 3 && text.len && ((unsigned char)*text.p & 0xc0) == 0x80; i++)
		text = str_make(text.p + 1, text.len - 1);
	return text;
}

static void
log_stderr(struct exec_run *run, const struct spool_status *status)
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
static void
give_text_result(struct exec_run *run)
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

static void
give_line(struct exec_run *run, const struct ndjson_line *line)
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
static void
run_settle(struct exec_run *run, struct spool_status *take_status)
{
	struct core *core = run->attempt->core;
	struct ndjson_line line;
	struct exec_chore *note;

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
	*note = exec_chore_of(core, run->attempt->id);
	turn_after(core->store, exec_on_settled, note);
}

/* Without a word, or not to be waited for: first all that it left behind dies, so that the next
 * attempt runs alone. */
static void
run_lose(struct exec_run *run, const char *reason)
{
	struct exec_chore chore = exec_chore_of(run->attempt->core, run->attempt->id);

	run->phase = EXEC_KILLS;
	memcpy(chore.mark, run->mark, sizeof(chore.mark));
	core_timer_stop(run->stuck);
	if (run->shim)
		proc_signal(run->shim->proc, SIGKILL);
	chore.kill = true;
	chore.reason = reason;
	exec_unit_end(run, &chore);
}

static void
exec_on_stuck(void *arg)
{
	struct exec_run *run = arg;

	if (run->phase > EXEC_RUNS)
		return;
	log_error("shim does not end its agent in time; killing both", "attempt", run->attempt->id);
	run_lose(run, "deadline");
}

void
exec_run_watch(struct exec_run *run, int64_t ms)
{
	const struct conf_section *section = run->attempt->agent->section;

	core_timer_arm(run->attempt->core, &run->stuck,
		       ms + conf_ms(section, "grace") + conf_ms(section, "linger") + STUCK_MS,
		       exec_on_stuck, run);
}

/* --- output -------------------------------------------------------------------------------- */

/* At most READ_A_TURN; false when nothing can be read now. *ret_more: there may be more at once. */
static bool
run_read(struct exec_run *run, bool *ret_more, struct err *err)
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
static bool
run_in_doubt(struct exec_run *run)
{
	if (run->phase != EXEC_DOUBT)
		return false;
	if (!spool_shim_began(run->dir) && !exec_spool_has(run->dir, "status") &&
	    clock_mono(run->attempt->core->clock).ms < run->doubt_until.ms) {
		exec_run_wake(run, DOUBT_LOOK_MS);
		return true;
	}
	/* From here on none begins that was only late. */
	if (!exec_spool_has(run->dir, "status"))
		run->unbegun = spool_claim(run->dir);
	run->phase = EXEC_RUNS;
	exec_shim_adopt(run);
	/* Time is counted of what had begun. */
	if (!run->unbegun && run->attempt->run.limits.deadline_ms >= 0)
		exec_run_watch(run, attempt_time_left_ms(run->attempt));
	return false;
}

/* The shim knows most results itself; of what is beyond it (escaped names) it is told. */
static void
run_tell_over(struct exec_run *run)
{
	run->told = spool_control(run->dir, STR("T"), NULL);
}

/* One turn of one attempt: what is new, then whether that was all. The shim's death is looked at
 * before its status, and that before the output: each is final only when the next one is read. */
static void
exec_on_turn(void *arg)
{
	struct exec_run *run = arg;
	AUTO(spool_status_fini) struct spool_status status = {.exit_code = -1};
	AUTO(err_fini) struct err err = ERR_INIT;
	bool gone, over, corrupt, more = false;

	/* Its manager has not said so yet, but its shim is there, or was. */
	if (run->phase == EXEC_STARTS &&
	    (spool_shim_began(run->dir) || exec_spool_has(run->dir, "status")))
		run->phase = EXEC_DOUBT;
	if (run->phase > EXEC_RUNS || run->phase == EXEC_STARTS || run_in_doubt(run))
		return;
	/* A turn failed and took lines back: they come first, whoever woke us. */
	if ((int64_t)ndjson_offset(&run->lines) != run->attempt->now.offset)
		exec_run_rewind(run);
	gone = !run->shim;
	over = spool_status_read(run->dir, &status, &err);
	corrupt = err.code == E_CORRUPT;
	if (!run_read(run, &more, &err)) {
		if (err.code == E_NOT_FOUND || err.code == E_CORRUPT) {
			log_error("spool is damaged", "attempt", run->attempt->id, "error",
				  err_text(&err));
			run_lose(run, "");
			return;
		}
		log_error("output cannot be read now", "attempt", run->attempt->id, "error",
			  err_text(&err));
		exec_run_wake(run, AGAIN_MS);
		return;
	}
	if (run->phase != EXEC_RUNS)
		return;
	if (more)
		exec_run_wake(run, NEXT_TURN_MS);
	else if (over)
		run_settle(run, &status);
	else if (gone && err.code == E_NOT_FOUND && run->handed && !spool_shim_began(run->dir))
		exec_run_anew(run);
	else if (gone && (corrupt || err.code == E_NOT_FOUND))
		run_lose(run, "");
	else if (!gone && run->shim->session && run->attempt->now.has_result && !run->told)
		run_tell_over(run);
	else if (gone)
		exec_run_wake(run, AGAIN_MS);
}
