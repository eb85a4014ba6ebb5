/* What happens, followed live: the log of a run, and everything. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

#include "base/log.h"
#include "core/run.h"
#include "core/stream.h"
#include "http/sse.h"
#include "store/runs.h"

#define BEAT_MS 15000
#define PAGE_ROWS 256
/* Rows are read ahead of the socket up to here; one row more may come on top. */
#define AHEAD_BYTES (64u << 10)
/* A client that leaves this much lying is dropped. */
#define LATE_BYTES (16u << 20)
#define FEED_LATE_BYTES (1u << 20)
#define LIST_DEFAULT 50
#define LIST_MAX 1000
#define LIST_BYTES (32u << 20)

static struct http_stream *
sse_begin(struct http_request *req, size_t max_buffered, http_stream_on_gone *on_gone, void *arg)
{
	http_add_header(req, "Cache-Control", "no-store");
	http_add_header(req, "X-Accel-Buffering", "no");
	return http_stream_begin(req, 200, "text/event-stream", max_buffered, on_gone, arg);
}

static void
beat_write(struct http_stream *stream)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;

	sse_comment(&out, "still here");
	http_stream_write(stream, buf_str(&out));
}

/* --- one run ------------------------------------------------------------------------------- */

/* Rows always come from the store, in order, behind `last`; what is published only says that there
 * are more. So nothing is missing and nothing comes twice where the kept log meets the live one. */
struct follower {
	struct api *api;
	struct http_stream *stream;
	struct subscriber *subscriber;
	struct core_timer *beat, *wake;
	char *run_id;
	char *by; /* whose leaving cancels the run; NULL: nobody's */
	int64_t run;
	int64_t last;  /* seq of the row that was sent last */
	int64_t bound; /* rows up to this seq are on disk, also while a turn is open */
	bool is_final; /* on disk */
	bool said_done;
	bool held; /* by the open turn: rows that may yet be undone */
	bool over; /* the request is; freed once no turn_after is left */
	unsigned got, pending;
	struct buf out;
};

static void follower_pump(void *arg);

static void
follower_free(struct follower *follower)
{
	free(follower->run_id);
	free(follower->by);
	buf_fini(&follower->out);
	free(follower);
}

static void
follower_on_over(void *arg)
{
	struct follower *follower = arg;

	stream_unsubscribe(follower->subscriber);
	core_timer_free(follower->beat);
	core_timer_free(follower->wake);
	follower->over = true;
	if (!follower->pending)
		follower_free(follower);
}

static void
follower_on_gone(void *arg, struct http_stream *stream)
{
	struct follower *follower = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (follower->by && !follower->is_final && !follower->said_done &&
	    !run_cancel(follower->api->core, follower->run_id, follower->by, "the client left",
			&err) &&
	    err.code != E_STATE)
		log_warning("run of a client that left not cancelled", "run", follower->run_id,
			    "error", err_text(&err));
	http_stream_end(stream);
}

/* Its token is worth nothing any more: the stream ends, the run goes on. */
static void
follower_on_barred(void *arg)
{
	struct follower *follower = arg;

	http_stream_end(follower->stream);
}

static void
follower_wake(struct follower *follower)
{
	core_timer_arm(follower->api->core, &follower->wake, 0, follower_pump, follower);
}

static void
follower_on_turn(void *arg, const struct err *err)
{
	struct follower *follower = arg;

	(void)err;
	follower->pending--;
	if (!follower->over)
		follower_pump(follower);
	else if (!follower->pending)
		follower_free(follower);
}

static bool
done_is_final(const char *data)
{
	AUTO(json_auto_decref) json_t *done = NULL;
	enum run_state state;

	if (!json_read(str_of(data), &done, NULL))
		return false;
	state = run_state_of(json_str(done, "status"));
	return state != RUN_NOWHERE && run_is_final(state);
}

static bool
follower_row(void *arg, const struct log_row *row)
{
	struct follower *follower = arg;
	AUTO(buf_fini) struct buf id = BUF_INIT;

	if (row->seq > follower->bound && turn_is_open(follower->api->core->store)) {
		follower->held = true;
		return false;
	}
	buf_printf(&id, "%lld", (long long)row->seq);
	sse_format(&follower->out, buf_cstr(&id), row->type, str_of(row->data));
	follower->last = row->seq;
	follower->got++;
	follower->said_done = !strcmp(row->type, "done") && done_is_final(row->data);
	return !follower->said_done && follower->out.len < AHEAD_BYTES;
}

