/* Unified diffs, applied: every line of a hunk must be as it says. */
/* SPDX-License-Identifier: MIT */
#include "pure/textpatch.h"

#include <string.h>

#include "base/mem.h"

#define LINES_MAX 4000000
/* Places that are tried for hunks that have moved, all hunks of a patch together. */
#define TRIES_MAX 20000000

/* Lines with their line ends; the last may have none. */
struct lines {
	struct str *items;
	size_t count;
};

struct hunk {
	size_t number; /* from 1 */
	size_t line;   /* of the patch, from 1 */
	size_t old_at; /* from 0 */
	size_t old_count, new_count;
	size_t body, body_count; /* its lines in the patch, marks in front */
};

/* A line end, and whether one is there. */
static void
lines_fini(struct lines *lines)
{
	free(lines->items);
}

static bool
lines_cut(struct str text, struct lines *ret, struct err *err)
{
	size_t count = 0, cap = 0;

	*ret = (struct lines){0};
	while (text.len) {
		const char *end = memchr(text.p, '\n', text.len);
		size_t len = end ? (size_t)(end - text.p) + 1 : text.len;

		if (count == cap) {
			void *more;

			cap = cap ? cap * 2 : 64;
			more = cap <= LINES_MAX
				       ? mem_try_realloc(ret->items, cap * sizeof(*ret->items))
				       : NULL;
			if (!more)
				return err_set(err, E_TOO_LARGE, "the text has too many lines");
			ret->items = more;
		}
		ret->items[count++] = str_make(text.p, len);
		text = str_make(text.p + len, text.len - len);
		ret->count = count;
	}
	return true;
}

/* --- the patch ----------------------------------------------------------------------------- */

/* Digits at *at; false when there are none. */
static bool
number_take(struct str line, size_t *at, size_t *ret)
{
	size_t from = *at;
	uint64_t n;

	while (*at < line.len && line.p[*at] >= '0' && line.p[*at] <= '9')
		++*at;
	if (!str_to_u64(str_make(line.p + from, *at - from), &n) || n > LINES_MAX)
		return false;
	*ret = (size_t)n;
	return true;
}

/* "12" or "12,3" */
static bool
range_take(struct str line, size_t *at, size_t *ret_at, size_t *ret_count)
{
	*ret_count = 1;
	if (!number_take(line, at, ret_at))
		return false;
	if (*at >= line.len || line.p[*at] != ',')
		return true;
	++*at;
	return number_take(line, at, ret_count);
}

static bool
literal_take(struct str line, size_t *at, const char *what)
{
	size_t len = strlen(what);

	if (line.len - *at < len || memcmp(line.p + *at, what, len) != 0)
		return false;
	*at += len;
	return true;
}

/* @@ -1,3 +1,4 @@ whatever */
static bool
hunk_head(struct str line, struct hunk *ret)
{
	size_t at = 0, new_at;

	return literal_take(line, &at, "@@ -") &&
	       range_take(line, &at, &ret->old_at, &ret->old_count) &&
	       literal_take(line, &at, " +") && range_take(line, &at, &new_at, &ret->new_count) &&
	       literal_take(line, &at, " @@");
}

/* The lines of a hunk, until it has as many as its head says. */
static bool
hunk_body(const struct lines *patch, size_t *at, struct hunk *hunk, struct err *err)
{
	size_t olds = 0, news = 0;

	hunk->body = *at;
	for (; *at < patch->count; ++*at) {
		struct str line = patch->items[*at];
		/* A blank line that lost its mark on the way through a mailer is context. */
		char mark = *line.p == '\n' ? ' ' : *line.p;

		if (mark == '\\')
			continue;
		if (olds == hunk->old_count && news == hunk->new_count)
			break;
		if (mark != ' ' && mark != '-' && mark != '+')
			return err_set(err, E_INVALID,
				       "line %zu of the diff begins with neither ' ', '-' nor '+', "
				       "and hunk %zu is not complete",
				       *at + 1, hunk->number);
		olds += mark != '+';
		news += mark != '-';
	}
	hunk->body_count = *at - hunk->body;
	if (olds != hunk->old_count || news != hunk->new_count)
		return err_set(err, E_INVALID,
			       "hunk %zu of the diff (line %zu) has %zu and %zu lines; its head "
			       "says %zu and %zu",
			       hunk->number, hunk->line, olds, news, hunk->old_count,
			       hunk->new_count);
	return true;
}

