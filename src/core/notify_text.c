/* Notifications: what people read. Short, and with the command that does something about it. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/json.h"
#include "core/gather.h"
#include "core/link.h"
#include "core/notify_kind.h"
#include "pure/unseen.h"
#include "store/notices.h"
#include "store/state.h"

/* Of a long list the first: the others are counted. */
#define SHOWN_MAX 50
#define INDENT "    "

static const struct {
	const char *word, *one, *many;
} nouns[] = {
#define X(id, word, one, many) {word, one, many},
	NOTIFY_EVENTS_LIST(X)
#undef X
};
static_assert(ARRAY_LEN(nouns) == NOTIFY_EVENTS, "a noun for every event");

void
notify_line(struct buf *out, const char *s, size_t max)
{
	struct str rest = str_of(s);
	size_t start = out->len;

	while (rest.len) {
		uint32_t code;
		size_t len = str_utf8_next(rest, &code);

		if (out->len - start + 8 > max) {
			buf_puts(out, "…");
			return;
		}
		if (len && !char_is_unseen(code))
			buf_add(out, rest.p, len);
		else if (len && (code == ' ' || code == '\n' || code == '\t' || code == 0xa0))
			buf_putc(out, ' ');
		else if (len)
			buf_printf(out, "<U+%04X>", (unsigned)code);
		else
			buf_puts(out, "\xef\xbf\xbd");
		len = len ? len : 1;
		rest = str_make(rest.p + len, rest.len - len);
	}
}

void
draft_init(struct notify_draft *draft, struct core *core, const char *notify, const char *id,
	   struct wall at, bool links)
{
	*draft = (struct notify_draft){.core = core,
				       .notify = notify,
				       .id = id,
				       .at = at,
				       .links = links,
				       .notices = json_array()};
}

void
draft_fini(struct notify_draft *draft)
{
	json_decref(draft->notices);
	buf_fini(&draft->subject);
	buf_fini(&draft->text);
	buf_fini(&draft->json);
	draft->notices = NULL;
}

/* --- one notice ---------------------------------------------------------------------------- */

static void
put_link(struct notify_draft *draft, const struct gate_row *gate, json_t *links,
	 const char *decision)
{
	AUTO(buf_fini) struct buf url = BUF_INIT;

	if (link_url(draft->core, gate, decision, draft->notify, &url))
		json_put_str(links, decision, buf_cstr(&url));
}

/* Whether it still waits, and by what it may be decided. */
static void
put_gate(struct notify_draft *draft, json_t *object, const char *id)
{
	AUTO(gate_row_fini) struct gate_row gate = {0};
	json_t *links;

	if (!gates_get(draft->core->store, id, &gate, NULL))
		return;
	json_put_str(object, "status", gate.status);
	json_put_str(object, "decision", gate.decision);
	json_put_str(object, "by", gate.decided_by);
	json_put_wall(object, "expires", gather_wall(draft->core, gate.expires).ms);
	if (!draft->links || strcmp(gate.status, "waiting") || strcmp(gate.kind, "approval"))
		return;
	links = json_object();
	if (!gate.allow || strstr(gate.allow, "accept"))
		put_link(draft, &gate, links, "approve");
	put_link(draft, &gate, links, "deny");
	if (json_object_size(links))
		json_object_set_new(object, "links", links);
	else
		json_decref(links);
}

void
draft_add(struct notify_draft *draft, const struct notice_row *row)
{
	json_t *object = NULL;

	if (!json_read(str_of(row->data), &object, NULL))
		object = json_object();
	json_put_str(object, "event", row->event);
	json_object_set_new(object, "count", json_integer(row->n));
	json_put_wall(object, "first", row->first.ms);
	json_put_wall(object, "last", row->last.ms);
	if (json_str(object, "gate"))
		put_gate(draft, object, json_str(object, "gate"));
	json_array_append_new(draft->notices, object);
}

/* --- the whole ----------------------------------------------------------------------------- */

static int64_t
count_of(const struct notify_draft *draft, const char *event)
{
	int64_t count = 0;
	size_t i;
	json_t *notice;

	json_array_foreach (draft->notices, i, notice)
		if (!strcmp(json_str(notice, "event"), event))
			count += json_int(notice, "count", 1);
	return count;
}

