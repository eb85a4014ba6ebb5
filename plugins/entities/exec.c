/* Entities from a program, exec:COMMAND: what it prints, one JSON object a line. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include "plugins/entities/exec.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "conf/conf.h"
#include "io/proc.h"
#include "plugins/entities/lines.h"
#include "plugins/env.h"
#include "plugins/targets/child.h"
#include "pure/duration.h"

#define CHUNK 65536
#define ERRORS_MAX 4096

struct entity_reader {
	struct core *core;
	char *command, *workdir;
	struct env env;
	struct entity_namer *namer;
	int64_t timeout_ms;

	struct proc *proc; /* NULL: not started, or exited */
	pid_t group;	   /* 0: not started */
	struct uuid mark;
	int out, errors; /* -1: closed */
	struct event *out_event, *errors_event;
	bool exited;
	int wait_status;

	char *chunk;
	struct str bytes; /* of chunk, not taken yet */
	struct ndjson lines;
	uint64_t line, taken;
	struct buf said; /* the end of its standard error */

	struct entity_page page;
	struct core_timer *timer, *later;
	entities_on_page *on_page;
	void *arg;
	bool wanted, giving, closed;
};

static void
ends_close(struct entity_reader *r)
{
	if (r->out_event)
		event_free(r->out_event);
	if (r->errors_event)
		event_free(r->errors_event);
	if (r->out >= 0)
		close(r->out);
	if (r->errors >= 0)
		close(r->errors);
	r->out_event = r->errors_event = NULL;
	r->out = r->errors = -1;
}

static void
reader_free(struct entity_reader *r)
{
	ends_close(r);
	if (r->proc)
		child_kill_tree(r->core, r->group, &r->mark);
	proc_free(r->proc);
	env_fini(&r->env);
	entity_namer_free(r->namer);
	entity_page_fini(&r->page);
	ndjson_fini(&r->lines);
	buf_fini(&r->said);
	core_timer_free(r->timer);
	core_timer_free(r->later);
	free(r->chunk);
	free(r->command);
	free(r->workdir);
	free(r);
}

static void
exec_close(struct entity_reader *r)
{
	r->closed = true;
	if (!r->giving)
		reader_free(r);
}

/* --- giving -------------------------------------------------------------------------------- */

static void
page_give(void *arg)
{
	struct entity_reader *r = arg;

	if (!r->wanted)
		return;
	r->wanted = false;
	core_timer_stop(r->timer);
	if (r->out_event)
		event_del(r->out_event);
	r->taken += r->page.count;
	buf_printf(&r->page.cursor, "%" PRIu64, r->taken);
	r->giving = true;
	r->on_page(r->arg, &r->page);
	r->giving = false;
	entity_page_fini(&r->page);
	entity_page_init(&r->page);
	if (r->closed)
		reader_free(r);
}

static void
give_later(struct entity_reader *r)
{
	core_timer_arm(r->core, &r->later, 0, page_give, r);
}

/* What it said last on standard error, as one line. */
static void
said_last(const struct entity_reader *r, struct buf *out)
{
	struct str text = str_trim(buf_str(&r->said));
	const char *line = text.len ? memrchr(text.p, '\n', text.len) : NULL;

	if (line)
		text = str_make(line + 1, text.len - (size_t)(line + 1 - text.p));
	if (text.len > 300)
		text.len = 300;
	if (text.len && str_is_utf8(text))
		buf_printf(out, ": %.*s", STR_ARG(text));
}

#define GO_ON                                                                                      \
	"mend it, then rouse batch resume: it runs anew, and entities that the batch has had are " \
	"passed over"

/* Over after both: its exit, and the end of its output. */
static void
look_at_end(struct entity_reader *r)
{
	AUTO(buf_fini) struct buf said = BUF_INIT;
	uint64_t so_far = r->taken + r->page.count;

	if (!r->exited || r->out >= 0 || !r->wanted)
		return;
	said_last(r, &said);
	if (WIFSIGNALED(r->wait_status))
		err_set(&r->page.err, E_IO,
			"exec: %s was ended by signal %d after %" PRIu64 " entities%s; " GO_ON,
			r->command, WTERMSIG(r->wait_status), so_far, buf_cstr(&said));
	else if (WEXITSTATUS(r->wait_status))
		err_set(&r->page.err, E_IO,
			"exec: %s ended with exit status %d after %" PRIu64 " entities%s; " GO_ON,
			r->command, WEXITSTATUS(r->wait_status), so_far, buf_cstr(&said));
	r->page.end = r->page.err.code == E_OK;
	give_later(r);
}

static void
on_silence(void *arg)
{
	struct entity_reader *r = arg;
	AUTO(buf_fini) struct buf span = BUF_INIT;

	duration_print(r->timeout_ms, &span);
	err_set(&r->page.err, E_TIMEOUT,
		"exec: %s gave nothing for %s (entities_timeout) after %" PRIu64
		" entities, and was stopped; " GO_ON,
		r->command, buf_cstr(&span), r->taken + r->page.count);
	child_kill_tree(r->core, r->group, &r->mark);
	page_give(r);
}

static void
child_exited(void *arg, int wait_status)
{
	struct entity_reader *r = arg;

	r->exited = true;
	r->wait_status = wait_status;
	proc_free(r->proc);
	r->proc = NULL;
	look_at_end(r);
}

/* --- its output ---------------------------------------------------------------------------- */

