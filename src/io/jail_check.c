/* Checking jq programs, of a configuration that waits for it: many in one go. */
/* SPDX-License-Identifier: MIT */
#include "io/jail_check.h"

#include <poll.h>
#include <stdlib.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/map.h"
#include "io/jail_helper.h"

/* jq reads its own library for every program, which takes it some 20 ms: "(a), (b), (c)" lets it
 * read that once. */
enum {
	CHECK_MS = 5000,
	CHECK_IDLE_S = 5, /* then the helper goes */
	GROUP_BYTES = 32 << 10,
	WRONG_MAX = 50, /* looked for one by one */
	KNOWN_MAX = 200000,
	KNOWN_BYTES = 16 << 20,
	NESTING_MAX = 64,
};

struct known {
	UT_hash_handle hh;
	char text[];
};

struct jail_checker {
	struct event_base *base;
	const char *path;
	struct helper *helper;
	struct event *idle;
	struct known *known; /* to compile */
	size_t known_bytes;
};

/* A form that programs of many share. */
struct candidate {
	UT_hash_handle hh;
	char *text;
	bool wrong, unseen;
	struct err err; /* of unseen ones */
};

static void
on_idle(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct jail_checker *checker = arg;

	helper_close(checker->helper);
	checker->helper = NULL;
}

struct jail_checker *
jail_checker_new(struct event_base *base, const char *program_path)
{
	struct jail_checker *checker = mem_alloc(sizeof(*checker));

	checker->base = base;
	checker->path = program_path;
	checker->idle = evtimer_new(base, on_idle, checker);
	if (!checker->idle)
		abort(); /* out of memory */
	return checker;
}

static void
known_clear(struct jail_checker *checker)
{
	struct known *known, *next;

	HASH_ITER (hh, checker->known, known, next) {
		HASH_DEL(checker->known, known);
		free(known);
	}
	checker->known_bytes = 0;
}

void
jail_checker_free(struct jail_checker *checker)
{
	known_clear(checker);
	helper_close(checker->helper);
	event_free(checker->idle);
	free(checker);
}

static bool
is_known(const struct jail_checker *checker, const char *text)
{
	struct known *known;

	HASH_FIND_STR(checker->known, text, known);
	return known;
}

static void
known_add(struct jail_checker *checker, const char *text)
{
	size_t len = strlen(text);
	struct known *known;

	if (is_known(checker, text))
		return;
	if (HASH_COUNT(checker->known) >= KNOWN_MAX || checker->known_bytes + len > KNOWN_BYTES)
		known_clear(checker);
	known = mem_alloc(sizeof(*known) + len + 1);
	memcpy(known->text, text, len + 1);
	checker->known_bytes += len;
	HASH_ADD_KEYPTR(hh, checker->known, known->text, len, known);
}

/* --- asking --- */

static void
on_helper_exit(void *arg, int wait_status UNUSED)
{
	on_idle(-1, 0, arg);
}

/* False when it died or took too long: err says so. */
static bool
answer_wait(struct helper *helper, struct jail_frame *ret, struct str *ret_body, struct err *err)
{
	int64_t until = clock_mono(clock_system()).ms + CHECK_MS, left;
	bool alive = true, broken = false;

	while (alive && (left = until - clock_mono(clock_system()).ms) > 0) {
		struct pollfd fd = {helper->fd,
				    (short)(POLLIN | (helper_has_more(helper) ? POLLOUT : 0)), 0};

		if (poll(&fd, 1, (int)left) < 0)
			continue;
		alive = (!(fd.revents & POLLOUT) || helper_write(helper)) &&
			(!(fd.revents & (POLLIN | POLLHUP)) || helper_read(helper));
		if (helper_take(helper, ret, ret_body, &broken))
			return true;
		alive = alive && !broken;
	}
	return err_set(err, alive ? E_TIMEOUT : E_INVALID,
		       "the jq program cannot be compiled within 1 s of CPU and 64 MiB");
}

static bool
text_check(struct jail_checker *checker, struct str text, struct err *err)
{
	struct timeval idle = {CHECK_IDLE_S, 0};
	struct jail_frame frame = {0};
	struct str body = STR_NONE;

	if (!checker->helper)
		checker->helper = helper_open(checker->base, &jail_jq, checker->path,
					      on_helper_exit, checker, err);
	if (!checker->helper) {
		if (err)
			err->code = E_UNAVAILABLE;
		return false;
	}
	helper_put(checker->helper, JAIL_PROGRAM, 0, 0, text);
	helper_put(checker->helper, JAIL_RUN, 1, 0, STR(""));
	event_add(checker->idle, &idle);
	if (!answer_wait(checker->helper, &frame, &body, err)) {
		on_idle(-1, 0, checker);
		return false;
	}
	return !frame.code || err_set(err, (enum err_code)frame.code, "%.*s",
				      (int)(body.len < 2000 ? body.len : 2000), body.p);
}