/* "3 questions, 812 failed runs" */
static void
counts_write(const struct notify_draft *draft, struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < ARRAY_LEN(nouns); i++) {
		int64_t count = i && !strcmp(nouns[i - 1].word, nouns[i].word)
					? 0
					: count_of(draft, nouns[i].word);

		if (count)
			buf_printf(out, "%s%" PRId64 " %s", first ? "" : ", ", count,
				   count == 1 ? nouns[i].one : nouns[i].many);
		first &= !count;
	}
}

static void
member_write(struct buf *out, const char *head, const char *text)
{
	if (text)
		buf_cat(out, INDENT, head, text, "\n");
}

static void
count_write(struct buf *out, const json_t *notice)
{
	if (json_int(notice, "count", 1) > 1)
		buf_printf(out, " (%" PRId64 " times since %s; this was the first)",
			   json_int(notice, "count", 1), json_str(notice, "first"));
}

static void
notice_write(struct buf *out, const json_t *notice)
{
	const char *status = json_str(notice, "status"), *subject = json_str(notice, "subject");
	const json_t *links = json_object_get(notice, "links");
	bool waits = status && !strcmp(status, "waiting");

	buf_cat(out, "* ", subject ? subject : json_str(notice, "event"));
	count_write(out, notice);
	buf_putc(out, '\n');
	member_write(out, "", json_str(notice, "text"));
	if (waits)
		member_write(out, "Until: ", json_str(notice, "expires"));
	else if (status && json_str(notice, "decision"))
		buf_cat(out, INDENT, "Meanwhile: ", json_str(notice, "decision"), " by ",
			json_str(notice, "by") ? json_str(notice, "by") : "rouse", "\n");
	member_write(out, "$ ", json_str(notice, "command"));
	member_write(out, "Approve: ", json_str(links, "approve"));
	member_write(out, "Deny:    ", json_str(links, "deny"));
	buf_putc(out, '\n');
}

static void
text_write(struct notify_draft *draft, const char *host)
{
	size_t count = json_array_size(draft->notices), shown = 0;

	if (count > 1) {
		counts_write(draft, &draft->text);
		buf_puts(&draft->text, "\n\n");
	}
	/* What waits for a person first. */
	for (size_t e = 0; e < ARRAY_LEN(nouns); e++) {
		size_t i;
		json_t *notice;

		if (e && !strcmp(nouns[e - 1].word, nouns[e].word))
			continue;
		json_array_foreach (draft->notices, i, notice)
			if (!strcmp(json_str(notice, "event"), nouns[e].word) &&
			    ++shown <= SHOWN_MAX)
				notice_write(&draft->text, notice);
	}
	if (shown > SHOWN_MAX)
		buf_printf(&draft->text, "... and %zu more.\n\n", shown - SHOWN_MAX);
	buf_printf(&draft->text,
		   "All that waits for a person: rouse inbox\n"
		   "-- \nRouse on %s, [notify %s]\n",
		   host, draft->notify);
}

static void
json_make(struct notify_draft *draft, const char *host)
{
	AUTO(json_auto_decref) json_t *object = json_object();
	AUTO(buf_fini) struct buf type = BUF_INIT;
	json_t *data = json_object();

	buf_cat(&type, "rouse.", draft->event);
	json_put_str(object, "type", buf_cstr(&type));
	json_put_wall(object, "timestamp", draft->at.ms);
	json_put_str(data, "id", draft->id);
	json_put_str(data, "notify", draft->notify);
	json_put_str(data, "host", host);
	json_put_str(data, "subject", buf_cstr(&draft->subject));
	json_put_str(data, "text", buf_cstr(&draft->text));
	json_object_set(data, "notices", draft->notices);
	json_object_set_new(object, "data", data);
	json_write(&draft->json, object);
}

void
draft_end(struct notify_draft *draft)
{
	const json_t *first = json_array_get(draft->notices, 0);
	size_t count = json_array_size(draft->notices);
	char host[65] = "?";

	if (gethostname(host, sizeof(host) - 1))
		host[0] = '?';
	draft->event = count == 1 ? json_str(first, "event") : "digest";
	buf_puts(&draft->subject, "Rouse: ");
	if (count == 1 && json_int(first, "count", 1) == 1 && json_str(first, "subject"))
		buf_puts(&draft->subject, json_str(first, "subject"));
	else
		counts_write(draft, &draft->subject);
	text_write(draft, host);
	json_make(draft, host);
}
