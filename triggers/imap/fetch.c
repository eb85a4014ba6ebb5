/* Fetching what the look found, a few at a time; what could not be had is tried again, and parked
 * in the end. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/log.h"
#include "pure/backoff.h"
#include "triggers/imap/mailbox.h"

#define HOLD_MS 5000
#define PAUSE_MAX_MS 120000

/* --- what cannot be had
 * ---------------------------------------------------------------------------------- */

/* No more of it is tried for now. counted: as so many tries; at TRIES it is parked. */
static void
missed(struct mailbox *box, const struct mail_meta *meta, const char *why, unsigned counted)
{
	const struct backoff pauses = {box->retry_ms, PAUSE_MAX_MS, 4, BACKOFF_NONE};
	struct journal_pending *pending = journal_find_pending(&box->journal, meta->uid);
	AUTO(buf_fini) struct buf rule = BUF_INIT, told = BUF_INIT;
	unsigned tries = pending ? pending->tries + counted : counted;

	if (!counted || tries < box->tries) {
		journal_wait(&box->journal, meta->uid,
			     counted ? backoff_delay(&pauses, tries, 0) : HOLD_MS, counted > 0);
		return;
	}
	buf_printf(&rule, "parked after %u tries: %s", tries > box->tries ? 1 : tries, why);
	box->flight[box->flight_count++] = meta->uid;
	log_warning("a message is parked", "trigger", box->source.name, "error", buf_cstr(&rule));
	mail_park(box, meta, buf_cstr(&rule));
	buf_printf(&told,
		   "message %" PRIu64 " is %s; rouse event list --trigger %s --outcome rejected",
		   meta->uid, buf_cstr(&rule), box->source.name);
	source_note_error(&box->source, buf_cstr(&told));
}

static void
vanished(struct mailbox *box, uint64_t uid)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!journal_judge(&box->journal, uid, &err))
		log_warning("a message that is gone is not noted", "trigger", box->source.name,
			    "error", err_text(&err));
}

/* --- what is asked
 * --------------------------------------------------------------------------------------- */

static void
meta_send(struct mailbox *box)
{
	AUTO(buf_fini) struct buf command = BUF_INIT;
	size_t end = box->at + META_COUNT;

	box->meta_until = end < box->found_count ? end : box->found_count;
	buf_puts(&command, "UID FETCH ");
	for (size_t i = box->at; i < box->meta_until; i++)
		buf_printf(&command, "%s%" PRIu64, i > box->at ? "," : "", box->found[i].uid);
	buf_puts(&command, " (UID RFC822.SIZE INTERNALDATE)");
	mailbox_command(box, STEP_META, 0, buf_cstr(&command));
}

/* Takes the next messages for one FETCH off what was found. */
static void
batch_fill(struct mailbox *box)
{
	size_t bytes = 0;

	box->batch_count = 0;
	box->batch_header = false;
	while (box->at < box->meta_until && box->batch_count < FETCH_COUNT) {
		const struct mail_meta *meta = &box->found[box->at];
		bool alone = box->one_by_one || !meta->size || meta->size > box->max_message;

		if (!meta->answered) {
			box->at++;
			continue;
		}
		if (box->batch_count && (alone || bytes + meta->size > FETCH_BYTES))
			break;
		box->batch_header = meta->size > box->max_message;
		box->batch_got[box->batch_count] = false;
		box->batch[box->batch_count] = *meta;
		box->batch[box->batch_count++].answered = false;
		bytes += (size_t)meta->size;
		box->at++;
		if (alone)
			break;
	}
}

static void
batch_send(struct mailbox *box)
{
	AUTO(buf_fini) struct buf command = BUF_INIT;

	buf_puts(&command, "UID FETCH ");
	for (size_t i = 0; i < box->batch_count; i++)
		buf_printf(&command, "%s%" PRIu64, i ? "," : "", box->batch[i].uid);
	if (box->batch_header)
		buf_printf(&command, " (UID BODY.PEEK[HEADER]<0.%d>)", HEADER_BYTES);
	else if (!box->batch[0].size)
		buf_printf(&command, " (UID BODY.PEEK[]<0.%zu>)", box->max_message + 1);
	else
		buf_puts(&command, " (UID BODY.PEEK[])");
	mailbox_command(box, STEP_BODY, FETCH_BYTES + box->max_message, buf_cstr(&command));
}

static bool
flight_is_full(const struct mailbox *box)
{
	return box->flight_count + FETCH_COUNT > FLIGHT_COUNT || box->flight_bytes > FLIGHT_BYTES;
}

void
fetch_go_on(struct mailbox *box)
{
	if (!box->session || session_is_busy(box->session))
		return;
	scan_note_backlog(box);
	if (!box->held && box->at < box->found_count && !flight_is_full(box)) {
		if (box->at >= box->meta_until) {
			meta_send(box);
			return;
		}
		batch_fill(box);
		if (box->batch_count)
			batch_send(box);
		else
			fetch_go_on(box);
		return;
	}
	if (box->flight_count) {
		box->step = STEP_FLIGHT;
		return;
	}
	if (!box->held && mark_begin(box))
		return;
	scan_end(box);
}

/* --- what the server says
 * ------------------------------------------------------------------------------------ */

static void
meta_take(struct mailbox *box, const struct mail_meta *said)
{
	struct mail_meta *found =
		box->found_count > box->at
			? bsearch(said, box->found + box->at, box->meta_until - box->at,
				  sizeof(*box->found), mail_meta_compare)
			: NULL;

	if (!found)
		return;
	found->answered = true;
	if (said->size)
		found->size = said->size;
	if (wall_is_set(said->received))
		found->received = said->received;
}

