/* Source imap: mail. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/imap/imap.h"

#include "triggers/imap/mailbox.h"

static const struct conf_key keys[] = {
	{"url", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "imaps://HOST/MAILBOX (imap:// with STARTTLS)"},
	{"user", CONF_STRING, .flags = CONF_REQUIRED, .help = "name to log in with"},
	{"password", CONF_SECRET, .help = "password to log in with"},
	{"oauth_token", CONF_SECRET, .help = "instead of a password: an OAuth 2 access token"},
	{"oauth_command", CONF_STRING,
	 .help = "instead of a password: a command that prints an OAuth 2 access token"},
	{"starttls", CONF_ENUM, "required", "required|none",
	 .help = "imap:// alone: none sends password and mail in clear"},
	{"ca_file", CONF_PATH, .help = "certificates to trust; default those of the system"},
	{"poll", CONF_DURATION, "60s", .min = 1000, .max = 86400000,
	 .help = "how often to look where the server has no IDLE, or idle = no"},
	{"idle", CONF_BOOL, "yes", .help = "be told of new mail (IDLE) where the server can"},
	{"search", CONF_STRING, "ALL",
	 .help = "IMAP search criteria; each message is held against them once, as it comes"},
	{"initial", CONF_STRING, "from_now",
	 .help = "at the first look: from_now leaves what is there, all takes it, since:DATE a "
		 "part"},
	{"on_accept", CONF_STRING, "none",
	 .help = "once the event is kept: none, seen, flag:NAME or move:MAILBOX"},
	{"max_message", CONF_SIZE, "10M", .min = 1024, .max = 32 << 20,
	 .help = "larger messages are rejected"},
	{"read_tries", CONF_INT, "5", .min = 1, .max = 100,
	 .help = "a message that could not be fetched or read so often is parked: an event that is "
		 "rejected"},
	{"read_retry", CONF_DURATION, "1s", .min = 10, .max = 120000,
	 .help = "before the second try; four times as long before each further one, 2m at most"},
	{"attachments", CONF_ENUM, "save", "save|skip",
	 .help = "save: as files below state_dir; skip: only what they are called"},
	{"authserv", CONF_STRING,
	 .help = "name of the mail server whose Authentication-Results are trusted: mail that "
		 "passes "
		 "DMARC is authenticated then"},
};

static void imap_check(const struct conf_section *section, struct conf_report *report);

static const struct conf_table table = {.section = "trigger",
					.named = true,
					.selector = "source",
					.value = "imap",
					.keys = keys,
					.count = ARRAY_LEN(keys),
					.check = imap_check,
					.help = "mail of an IMAP server"};
static const struct conf_table *const tables[] = {&table, NULL};

/* --- configuration
 * ------------------------------------------------------------------------------------ */

/* on_accept; *ret_what as commands take it, owned. */
static bool
accept_of(const char *text, int *ret, char **ret_what, struct err *err)
{
	AUTO(buf_fini) struct buf what = BUF_INIT;
	struct str s = str_of(text);

	*ret_what = NULL;
	*ret = ACCEPT_NONE;
	if (str_eq(s, STR("none")))
		return true;
	*ret = ACCEPT_FLAG;
	if (str_eq(s, STR("seen"))) {
		buf_puts(&what, "\\Seen");
	} else if (str_starts(s, STR("flag:"))) {
		if (!imap_flag_check(str_make(s.p + 5, s.len - 5), err))
			return false;
		buf_add(&what, s.p + 5, s.len - 5);
	} else if (str_starts(s, STR("move:"))) {
		*ret = ACCEPT_MOVE;
		if (!imap_mailbox_write(str_make(s.p + 5, s.len - 5), &what, err))
			return false;
	} else {
		return err_set(err, E_CONFIG, "%s; expected none, seen, flag:NAME or move:MAILBOX",
			       text);
	}
	*ret_what = buf_take(&what);
	return true;
}

static bool
initial_of(const char *text, int *ret, struct wall *ret_since, struct err *err)
{
	*ret_since = WALL_NONE;
	if (!strcmp(text, "from_now") || !strcmp(text, "all")) {
		*ret = *text == 'a' ? INITIAL_ALL : INITIAL_NOW;
		return true;
	}
	*ret = INITIAL_SINCE;
	if (str_starts(str_of(text), STR("since:")) && wall_parse(str_of(text + 6), ret_since))
		return true;
	return err_set(err, E_CONFIG, "%s; expected from_now, all or since:DATE (since:2026-11-20)",
		       text);
}

static void
login_check(const struct conf_section *section, struct conf_report *report)
{
	static const char *const ways[] = {"password", "oauth_token", "oauth_command"};
	const char *user = conf_str(section, "user");
	int count = 0;

	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		count += conf_is_set(section, ways[i]);
	if (!count)
		conf_complain(report, section, "password",
			      "no way to log in; put the password into a file that only the "
			      "service may read, and say password = file:PATH (or oauth_token, "
			      "oauth_command)");
	if (count > 1)
		conf_complain(report, section, "password",
			      "several ways to log in; expected one of password, oauth_token and "
			      "oauth_command");
	for (const char *p = user; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f) {
			conf_complain(report, section, "user", "a control character in it");
			return;
		}
}