/* Lines of the bytes at hand. True: the page is to be given. */
static bool
lines_take(struct entity_reader *r)
{
	struct ndjson_line line;

	while (ndjson_next(&r->lines, &r->bytes, &line))
		if (entity_line(&r->page, r->namer, &line, "output", ++r->line))
			return true;
	return entity_line_endless(&r->page, &r->lines, "output", r->line + 1);
}

static void
output_ends(struct entity_reader *r)
{
	struct ndjson_line line;

	event_free(r->out_event);
	close(r->out);
	r->out_event = NULL;
	r->out = -1;
	if (ndjson_end(&r->lines, &line) &&
	    entity_line(&r->page, r->namer, &line, "output", ++r->line) &&
	    r->page.err.code != E_OK) {
		give_later(r);
		return;
	}
	look_at_end(r);
}

/* A mistake in what it says: it is not listened to any more. */
static void
give_what_is(struct entity_reader *r)
{
	if (r->page.err.code != E_OK) {
		err_prefix(&r->page.err, "exec: %s", r->command);
		if (r->proc)
			child_kill_tree(r->core, r->group, &r->mark);
	}
	give_later(r);
	event_del(r->out_event);
}

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	struct entity_reader *r = arg;
	ssize_t n = read(fd, r->chunk, CHUNK);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		output_ends(r);
		return;
	}
	core_timer_arm(r->core, &r->timer, r->timeout_ms, on_silence, r);
	r->bytes = str_make(r->chunk, (size_t)n);
	if (lines_take(r) || r->page.count)
		give_what_is(r);
}

static void
on_errors(evutil_socket_t fd, short what, void *arg)
{
	struct entity_reader *r = arg;
	char bytes[4096];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		event_del(r->errors_event);
		return;
	}
	buf_add(&r->said, bytes, (size_t)n);
	if (r->said.len > ERRORS_MAX)
		buf_consume(&r->said, r->said.len - ERRORS_MAX);
}

/* --- life ---------------------------------------------------------------------------------- */

static bool
pipe_open(struct entity_reader *r, int *ret_ours, int *ret_theirs, struct event **ret_event,
	  event_callback_fn on_event, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return err_errno(err, errno, "cannot make a pipe for exec:");
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	os_nonblock(fds[0], true);
	*ret_event = event_new(r->core->base, fds[0], EV_READ | EV_PERSIST, on_event, r);
	event_add(*ret_event, NULL);
	return true;
}

static bool
child_begin(struct entity_reader *r, struct err *err)
{
	AUTO(auto_close) int out = -1;
	AUTO(auto_close) int errors = -1;
	struct proc_spec spec = {.workdir = r->workdir, .stdin_fd = -1, .new_session = true};
	char **words = NULL;

	if (!proc_split(r->command, &words, err))
		return false;
	r->mark = uuid_v7(core_wall(r->core));
	env_put(&r->env, CHILD_MARK, r->mark.text);
	if (pipe_open(r, &r->out, &out, &r->out_event, on_output, err) &&
	    pipe_open(r, &r->errors, &errors, &r->errors_event, on_errors, err)) {
		spec.argv = (const char *const *)words;
		spec.envp = env_items(&r->env);
		spec.stdout_fd = out;
		spec.stderr_fd = errors;
		r->proc = proc_spawn(r->core->base, &spec, child_exited, r, err);
	}
	proc_words_free(words);
	if (!r->proc)
		return false;
	r->group = proc_pid(r->proc);
	return true;
}

static bool
exec_open(struct core *core, const struct entities_place *place, struct str cursor,
	  struct entity_reader **ret, struct err *err)
{
	struct entity_reader *r = mem_alloc(sizeof(*r));

	(void)cursor;
	r->core = core;
	r->out = r->errors = -1;
	r->command = str_dup(str_trim(str_of(place->rest)));
	r->workdir = entities_path(place->section, STR("."));
	r->timeout_ms = conf_ms(place->section, "entities_timeout");
	env_put_section(&r->env, place->section, NULL);
	r->chunk = mem_alloc(CHUNK);
	ndjson_init(&r->lines, ENTITY_BYTES_MAX, 0);
	if (entity_namer_new(place->key, &r->namer, err) && child_begin(r, err)) {
		*ret = r;
		return true;
	}
	err_prefix(err, "exec: %s", r->command);
	reader_free(r);
	return false;
}

static void
exec_read(struct entity_reader *r, entities_on_page *on_page, void *arg)
{
	r->on_page = on_page;
	r->arg = arg;
	r->wanted = true;
	core_timer_arm(r->core, &r->timer, r->timeout_ms, on_silence, r);
	/* What the last page had no room for comes first. */
	if (lines_take(r) || r->page.count) {
		if (r->page.err.code != E_OK)
			err_prefix(&r->page.err, "exec: %s", r->command);
		give_later(r);
		return;
	}
	if (r->out_event)
		event_add(r->out_event, NULL);
	look_at_end(r);
}

static void
exec_check(const struct entities_place *place, struct conf_report *report)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	char **words = NULL;

	env_check(place->section, report);
	if (!proc_split(place->rest, &words, &err))
		conf_complain(report, place->section, "entities", "exec: %s", err_text(&err));
	proc_words_free(words);
}

const struct entity_kind exec_entities = {.name = "exec",
					  .unit = "line",
					  .check = exec_check,
					  .open = exec_open,
					  .read = exec_read,
					  .close = exec_close};
