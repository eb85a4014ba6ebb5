/* Entities from pages of JSON, http:URL. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include "plugins/entities/http.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/map.h"
#include "base/uuid.h"
#include "conf/conf.h"
#include "conf/secret.h"
#include "io/fetch.h"
#include "pure/backoff.h"
#include "pure/http_date.h"
#include "pure/path.h"

#define HEADERS_MAX 32
#define BODY_MAX (16 << 20)
#define REDIRECTS_MAX 5
#define TRIES 5
#define RETRY_AFTER_CAP_MS 300000
#define PAGES_MAX 100000
#define URL_MAX 8000

/* Pages that were asked for: a page that comes again leads in a circle. */
struct visited {
	char *url;
	UT_hash_handle hh;
};

struct entity_reader {
	struct core *core;
	char *first, *url; /* of the configuration; of the page that is read */
	char *asked;	   /* where redirects have led */
	char *next_param;
	char *headers[HEADERS_MAX + 2];
	struct path *items, *next; /* NULL: by themselves */
	struct entity_namer *namer;
	int64_t timeout_ms;
	bool allow_private;

	struct fetch *fetch;
	unsigned hops, tries;
	uint64_t number; /* of the page, from 1 */
	struct visited *visited;

	struct buf body; /* of the page; empty: to be asked for */
	struct json_member_walk walk;
	uint64_t taken; /* items of it that were given */
	uint64_t skip;	/* of it, that were given before */
	bool from_cursor;
	char *next_url; /* NULL: it is the last */

	struct entity_page page;
	struct core_timer *timer;
	entities_on_page *on_page;
	void *arg;
	bool giving, closed;
};

static void
reader_free(struct entity_reader *r)
{
	struct visited *visited, *next;

	fetch_cancel(r->fetch);
	HASH_ITER (hh, r->visited, visited, next) {
		HASH_DEL(r->visited, visited);
		free(visited->url);
		free(visited);
	}
	for (size_t i = 0; r->headers[i]; i++) {
		mem_zero(r->headers[i], strlen(r->headers[i]));
		free(r->headers[i]);
	}
	path_free(r->items);
	path_free(r->next);
	entity_namer_free(r->namer);
	entity_page_fini(&r->page);
	buf_fini(&r->body);
	core_timer_free(r->timer);
	free(r->first);
	free(r->url);
	free(r->asked);
	free(r->next_param);
	free(r->next_url);
	free(r);
}

static void
http_close(struct entity_reader *r)
{
	r->closed = true;
	if (!r->giving)
		reader_free(r);
}

static void
page_give(void *arg)
{
	struct entity_reader *r = arg;

	r->giving = true;
	r->on_page(r->arg, &r->page);
	r->giving = false;
	entity_page_fini(&r->page);
	entity_page_init(&r->page);
	if (r->closed)
		reader_free(r);
}

static void
cursor_put(struct entity_reader *r, const char *url, uint64_t number, uint64_t skip)
{
	buf_clear(&r->page.cursor);
	buf_puts(&r->page.cursor, "{\"url\":");
	buf_json_cstr(&r->page.cursor, url);
	buf_printf(&r->page.cursor, ",\"page\":%" PRIu64 ",\"skip\":%" PRIu64 "}", number, skip);
}

/* "page 7 (URL): what" */
static void
said(struct entity_reader *r, enum err_code code, const char *what)
{
	err_set(&r->page.err, code, "http: page %" PRIu64 " (%s): %s", r->number,
		r->asked ? r->asked : r->url, what);
	cursor_put(r, r->url, r->number, r->taken);
	core_timer_arm(r->core, &r->timer, 0, page_give, r);
}

/* --- what a page holds --------------------------------------------------------------------- */

static bool
items_find(struct entity_reader *r, struct err *err)
{
	static const struct json_step items_step = {.name = STR("items")};
	AUTO(buf_fini) struct buf found = BUF_INIT;
	struct str body = str_trim(buf_str(&r->body)), items;

	if (r->items) {
		/* A value found in the text is copied: it takes the place of the body. */
		AUTO(buf_fini) struct buf next = BUF_INIT;

		if (!path_eval(r->items, body, &found, err))
			return err_prefix(err, "items");
		items = buf_str(&found);
	} else if (body.len && body.p[0] == '[') {
		items = body;
	} else if (!json_raw_find(body, &items_step, 1, &items)) {
		return err_set(err, E_INVALID,
			       "expected an array, or an object with one as its items; the key "
			       "`items` says where it is otherwise");
	}
	if (!items.len || items.p[0] != '[')
		return err_set(err, E_INVALID,
			       "its items are no array; the key `items` says where it is");
	if (r->items) {
		buf_clear(&r->body);
		buf_add_str(&r->body, items);
		items = buf_str(&r->body);
	}
	json_elements(items, &r->walk);
	return true;
}

