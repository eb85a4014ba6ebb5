/* Mailboxes: connecting, waiting for mail, and trying again. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/imap/mailbox.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/uuid.h"
#include "conf/secret.h"
#include "pure/backoff.h"
#include "pure/duration.h"

enum {
	COMMAND_MS = 60000, /* and a second for each 16 KiB that are asked for */
	LEAST_MS = 500,
	HELD_MS = 5000, /* when no event can be kept: the first pause */
	SOON_MS = 1,
};

static const struct backoff failing = {1000, 300000, 2, BACKOFF_FULL};
static const struct backoff holding = {HELD_MS, 60000, 2, BACKOFF_FULL};

static void connect_begin(struct mailbox *box);

static struct mono
now_of(const struct mailbox *box)
{
	return clock_mono(box->source.core->clock);
}

bool
mailbox_is_on(const struct mailbox *box)
{
	return trigger_is_on(box->source.core, source_trigger(&box->source));
}

/* --- time
 * -----------------------------------------------------------------------------------------------
 */

static void
on_timer(void *arg)
{
	struct mailbox *box = arg;

	switch (box->step) {
	case STEP_NONE:
		connect_begin(box);
		break;
	case STEP_IDLE:
		place_set_resting(&box->place, false, now_of(box));
		session_wake(box->session);
		break;
	case STEP_REST:
		place_set_resting(&box->place, false, now_of(box));
		if (mailbox_is_on(box))
			mailbox_command(box, STEP_NOOP, 0, "NOOP");
		else
			mailbox_rest(box);
		break;
	default:
		break;
	}
}

static void
timer_arm(struct mailbox *box, int64_t ms)
{
	core_timer_arm(box->source.core, &box->timer, ms > SOON_MS ? ms : SOON_MS, on_timer, box);
}

/* Until something is to be done that no server tells. */
static int64_t
rest_ms(const struct mailbox *box, int64_t ms)
{
	int64_t now = now_of(box).ms, due = journal_next_due(&box->journal);

	if (HASH_COUNT(box->journal.marks) && box->accept != ACCEPT_NONE && box->mark_due.ms < due)
		due = box->mark_due.ms;
	if (due != INT64_MAX && due - now < ms)
		ms = due - now;
	return ms > LEAST_MS ? ms : LEAST_MS;
}

/* --- ending
 * ------------------------------------------------------------------------------------------------
 */

static void
secret_forget(struct mailbox *box)
{
	if (box->secret.data)
		mem_zero(box->secret.data, box->secret.cap);
	buf_fini(&box->secret);
}

static void
disconnect(struct mailbox *box)
{
	session_free(box->session);
	token_cancel(box->token);
	box->session = NULL;
	box->token = NULL;
	box->step = STEP_NONE;
	secret_forget(box);
	place_leave(&box->place);
}

void
mailbox_end(struct mailbox *box)
{
	disconnect(box);
	core_timer_free(box->timer);
	box->timer = NULL;
}

static void
fail_for(struct mailbox *box, const struct err *err, int64_t ms)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	fetch_lost(box, err);
	disconnect(box);
	buf_printf(&text, "%s; next try in ", err_text(err));
	duration_print(ms < 1000 ? 1000 : ms / 1000 * 1000, &text);
	source_set_health(&box->source, HEALTH_FAILING, buf_cstr(&text));
	log_warning("mailbox not reached", "trigger", box->source.name, "error", buf_cstr(&text));
	timer_arm(box, ms);
}

void
mailbox_fail(struct mailbox *box, const struct err *err)
{
	int64_t ms = backoff_delay(&failing, ++box->failures, entropy_below(UINT64_MAX));

	fail_for(box, err, ms > LEAST_MS ? ms : LEAST_MS);
}

/* --- resting
 * -------------------------------------------------------------------------------------------------
 */

static void
health_tell(struct mailbox *box)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (box->held) {
		buf_printf(&text, "%zu messages wait: %s", journal_waiting(&box->journal),
			   box->held);
		source_set_health(&box->source, HEALTH_FAILING, buf_cstr(&text));
		return;
	}
	if (box->mark_error) {
		source_set_health(&box->source, HEALTH_FAILING, box->mark_error);
		return;
	}
	source_set_health(&box->source, HEALTH_OK, NULL);
}

void
mailbox_wake(struct mailbox *box)
{
	if (!box->is_off || !mailbox_is_on(box))
		return;
	box->is_off = false;
	if (box->step == STEP_NONE || box->step == STEP_IDLE || box->step == STEP_REST)
		timer_arm(box, SOON_MS);
}