bool
jail_checker_one(struct jail_checker *checker, const char *program, struct err *err)
{
	if (strlen(program) > JAIL_PROGRAM_MAX)
		return err_set(err, E_TOO_LARGE, "the jq program is longer than %d bytes",
			       JAIL_PROGRAM_MAX);
	if (is_known(checker, program))
		return true;
	if (!text_check(checker, str_of(program), err))
		return false;
	known_add(checker, program);
	return true;
}

/* --- forms --- */

/* Where the scan is: a bracket that it waits for, or '"' inside of a string. */
struct scan {
	char open[NESTING_MAX];
	size_t depth;
	bool comment;
	struct str rest;
	struct buf *form;
	bool divides; /* jq folds constants, and refuses to divide by nothing */
};

static bool
scan_push(struct scan *scan, char closing)
{
	if (scan->depth == NESTING_MAX)
		return false;
	scan->open[scan->depth++] = closing;
	return true;
}

static void
scan_take(struct scan *scan, size_t count)
{
	buf_add(scan->form, scan->rest.p, count);
	scan->rest = str_make(scan->rest.p + count, scan->rest.len - count);
}

static void
scan_leave_out(struct scan *scan, size_t count)
{
	scan->rest = str_make(scan->rest.p + count, scan->rest.len - count);
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '$' || c == '.' || c == '@' || c == ':';
}

/* A word or a number, whole. Which number it is makes no difference, zero aside. */
static void
word_scan(struct scan *scan)
{
	struct str word = scan->rest;
	bool number = true;

	for (word.len = 0; word.len < scan->rest.len && is_word(word.p[word.len]); word.len++)
		number = number && word.p[word.len] >= '0' && word.p[word.len] <= '9';
	if (number && word.p[0] != '0' && !scan->divides) {
		buf_putc(scan->form, '1');
		scan_leave_out(scan, word.len);
		return;
	}
	scan_take(scan, word.len);
}

/* Nor does what a string says, unless it has escapes. */
static bool
string_begin(struct scan *scan)
{
	const char *end = memchr(scan->rest.p + 1, '"', scan->rest.len - 1);
	size_t len = end ? (size_t)(end - scan->rest.p) + 1 : 0;

	if (end && !memchr(scan->rest.p, '\\', len)) {
		buf_puts(scan->form, "\"\"");
		scan_leave_out(scan, len);
		return true;
	}
	scan_take(scan, 1);
	return scan_push(scan, '"');
}

static bool
string_step(struct scan *scan)
{
	const char *p = scan->rest.p;

	if (*p != '\\') {
		scan->depth -= *p == '"';
		scan_take(scan, 1);
		return true;
	}
	if (scan->rest.len < 2 || (p[1] == '(' && !scan_push(scan, ')')))
		return false;
	scan_take(scan, 2);
	return true;
}

static bool
code_step(struct scan *scan)
{
	static const char open[] = "([{", closing[] = ")]}";
	char c = scan->rest.p[0];
	const char *at = c ? strchr(open, c) : NULL;

	if (c == '"')
		return string_begin(scan);
	if (is_word(c)) {
		word_scan(scan);
		return true;
	}
	scan_take(scan, 1);
	if (at)
		return scan_push(scan, closing[at - open]);
	if (c && strchr(closing, c))
		return scan->depth && scan->open[--scan->depth] == c;
	return c != '\0';
}

bool
jail_program_form(struct str program, struct buf *ret)
{
	static const char *const heads[] = {"module", "import", "include"};
	struct str head = str_trim(program);
	struct scan scan = {.rest = program,
			    .form = ret,
			    .divides = memchr(program.p, '/', program.len) ||
				       memchr(program.p, '%', program.len)};

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		if (str_starts(head, str_of(heads[i])))
			return false;
	while (scan.rest.len) {
		bool in_string = scan.depth && scan.open[scan.depth - 1] == '"';

		if (!scan.comment && !in_string && scan.rest.p[0] == '#')
			scan.comment = true;
		if (scan.comment) {
			scan.comment = scan.rest.p[0] != '\n';
			scan_leave_out(&scan, scan.comment ? 1 : 0);
			if (!scan.comment)
				scan_take(&scan, 1);
		} else if (!(in_string ? string_step(&scan) : code_step(&scan))) {
			return false;
		}
	}
	return !scan.depth && head.len;
}