/* What the body says of the next page. */
static bool
next_find(struct entity_reader *r, struct str link, struct err *err)
{
	AUTO(buf_fini) struct buf word = BUF_INIT, url = BUF_INIT;
	AUTO(err_fini) struct err none = ERR_INIT;
	struct str reference = pages_link(link), body = str_trim(buf_str(&r->body));

	free(r->next_url);
	r->next_url = NULL;
	if (!reference.p && body.len && body.p[0] == '{' &&
	    path_eval_text(r->next, body, &word, &none) && !str_eq_cstr(buf_str(&word), "null") &&
	    !str_eq_cstr(buf_str(&word), "false"))
		reference = buf_str(&word);
	if (!reference.len)
		return true;
	pages_url(r->asked, reference, r->next_param, &url);
	if (url.len > URL_MAX)
		return err_set(err, E_TOO_LARGE, "the URL of the next page has %zu bytes", url.len);
	if (str_starts_nocase(str_of(r->asked), STR("https://")) &&
	    !str_starts_nocase(buf_str(&url), STR("https://")))
		return err_set(err, E_DENIED, "its next page is not https any more: %s",
			       buf_cstr(&url));
	r->next_url = buf_take(&url);
	return true;
}

static void page_ask(void *arg);

/* Some of the items of the page at hand; at its end, on to the next. */
static void
items_give(struct entity_reader *r)
{
	struct str item;
	bool full = false;

	while (!full && json_element_next(&r->walk, &item)) {
		AUTO(buf_fini) struct buf key = BUF_INIT;
		AUTO(err_fini) struct err err = ERR_INIT;

		if (r->taken < r->skip) {
			r->taken++;
			continue;
		}
		if (item.len > ENTITY_BYTES_MAX)
			err_set(&err, E_TOO_LARGE, "it has %zu bytes; expected at most %d",
				item.len, ENTITY_BYTES_MAX);
		else if (entity_name(r->namer, item, &key, &err))
			full = entity_page_add(&r->page, buf_str(&key), item, r->taken + 1);
		if (err.code == E_OK && r->page.err.code != E_OK)
			err_move(&err, &r->page.err);
		if (err.code != E_OK) {
			AUTO(buf_fini) struct buf what = BUF_INIT;

			buf_printf(&what, "item %" PRIu64 ": %s", r->taken + 1, err_text(&err));
			said(r, err.code, buf_cstr(&what));
			return;
		}
		r->taken++;
	}
	if (full) {
		cursor_put(r, r->url, r->number, r->taken);
	} else {
		buf_clear(&r->body);
		r->taken = r->skip = 0;
		r->page.end = !r->next_url;
		if (r->next_url) {
			free(r->url);
			r->url = TAKE(r->next_url);
			r->number++;
		}
		cursor_put(r, r->url, r->number, 0);
	}
	core_timer_arm(r->core, &r->timer, 0, page_give, r);
}

static void
body_take(struct entity_reader *r, const struct fetch_answer *answer)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (answer->content_encoding.len &&
	    !str_eq_nocase(answer->content_encoding, STR("identity"))) {
		said(r, E_INVALID, "the body came encoded, which was not asked for");
		return;
	}
	buf_clear(&r->body);
	buf_add_str(&r->body, answer->body);
	r->taken = 0;
	r->tries = 0;
	if (!json_check(buf_str(&r->body), &err))
		err_prefix(&err, "it is no JSON");
	else if (next_find(r, answer->link, &err) && items_find(r, &err)) {
		r->from_cursor = false;
		items_give(r);
		return;
	}
	buf_clear(&r->body);
	said(r, err.code, err_text(&err));
}

/* --- asking -------------------------------------------------------------------------------- */

static void
ask_later(struct entity_reader *r, int64_t ms)
{
	core_timer_arm(r->core, &r->timer, ms > 0 ? ms : 1, page_ask, r);
}

static void
try_again(struct entity_reader *r, int64_t wait_ms, enum err_code code, const char *what)
{
	const struct backoff backoff = {
		.base_ms = 500, .cap_ms = 30000, .factor = 3, .jitter = BACKOFF_FULL};
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (++r->tries < TRIES) {
		ask_later(r, wait_ms > 0 ? wait_ms
					 : backoff_delay(&backoff, r->tries,
							 entropy_below(UINT64_MAX)));
		return;
	}
	buf_printf(&text, "%s, and so %u times; rouse batch resume goes on there", what, r->tries);
	r->tries = 0;
	said(r, code, buf_cstr(&text));
}

