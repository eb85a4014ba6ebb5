/* Links of notifications: a page that shows what is asked, and a button that decides it. Open to
 * whoever has the link; only the button's POST decides, for scanners of mail follow what they see.
 * SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/uuid.h"
#include "core/gate.h"
#include "core/gather.h"
#include "core/link.h"
#include "core/rate.h"
#include "pure/html.h"
#include "store/runs.h"
#include "store/state.h"

#define FORM_BYTES 16384
#define REASON_BYTES 2000
/* Wrong links that one address may show a minute. */
#define FAILURES_A_MINUTE 60

#define STYLE                                                                                      \
	"body{font:1em/1.5 sans-serif;max-width:45em;margin:2em auto;padding:0 1em}"               \
	"pre{background:#eee;padding:1em;white-space:pre-wrap;overflow-wrap:anywhere}"             \
	"i{background:#fc6;font:.8em monospace}th{text-align:left;padding-right:1em;"              \
	"vertical-align:top}button{font-size:1.2em;padding:.4em 1.5em}"

static const struct deed {
	const char *word, *decision, *button, *done;
} deeds[] = {
	{"approve", "approved", "Approve", "Approved."},
	{"deny", "denied", "Deny", "Denied."},
};

/* What a link leads to. */
struct look {
	const struct deed *deed;
	struct gate_row gate;
	struct buf notify, digest;
};

static void
look_fini(struct look *look)
{
	gate_row_fini(&look->gate);
	buf_fini(&look->notify);
	buf_fini(&look->digest);
}

/* --- pages --------------------------------------------------------------------------------- */

static void
page_begin(struct buf *out, const char *title)
{
	buf_cat(out,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width\">"
		"<meta name=\"robots\" content=\"noindex\"><title>",
		title, "</title><style>" STYLE "</style></head><body><h1>", title, "</h1>\n");
}

static void
page_reply(struct http_request *req, int status, struct buf *page)
{
	AUTO(buf_fini) struct buf policy = BUF_INIT;
	struct digest style = digest_of(DIGEST_SHA256, STR(STYLE));

	buf_puts(page, "</body></html>\n");
	buf_puts(&policy, "default-src 'none'; style-src 'sha256-");
	base64_encode(&policy, str_make(style.bytes, style.len));
	buf_puts(&policy, "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
	http_add_header(req, "Content-Security-Policy", buf_cstr(&policy));
	http_add_header(req, "X-Content-Type-Options", "nosniff");
	http_add_header(req, "X-Frame-Options", "DENY");
	http_add_header(req, "Referrer-Policy", "no-referrer");
	http_add_header(req, "Cache-Control", "no-store");
	http_reply(req, status, "text/html; charset=utf-8", buf_str(page));
}

/* A few words, no more than is known to whoever has a link. */
static void
words_reply(struct http_request *req, int status, const char *title, const char *words)
{
	AUTO(buf_fini) struct buf page = BUF_INIT;

	page_begin(&page, title);
	buf_puts(&page, "<p>");
	html_text(&page, str_of(words), false);
	buf_puts(&page, "</p>");
	page_reply(req, status, &page);
}

static void
row_add(struct buf *page, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_cat(page, "<tr><th>", name, "</th><td>");
	html_text(page, str_of(value), false);
	buf_puts(page, "</td></tr>\n");
}

static void
payload_add(struct buf *page, const char *payload)
{
	AUTO(json_auto_decref) json_t *value = NULL;
	AUTO(buf_fini) struct buf pretty = BUF_INIT;

	if (!payload)
		return;
	if (json_read(str_of(payload), &value, NULL))
		json_write_pretty(&pretty, value);
	else
		buf_puts(&pretty, payload);
	buf_puts(page, "<pre>");
	html_text(page, buf_str(&pretty), false);
	buf_puts(page, "</pre>\n");
}

/* What it is about and where it comes from, then the button. */
static void
page_show(struct api *api, struct http_request *req, const struct look *look,
	  const struct run_row *run)
{
	AUTO(buf_fini) struct buf page = BUF_INIT, title = BUF_INIT, until = BUF_INIT;
	struct wall expires = gather_wall(api->core, look->gate.expires);

	if (wall_is_set(expires))
		wall_format(expires, &until);
	buf_cat(&title, look->deed->button, "?");
	page_begin(&page, buf_cstr(&title));
	buf_puts(&page, "<table>");
	row_add(&page, "What", look->gate.step);
	row_add(&page, "Agent", run->agent);
	row_add(&page, "Run", run->id);
	row_add(&page, "Trigger", run->trigger);
	row_add(&page, "For", run->tenant);
	row_add(&page, "User", run->user);
	row_add(&page, "Trust", run->trust);
	row_add(&page, "Entity", run->entity);
	row_add(&page, "Until", buf_cstr(&until));
	row_add(&page, "If nobody answers", look->gate.on_timeout ? look->gate.on_timeout : "deny");
	row_add(&page, "Digest", buf_cstr(&look->digest));
	buf_puts(&page, "</table>\n");
	payload_add(&page, look->gate.payload);
	buf_cat(&page, "<form method=\"post\"><input type=\"hidden\" name=\"digest\" value=\"",
		buf_cstr(&look->digest), "\">");
	buf_puts(&page, "<p><label>Reason (may stay empty): <input name=\"reason\" "
			"maxlength=\"500\" size=\"50\"></label></p>");
	buf_cat(&page, "<p><button>", look->deed->button, "</button></p></form>\n");
	page_reply(req, 200, &page);
}

/* --- what is asked for ----------------------------------------------------------------------- */

/* False: it is answered. What is wrong with a link is nobody's business who does not have it. */
static bool
look_find(struct api *api, struct http_request *req, const struct route_match *match,
	  struct look *look)
{
	AUTO(auto_free) char *id = api_param(match, 0);
	AUTO(buf_fini) struct buf name = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t wait_ms;

	for (size_t i = 0; i < ARRAY_LEN(deeds); i++)
		if (str_eq_cstr(match->params[1], deeds[i].word))
			look->deed = &deeds[i];
	if (look->deed && uuid_is_valid(str_of(id)) &&
	    gates_get(api->core->store, id, &look->gate, &err) &&
	    link_check(api->core, &look->gate, match->params[1], match->params[2], &look->notify,
		       &err)) {
		link_digest(&look->gate, &look->digest);
		return true;
	}
	rate_name_of_address("link", http_client(req), &name);
	if (rate_take(api->core, buf_cstr(&name), FAILURES_A_MINUTE, 60000, &wait_ms)) {
		words_reply(req, 404, "No such link",
			    "This link is not valid: what it was for is gone or asks for something "
			    "else now, or a part of it is missing. rouse inbox shows all that "
			    "waits.");
		return false;
	}
	http_add_header(req, "Retry-After", "60");
	words_reply(req, 429, "Too many wrong links", "Try again in a minute.");
	return false;
}

/* Still to be decided? False: it is answered. */
static bool
look_is_open(struct http_request *req, const struct look *look)
{
	AUTO(buf_fini) struct buf words = BUF_INIT;

	if (!strcmp(look->gate.status, "waiting"))
		return true;
	buf_cat(&words, "It is ", look->gate.status);
	if (look->gate.decision)
		buf_cat(&words, ": ", look->gate.decision, " by ",
			look->gate.decided_by ? look->gate.decided_by : "rouse");
	buf_puts(&words, ". Nothing was changed by this.");
	words_reply(req, 410, "Decided before", buf_cstr(&words));
	return false;
}

static void
on_show(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(look_fini) struct look look = {NULL};
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!look_find(api, req, match, &look) || !look_is_open(req, &look))
		return;
	if (runs_get_seq(api->core->store, look.gate.run, &run, &err))
		page_show(api, req, &look, &run);
	else
		http_reply_error(req, &err);
}

