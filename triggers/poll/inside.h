/* One resource that is looked at: shared by the files of this folder. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_POLL_INSIDE_H
#define ROUSE_TRIGGERS_POLL_INSIDE_H

#include "core/source.h"
#include "triggers/poll/poll.h"

enum poll_changed { CHANGED_ETAG, CHANGED_BODY, CHANGED_JQ };

/* What was there when it was last looked at, kept as the trigger's cursor. */
struct known {
	bool is;	/* it was looked at before, with these settings */
	int64_t count;	/* changes so far */
	char *identity; /* what tells one state from another: "etag:...", "sha256:..." */
	char *etag, *modified, *sha256; /* NULL */
};
void known_fini(struct known *known);
void known_copy(struct known *to, const struct known *from);
/* print: of the settings that it belongs to. */
void known_print(const struct known *known, const char *print, struct buf *out);
/* What is another trigger's, damaged or of other settings is not known. */
void known_parse(struct str text, const char *print, struct known *ret);

struct look;

struct poll {
	struct source source; /* first */
	struct core_timer *timer;
	struct known known;
	char print[17];
	enum poll_changed changed;
	int64_t interval_ms, jitter_ms, timeout_ms, max_body;
	int max_redirects;
	bool initial, allow_private, resting;
	char *url, *value; /* value: the jq program; NULL */
	char **headers;	   /* of the configuration; NULL at the end */
	unsigned failures; /* one after another */
	struct wall next;
	struct look *look; /* the one under way; NULL */
};

extern const struct conf_table *const poll_tables[];
/* Settings into the poll. What only the start can know (a secret) fails it. */
bool poll_configure(struct poll *poll, const struct conf_section *section, struct err *err);
void poll_unconfigure(struct poll *poll);

/* Begins a look; exactly one of the two below follows, unless look_abandon() comes first. */
void look_begin(struct poll *poll);
void look_abandon(struct look *look);
void poll_is_fine(struct poll *poll);
/* wait_ms: the server's own word, at least so long; 0: none. */
void poll_has_failed(struct poll *poll, int64_t wait_ms, const char *why);

#endif