/* The next hunk from line *at on; *ret_is false behind the last. */
static bool
hunk_next(const struct lines *patch, size_t *at, struct hunk *hunk, bool *ret_is, struct err *err)
{
	size_t number = hunk->number;

	*ret_is = false;
	for (; *at < patch->count; ++*at) {
		struct str line = patch->items[*at];

		if (number && (str_starts(line, STR("--- ")) || str_starts(line, STR("diff "))))
			return err_set(err, E_INVALID,
				       "line %zu of the diff begins another file; a change is "
				       "about one",
				       *at + 1);
		if (!str_starts(line, STR("@@")))
			continue;
		*hunk = (struct hunk){.number = number + 1, .line = *at + 1};
		if (!hunk_head(line, hunk))
			return err_set(err, E_INVALID,
				       "line %zu of the diff is no head of a hunk; expected @@ "
				       "-LINE,COUNT +LINE,COUNT @@",
				       *at + 1);
		hunk->old_at -= hunk->old_count && hunk->old_at ? 1 : 0;
		++*at;
		*ret_is = true;
		return hunk_body(patch, at, hunk, err);
	}
	return number || err_set(err, E_INVALID,
				 "the diff has no hunk; expected @@ -LINE,COUNT "
				 "+LINE,COUNT @@");
}

bool
textpatch_check(struct str patch, struct err *err)
{
	AUTO(lines_fini) struct lines lines;
	struct hunk hunk = {0};
	size_t at = 0;
	bool is = true;

	if (!lines_cut(patch, &lines, err))
		return false;
	while (is)
		if (!hunk_next(&lines, &at, &hunk, &is, err))
			return false;
	return true;
}

/* --- on a text ----------------------------------------------------------------------------- */

/* The text of a line of the patch: without its mark, and without its line end where "\ No newline"
 * follows. */
static struct str
body_text(const struct lines *patch, size_t at)
{
	struct str line = patch->items[at];

	if (*line.p != '\n')
		line = str_make(line.p + 1, line.len - 1);
	if (at + 1 < patch->count && *patch->items[at + 1].p == '\\' && line.len &&
	    line.p[line.len - 1] == '\n')
		line.len--;
	return line;
}

static char
body_mark(const struct lines *patch, size_t at)
{
	char mark = *patch->items[at].p;

	return mark == '\n' ? ' ' : mark;
}

/* The last line of a patch may have lost its line end; of a text it may never have had one. */
static bool
same_line(struct str text, struct str wanted, bool is_last)
{
	if (str_eq(text, wanted))
		return true;
	return is_last && wanted.len + 1 == text.len && text.p[text.len - 1] == '\n' &&
	       !memcmp(text.p, wanted.p, wanted.len);
}

static bool
hunk_fits(const struct lines *text, const struct lines *patch, const struct hunk *hunk, size_t at)
{
	if (at > text->count || hunk->old_count > text->count - at)
		return false;
	for (size_t i = hunk->body; i < hunk->body + hunk->body_count; i++) {
		char mark = body_mark(patch, i);

		if (mark != ' ' && mark != '-')
			continue;
		if (!same_line(text->items[at++], body_text(patch, i), i + 1 == patch->count))
			return false;
	}
	return true;
}