/* --- deciding -------------------------------------------------------------------------------- */

/* A field of a form, decoded; empty when it is not there. */
static void
form_field(struct str form, const char *name, struct buf *out)
{
	while (form.p && form.len) {
		struct str pair, key, value;

		form = str_split(form, '&', &pair);
		value = str_split(pair, '=', &key);
		if (!str_eq_cstr(key, name))
			continue;
		percent_decode(value.p ? value : STR(""), true, out);
		return;
	}
}

struct deciding {
	struct http_request *req;
	const struct deed *deed;
};

static void
on_decided(void *arg, const struct err *err)
{
	struct deciding *deciding = arg;

	if (err->code == E_OK)
		words_reply(deciding->req, 200, deciding->deed->done,
			    "The agent is told. This link is used up.");
	else
		http_reply_error(deciding->req, err);
	free(deciding);
}

static bool
decide(struct api *api, struct http_request *req, const struct look *look, struct err *err)
{
	AUTO(buf_fini) struct buf by = BUF_INIT, reason = BUF_INIT;
	struct deciding *deciding;

	form_field(http_body(req), "reason", &reason);
	if (reason.len > REASON_BYTES || !str_is_utf8(buf_str(&reason)) ||
	    (reason.len && memchr(reason.data, '\0', reason.len)))
		return err_set(err, E_INVALID, "the reason is no text of at most %d bytes",
			       REASON_BYTES);
	buf_cat(&by, "link:", buf_cstr(&look->notify));
	api_record(req, buf_cstr(&by));
	if (!gate_decide(api->core, look->gate.id, look->deed->decision, NULL, buf_cstr(&by),
			 reason.len ? buf_cstr(&reason) : NULL, err))
		return false;
	deciding = mem_alloc(sizeof(*deciding));
	*deciding = (struct deciding){req, look->deed};
	turn_after(api->core->store, on_decided, deciding);
	return true;
}

static void
on_press(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(look_fini) struct look look = {NULL};
	AUTO(buf_fini) struct buf digest = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!look_find(api, req, match, &look) || !look_is_open(req, &look))
		return;
	form_field(http_body(req), "digest", &digest);
	if (!digest_equal(digest.data, digest.len, look.digest.data, look.digest.len)) {
		words_reply(req, 409, "Not decided",
			    "This is not what was shown. Open the link again, and look at it.");
		return;
	}
	if (!decide(api, req, &look, &err))
		http_reply_error(req, &err);
}

/* A form's button sends this type, and no more than a few words. */
static bool
press_on_head(void *arg, struct http_request *req, size_t *ret_max_body, struct err *err)
{
	struct str type = http_header(req, "content-type", 0), kind;

	(void)arg;
	*ret_max_body = FORM_BYTES;
	str_split(type.p ? type : STR(""), ';', &kind);
	return str_eq_nocase(str_trim(kind), STR("application/x-www-form-urlencoded")) ||
	       err_set(err, E_MEDIA,
		       "expected Content-Type: application/x-www-form-urlencoded, as the page's "
		       "button sends it");
}

static const struct route routes[] = {
	{"GET", "/links/{gate}/{decision}/{proof}", NULL,
	 "what a link of a notification is about; decides nothing", on_show},
	{"POST", "/links/{gate}/{decision}/{proof}", NULL, "the button on that page", on_press,
	 press_on_head},
};

void
api_links_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