/* The server no longer knows the page that a cursor of ours names. */
static void
begin_anew(struct entity_reader *r)
{
	AUTO(buf_fini) struct buf note = BUF_INIT;

	buf_printf(&note,
		   "page %" PRIu64 " (%s) is not there any more: its pages are read again from the "
		   "first; entities that the batch has had are passed over",
		   r->number, r->url);
	free(r->page.note);
	r->page.note = buf_take(&note);
	r->page.again = true;
	r->from_cursor = false;
	free(TAKE(r->asked));
	free(r->url);
	r->url = mem_strdup(r->first);
	r->number = 1;
	r->skip = r->taken = 0;
	r->hops = 0;
	ask_later(r, 0);
}

static void
answer_judge(struct entity_reader *r, const struct fetch_answer *answer)
{
	AUTO(buf_fini) struct buf what = BUF_INIT;
	int64_t wait_ms = 0;
	int status = answer->status;

	buf_printf(&what, "it answers %d", status);
	if (answer->retry_after.len)
		retry_after_parse(answer->retry_after, core_wall(r->core), RETRY_AFTER_CAP_MS,
				  &wait_ms);
	if (status == 200 || status == 203)
		body_take(r, answer);
	else if (status == 408 || status == 425 || status == 429 || status >= 500)
		try_again(r, wait_ms, E_UNAVAILABLE, buf_cstr(&what));
	else if (r->from_cursor && (status == 400 || status == 404 || status == 410))
		begin_anew(r);
	else {
		buf_puts(&what, "; expected 200. Correct the URL or what it needs (auth, header.), "
				"then rouse batch resume");
		said(r, E_UNAVAILABLE, buf_cstr(&what));
	}
}

static void
redirect_take(struct entity_reader *r, const struct fetch_answer *answer)
{
	AUTO(buf_fini) struct buf what = BUF_INIT;

	if (!answer->redirect.len)
		buf_printf(&what, "it answers %d without a Location", answer->status);
	else if (str_eq_cstr(answer->redirect, r->asked))
		buf_puts(&what, "it redirects to itself; correct the URL, then rouse batch resume");
	else if (++r->hops > REDIRECTS_MAX)
		buf_printf(&what, "more than %d redirects, the last to %.*s", REDIRECTS_MAX,
			   STR_ARG(answer->redirect));
	else if (str_starts_nocase(str_of(r->asked), STR("https://")) &&
		 !str_starts_nocase(answer->redirect, STR("https://")))
		buf_puts(&what, "it redirects from https to something less");
	if (what.len) {
		said(r, E_INVALID, buf_cstr(&what));
		return;
	}
	free(r->asked);
	r->asked = str_dup(answer->redirect);
	ask_later(r, 0);
}

static void
on_fetched(void *arg, const struct fetch_answer *answer, struct err *err)
{
	struct entity_reader *r = arg;

	r->fetch = NULL;
	if (!answer && (err->code == E_TIMEOUT || err->code == E_UNAVAILABLE))
		try_again(r, 0, err->code, err_text(err));
	else if (!answer)
		said(r, err->code, err_text(err));
	else if (answer->status >= 301 && answer->status <= 308 && answer->status != 304)
		redirect_take(r, answer);
	else
		answer_judge(r, answer);
}

/* False: it was asked for before, and so leads in a circle. */
static bool
visit(struct entity_reader *r)
{
	struct visited *visited;

	HASH_FIND_STR(r->visited, r->url, visited);
	if (visited)
		return false;
	visited = mem_alloc(sizeof(*visited));
	visited->url = mem_strdup(r->url);
	HASH_ADD_KEYPTR(hh, r->visited, visited->url, strlen(visited->url), visited);
	return HASH_COUNT(r->visited) <= PAGES_MAX;
}

static void
page_ask(void *arg)
{
	struct entity_reader *r = arg;
	const char *none[] = {NULL};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct fetch_spec spec = {.method = "GET",
				  .url = r->asked,
				  .timeout_ms = r->timeout_ms,
				  .max_body = BODY_MAX,
				  .private_addresses = r->allow_private};

	if (!r->asked) {
		r->asked = mem_strdup(r->url);
		spec.url = r->asked;
	}
	/* What the configuration adds, secrets too, is for the place that it names. */
	spec.headers = str_eq_nocase(pages_origin(r->asked), pages_origin(r->first))
			       ? (const char *const *)r->headers
			       : none;
	r->fetch = fetch_start(r->core->fetch, &spec, on_fetched, r, &err);
	if (!r->fetch)
		said(r, err.code, err_text(&err));
}

