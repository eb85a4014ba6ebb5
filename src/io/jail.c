/* The jail: what strangers sent is worked on in a child without rights, restarted when it dies. */
/* SPDX-License-Identifier: MIT */
#include "io/jail.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <event2/event.h>

#include "base/list.h"
#include "base/map.h"
#include "io/jail_check.h"
#include "io/jail_helper.h"

enum {
	WAITING_MAX = 10000,
	SENT_MAX = 256,		/* requests in the helper's hands */
	SENT_BYTES = 512 << 10, /* unless one alone is larger */
	STUCK_S = 20,	 /* without any answer: some seconds of CPU should not take that long */
	DEATHS_FREE = 2, /* in a row, before a pause */
	DEATHS_MAX = 6,	 /* in a row, with nobody to blame: it cannot work here */
	PAUSE_MS = 10,
	PAUSE_MAX_MS = 1000,
};

/* A text that helpers know by its slot. Kept while requests name it, and as long as its slot lasts.
 */
struct jail_program {
	UT_hash_handle hh;
	char *text;
	size_t waiting; /* requests that are not sent */
	int slot;	/* -1: none */
	bool told;	/* the running helper has it */
	uint64_t used;
};

struct request {
	TAILQ_ENTRY(request) link;
	uint64_t id;
	struct jail_program *program;
	struct buf input;
	jail_on_answer *on_answer;
	void *arg;
};
TAILQ_HEAD(request_list, request);

struct jail {
	struct event_base *base;
	const struct jail_spec *spec;
	char *path;
	struct helper *helper;
	struct event *read_event, *write_event;
	struct event *pump; /* things to send, or a pause is over */
	struct event *stuck, *idle;
	struct jail_program *programs, *slots[JAIL_SLOTS];
	struct request_list waiting, sent;
	size_t count, sent_count, sent_bytes;
	uint64_t next_id, clock;
	unsigned deaths;
	bool answering;

	struct jail_checker *checker;
};

static void
jail_wake(struct jail *jail, int64_t ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};
	event_add(jail->pump, &tv);
}

/* --- programs and their slots --- */

static void
program_drop(struct jail *jail, struct jail_program *program)
{
	if (program->slot >= 0)
		jail->slots[program->slot] = NULL;
	HASH_DEL(jail->programs, program);
	free(program->text);
	free(program);
}

static struct jail_program *
program_find(struct jail *jail, const char *text)
{
	struct jail_program *program;
	HASH_FIND_STR(jail->programs, text, program);
	if (program)
		return program;
	program = mem_alloc(sizeof(*program));
	program->text = mem_strdup(text);
	program->slot = -1;
	HASH_ADD_KEYPTR(hh, jail->programs, program->text, strlen(program->text), program);
	return program;
}

/* A free slot, or the one least lately used: frames arrive in order, so what was sent keeps its
 * meaning. */
static int
slot_choose(struct jail *jail)
{
	int oldest = 0;
	for (int i = 0; i < JAIL_SLOTS; i++) {
		if (!jail->slots[i])
			return i;
		if (jail->slots[i]->used < jail->slots[oldest]->used)
			oldest = i;
	}
	return oldest;
}

static void
program_tell(struct jail *jail, struct jail_program *program)
{
	program->used = ++jail->clock;
	if (program->slot < 0) {
		int slot = slot_choose(jail);
		struct jail_program *old = jail->slots[slot];
		if (old) {
			old->slot = -1;
			old->told = false;
			jail->slots[slot] = NULL;
		}
		program->slot = slot;
		jail->slots[slot] = program;
	}
	if (!program->told)
		helper_put(jail->helper, JAIL_PROGRAM, 0, (uint32_t)program->slot,
			   str_of(program->text));
	program->told = true;
}

/* Texts without slot and request are forgotten. */
static void
programs_prune(struct jail *jail)
{
	struct jail_program *program, *next;
	if (HASH_COUNT(jail->programs) <= 2 * JAIL_SLOTS)
		return;
	HASH_ITER (hh, jail->programs, program, next)
		if (program->slot < 0 && !program->waiting)
			program_drop(jail, program);
}