void
mailbox_rest(struct mailbox *box)
{
	bool on = mailbox_is_on(box), idles = box->has_idle && box->idle && on && !box->held;
	int64_t ms = rest_ms(box, idles ? RENEW_MS : box->poll_ms);

	if (on)
		health_tell(box);
	box->is_off = !on;
	if (box->held)
		ms = LEAST_MS + backoff_delay(&holding, ++box->holds, entropy_below(UINT64_MAX));
	if (place_is_wanted(&box->place)) {
		disconnect(box);
		ms = ms < box->poll_ms ? ms : box->poll_ms;
	} else if (idles) {
		box->step = STEP_IDLE;
		session_idle(box->session);
		place_set_resting(&box->place, true, now_of(box));
	} else {
		box->step = STEP_REST;
		place_set_resting(&box->place, true, now_of(box));
	}
	timer_arm(box, ms);
}

/* --- what the server says
 * -------------------------------------------------------------------------------------- */

void
mailbox_command(struct mailbox *box, enum step step, size_t bytes, const char *command)
{
	box->step = step;
	session_command(box->session, COMMAND_MS + (int64_t)(bytes / 16384) * 1000, bytes, command);
}

static bool
has_word(struct str words, const char *word)
{
	struct str one;

	while (words.p && words.len) {
		words = str_split(words, ' ', &one);
		if (str_eq_nocase(one, str_of(word)))
			return true;
	}
	return false;
}

static void
capabilities_take(struct mailbox *box, struct str words)
{
	box->has_idle = has_word(words, "IDLE");
	box->has_move = has_word(words, "MOVE");
	box->has_uidplus = has_word(words, "UIDPLUS");
	box->has_esearch = has_word(words, "ESEARCH");
}

static void
code_take(struct mailbox *box, const struct imap_response *r)
{
	uint64_t number;

	if (str_eq_nocase(r->code, STR("CAPABILITY")))
		capabilities_take(box, r->code_args);
	if (!str_to_u64(r->code_args, &number) || number > UINT32_MAX)
		return;
	if (str_eq_nocase(r->code, STR("UIDVALIDITY")))
		box->uidvalidity = number;
	else if (str_eq_nocase(r->code, STR("UIDNEXT")))
		box->uidnext = number;
}

static void
on_data(void *arg, const struct imap_response *r)
{
	struct mailbox *box = arg;

	if (r->code.p && box->step == STEP_SELECT)
		code_take(box, r);
	if (str_eq_nocase(r->name, STR("CAPABILITY")))
		capabilities_take(box, r->args);
	if (str_eq_nocase(r->name, STR("EXISTS")) && r->has_number) {
		box->stirred = true;
		if (box->step == STEP_IDLE)
			session_wake(box->session);
	}
	scan_data(box, r);
}

static void
on_idling(void *arg)
{
	struct mailbox *box = arg;

	if (box->stirred)
		session_wake(box->session);
}

static void
select_send(struct mailbox *box)
{
	AUTO(buf_fini) struct buf command = BUF_INIT;

	box->uidvalidity = box->uidnext = box->last_uid = 0;
	/* Who never writes does not ask to. */
	buf_cat(&command, box->accept == ACCEPT_NONE ? "EXAMINE " : "SELECT ", box->folder);
	mailbox_command(box, STEP_SELECT, 0, buf_cstr(&command));
}

static void
refused(struct mailbox *box, const char *what, const struct imap_response *r)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	err_set(&err, E_UNAVAILABLE, "the mail server refuses %s: %.*s", what,
		r->text.len < 200 ? (int)r->text.len : 200, r->text.p);
	mailbox_fail(box, &err);
}

static void
on_done(void *arg, const struct imap_response *r)
{
	struct mailbox *box = arg;

	switch (box->step) {
	case STEP_CAPABILITY:
		select_send(box);
		break;
	case STEP_SELECT:
		if (r->status != IMAP_OK) {
			refused(box, "the mailbox", r);
			break;
		}
		scan_selected(box);
		break;
	case STEP_LAST_UID:
		scan_selected(box);
		break;
	case STEP_IDLE:
		place_set_resting(&box->place, false, now_of(box));
		if (r->status != IMAP_OK)
			box->has_idle = false;
		scan_begin(box);
		break;
	case STEP_NOOP:
		scan_begin(box);
		break;
	case STEP_MARK:
	case STEP_DELETE:
	case STEP_EXPUNGE:
		mark_done(box, r);
		break;
	default:
		scan_done(box, r);
	}
}

static void
on_closed(void *arg, const struct err *err)
{
	struct mailbox *box = arg;
	AUTO(err_fini) struct err why = ERR_INIT;
	int64_t ms;

	/* Copied: it goes with the session. */
	err_set(&why, err->code, "%s", err_text(err));
	if (err->code != E_UNAUTHORIZED) {
		mailbox_fail(box, &why);
		return;
	}
	place_refused(&box->place, buf_str(&box->secret), now_of(box));
	ms = place_pause(&box->place, buf_str(&box->secret), now_of(box));
	fail_for(box, &why, ms);
}