static void
http_read(struct entity_reader *r, entities_on_page *on_page, void *arg)
{
	r->on_page = on_page;
	r->arg = arg;
	if (r->body.len) {
		items_give(r);
		return;
	}
	free(r->asked);
	r->asked = NULL;
	r->hops = 0;
	if (visit(r))
		ask_later(r, 0);
	else
		said(r, E_INVALID,
		     HASH_COUNT(r->visited) > PAGES_MAX
			     ? "more than 100000 pages; do they go round?"
			     : "it was read before: the pages go round; correct what names the "
			       "next page (next, next_param), then rouse batch resume");
}

/* --- settings ------------------------------------------------------------------------------ */

static bool
url_is_plain(const char *text)
{
	const char *host = !strncmp(text, "https://", 8)  ? text + 8
			   : !strncmp(text, "http://", 7) ? text + 7
							  : NULL;
	size_t len = host ? strcspn(host, "/?#") : 0;

	return host && len && !memchr(host, '@', len) && strcspn(text, " \t\r\n") == strlen(text);
}

static bool
path_of(const struct conf_section *section, const char *key, struct path **ret, struct err *err)
{
	const char *text = conf_str(section, key);

	*ret = NULL;
	return !text || path_compile(str_of(text), ret) ||
	       err_set(err, E_CONFIG, "%s is no plain path; expected one, as .data.items", text);
}

static void
http_check(const struct entities_place *place, struct conf_report *report)
{
	static const char *const names[] = {"items", "next"};
	AUTO(auto_free) char *url = str_dup(str_trim(str_of(place->rest)));

	if (!url_is_plain(url))
		conf_complain(report, place->section, "entities",
			      "http: expected http:// or https:// and a host; a password belongs "
			      "into auth");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(err_fini) struct err err = ERR_INIT;
		AUTO(path_auto_free) struct path *path = NULL;

		if (!path_of(place->section, names[i], &path, &err))
			conf_complain(report, place->section, names[i], "%s", err_text(&err));
	}
}

static bool
headers_read(struct entity_reader *r, const struct conf_section *section, struct err *err)
{
	struct secrets secrets = SECRETS_INIT;
	const char *name, *value;
	size_t count = 0;

	for (size_t i = 0; conf_below(section, "header.", i, &name, &value); i++) {
		struct buf line = BUF_INIT;

		if (count == HEADERS_MAX)
			return err_set(err, E_CONFIG, "more than %d headers", HEADERS_MAX);
		buf_cat(&line, name, ": ", value);
		r->headers[count++] = buf_take(&line);
	}
	if (!conf_is_set(section, "auth"))
		return true;
	if (!secrets_resolve(section, "auth", &secrets, err))
		return false;
	struct buf line = BUF_INIT;
	buf_puts(&line, "Authorization: Bearer ");
	buf_add_str(&line, secrets.items[0]);
	r->headers[count] = buf_take(&line);
	secrets_fini(&secrets);
	return true;
}

static bool
cursor_read(struct entity_reader *r, struct str cursor, struct err *err)
{
	AUTO(json_auto_decref) json_t *object = NULL;
	const char *url;

	r->number = 1;
	r->url = mem_strdup(r->first);
	if (!cursor.p)
		return true;
	url = json_read(cursor, &object, NULL) ? json_str(object, "url") : NULL;
	if (!url || !url_is_plain(url))
		return err_set(err, E_CORRUPT, "the batch's cursor in its pages cannot be read");
	r->from_cursor = strcmp(url, r->first) != 0;
	free(r->url);
	r->url = mem_strdup(url);
	r->number = (uint64_t)json_int(object, "page", 1);
	r->skip = (uint64_t)json_int(object, "skip", 0);
	return true;
}

static bool
http_open(struct core *core, const struct entities_place *place, struct str cursor,
	  struct entity_reader **ret, struct err *err)
{
	struct entity_reader *r = mem_alloc(sizeof(*r));
	const struct conf_section *section = place->section;

	r->core = core;
	r->first = str_dup(str_trim(str_of(place->rest)));
	r->next_param = mem_strdup(conf_str(section, "next_param"));
	r->timeout_ms = conf_ms(section, "entities_timeout");
	r->allow_private = conf_bool(section, "allow_private");
	if (cursor_read(r, cursor, err) && headers_read(r, section, err) &&
	    path_of(section, "items", &r->items, err) && path_of(section, "next", &r->next, err) &&
	    entity_namer_new(place->key, &r->namer, err)) {
		*ret = r;
		return true;
	}
	err_prefix(err, "http: %s", r->first);
	reader_free(r);
	return false;
}

const struct entity_kind http_entities = {.name = "http",
					  .unit = "item",
					  .rounds = true,
					  .resumes = true,
					  .check = http_check,
					  .open = http_open,
					  .read = http_read,
					  .close = http_close};