/* --- answers --- */

static void
request_free(struct request *request)
{
	buf_fini(&request->input);
	free(request);
}

/* request is in no list any more. */
static void
request_answer(struct jail *jail, struct request *take_request, const struct str *outputs,
	       size_t count, struct err *err)
{
	take_request->program->waiting--;
	jail->count--;
	jail->answering = true;
	take_request->on_answer(take_request->arg, err->code ? NULL : outputs,
				err->code ? 0 : count, err);
	jail->answering = false;
	err_fini(err);
	request_free(take_request);
}

static struct request *
sent_take(struct jail *jail, struct request *request)
{
	TAILQ_REMOVE(&jail->sent, request, link);
	jail->sent_count--;
	jail->sent_bytes -= request->input.len;
	return request;
}

static void
fail_all(struct jail *jail, const struct err *why)
{
	struct request_list all = TAILQ_HEAD_INITIALIZER(all);
	struct request *request;
	/* Those that come while these are told shall have their own try. */
	TAILQ_CONCAT(&all, &jail->waiting, link);
	while ((request = TAILQ_FIRST(&all))) {
		struct err err = ERR_INIT;
		TAILQ_REMOVE(&all, request, link);
		err_set(&err, why->code, "%s", err_text(why));
		request_answer(jail, request, NULL, 0, &err);
	}
}

/* The helper may be in a stranger's hands: its lengths are held against what came. */
static bool
outputs_split(struct str body, struct str *outputs, size_t *ret_count)
{
	size_t count = 0;
	while (body.len) {
		uint32_t len;
		if (body.len < sizeof(len) || count == JAIL_OUTPUTS_MAX)
			return false;
		memcpy(&len, body.p, sizeof(len));
		body = str_make(body.p + sizeof(len), body.len - sizeof(len));
		if (len > body.len)
			return false;
		outputs[count++] = str_make(body.p, len);
		body = str_make(body.p + len, body.len - len);
	}
	*ret_count = count;
	return true;
}

/* False when it is not what was asked for. */
static bool
on_frame(struct jail *jail, const struct jail_frame *frame, struct str body)
{
	static struct str
		outputs[JAIL_OUTPUTS_MAX]; /* on_answer never comes from within on_answer */
	struct request *request = TAILQ_FIRST(&jail->sent);
	struct err err = ERR_INIT;
	size_t count = 0;
	if (!request || request->id != frame->id)
		return false;
	if (frame->code)
		err_set(&err, (enum err_code)frame->code, "%.*s",
			(int)(body.len < 2000 ? body.len : 2000), body.p);
	else if (!outputs_split(body, outputs, &count))
		return false;
	jail->deaths = 0;
	request_answer(jail, sent_take(jail, request), outputs, count, &err);
	return true;
}

/* --- the helper --- */

static void
stuck_arm(struct jail *jail)
{
	struct timeval tv = {STUCK_S, 0}, idle = {jail->spec->idle_s, 0};
	if (!TAILQ_EMPTY(&jail->sent)) {
		event_add(jail->stuck, &tv);
		return;
	}
	event_del(jail->stuck);
	if (jail->spec->idle_s)
		event_add(jail->idle, &idle);
}

/* It ends by itself at the end of its input; what came meanwhile goes to the next. */
static void
on_idle(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct jail *jail = arg;
	if (jail->helper && !jail->count)
		shutdown(jail->helper->fd, SHUT_WR);
}

static void
on_stuck(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct jail *jail = arg;
	if (jail->helper)
		proc_signal(jail->helper->proc, SIGKILL);
}

static void
take_answers(struct jail *jail)
{
	struct jail_frame frame;
	struct str body;
	bool broken;
	while (helper_take(jail->helper, &frame, &body, &broken)) {
		if (!on_frame(jail, &frame, body)) {
			broken = true;
			break;
		}
	}
	if (broken)
		proc_signal(jail->helper->proc, SIGKILL);
}

static void
events_free(struct jail *jail)
{
	if (jail->read_event)
		event_free(jail->read_event);
	if (jail->write_event)
		event_free(jail->write_event);
	jail->read_event = jail->write_event = NULL;
}