/* Its own place (what earlier hunks moved counted in), else the only other one behind `from`. */
static bool
hunk_find(const struct lines *text, const struct lines *patch, const struct hunk *hunk, size_t from,
	  size_t guess, size_t *tries, size_t *ret, struct err *err)
{
	size_t found = 0;

	if (guess >= from && hunk_fits(text, patch, hunk, guess)) {
		*ret = guess;
		return true;
	}
	for (size_t at = from; hunk->old_count && at + hunk->old_count <= text->count && found < 2;
	     at++) {
		if (!--*tries)
			return err_set(
				err, E_TOO_LARGE,
				"the diff fits so badly that looking for its places was given up");
		if (hunk_fits(text, patch, hunk, at)) {
			*ret = at;
			found++;
		}
	}
	if (found == 1)
		return true;
	return err_set(err, E_DRIFT, "hunk %zu of the diff (line %zu) fits %s", hunk->number,
		       hunk->line, found ? "in more than one place" : "nowhere");
}

/* What becomes of the text. */
struct making {
	struct buf *out;
	size_t start; /* of what is made, in out */
	bool closed;  /* the diff says that its last line has no end: nothing may follow */
};

static bool
line_add(struct making *making, struct str line, struct err *err)
{
	if (!line.len)
		return true;
	if (making->closed)
		return err_set(err, E_DRIFT,
			       "the diff takes the end from a line that is not the last");
	/* The last line of the diff lost its own on the way. */
	if (making->out->len > making->start && making->out->data[making->out->len - 1] != '\n')
		buf_putc(making->out, '\n');
	buf_add_str(making->out, line);
	return true;
}

static bool
lines_add(struct making *making, const struct lines *text, size_t *done, size_t until,
	  struct err *err)
{
	for (; *done < until; ++*done)
		if (!line_add(making, text->items[*done], err))
			return false;
	return true;
}

static bool
hunk_write(const struct lines *text, const struct lines *patch, const struct hunk *hunk, size_t at,
	   struct making *making, struct err *err)
{
	for (size_t i = hunk->body; i < hunk->body + hunk->body_count; i++) {
		char mark = body_mark(patch, i);
		struct str added = mark == '+' ? body_text(patch, i) : STR("");

		if (!line_add(making, mark == ' ' ? text->items[at] : added, err))
			return false;
		if (mark == '+' && i + 1 < patch->count && *patch->items[i + 1].p == '\\')
			making->closed = true;
		if (mark == '-' || mark == ' ')
			at++;
	}
	return true;
}

static bool
hunks_apply(const struct lines *have, const struct lines *patch, struct making *making,
	    struct err *err)
{
	struct hunk hunk = {0};
	size_t at = 0, done = 0, place = 0, moved = 0, tries = TRIES_MAX;
	bool is;

	for (;;) {
		if (!hunk_next(patch, &at, &hunk, &is, err))
			return false;
		if (!is)
			return lines_add(making, have, &done, have->count, err);
		/* moved wraps where lines went; the sum is right all the same. */
		if (!hunk_find(have, patch, &hunk, done, hunk.old_at + moved, &tries, &place, err))
			return false;
		moved = place - hunk.old_at;
		if (!lines_add(making, have, &done, place, err) ||
		    !hunk_write(have, patch, &hunk, place, making, err))
			return false;
		done = place + hunk.old_count;
	}
}

bool
textpatch_apply(struct str text, struct str patch, struct buf *out, struct err *err)
{
	AUTO(lines_fini) struct lines have;
	AUTO(lines_fini) struct lines lines = {0};
	struct making making = {.out = out, .start = out->len};

	if (!lines_cut(text, &have, err) || !lines_cut(patch, &lines, err))
		return false;
	if (!buf_try_reserve(out, text.len + patch.len))
		return err_set(err, E_FULL, "no memory for %zu bytes", text.len + patch.len);
	if (hunks_apply(&have, &lines, &making, err))
		return true;
	buf_truncate(out, making.start);
	return false;
}