/* --- many --- */

static void
group_give_up(struct candidate **group, size_t count, const struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		group[i]->wrong = group[i]->unseen = true;
		err_set(&group[i]->err, err->code, "%s",
			err->code == E_UNAVAILABLE ? err_text(err)
						   : "the jq program was not looked at, for too "
						     "many others are wrong");
	}
}

/* Halves until the wrong ones stand alone. */
static void
group_check(struct jail_checker *checker, struct candidate **group, size_t count, size_t *wrong)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	for (size_t i = 0; i < count; i++)
		buf_cat(&text, i ? ",(" : "(", group[i]->text, "\n)");
	if (text_check(checker, buf_str(&text), &err)) {
		for (size_t i = 0; i < count; i++)
			known_add(checker, group[i]->text);
	} else if (*wrong >= WRONG_MAX || err.code == E_UNAVAILABLE) {
		group_give_up(group, count, &err);
	} else if (count == 1) {
		group[0]->wrong = true;
		++*wrong;
	} else {
		group_check(checker, group, count / 2, wrong);
		group_check(checker, group + count / 2, count - count / 2, wrong);
	}
}

static void
candidates_check(struct jail_checker *checker, struct candidate *by_text)
{
	struct candidate **group =
		mem_alloc_array(HASH_COUNT(by_text) + 1, sizeof(struct candidate *));
	size_t count = 0, bytes = 0, wrong = 0;

	for (struct candidate *one = by_text; one; one = one->hh.next) {
		size_t len = strlen(one->text);

		if (count && bytes + len > GROUP_BYTES) {
			group_check(checker, group, count, &wrong);
			count = bytes = 0;
		}
		group[count++] = one;
		bytes += len;
	}
	if (count)
		group_check(checker, group, count, &wrong);
	free(group);
}

/* The form of a program among the others; NULL: it has none, or is known to be right. */
static struct candidate *
candidate_of(const struct jail_checker *checker, struct candidate **by_text, const char *program)
{
	AUTO(buf_fini) struct buf form = BUF_INIT;
	struct candidate *one;

	if (!jail_program_form(str_of(program), &form) || form.len > GROUP_BYTES ||
	    is_known(checker, buf_cstr(&form)))
		return NULL;
	HASH_FIND(hh, *by_text, buf_cstr(&form), form.len, one);
	if (one)
		return one;
	one = mem_alloc(sizeof(*one));
	one->err = (struct err)ERR_INIT;
	one->text = buf_take(&form);
	HASH_ADD_KEYPTR(hh, *by_text, one->text, strlen(one->text), one);
	return one;
}

static bool
has_form(const char *program)
{
	AUTO(buf_fini) struct buf form = BUF_INIT;

	return jail_program_form(str_of(program), &form) && form.len <= GROUP_BYTES;
}

/* What jq says of a program itself: its form may be wrong where it is not, and says it otherwise.
 */
static bool
program_judge(struct jail_checker *checker, const struct candidate *form, const char *program,
	      size_t *wrong, struct err *err)
{
	if (form ? !form->wrong : has_form(program))
		return true;
	if (form && form->unseen)
		return err_set(err, form->err.code, "%s", err_text(&form->err));
	if (*wrong >= WRONG_MAX)
		return err_set(err, E_INVALID,
			       "the jq program was not looked at, for too many others are wrong");
	if (jail_checker_one(checker, program, err))
		return true;
	++*wrong;
	return false;
}

void
jail_checker_all(struct jail_checker *checker, const char *const *programs, size_t count,
		 jail_on_wrong *on_wrong, void *arg)
{
	struct candidate *by_text = NULL, *one, *next;
	struct candidate **forms = mem_alloc_array(count + 1, sizeof(struct candidate *));
	size_t wrong = 0;

	for (size_t i = 0; i < count; i++)
		forms[i] = candidate_of(checker, &by_text, programs[i]);
	candidates_check(checker, by_text);
	for (size_t i = 0; i < count; i++) {
		AUTO(err_fini) struct err err = ERR_INIT;

		if (!program_judge(checker, forms[i], programs[i], &wrong, &err))
			on_wrong(arg, i, &err);
	}
	HASH_ITER (hh, by_text, one, next) {
		HASH_DEL(by_text, one);
		err_fini(&one->err);
		free(one->text);
		free(one);
	}
	free(forms);
}