/* Its end is on_helper_exit()'s: only that knows why. */
static void
on_readable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct jail *jail = arg;
	bool alive = helper_read(jail->helper);
	take_answers(jail);
	if (!alive) {
		events_free(jail);
		return;
	}
	stuck_arm(jail);
	jail_wake(jail, 0);
}

static void
on_writable(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct jail *jail = arg;
	if (helper_write(jail->helper) && helper_has_more(jail->helper))
		event_add(jail->write_event, NULL);
}

/* The one that killed it is answered; the others go back to the front, in their order. */
static struct request *
sent_recall(struct jail *jail, uint64_t killer_id)
{
	struct request *request, *killer = NULL;
	while ((request = TAILQ_LAST(&jail->sent, request_list))) {
		sent_take(jail, request);
		if (request->id == killer_id)
			killer = request;
		else
			TAILQ_INSERT_HEAD(&jail->waiting, request, link);
	}
	return killer;
}

static int64_t
pause_ms(unsigned deaths)
{
	int64_t ms = PAUSE_MS;
	if (deaths <= DEATHS_FREE)
		return 0;
	for (unsigned i = DEATHS_FREE + 1; i < deaths && ms < PAUSE_MAX_MS; i++)
		ms *= 2;
	return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

static void
on_helper_exit(void *arg, int wait_status)
{
	struct jail *jail = arg;
	struct helper *helper = jail->helper;
	struct err err = ERR_INIT;
	bool more;
	/* Whatever it said before is in the socket. */
	do {
		size_t before = helper->in.len - helper->taken;
		more = helper_read(helper) && helper->in.len > before;
		take_answers(jail);
	} while (more);
	uint64_t current = __atomic_load_n(&helper->page->current, __ATOMIC_ACQUIRE);
	bool retired =
		WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == JAIL_EXIT_DONE && !current;
	struct request *killer = sent_recall(jail, current);
	struct jail_program *program, *next;
	HASH_ITER (hh, jail->programs, program, next)
		program->told = false;
	events_free(jail);
	event_del(jail->stuck);
	jail->helper = NULL;
	helper_close(helper);
	jail->deaths += !retired;
	if (killer) {
		helper_blame(jail->spec, wait_status, &err);
		request_answer(jail, killer, NULL, 0, &err);
	} else if (jail->deaths >= DEATHS_MAX) {
		err_set(&err, E_UNAVAILABLE,
			"%s ends as soon as it is started (status %d); run it by hand to see why",
			jail->path, wait_status);
		fail_all(jail, &err);
		err_fini(&err);
	}
	jail_wake(jail, pause_ms(jail->deaths));
}

static bool
helper_ready(struct jail *jail)
{
	struct err err = ERR_INIT;
	if (jail->helper)
		return jail->read_event;
	jail->helper = helper_open(jail->base, jail->spec, jail->path, on_helper_exit, jail, &err);
	if (!jail->helper) {
		err.code = E_UNAVAILABLE;
		fail_all(jail, &err);
		err_fini(&err);
		return false;
	}
	jail->read_event =
		event_new(jail->base, jail->helper->fd, EV_READ | EV_PERSIST, on_readable, jail);
	jail->write_event = event_new(jail->base, jail->helper->fd, EV_WRITE, on_writable, jail);
	if (!jail->read_event || !jail->write_event || event_add(jail->read_event, NULL))
		abort(); /* out of memory */
	return true;
}

static void
send_one(struct jail *jail, struct request *request)
{
	program_tell(jail, request->program);
	helper_put(jail->helper, JAIL_RUN, request->id, (uint32_t)request->program->slot,
		   buf_str(&request->input));
	TAILQ_REMOVE(&jail->waiting, request, link);
	TAILQ_INSERT_TAIL(&jail->sent, request, link);
	jail->sent_count++;
	jail->sent_bytes += request->input.len;
}

static void
on_pump(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct jail *jail = arg;
	struct request *request;
	bool idle = TAILQ_EMPTY(&jail->sent);
	if (TAILQ_EMPTY(&jail->waiting) || !helper_ready(jail))
		return;
	while ((request = TAILQ_FIRST(&jail->waiting)) && jail->sent_count < SENT_MAX &&
	       (jail->sent_bytes < SENT_BYTES || !jail->sent_count))
		send_one(jail, request);
	if (idle)
		stuck_arm(jail);
	programs_prune(jail);
	on_writable(-1, 0, jail);
}

/* --- in and out --- */

struct jail *
jail_new(struct event_base *base, const char *program_path)
{
	return jail_new_for(base, program_path, &jail_jq);
}

struct jail *
jail_new_for(struct event_base *base, const char *program_path, const struct jail_spec *spec)
{
	struct jail *jail = mem_alloc(sizeof(*jail));
	jail->base = base;
	jail->spec = spec;
	jail->path = mem_strdup(program_path);
	TAILQ_INIT(&jail->waiting);
	TAILQ_INIT(&jail->sent);
	jail->pump = evtimer_new(base, on_pump, jail);
	jail->stuck = evtimer_new(base, on_stuck, jail);
	jail->idle = evtimer_new(base, on_idle, jail);
	jail->checker = jail_checker_new(base, jail->path);
	if (!jail->pump || !jail->stuck || !jail->idle)
		abort(); /* out of memory */
	return jail;
}

void
jail_free(struct jail *jail)
{
	struct jail_program *program, *next;
	struct request *request;
	if (!jail)
		return;
	assert(!jail->answering);
	events_free(jail);
	helper_close(jail->helper);
	event_free(jail->pump);
	event_free(jail->stuck);
	event_free(jail->idle);
	jail_checker_free(jail->checker);
	TAILQ_CONCAT(&jail->waiting, &jail->sent, link);
	while ((request = TAILQ_FIRST(&jail->waiting))) {
		TAILQ_REMOVE(&jail->waiting, request, link);
		request_free(request);
	}
	HASH_ITER (hh, jail->programs, program, next)
		program_drop(jail, program);
	free(jail->path);
	free(jail);
}

static bool
program_fits(const char *program, struct err *err)
{
	if (strlen(program) <= JAIL_PROGRAM_MAX)
		return true;
	return err_set(err, E_TOO_LARGE, "the jq program is longer than %d bytes",
		       JAIL_PROGRAM_MAX);
}

bool
jail_run(struct jail *jail, const char *program, struct str input, jail_on_answer *on_answer,
	 void *arg, struct err *err)
{
	if (jail->count >= WAITING_MAX)
		return err_set(err, E_FULL, "%d inputs wait for their helper already; try later",
			       WAITING_MAX);
	if (input.len > jail->spec->bytes_max)
		return err_set(err, E_TOO_LARGE, "the input of %s is larger than %zu MiB",
			       jail->spec->what, jail->spec->bytes_max >> 20);
	if (!program_fits(program, err))
		return false;
	struct request *request = mem_alloc(sizeof(*request));
	if (!buf_try_reserve(&request->input, input.len + 1)) {
		free(request);
		return err_set(err, E_FULL, "no memory for an input of %zu bytes", input.len);
	}
	/* No bytes at all would only ask whether the program compiles: a blank is no JSON either.
	 */
	buf_add_str(&request->input, input.len ? input : STR(" "));
	request->id = ++jail->next_id;
	request->program = program_find(jail, program);
	request->program->waiting++;
	request->on_answer = on_answer;
	request->arg = arg;
	TAILQ_INSERT_TAIL(&jail->waiting, request, link);
	jail->count++;
	if (!event_pending(jail->pump, EV_TIMEOUT, NULL))
		jail_wake(jail, 0);
	return true;
}

int
jail_pid(const struct jail *jail)
{
	return jail->helper ? (int)proc_pid(jail->helper->proc) : 0;
}

/* --- checking --- */

bool
jail_check(struct jail *jail, const char *program, struct err *err)
{
	return program_fits(program, err) && jail_checker_one(jail->checker, program, err);
}

void
jail_check_all(struct jail *jail, const char *const *programs, size_t count,
	       jail_on_wrong *on_wrong, void *arg)
{
	jail_checker_all(jail->checker, programs, count, on_wrong, arg);
}