/* Has the run ended, as far as the disk knows? Asked before the log is read to its end. */
static bool
follower_look(struct follower *follower, struct run_row *ret, struct err *err)
{
	if (!runs_get_seq(follower->api->core->store, follower->run, ret, err))
		return false;
	if (!turn_is_open(follower->api->core->store) && run_is_final(run_state_of(ret->status)))
		follower->is_final = true;
	return true;
}

/* A run that ended without a log, or whose `done` the client has had: said all the same. */
static void
follower_say_done(struct follower *follower)
{
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(json_auto_decref) json_t *done = json_object();
	AUTO(buf_fini) struct buf data = BUF_INIT;

	buf_clear(&follower->out);
	json_put_str(done, "type", "done");
	if (runs_get_seq(follower->api->core->store, follower->run, &run, NULL)) {
		json_put_str(done, "status", run.status);
		json_put_str(done, "reason", run.reason);
		json_put_str(done, "error", run.error);
	}
	json_write(&data, done);
	sse_format(&follower->out, NULL, "done", buf_str(&data));
	http_stream_write(follower->stream, buf_str(&follower->out));
}

/* One page; false: it is at the end of what may be sent now. */
static bool
follower_page(struct follower *follower, struct err *err)
{
	follower->got = 0;
	follower->held = false;
	buf_clear(&follower->out);
	if (!runlog_list(follower->api->core->store, follower->run, follower->last, PAGE_ROWS,
			 follower_row, follower, err))
		return false;
	if (follower->out.len)
		http_stream_write(follower->stream, buf_str(&follower->out));
	return follower->got && !follower->held && !follower->said_done;
}

/* Writes what there is, as far as the client takes it. May end the stream and free the follower. */
static void
follower_pump(void *arg)
{
	struct follower *follower = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	do {
		if (http_stream_buffered(follower->stream) > AHEAD_BYTES)
			return; /* on_drain goes on */
	} while (follower_page(follower, &err));
	if (err.code != E_OK) {
		log_error("run log cannot be read", "run", follower->run_id, "error",
			  err_text(&err));
		http_stream_end(follower->stream);
		return;
	}
	if (follower->held) {
		follower->pending++;
		turn_after(follower->api->core->store, follower_on_turn, follower);
		return;
	}
	if (follower->is_final && !follower->said_done) {
		follower_say_done(follower);
		follower->said_done = true;
	}
	if (follower->said_done)
		http_stream_end(follower->stream);
}

static void
follower_on_drain(void *arg, struct http_stream *stream)
{
	(void)stream;
	follower_wake(arg);
}

static void
follower_on_event(void *arg, const struct stream_event *event)
{
	struct follower *follower = arg;
	enum run_state state;

	if (!strcmp(event->kind, "log")) {
		if (event->seq > follower->bound)
			follower->bound = event->seq;
		follower_wake(follower);
	} else if (!strcmp(event->kind, "run")) {
		state = run_state_of(event->type);
		if (state == RUN_NOWHERE || !run_is_final(state))
			return;
		follower->is_final = true;
		follower_wake(follower);
	}
}

static void
follower_on_beat(void *arg)
{
	struct follower *follower = arg;
	AUTO(run_row_fini) struct run_row run = {0};

	beat_write(follower->stream);
	core_timer_arm(follower->api->core, &follower->beat, BEAT_MS, follower_on_beat, follower);
	follower_look(follower, &run, NULL);
	follower_wake(follower);
}

static void
follower_begin(struct api *api, struct http_request *req, const struct run_row *run, int64_t after,
	       const char *by)
{
	struct follower *follower = mem_alloc(sizeof(*follower));
	AUTO(run_row_fini) struct run_row now = {0};

	follower->api = api;
	follower->run_id = mem_strdup(run->id);
	follower->run = run->seq;
	follower->last = after;
	follower->by = mem_strdup(by);
	api_when_over(req, follower_on_over, follower);
	follower->stream = sse_begin(req, LATE_BYTES, follower_on_gone, follower);
	if (str_eq_cstr(http_method(req), "HEAD")) {
		http_stream_end(follower->stream);
		return;
	}
	api_when_barred(req, follower_on_barred, follower);
	http_stream_set_on_drain(follower->stream, follower_on_drain, follower);
	follower->subscriber =
		stream_subscribe(api->core->stream, run->id, follower_on_event, follower);
	core_timer_arm(api->core, &follower->beat, BEAT_MS, follower_on_beat, follower);
	follower_look(follower, &now, NULL);
	follower_wake(follower);
}