static void
body_take(struct mailbox *box, uint64_t uid, const struct imap_value *body)
{
	AUTO(buf_fini) struct buf text = BUF_INIT, refused = BUF_INIT;
	struct str raw = body->raw;
	size_t i = 0;

	while (i < box->batch_count && box->batch[i].uid != uid)
		i++;
	if (i == box->batch_count || box->batch_got[i])
		return;
	box->batch[i].answered = true;
	if (body->kind == IMAP_QUOTED) {
		imap_value_text(body, &text);
		raw = buf_str(&text);
	} else if (body->kind != IMAP_LITERAL) {
		return;
	}
	if (box->batch_header || raw.len > box->max_message)
		buf_printf(&refused,
			   "the message has %" PRIu64 " bytes, and max_message is %zu; only its "
			   "header was read",
			   box->batch[i].size ? box->batch[i].size : (uint64_t)raw.len,
			   box->max_message);
	if (refused.len && raw.len > HEADER_BYTES)
		raw.len = HEADER_BYTES;
	box->batch_got[i] = true;
	box->flight[box->flight_count++] = uid;
	box->flight_bytes += raw.len;
	mail_start(box, &box->batch[i], raw, refused.len ? buf_str(&refused) : STR_NONE);
}

void
fetch_take(struct mailbox *box, struct str args)
{
	struct mail_meta said = {.received = WALL_NONE};
	struct imap_value list, value, body = {IMAP_NIL, STR_NONE};
	struct str name;

	if (!imap_value_next(&args, &list) || list.kind != IMAP_LIST)
		return;
	while (imap_item_next(&list.raw, &name, &value)) {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		if (str_eq_nocase(name, STR("UID"))) {
			imap_value_number(&value, &said.uid);
		} else if (str_eq_nocase(name, STR("RFC822.SIZE"))) {
			imap_value_number(&value, &said.size);
		} else if (str_eq_nocase(name, STR("INTERNALDATE")) &&
			   imap_value_text(&value, &text)) {
			imap_time_parse(buf_str(&text), &said.received);
		} else if (str_starts_nocase(name, STR("BODY["))) {
			body = value;
		}
	}
	if (said.uid > box->last_uid)
		box->last_uid = said.uid;
	if (box->step == STEP_META)
		meta_take(box, &said);
	else if (box->step == STEP_BODY)
		body_take(box, said.uid, &body);
}

static void
meta_done(struct mailbox *box, const struct imap_response *r)
{
	for (size_t i = box->at; i < box->meta_until; i++) {
		if (r->status != IMAP_OK)
			box->found[i].answered = true;
		else if (!box->found[i].answered)
			vanished(box, box->found[i].uid);
	}
	fetch_go_on(box);
}

static void
body_done(struct mailbox *box, const struct imap_response *r)
{
	AUTO(buf_fini) struct buf why = BUF_INIT;

	buf_printf(&why, "the mail server does not give it: %.*s",
		   r->text.len < 200 ? (int)r->text.len : 200, r->text.p);
	for (size_t i = 0; i < box->batch_count; i++) {
		if (box->batch_got[i])
			continue;
		/* Expunged meanwhile; with NO, the next look will tell. */
		if (r->status == IMAP_OK && !box->batch[i].answered)
			vanished(box, box->batch[i].uid);
		else
			missed(box, &box->batch[i], buf_cstr(&why), 1);
	}
	box->one_by_one -= box->one_by_one > 0;
	box->batch_count = 0;
	scan_low_water(box);
	fetch_go_on(box);
}

void
fetch_done(struct mailbox *box, const struct imap_response *r)
{
	if (box->step == STEP_META)
		meta_done(box, r);
	else
		body_done(box, r);
}

/* One message alone is to blame for what happened while it was fetched; of several the next fetches
 * will tell which. */
void
fetch_lost(struct mailbox *box, const struct err *err)
{
	bool alone = box->batch_count == 1;

	for (size_t i = 0; i < box->batch_count && box->step == STEP_BODY; i++) {
		if (box->batch_got[i])
			continue;
		/* What is larger than it said will be so again. */
		missed(box, &box->batch[i], err_text(err),
		       !alone			  ? 0
		       : err->code == E_TOO_LARGE ? 2 * box->tries
						  : 1);
	}
	if (box->step == STEP_BODY && !alone)
		box->one_by_one = 4 * FETCH_COUNT;
	box->batch_count = 0;
}

static void
flight_remove(struct mailbox *box, uint64_t uid, size_t bytes)
{
	for (size_t i = 0; i < box->flight_count; i++) {
		if (box->flight[i] != uid)
			continue;
		box->flight[i] = box->flight[--box->flight_count];
		break;
	}
	box->flight_bytes -= bytes < box->flight_bytes ? bytes : box->flight_bytes;
}

void
mailbox_on_mail(struct mailbox *box, const struct mail_meta *meta, size_t bytes,
		const char *identity UNUSED, enum mail_end end, const char *why)
{
	flight_remove(box, meta->uid, bytes);
	if (end == MAIL_KEPT || end == MAIL_ACCEPTED) {
		/* A first look may take long. */
		if (box->source.health != HEALTH_OK && !box->held && !box->mark_error)
			source_set_health(&box->source, HEALTH_OK, NULL);
	} else if (end == MAIL_KNOWN) {
		vanished(box, meta->uid);
	} else if (end == MAIL_BAD) {
		missed(box, meta, why, 1);
	} else if (end == MAIL_NOT_NOW) {
		missed(box, meta, why, 0);
		free(box->held);
		box->held = mem_strdup(why);
	}
	scan_low_water(box);
	if (box->step == STEP_FLIGHT)
		fetch_go_on(box);
	else
		scan_note_backlog(box);
}
