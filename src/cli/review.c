/* rouse review: changes one by one on a terminal. */
/* SPDX-License-Identifier: MIT */
#include "cli/review.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/os.h"
#include "cli/sample.h"
#include "cli/text.h"
#include "cli/tty.h"

#define PAGE 50
#define NAME_BYTES 64 /* of a change's id in the file that says where to go on */

void
review_say(struct review *review, const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	buf_clear(&review->message);
	text_escape(&review->message, buf_str(&text));
}

bool
review_excuse(struct review *review, struct err *why, struct err *err)
{
	if (why->code == E_UNAVAILABLE)
		return why == err ? false : err_move(err, why);
	if (why->code != E_OK)
		review_say(review, "%s", err_text(why));
	err_fini(why);
	*why = (struct err)ERR_INIT;
	return true;
}

/* --- the changes --------------------------------------------------------------------------- */

static bool
page_load(struct review *review, uint64_t at, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	struct err why = ERR_INIT;
	bool more;

	if (!look_page(review->cli, review->look, at, PAGE, &reply, &more, &why)) {
		/* The daemon keeps a look for some minutes: a long pause needs another. */
		if (why.code != E_NOT_FOUND)
			return err_move(err, &why);
		err_fini(&why);
		if (!review_look(review, err) || (review->total && at >= review->total) ||
		    !look_page(review->cli, review->look, at, PAGE, &reply, &more, err))
			return false;
	}
	json_decref(review->page);
	review->page = json_incref(json_object_get(reply.json, "items"));
	review->page_at = at;
	return true;
}

json_t *
review_item(struct review *review, struct err *err)
{
	if (!review->total)
		return NULL;
	if (!review->page || review->at < review->page_at ||
	    review->at >= review->page_at + json_array_size(review->page))
		if (!page_load(review, review->at / PAGE * PAGE, err))
			return NULL;
	return json_array_get(review->page, review->at - review->page_at);
}

bool
review_find(struct review *review, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	if (!cli_get(review->cli, &reply, err, "/v1/diff/%s?find=%s&limit=1", review->look, id))
		return false;
	review->at = (uint64_t)json_int(reply.json, "at", 0);
	review->scroll = 0;
	return true;
}

bool
review_look(struct review *review, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct client *client;

	buf_puts(&path, "/v1/diff");
	if (review->sample)
		cli_query(&path, "sample", review->sample);
	else
		cli_query(&path, "of", review->word);
	cli_query(&path, "status", review->sample ? NULL : "proposed");
	cli_query(&path, "where", review->filter);
	cli_query(&path, "entity", cli_opt(review->cli, "entity"));
	cli_query(&path, "groups", "1");
	if (!cli_client(review->cli, &client, err) ||
	    !client_send(client,
			 &(struct client_request){.method = "GET",
						  .path = buf_cstr(&path),
						  .timeout_ms = LOOK_TIMEOUT_MS},
			 &reply, err))
		return false;
	if (!json_str(reply.json, "look"))
		return err_set(err, E_CORRUPT, "the daemon answered a diff without its name");
	free(review->look);
	json_decref(review->head);
	json_decref(review->page);
	review->page = NULL;
	review->look = mem_strdup(json_str(reply.json, "look"));
	review->head = json_incref(reply.json);
	review->total = (uint64_t)json_int(reply.json, "total", 0);
	if (review->at >= review->total)
		review->at = 0;
	return true;
}

static bool
is_open(const json_t *item)
{
	const char *status = json_str(item, "status");

	return status && !strcmp(status, "proposed");
}

bool
review_next_open(struct review *review, struct err *err)
{
	uint64_t from = review->at;

	review->scroll = 0;
	for (uint64_t i = 1; i <= review->total; i++) {
		json_t *item;

		review->at = (from + i) % review->total;
		item = review_item(review, err);
		if (!item && err->code != E_OK)
			return false;
		/* One that we have approved, and that waits for others, was looked at. */
		if (item && is_open(item) && i < review->total)
			return true;
	}
	review->at = from;
	review_say(review, "That was the last one that is open; q leaves.");
	return true;
}

/* --- where to go on ------------------------------------------------------------------------ */

/* A file a batch or run, named by a digest so that no name is a path. */
static bool
place_path(const struct review *review, struct buf *out)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct digest digest = digest_of(DIGEST_SHA256, str_of(review->word ? review->word : ""));

	if (state && *state == '/')
		buf_printf(out, "%s/rouse", state);
	else if (home && *home == '/')
		buf_printf(out, "%s/.local/state/rouse", home);
	else
		return false;
	buf_puts(out, "/review-");
	hex_encode(out, str_make(digest.bytes, 16));
	return true;
}