bool
api_stream_run(struct api *api, struct http_request *req, const char *run_id, bool cancel,
	       struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};

	if (!runs_get(api->core->store, run_id, &run, err))
		return false;
	follower_begin(api, req, &run, 0, cancel ? api_by(req) : NULL);
	return true;
}

/* --- the same as a list -------------------------------------------------------------------- */

struct log_list {
	struct buf out;
	uint64_t limit, got;
	int64_t last;
	bool cut;
};

/* Text to text: what the agent wrote is not parsed, so that every number stays what it was. */
static bool
log_add(void *arg, const struct log_row *row)
{
	struct log_list *list = arg;
	struct buf *out = &list->out;

	if (list->got == list->limit || out->len > LIST_BYTES) {
		list->cut = true;
		return false;
	}
	buf_printf(out, "%s{\"seq\":%lld,\"at\":\"", list->got ? "," : "", (long long)row->seq);
	wall_format(row->at, out);
	buf_printf(out, "\",\"attempt\":%d,\"type\":", row->attempt);
	buf_json_cstr(out, row->type);
	buf_printf(out, ",\"data\":%s}", row->data ? row->data : "null");
	list->last = row->seq;
	list->got++;
	return true;
}

/* Unlike other lists in the order of time, since it is read like a story. */
static void
list_answer(struct api *api, struct http_request *req, const struct run_row *run, int64_t after,
	    uint64_t limit)
{
	struct log_list list = {.out = BUF_INIT, .limit = limit};
	AUTO(err_fini) struct err err = ERR_INIT;

	buf_puts(&list.out, "{\"items\":[");
	if (runlog_list(api->core->store, run->seq, after, (unsigned)limit + 1, log_add, &list,
			&err)) {
		if (list.cut)
			buf_printf(&list.out, "],\"next\":\"%lld\"}", (long long)list.last);
		else
			buf_puts(&list.out, "],\"next\":null}");
		http_reply_json(req, 200, buf_str(&list.out));
	} else {
		http_reply_error(req, &err);
	}
	buf_fini(&list.out);
}

static bool
number_param(const struct http_request *req, const char *name, uint64_t max, uint64_t *ret,
	     struct err *err)
{
	AUTO(auto_free) char *text = http_query_param(req, name);

	if (!text || !*text)
		return true;
	if (!str_to_u64(str_of(text), ret) || *ret > max)
		return err_set(err, E_USAGE, "%s=%s; expected a number up to %llu", name, text,
			       (unsigned long long)max);
	return true;
}

static bool
names_check(const struct http_request *req, const char *const *known, struct err *err)
{
	struct str rest = http_query(req), pair, name;

	while (rest.p && rest.len) {
		size_t i = 0;

		rest = str_split(rest, '&', &pair);
		str_split(pair, '=', &name);
		while (known[i] && !str_eq_cstr(name, known[i]))
			i++;
		if (name.len && !known[i])
			return err_set(err, E_USAGE, "unknown parameter %.*s; expected %s or %s",
				       STR_ARG(name), known[0], known[1]);
	}
	return true;
}

bool
api_wants_stream(const struct http_request *req)
{
	struct str rest, one;

	for (size_t i = 0; (rest = http_header(req, "accept", i)).p; i++)
		while (rest.p && rest.len) {
			rest = str_split(rest, ',', &one);
			if (str_starts_nocase(str_trim(one), STR("text/event-stream")))
				return true;
		}
	return false;
}

static void
on_run_events(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const known[] = {"after", "limit", NULL};
	struct api *api = arg;
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(run_row_fini) struct run_row run = {0};
	struct str last_id = str_trim(http_header(req, "last-event-id", 0));
	uint64_t after = 0, limit = LIST_DEFAULT;
	bool stream = api_wants_stream(req);

	if (!names_check(req, known, &err) ||
	    !number_param(req, "after", INT64_MAX, &after, &err) ||
	    !number_param(req, "limit", LIST_MAX, &limit, &err)) {
		http_reply_error(req, &err);
		return;
	}
	if (!limit)
		err_set(&err, E_USAGE, "limit=0; expected a number from 1 to %d", LIST_MAX);
	if (stream && last_id.len && (!str_to_u64(last_id, &after) || after > INT64_MAX))
		err_set(&err, E_USAGE,
			"Last-Event-ID: %.*s; expected the id of an event of this run",
			STR_ARG(last_id));
	if (err.code != E_OK || !runs_get(api->core->store, id, &run, &err))
		http_reply_error(req, &err);
	else if (stream)
		follower_begin(api, req, &run, (int64_t)after, NULL);
	else
		list_answer(api, req, &run, (int64_t)after, limit);
}

