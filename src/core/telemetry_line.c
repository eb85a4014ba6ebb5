/* Telemetry: one body on its way, again and again where that helps. OTLP/HTTP, its answers. */
/* SPDX-License-Identifier: MIT */
#include "core/telemetry_inside.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/uuid.h"
#include "core/metrics.h"
#include "io/fetch.h"
#include "pure/backoff.h"
#include "pure/http_date.h"
#include "pure/otlp.h"

#define ANSWER_MAX (64 << 10)
#define RETRY_AFTER_MAX_MS 600000
#define SENTENCE_MAX 200

static const struct backoff pauses = {
	.base_ms = 1000, .factor = 2, .cap_ms = 60000, .jitter = BACKOFF_FULL};
/* Full jitter may draw nothing: who is away is not asked at once. */
#define PAUSE_MIN_MS 200

/* What the specification lets be tried again; all else stays as it is. */
static const int again_statuses[] = {429, 502, 503, 504};

void
line_init(struct telemetry_line *line, struct core *core, const char *signal,
	  void (*on_end)(void *arg, enum line_end end), void *arg)
{
	*line = (struct telemetry_line){
		.core = core, .signal = signal, .on_end = on_end, .arg = arg};
}

void
line_stop(struct telemetry_line *line)
{
	fetch_cancel(line->fetch);
	line->fetch = NULL;
	core_timer_stop(line->again);
	buf_fini(&line->body);
	line->busy = false;
}

void
line_fini(struct telemetry_line *line)
{
	line_stop(line);
	core_timer_free(line->again);
	line->again = NULL;
}

/* One line until it goes well: a receiver that is away for a night must not fill the log. */
static void
complain(struct telemetry_line *line, const char *what, const char *text)
{
	if (line->complained)
		return;
	line->complained = true;
	log_warning(what, "signal", line->signal, "error", text);
}

void
line_drop(struct telemetry_line *line, uint64_t items, const char *reason, const char *text)
{
	if (!items)
		return;
	metrics_count(line->core->metrics, "rouse_telemetry_dropped_total", "signal", line->signal,
		      "reason", reason, (double)items);
	complain(line, "telemetry is lost", text);
}

static void
line_end(struct telemetry_line *line, enum line_end end)
{
	buf_fini(&line->body);
	line->busy = false;
	line->failures = 0;
	line->on_end(line->arg, end);
}

static void
line_taken(struct telemetry_line *line, struct str answer)
{
	AUTO(buf_fini) struct buf message = BUF_INIT, text = BUF_INIT;
	int64_t rejected = otlp_rejected(answer, &message);

	if ((uint64_t)rejected > line->items)
		rejected = (int64_t)line->items;
	metrics_count(line->core->metrics, "rouse_telemetry_sent_total", "signal", line->signal,
		      NULL, NULL, (double)(line->items - (uint64_t)rejected));
	if (rejected) {
		buf_printf(&text, "the receiver took not %" PRId64 " of %" PRIu64 "%s%s", rejected,
			   line->items, message.len ? ": " : "", buf_cstr(&message));
		line_drop(line, (uint64_t)rejected, "rejected", buf_cstr(&text));
	} else if (line->complained) {
		line->complained = false;
		log_info("telemetry is taken again", "signal", line->signal);
	}
	line_end(line, LINE_TAKEN);
}

/* More words than anybody needs are let go by. */
static enum fetch_part
on_part(void *arg, const struct fetch_answer *head, struct str piece)
{
	struct telemetry_line *line = arg;

	(void)head;
	line->heard += piece.len;
	return line->heard > ANSWER_MAX ? FETCH_TOOK : FETCH_KEEP;
}

static void line_try(void *arg);

static void
line_again(struct telemetry_line *line, int64_t wanted_ms, const char *text)
{
	int64_t pause = backoff_delay(&pauses, ++line->failures, entropy_below(UINT64_MAX));

	complain(line, "telemetry is not taken now; it is tried again", text);
	if (line->core->telemetry)
		line->core->telemetry->gave_up = line->core->telemetry->drains;
	if (pause < PAUSE_MIN_MS)
		pause = PAUSE_MIN_MS;
	core_timer_arm(line->core, &line->again, wanted_ms > pause ? wanted_ms : pause, line_try,
		       line);
}

static bool
is_again(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(again_statuses); i++)
		if (again_statuses[i] == status)
			return true;
	return false;
}

static void
on_answer(void *arg, const struct fetch_answer *answer, struct err *err)
{
	struct telemetry_line *line = arg;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	int64_t wanted = 0;

	line->fetch = NULL;
	if (!answer) {
		line_again(line, 0, err_text(err));
		return;
	}
	if (answer->status >= 200 && answer->status < 300) {
		line_taken(line, answer->body);
		return;
	}
	buf_printf(&text, "the receiver answered %d%s%.*s", answer->status,
		   answer->body.len ? ": " : "",
		   (int)(answer->body.len > SENTENCE_MAX ? SENTENCE_MAX : answer->body.len),
		   answer->body.p ? answer->body.p : "");
	if (is_again(answer->status)) {
		retry_after_parse(answer->retry_after, core_wall(line->core), RETRY_AFTER_MAX_MS,
				  &wanted);
		line_again(line, wanted, buf_cstr(&text));
	} else if (answer->status == 413 && line->items > 1) {
		line_end(line, LINE_TOO_LARGE);
	} else {
		line_drop(line, line->items, "refused", buf_cstr(&text));
		line_end(line, LINE_REFUSED);
	}
}

static void
line_try(void *arg)
{
	struct telemetry_line *line = arg;
	const struct telemetry *telemetry = line->core->telemetry;
	AUTO(buf_fini) struct buf url = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct fetch_spec spec = {.method = "POST",
				  .headers = (const char *const *)telemetry->headers,
				  .body = buf_str(&line->body),
				  .timeout_ms = telemetry->timeout_ms,
				  .connect_timeout_ms = telemetry->timeout_ms,
				  .max_body = ANSWER_MAX,
				  .on_part = on_part,
				  .private_addresses = true,
				  /* Under the same ids: who has them knows them. */
				  .repeatable = true};

	line->heard = 0;
	buf_cat(&url, telemetry->url, "/v1/", line->signal);
	spec.url = buf_cstr(&url);
	line->fetch = fetch_start(line->core->fetch, &spec, on_answer, line, &err);
	if (!line->fetch)
		line_again(line, 0, err_text(&err));
}

void
line_send(struct telemetry_line *line, struct buf *take_body, uint64_t items)
{
	line->body = *take_body;
	*take_body = (struct buf)BUF_INIT;
	line->items = items;
	line->busy = true;
	core_timer_arm(line->core, &line->again, 0, line_try, line);
}