static void
place_keep(struct review *review)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct err ignored = ERR_INIT;
	json_t *item = review_item(review, &ignored);
	const char *id = item ? json_str(item, "id") : NULL;

	err_fini(&ignored);
	if (!place_path(review, &path))
		return;
	if (!id || !is_open(item)) {
		unlink(buf_cstr(&path));
		return;
	}
	for (char *p = path.data + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path.data, 0700);
		*p = '/';
	}
	ignored = (struct err)ERR_INIT;
	os_write_file(buf_cstr(&path), str_of(id), 0600, &ignored);
	err_fini(&ignored);
}

static void
place_find(struct review *review)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, id = BUF_INIT;
	struct err ignored = ERR_INIT;

	if (place_path(review, &path) && os_read_file(buf_cstr(&path), NAME_BYTES, &id, &ignored) &&
	    review_find(review, buf_cstr(&id), &ignored))
		review_say(review, "Going on where you stopped.");
	err_fini(&ignored);
}

/* --- keys ---------------------------------------------------------------------------------- */

static bool
key_next(struct review *review, struct err *err)
{
	(void)err;
	review->scroll = 0;
	if (review->at + 1 < review->total)
		review->at++;
	else
		review_say(review, "That is the last one.");
	return true;
}

static bool
key_previous(struct review *review, struct err *err)
{
	(void)err;
	review->scroll = 0;
	if (review->at)
		review->at--;
	else
		review_say(review, "That is the first one.");
	return true;
}

static bool
key_first(struct review *review, struct err *err)
{
	(void)err;
	review->at = review->scroll = 0;
	return true;
}

static bool
key_last(struct review *review, struct err *err)
{
	(void)err;
	review->scroll = 0;
	review->at = review->total ? review->total - 1 : 0;
	return true;
}

static void
scroll_by(struct review *review, long lines)
{
	long most = (long)review->lines - (long)review_rows(), to = (long)review->scroll + lines;

	to = to > most ? most : to;
	review->scroll = to > 0 ? (size_t)to : 0;
}

static bool
key_line_down(struct review *review, struct err *err)
{
	(void)err;
	scroll_by(review, 1);
	return true;
}

static bool
key_line_up(struct review *review, struct err *err)
{
	(void)err;
	scroll_by(review, -1);
	return true;
}

/* At the end of a change the next one comes, as the next file does in less. */
static bool
key_page_down(struct review *review, struct err *err)
{
	if (review->scroll + review_rows() >= review->lines)
		return key_next(review, err);
	scroll_by(review, (long)review_rows());
	return true;
}

static bool
key_page_up(struct review *review, struct err *err)
{
	if (!review->scroll)
		return key_previous(review, err);
	scroll_by(review, -(long)review_rows());
	return true;
}

static bool
key_help(struct review *review, struct err *err)
{
	(void)err;
	review->help = true;
	return true;
}

static bool
key_quit(struct review *review, struct err *err)
{
	(void)err;
	review->over = true;
	return true;
}

static bool
key_suspend(struct review *review, struct err *err)
{
	(void)review;
	(void)err;
	tty_suspend();
	return true;
}

static bool
key_redraw(struct review *review, struct err *err)
{
	(void)review;
	(void)err;
	return true;
}

/* In what the change says, not in its numbers. */
static bool
item_has(const json_t *item, const char *text)
{
	static const char *const members[] = {"entity", "target", "op",	   "reason", "before",
					      "after",	"patch",  "flags", "error"};

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		AUTO(buf_fini) struct buf json = BUF_INIT;
		const json_t *value = json_object_get(item, members[i]);

		if (value)
			json_write(&json, value);
		if (strcasestr(buf_cstr(&json), text))
			return true;
	}
	return false;
}

static bool
search(struct review *review, bool back, struct err *err)
{
	uint64_t from = review->at;

	if (!review->search.len) {
		review_say(review, "Nothing was searched for yet: /");
		return true;
	}
	for (uint64_t i = 1; i <= review->total; i++) {
		json_t *item;

		review->at = (from + (back ? review->total - i : i)) % review->total;
		item = review_item(review, err);
		if (!item)
			return err->code == E_OK;
		if (item_has(item, buf_cstr(&review->search))) {
			review->scroll = 0;
			review_say(review, "/%s", buf_cstr(&review->search));
			return true;
		}
		if (review->at % (20 * PAGE) == 0 && tty_key(0) == KEY_CTRL('c'))
			break;
	}
	review->at = from;
	review_say(review, "%s stands in none of them.", buf_cstr(&review->search));
	return true;
}

static bool
key_search(struct review *review, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!review_ask(review, "/", &text, err))
		return err->code == E_OK;
	if (text.len) {
		buf_clear(&review->search);
		buf_add_str(&review->search, buf_str(&text));
	}
	return search(review, false, err);
}

static bool
key_search_on(struct review *review, struct err *err)
{
	return search(review, false, err);
}

static bool
key_search_back(struct review *review, struct err *err)
{
	return search(review, true, err);
}