static void
imap_check(const struct conf_section *section, struct conf_report *report)
{
	AUTO(imap_url_fini) struct imap_url url = {.host = NULL};
	AUTO(auto_free) char *what = NULL;
	struct err err = ERR_INIT;
	struct wall since;
	int ignored;

	if (!imap_url_parse(str_of(conf_str(section, "url")), &url, &err)) {
		conf_complain(report, section, "url", "%s", err_text(&err));
	} else if (url.tls && conf_is_set(section, "starttls")) {
		conf_complain(report, section, "starttls",
			      "imaps:// is encrypted from its first byte; leave this out, or say "
			      "imap://");
	} else if (!url.tls && !strcmp(conf_str(section, "starttls"), "none")) {
		conf_warn(report, section, "starttls",
			  "password and mail go over the network in clear");
	}
	err_fini(&err);
	err = (struct err)ERR_INIT;
	if (!imap_criteria_check(str_of(conf_str(section, "search")), &err))
		conf_complain(report, section, "search", "%s", err_text(&err));
	err_fini(&err);
	err = (struct err)ERR_INIT;
	if (!accept_of(conf_str(section, "on_accept"), &ignored, &what, &err))
		conf_complain(report, section, "on_accept", "%s", err_text(&err));
	err_fini(&err);
	err = (struct err)ERR_INIT;
	if (!initial_of(conf_str(section, "initial"), &ignored, &since, &err))
		conf_complain(report, section, "initial", "%s", err_text(&err));
	err_fini(&err);
	login_check(section, report);
}

/* The operator has been here: a login that was refused may be tried again soon. */
static void
imap_check_all(const struct registry *registry UNUSED, struct conf_report *report UNUSED)
{
	accounts_forgive();
}

/* What one mail can have at most; most have less. */
static enum trust
imap_trust(const struct conf_section *section)
{
	return conf_is_set(section, "authserv") ? TRUST_AUTHENTICATED : TRUST_UNTRUSTED;
}

/* --- life
 * ---------------------------------------------------------------------------------------------- */

static void
mailbox_free(struct mailbox *box)
{
	mailbox_end(box);
	mail_forget_all(box);
	place_fini(&box->place);
	journal_fini(&box->journal);
	imap_url_fini(&box->url);
	free(box->user);
	free(box->criteria);
	free(box->authserv);
	free(box->ca_file);
	free(box->folder);
	free(box->accept_what);
	free(box->found);
	free(box->all);
	free(box->held);
	free(box->mark_error);
	source_fini(&box->source);
	free(box);
}

static bool
settings_take(struct mailbox *box, const struct conf_section *section, struct err *err)
{
	AUTO(buf_fini) struct buf folder = BUF_INIT;
	int accept, initial;

	if (!imap_url_parse(str_of(conf_str(section, "url")), &box->url, err) ||
	    !imap_mailbox_write(str_of(box->url.folder), &folder, err) ||
	    !accept_of(conf_str(section, "on_accept"), &accept, &box->accept_what, err) ||
	    !initial_of(conf_str(section, "initial"), &initial, &box->initial_since, err))
		return false;
	box->folder = buf_take(&folder);
	box->accept = accept;
	box->initial = initial;
	box->user = mem_strdup(conf_str(section, "user"));
	box->criteria = mem_strdup(conf_str(section, "search"));
	box->all_matches = str_eq_nocase(str_of(box->criteria), STR("ALL"));
	box->authserv = mem_strdup(conf_str(section, "authserv"));
	box->ca_file = mem_strdup(conf_str(section, "ca_file"));
	box->clear = !box->url.tls && !strcmp(conf_str(section, "starttls"), "none");
	box->idle = conf_bool(section, "idle");
	box->save = !strcmp(conf_str(section, "attachments"), "save");
	box->poll_ms = conf_ms(section, "poll");
	box->max_message = (size_t)conf_int(section, "max_message");
	box->tries = (unsigned)conf_int(section, "read_tries");
	box->retry_ms = conf_ms(section, "read_retry");
	return true;
}

static struct source *
imap_start(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct mailbox *box = mem_alloc(sizeof(*box));
	AUTO(buf_fini) struct buf place = BUF_INIT;

	source_init(&box->source, core, &imap_kind, trigger->name);
	if (settings_take(box, trigger->section, err)) {
		buf_printf(&place, "%s@%s:%d/%s", box->user, box->url.host, box->url.port,
			   box->url.folder);
		if (journal_load(&box->journal, core, box->source.name, buf_cstr(&place), err)) {
			mail_open(core);
			mailbox_begin(box);
			return &box->source;
		}
	}
	mailbox_free(box);
	return NULL;
}

static void
imap_stop(struct source *source)
{
	mailbox_free(CONTAINER_OF(source, struct mailbox, source));
	mail_close();
}

static void
imap_wake(struct source *source)
{
	mailbox_wake(CONTAINER_OF(source, struct mailbox, source));
}

const struct source_kind imap_kind = {.name = "imap",
				      .tables = tables,
				      .trust = TRUST_UNTRUSTED,
				      .trust_of = imap_trust,
				      .start = imap_start,
				      .stop = imap_stop,
				      .check_all = imap_check_all,
				      .wake = imap_wake};
