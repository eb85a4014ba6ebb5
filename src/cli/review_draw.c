/* rouse review: what stands on the screen. */
/* SPDX-License-Identifier: MIT */
#include "cli/review.h"

#include <stdio.h>
#include <string.h>

#include "cli/diff.h"
#include "cli/text.h"
#include "cli/tty.h"

static const char *const help_lines[] = {
	"Each change is shown with what it was and what it would be; what needs eyes",
	"comes first. A decision is kept at once: leave whenever you like, and",
	"go on later where you stopped.",
	"",
	"  a        accept it                      A   accept all that are like it",
	"  r        reject it, with a reason       R   reject all that are like it",
	"  e        edit what it would make, in $EDITOR",
	"  s, right skip it: the next              p, left  the one before",
	"  u        take the last decision back",
	"",
	"  space, b  a page on, back               j k, arrows  a line",
	"  g G       the first, the last change",
	"  /         search in what changes say    n N  again, backwards",
	"  f, &      filter: a jq program over a change, as .confidence < 0.8;",
	"            empty: all again",
	"  Ctrl-L    draw the screen anew          Ctrl-Z  stop; fg goes on",
	"  q, Ctrl-C leave",
	"",
	"Like it: same target, same op, same fields. Any key goes on.",
};

unsigned
review_rows(void)
{
	unsigned columns, rows;

	tty_size(&columns, &rows);
	return rows > 4 ? rows - 3 : 1;
}

/* Lines that are too wide go on in the next one. The only controls in it are our own colours. */
static void
wrap(struct str text, unsigned width, struct buf *out)
{
	unsigned used = 0;

	while (text.len) {
		size_t len = 1;
		unsigned columns = 0;

		if (*text.p == '\x1b') {
			while (len < text.len && text.p[len - 1] != 'm')
				len++;
		} else if (*text.p != '\n') {
			columns = text_point_width(text_decode(text, &len));
		}
		if (used + columns > width) {
			buf_putc(out, '\n');
			used = 0;
		}
		used = *text.p == '\n' ? 0 : used + columns;
		buf_add(out, text.p, len);
		text = str_make(text.p + len, text.len - len);
	}
}

void
review_lay_out(struct review *review)
{
	struct print print = {.fd = -1, .colour = review->cli->out.colour};
	struct err ignored = ERR_INIT;
	json_t *item = review_item(review, &ignored);
	unsigned rows;

	err_fini(&ignored);
	tty_size(&print.width, &rows);
	buf_clear(&review->body);
	if (item)
		diff_print_change(&print, item);
	else
		print_f(&print, "Nothing is proposed%s.\n",
			review->filter ? " for which the filter is true" : "");
	if (item && json_str(item, "decided_by")) {
		print_f(&print, "    decided by ");
		print_text(&print, json_str(item, "decided_by"));
		print_f(&print, "\n");
	}
	wrap(buf_str(&print.buf), print.width, &review->body);
	print_fini(&print);
	review->lines = 0;
	for (size_t i = 0; i < review->body.len; i++)
		review->lines += review->body.data[i] == '\n';
}

static void
head_text(const struct review *review, struct buf *out)
{
	const char *name =
		json_str(review->head, "batch") ? json_str(review->head, "batch") : review->word;

	buf_puts(out, " ");
	if (review->total)
		buf_printf(out, "%llu of %llu", (unsigned long long)review->at + 1,
			   (unsigned long long)review->total);
	else
		buf_puts(out, "none");
	if (review->accepted || review->rejected)
		buf_printf(out, "  accepted %llu, rejected %llu",
			   (unsigned long long)review->accepted,
			   (unsigned long long)review->rejected);
	buf_puts(out, "  ");
	text_escape(out, str_of(name ? name : "all"));
	if (review->filter) {
		buf_puts(out, "  filter: ");
		text_escape(out, str_of(review->filter));
	}
}