static bool
key_filter(struct review *review, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct err why = ERR_INIT;
	char *was = review->filter;

	if (was)
		buf_puts(&text, was);
	if (!review_ask(review, "Only changes for which (jq): ", &text, err))
		return err->code == E_OK;
	review->filter = text.len ? mem_strdup(buf_cstr(&text)) : NULL;
	review->at = review->scroll = 0;
	if (review_look(review, &why)) {
		free(was);
		review_say(review, "%llu changes.", (unsigned long long)review->total);
		return true;
	}
	free(review->filter);
	review->filter = was;
	return review_excuse(review, &why, err);
}

static const struct {
	int key;
	bool (*fn)(struct review *review, struct err *err);
} keys[] = {
	{'a', review_accept},
	{'r', review_reject},
	{'e', review_edit},
	{'A', review_accept_like},
	{'R', review_reject_like},
	{'u', review_undo},
	{'s', key_next},
	{KEY_RIGHT, key_next},
	{'l', key_next},
	{'p', key_previous},
	{KEY_LEFT, key_previous},
	{'j', key_line_down},
	{KEY_DOWN, key_line_down},
	{KEY_ENTER, key_line_down},
	{'k', key_line_up},
	{KEY_UP, key_line_up},
	{' ', key_page_down},
	{KEY_PAGE_DOWN, key_page_down},
	{'b', key_page_up},
	{KEY_PAGE_UP, key_page_up},
	{'g', key_first},
	{KEY_HOME, key_first},
	{'G', key_last},
	{KEY_END, key_last},
	{'/', key_search},
	{'n', key_search_on},
	{'N', key_search_back},
	{'f', key_filter},
	{'&', key_filter},
	{'?', key_help},
	{'h', key_help},
	{'q', key_quit},
	{'Q', key_quit},
	{KEY_CTRL('c'), key_quit},
	{KEY_GONE, key_quit},
	{KEY_CTRL('z'), key_suspend},
	{KEY_CTRL('l'), key_redraw},
	{KEY_RESIZE, key_redraw},
};

static bool
key_do(struct review *review, int key, struct err *err)
{
	if (review->help && key != KEY_RESIZE && key != KEY_GONE && key != KEY_CTRL('c')) {
		review->help = false;
		return true;
	}
	if (key != KEY_RESIZE)
		buf_clear(&review->message);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].key == key)
			return keys[i].fn(review, err);
	review_say(review, "That key does nothing; ? shows those that do.");
	return true;
}

static bool
loop(struct review *review, struct err *err)
{
	while (!review->over) {
		review_lay_out(review);
		if (!review_draw(review, err) || !key_do(review, tty_key(-1), err))
			return false;
	}
	return true;
}

static void
review_fini(struct review *review)
{
	for (size_t i = 0; i < review->done_count; i++) {
		free(review->done[i].id);
		free(review->done[i].group);
		free(review->done[i].at);
		free(review->done[i].by);
		free(review->done[i].status);
	}
	free(review->look);
	free(review->filter);
	free(review->sample);
	json_decref(review->head);
	json_decref(review->page);
	buf_fini(&review->body);
	buf_fini(&review->message);
	buf_fini(&review->search);
}

static bool
sample_begin(struct review *review, struct err *err)
{
	AUTO(json_auto_decref) json_t *sample = NULL;

	if (!sample_take(review->cli, review->word, &sample, err))
		return false;
	review->sample = mem_strdup(json_str(sample, "id"));
	review_say(review, "A sample of %lld, drawn from %lld; reject or edit what is wrong.",
		   (long long)json_int(sample, "size", 0),
		   (long long)json_int(sample, "population", 0));
	return true;
}

/* What was looked at before stays behind. */
static void
open_first(struct review *review)
{
	struct err ignored = ERR_INIT;
	json_t *item = review_item(review, &ignored);
	struct buf said = review->message;

	review->message = (struct buf)BUF_INIT;
	if (item && !is_open(item))
		review_next_open(review, &ignored);
	buf_fini(&review->message);
	review->message = said;
	err_fini(&ignored);
}

bool
verb_review(struct cli *cli, struct err *err)
{
	AUTO(review_fini) struct review review = {.cli = cli, .word = cli_arg(cli, 0)};
	bool ok;

	review.filter = mem_strdup(cli_opt(cli, "where"));
	if (cli_has(cli, "export") || cli_has(cli, "import"))
		return review_table(cli, err);
	if (!tty_open(err))
		return false;
	ok = (!cli_has(cli, "sample") || sample_begin(&review, err)) && review_look(&review, err);
	if (ok) {
		if (review.sample)
			open_first(&review);
		else
			place_find(&review);
		ok = loop(&review, err);
		if (!review.sample)
			place_keep(&review);
	}
	tty_close();
	if (ok && review.sample)
		ok = sample_tell(cli, review.word, err);
	if (ok)
		print_f(&cli->out, "Accepted %llu, rejected %llu, edited %llu.\n",
			(unsigned long long)review.accepted, (unsigned long long)review.rejected,
			(unsigned long long)review.edited);
	return ok;
}