static void
on_ready(void *arg)
{
	struct mailbox *box = arg;

	place_accepted(&box->place);
	secret_forget(box);
	mailbox_command(box, STEP_CAPABILITY, 0, "CAPABILITY");
}

static const struct session_calls calls = {.ready = on_ready,
					   .data = on_data,
					   .done = on_done,
					   .idling = on_idling,
					   .closed = on_closed};

/* --- connecting
 * --------------------------------------------------------------------------------------------------
 */

static void
session_begin(struct mailbox *box, struct str password, struct str token)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct session_spec spec = {.url = &box->url,
				    .clear = box->clear,
				    .user = box->user,
				    .password = password,
				    .token = token,
				    .ca_file = box->ca_file,
				    .literal_max = box->max_message + HEADER_BYTES};

	box->session = session_new(box->source.core->base, &spec, &calls, box, &err);
	if (!box->session)
		mailbox_fail(box, &err);
}

static void
on_token(void *arg, struct str token, const struct err *err)
{
	struct mailbox *box = arg;
	AUTO(err_fini) struct err why = ERR_INIT;
	char *text;

	box->token = NULL;
	box->step = STEP_NONE;
	if (err->code != E_OK) {
		err_set(&why, err->code, "%s", err_text(err));
		mailbox_fail(box, &why);
		return;
	}
	text = str_dup(token);
	session_begin(box, STR_NONE, str_of(text));
	mem_zero(text, token.len);
	free(text);
}

/* What the login is tried with: a password, a token, or the command that prints one. */
static bool
secret_get(struct mailbox *box, const struct conf_section *section, struct err *err)
{
	struct secrets secrets = SECRETS_INIT;
	bool ok;

	secret_forget(box);
	box->has_token = conf_is_set(section, "oauth_token");
	if (conf_is_set(section, "oauth_command")) {
		buf_puts(&box->secret, conf_str(section, "oauth_command"));
		return true;
	}
	ok = secrets_resolve(section, box->has_token ? "oauth_token" : "password", &secrets, err);
	if (ok)
		buf_add_str(&box->secret, secrets.items[0]);
	secrets_fini(&secrets);
	if (ok && memchr(box->secret.data, '\0', box->secret.len))
		return err_set(err, E_INVALID, "the secret has a NUL in it");
	return ok;
}

static void
connect_now(struct mailbox *box)
{
	const struct conf_section *section = source_trigger(&box->source)->section;
	struct str secret = buf_str(&box->secret);
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!conf_is_set(section, "oauth_command")) {
		session_begin(box, box->has_token ? STR_NONE : secret,
			      box->has_token ? secret : STR_NONE);
		return;
	}
	box->token =
		token_start(box->source.core->base, buf_cstr(&box->secret), on_token, box, &err);
	box->step = STEP_TOKEN;
	if (!box->token)
		mailbox_fail(box, &err);
}

static void
connect_begin(struct mailbox *box)
{
	const struct trigger *trigger = source_trigger(&box->source);
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t pause;

	if (!trigger || !mailbox_is_on(box)) {
		box->is_off = true;
		return;
	}
	if (!secret_get(box, trigger->section, &err)) {
		mailbox_fail(box, &err);
		return;
	}
	pause = place_pause(&box->place, buf_str(&box->secret), now_of(box));
	if (pause) {
		secret_forget(box);
		if (box->source.health != HEALTH_FAILING)
			source_set_health(&box->source, HEALTH_FAILING,
					  "the account's login was refused; it is not tried again "
					  "for now");
		timer_arm(box, pause);
		return;
	}
	if (place_take(&box->place))
		connect_now(box);
}

/* --- places
 * ------------------------------------------------------------------------------------------------------
 */

static void
on_granted(struct place *place)
{
	struct mailbox *box = CONTAINER_OF(place, struct mailbox, place);

	timer_arm(box, 0);
}

/* It has looked already: others first, until the next time. */
static void
on_wanted(struct place *place)
{
	struct mailbox *box = CONTAINER_OF(place, struct mailbox, place);

	timer_arm(box, 0);
}

static void
on_forgiven(struct place *place)
{
	struct mailbox *box = CONTAINER_OF(place, struct mailbox, place);

	if (box->step == STEP_NONE && !box->session && !place->waits)
		timer_arm(box, 0);
}

void
mailbox_begin(struct mailbox *box)
{
	box->place.granted = on_granted;
	box->place.wanted = on_wanted;
	box->place.forgiven = on_forgiven;
	place_init(&box->place, box->url.host, box->url.port, box->user);
	timer_arm(box, 0);
}