/* Lines from the scroll on, so many as there is room. */
static void
body_add(const struct review *review, struct buf *out, unsigned rows)
{
	struct str rest = buf_str(&review->body), line;
	size_t at = 0, shown = 0;

	while (rest.p && shown < rows) {
		rest = str_split(rest, '\n', &line);
		if (at++ < review->scroll)
			continue;
		buf_add_str(out, line);
		buf_putc(out, '\n');
		shown++;
	}
	for (; shown < rows; shown++)
		buf_puts(out, "\n");
}

static bool
draw(struct review *review, const struct buf *foot, int cursor, struct err *err)
{
	static const char keys[] = "a accept  r reject  e edit  s skip  A all like this  u undo  / "
				   "search  ? help  q quit";
	AUTO(buf_fini) struct buf out = BUF_INIT, head = BUF_INIT, last = BUF_INIT;
	unsigned columns, rows, room = review_rows();

	tty_size(&columns, &rows);
	head_text(review, &head);
	tty_bar(&out, columns, true, buf_str(&head));
	if (review->help)
		for (unsigned i = 0; i < room; i++) {
			AUTO(buf_fini) struct buf line = BUF_INIT;

			if (i < ARRAY_LEN(help_lines))
				buf_puts(&line, help_lines[i]);
			tty_bar(&out, columns, false, buf_str(&line));
		}
	else
		body_add(review, &out, room);
	tty_bar(&out, columns, false, buf_str(foot));
	if (review->lines > review->scroll + room && !review->help)
		buf_printf(&last, "-- more (space) --  ");
	buf_puts(&last, keys);
	tty_bar(&out, columns, !review->cli->out.colour, buf_str(&last));
	return tty_draw(buf_str(&out), cursor < 0 ? -1 : (int)room + 1,
			cursor < (int)columns ? cursor : (int)columns - 1, err);
}

bool
review_draw(struct review *review, struct err *err)
{
	return draw(review, &review->message, -1, err);
}

static void
utf8_put(struct buf *out, int key)
{
	char bytes[5];
	int len = key < 0x80 ? 1 : key < 0x800 ? 2 : key < 0x10000 ? 3 : 4;
	static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (int i = len; i-- > 1; key >>= 6)
		bytes[i] = (char)(0x80 | (key & 0x3f));
	bytes[0] = (char)(heads[len] | key);
	buf_add(out, bytes, (size_t)len);
}

bool
review_ask(struct review *review, const char *question, struct buf *ret, struct err *err)
{
	for (;;) {
		AUTO(buf_fini) struct buf line = BUF_INIT;
		int key;

		buf_puts(&line, question);
		text_escape(&line, buf_str(ret));
		if (!draw(review, &line, (int)text_width(buf_str(&line)), err))
			return false;
		key = tty_key(-1);
		if (key == KEY_ENTER)
			return true;
		if (key == KEY_GONE)
			review->over = true;
		if (key == KEY_GONE || key == KEY_ESCAPE || key == KEY_CTRL('c') ||
		    key == KEY_CTRL('g'))
			return false;
		if (key == KEY_RESIZE)
			review_lay_out(review);
		else if (key == KEY_CTRL('u'))
			buf_clear(ret);
		else if (key == KEY_BACKSPACE)
			while (ret->len) {
				bool more = ((unsigned char)ret->data[ret->len - 1] & 0xc0) == 0x80;

				buf_truncate(ret, ret->len - 1);
				if (!more)
					break;
			}
		else if (key >= ' ' && key < KEY_UP && ret->len < 4000)
			utf8_put(ret, key);
	}
}

bool
review_confirm(struct review *review, const char *question, bool *ret_yes, struct err *err)
{
	AUTO(buf_fini) struct buf line = BUF_INIT;
	int key;

	buf_printf(&line, "%s [y/N] ", question);
	*ret_yes = false;
	do {
		if (!draw(review, &line, (int)text_width(buf_str(&line)), err))
			return false;
		key = tty_key(-1);
		if (key == KEY_RESIZE)
			review_lay_out(review);
	} while (key == KEY_RESIZE);
	if (key == KEY_GONE)
		review->over = true;
	*ret_yes = key == 'y' || key == 'Y';
	return true;
}
