/* How notifications travel: the vtable of plugins/notify/. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_NOTIFY_KIND_H
#define ROUSE_CORE_NOTIFY_KIND_H

#include "core/notify.h"

/* Lives while it is being sent. */
struct notify_message {
	const char *id; /* the same at every try */
	const char *notify;
	const char *event;   /* a word of `on`, test, or digest where it tells of several things */
	const char *subject; /* one line */
	struct str text;     /* for people, lines of at most some hundred bytes */
	struct str json;     /* {"type","timestamp","data"}, as Standard Webhooks has it */
	struct wall at;
	int attempt; /* from 1 */
	int64_t timeout_ms;
};

/* A message under way. */
struct notify_job;

struct notify_result {
	bool sent;
	bool never;		/* not sent, and it makes no sense to try again */
	int64_t retry_after_ms; /* the other side's own word; 0 */
};

struct notify_kind {
	const char *name;
	const struct conf_table *table;
	/* Begins sending; notify_done(job) follows, once, not from within. False: err says why, and
	 * notify_done is not called. section lives only until it returns. */
	bool (*send)(struct core *core, const struct conf_section *section,
		     const struct notify_message *message, struct notify_job *job, struct err *err);
};

/* err: why it was not sent. */
void notify_done(struct notify_job *job, const struct notify_result *result, const struct err *err);

/* NULL-terminated; before the first configuration is read. */
void notify_set_kinds(const struct notify_kind *const *kinds);
void notify_schema(struct conf_schema *schema);

/* --- notify_text.c, for notify*.c alone --- */

struct notice_row;
/* A message put together of notices. */
struct notify_draft {
	struct core *core;
	const char *notify, *id;
	struct wall at;
	bool links;	 /* may it have links that decide? */
	json_t *notices; /* as given to the other side */
	struct buf subject, text, json;
	const char *event;
};
void draft_init(struct notify_draft *draft, struct core *core, const char *notify, const char *id,
		struct wall at, bool links);
void draft_add(struct notify_draft *draft, const struct notice_row *row);
/* subject, text, json and event are there. */
void draft_end(struct notify_draft *draft);
void draft_fini(struct notify_draft *draft);

const char *notify_word(enum notify_event event);
/* s as part of a line: control characters and what cannot be seen replaced, at most max bytes. */
void notify_line(struct buf *out, const char *s, size_t max);

#endif