/* --- everything ---------------------------------------------------------------------------- */

static const char *const feed_kinds[] = {"run", "change", "gate", "trigger", "log"};

struct feed {
	struct api *api;
	struct http_stream *stream;
	struct subscriber *subscriber;
	struct core_timer *beat;
	char *kind, *id; /* NULL: any */
};

static void
feed_on_over(void *arg)
{
	struct feed *feed = arg;

	stream_unsubscribe(feed->subscriber);
	core_timer_free(feed->beat);
	free(feed->kind);
	free(feed->id);
	free(feed);
}

static void
feed_on_gone(void *arg, struct http_stream *stream)
{
	(void)arg;
	http_stream_end(stream);
}

static void
feed_on_barred(void *arg)
{
	struct feed *feed = arg;

	http_stream_end(feed->stream);
}

static void
feed_on_beat(void *arg)
{
	struct feed *feed = arg;

	beat_write(feed->stream);
	core_timer_arm(feed->api->core, &feed->beat, BEAT_MS, feed_on_beat, feed);
}

static void
copy_member(json_t *to, const json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	json_object_set_new(to, key, value ? json_incref(value) : json_null());
}

/* The whole run, with the state that was told: the row may have gone on already. */
static bool
run_whole(struct core *core, const struct stream_event *event, struct buf *out)
{
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(json_auto_decref) json_t *told = NULL;
	AUTO(json_auto_decref) json_t *object = NULL;

	if (!runs_get(core->store, event->id, &run, NULL) || !json_read(event->data, &told, NULL))
		return false;
	object = run_object(core, &run, false);
	copy_member(object, told, "status");
	copy_member(object, told, "reason");
	json_write(out, object);
	return true;
}

static void
feed_on_event(void *arg, const struct stream_event *event)
{
	struct feed *feed = arg;
	AUTO(buf_fini) struct buf data = BUF_INIT;
	AUTO(buf_fini) struct buf out = BUF_INIT;

	/* Lines of agents are many: for those who ask. */
	if (feed->kind ? strcmp(feed->kind, event->kind) : !strcmp(event->kind, "log"))
		return;
	if (feed->id && (!event->id || strcmp(feed->id, event->id)))
		return;
	if (strcmp(event->kind, "run") || !run_whole(feed->api->core, event, &data))
		buf_add_str(&data, event->data);
	sse_format(&out, NULL, event->kind, buf_str(&data));
	http_stream_write(feed->stream, buf_str(&out));
}

static bool
kind_check(const char *kind, struct err *err)
{
	AUTO(buf_fini) struct buf known = BUF_INIT;

	if (!kind)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(feed_kinds); i++) {
		if (!strcmp(feed_kinds[i], kind))
			return true;
		buf_printf(&known, " %s", feed_kinds[i]);
	}
	return err_set(err, E_USAGE, "kind=%s; expected one of%s", kind, buf_cstr(&known));
}

static void
on_stream(void *arg, struct http_request *req, const struct route_match *match)
{
	static const char *const known[] = {"kind", "id", NULL};
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct feed *feed = mem_alloc(sizeof(*feed));

	(void)match;
	feed->api = api;
	feed->kind = http_query_param(req, "kind");
	feed->id = http_query_param(req, "id");
	api_when_over(req, feed_on_over, feed);
	if (!names_check(req, known, &err) || !kind_check(feed->kind, &err)) {
		http_reply_error(req, &err);
		return;
	}
	feed->stream = sse_begin(req, FEED_LATE_BYTES, feed_on_gone, feed);
	if (str_eq_cstr(http_method(req), "HEAD")) {
		http_stream_end(feed->stream);
		return;
	}
	api_when_barred(req, feed_on_barred, feed);
	feed->subscriber = stream_subscribe(api->core->stream, NULL, feed_on_event, feed);
	core_timer_arm(api->core, &feed->beat, BEAT_MS, feed_on_beat, feed);
	/* So that a client knows that from here on nothing is missed. */
	beat_write(feed->stream);
}

static const struct route routes[] = {
	{"GET", "/v1/runs/{id}/events", "read",
	 "the log of a run: a list, or live as server-sent events", on_run_events},
	{"GET", "/v1/stream", "read", "all that happens, live as server-sent events", on_stream},
};

void
api_stream_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
