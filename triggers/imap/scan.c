/* The look: which messages are new, and fetching them, a few at a time. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/log.h"
#include "pure/backoff.h"
#include "triggers/imap/mailbox.h"

#define SEARCH_MS 120000
#define HOLD_MS 5000

static int
meta_compare(const void *a, const void *b)
{
	const struct mail_meta *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static bool
is_flying(const struct mailbox *box, uint64_t uid)
{
	for (size_t i = 0; i < box->flight_count; i++)
		if (box->flight[i] == uid)
			return true;
	return false;
}

static bool
in_range(const struct mailbox *box)
{
	return box->journal.until != 0;
}

/* --- where it begins
 * --------------------------------------------------------------------------------- */

static bool
journal_prepare(struct mailbox *box, struct err *err)
{
	struct journal *journal = &box->journal;
	uint64_t high = box->uidnext - 1;
	AUTO(buf_fini) struct buf said = BUF_INIT;

	if (journal->exists && journal->uidvalidity == box->uidvalidity)
		return true;
	if (!journal->exists)
		return journal_begin(
			journal, box->uidvalidity, box->initial == INITIAL_NOW ? high : 0,
			box->initial == INITIAL_SINCE ? high : 0, box->initial_since, err);
	buf_printf(&said, "%" PRIu64 " instead of %" PRIu64, box->uidvalidity,
		   journal->uidvalidity);
	log_warning("the mailbox has new numbers (UIDVALIDITY); what came in its last two days is "
		    "compared with what is known",
		    "trigger", box->source.name, "uidvalidity", buf_cstr(&said));
	return journal_reset(journal, box->uidvalidity, high, err);
}

void
scan_selected(struct mailbox *box)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!box->uidvalidity) {
		err_set(&err, E_UNAVAILABLE,
			"the mail server gives the mailbox no UIDVALIDITY, so that its messages "
			"cannot be told apart");
	} else if (!box->uidnext && box->step != STEP_LAST_UID) {
		mailbox_command(box, STEP_LAST_UID, 0, "UID FETCH * (UID)");
		return;
	} else {
		if (!box->uidnext)
			box->uidnext = box->last_uid + 1;
		if (journal_prepare(box, &err)) {
			box->high = box->uidnext - 1;
			box->saved = box->journal.last;
			scan_begin(box);
			return;
		}
	}
	mailbox_fail(box, &err);
}

static uint64_t
window_of(uint64_t last)
{
	return last > JOURNAL_WINDOW ? last - JOURNAL_WINDOW + 1 : 1;
}

/* "UID SEARCH … UID from:to …" */
static void
search_send(struct mailbox *box, enum step step, uint64_t from, const char *criteria)
{
	AUTO(buf_fini) struct buf command = BUF_INIT;
	const struct journal *journal = &box->journal;

	buf_cat(&command, "UID SEARCH ", box->has_esearch ? "RETURN (ALL) " : "", "UID ");
	buf_printf(&command, "%" PRIu64 ":", from);
	if (in_range(box))
		buf_printf(&command, "%" PRIu64, journal->until);
	else
		buf_putc(&command, '*');
	if (in_range(box) && wall_is_set(journal->since)) {
		buf_puts(&command, " SINCE ");
		imap_date_write(journal->since, &command);
	}
	if (criteria)
		buf_cat(&command, " ", criteria);
	session_limit(box->session, SEARCH_TEXT, box->max_message + HEADER_BYTES);
	mailbox_command(box, step, SEARCH_TEXT, buf_cstr(&command));
}

void
scan_begin(struct mailbox *box)
{
	struct journal *journal = &box->journal;

	box->found_count = box->at = box->meta_until = box->all_count = 0;
	box->more = box->stirred = false;
	free(box->held);
	box->held = NULL;
	if (!mailbox_is_on(box)) {
		mailbox_rest(box);
		return;
	}
	box->from = in_range(box) ? journal->last + 1 : window_of(journal->last);
	if (box->from <= journal->floor)
		box->from = journal->floor + 1;
	if (!box->all_matches && !in_range(box)) {
		uint64_t window = window_of(box->high);

		search_send(box, STEP_SEARCH_ALL, window > box->from ? window : box->from, NULL);
		return;
	}
	search_send(box, STEP_SEARCH, box->from, box->all_matches ? NULL : box->criteria);
}

/* --- what there is
 * ------------------------------------------------------------------------------------ */

/* In order, each once; the lowest FOUND_MAX of them. */
static void
found_tidy(struct mailbox *box)
{
	size_t kept = 0;

	if (!box->found_count)
		return;
	qsort(box->found, box->found_count, sizeof(*box->found), meta_compare);
	for (size_t i = 0; i < box->found_count; i++)
		if (!kept || box->found[i].uid != box->found[kept - 1].uid)
			box->found[kept++] = box->found[i];
	if (kept > FOUND_MAX) {
		kept = FOUND_MAX;
		box->more = true;
	}
	box->found_count = kept;
}

static void
found_add(struct mailbox *box, uint64_t uid)
{
	if (!box->found) {
		box->found_cap = 2 * FOUND_MAX;
		box->found = mem_alloc_array(box->found_cap, sizeof(*box->found));
	}
	if (box->found_count == box->found_cap)
		found_tidy(box);
	box->found[box->found_count++] = (struct mail_meta){.uid = uid, .received = WALL_NONE};
}

/* Some servers answer "9:*" by the last message though its UID is lower. */
static void
range_take(struct mailbox *box, uint64_t from, uint64_t to)
{
	uint64_t top = in_range(box) ? box->journal.until : UINT32_MAX;

	if (from < box->from)
		from = box->from;
	if (to > top)
		to = top;
	for (uint64_t uid = from; uid <= to; uid++) {
		if (box->step == STEP_SEARCH_ALL) {
			if (!box->all)
				box->all = mem_alloc_array(FOUND_MAX, sizeof(*box->all));
			if (box->all_count == FOUND_MAX)
				return;
			box->all[box->all_count++] = uid;
			continue;
		}
		if (box->more && uid > box->found[FOUND_MAX - 1].uid)
			return;
		if (!journal_is_judged(&box->journal, uid) &&
		    !journal_find_pending(&box->journal, uid) && !is_flying(box, uid))
			found_add(box, uid);
	}
	if (to >= from && to > box->high && !in_range(box) && to < UINT32_MAX)
		box->high = to;
}

static void
ranges_take(struct mailbox *box, struct str set)
{
	uint64_t from, to;

	while (imap_range_next(&set, &from, &to))
		range_take(box, from, to);
}

/* (TAG "R5") UID ALL 1:2,4 */
static void
esearch_take(struct mailbox *box, struct str args)
{
	struct imap_value value;
	bool all = false;

	while (imap_value_next(&args, &value)) {
		if (all && value.kind == IMAP_ATOM)
			ranges_take(box, value.raw);
		all = value.kind == IMAP_ATOM && str_eq_nocase(value.raw, STR("ALL"));
	}
}

/* Those that were there before the search and do not match are judged by that: once. */
static bool
others_judge(struct mailbox *box, struct err *err)
{
	for (size_t i = 0; i < box->all_count; i++) {
		struct mail_meta key = {.uid = box->all[i]};

		if (journal_is_judged(&box->journal, key.uid) || is_flying(box, key.uid) ||
		    journal_find_pending(&box->journal, key.uid) ||
		    (box->found_count && bsearch(&key, box->found, box->found_count,
						 sizeof(*box->found), meta_compare)))
			continue;
		if (!journal_judge(&box->journal, key.uid, err))
			return false;
	}
	return true;
}

static void
pending_add_due(struct mailbox *box)
{
	struct mono now = clock_mono(box->source.core->clock);
	struct journal_pending *pending, *next;

	HASH_ITER (hh, box->journal.pending, pending, next)
		if (pending->due.ms <= now.ms && !is_flying(box, pending->uid) &&
		    box->found_count < FOUND_MAX)
			found_add(box, pending->uid);
}

static void
search_done(struct mailbox *box)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (box->step == STEP_SEARCH_ALL) {
		search_send(box, STEP_SEARCH, box->from, box->criteria);
		return;
	}
	session_limit(box->session, FETCH_BYTES, box->max_message + HEADER_BYTES);
	found_tidy(box);
	if (!others_judge(box, &err)) {
		mailbox_fail(box, &err);
		return;
	}
	pending_add_due(box);
	found_tidy(box);
	scan_go_on(box);
}

/* --- how far it has come
 * -------------------------------------------------------------------------------- */

/* Everything below what is still under way has been dealt with. */
static void
low_water(struct mailbox *box)
{
	uint64_t lowest = UINT64_MAX;

	if (box->at < box->found_count)
		lowest = box->found[box->at].uid;
	for (size_t i = 0; i < box->flight_count; i++)
		if (box->flight[i] < lowest)
			lowest = box->flight[i];
	for (size_t i = 0; i < box->batch_count; i++)
		if (!box->batch_got[i] && box->batch[i].uid < lowest)
			lowest = box->batch[i].uid;
	if (lowest == UINT64_MAX && box->at)
		lowest = box->found[box->at - 1].uid + 1;
	if (lowest != UINT64_MAX && lowest > 1)
		journal_advance(&box->journal, lowest - 1);
}

static void
backlog_note(struct mailbox *box)
{
	box->source.backlog = (int64_t)(box->found_count - box->at + box->flight_count +
					journal_waiting(&box->journal));
}

static void
scan_end(struct mailbox *box)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct journal *journal = &box->journal;
	int64_t day = core_wall(box->source.core).ms / 86400000;
	bool ok = true, again = box->more || in_range(box);

	low_water(box);
	if (!box->held && !box->more && in_range(box))
		ok = journal_range_done(journal, &err);
	else if (!box->held && !box->more)
		journal_advance(journal, box->high);
	if (ok && journal->last != box->saved)
		ok = journal_save(journal, &err);
	if (ok && box->pruned_day != day) {
		ok = journal_prune(journal, &err);
		box->pruned_day = day;
	}
	if (!ok) {
		mailbox_fail(box, &err);
		return;
	}
	box->saved = journal->last;
	box->found_count = box->at = 0;
	backlog_note(box);
	if (box->held) {
		mailbox_rest(box);
	} else if (again || box->stirred) {
		scan_begin(box);
	} else {
		box->failures = box->holds = 0;
		mailbox_rest(box);
	}
}

/* --- fetching
 * -------------------------------------------------------------------------------------------- */

/* No more of it is tried for now. counted: as so many tries; at TRIES it is parked. */
static void
missed(struct mailbox *box, const struct mail_meta *meta, const char *why, unsigned counted)
{
	static const struct backoff pauses = {1000, 120000, 4, BACKOFF_NONE};
	struct journal_pending *pending = journal_find_pending(&box->journal, meta->uid);
	AUTO(buf_fini) struct buf rule = BUF_INIT;
	unsigned tries = pending ? pending->tries + counted : counted;

	if (!counted || tries < TRIES) {
		journal_wait(&box->journal, meta->uid,
			     counted ? backoff_delay(&pauses, tries, 0) : HOLD_MS, counted > 0);
		return;
	}
	buf_printf(&rule, "parked after %u tries: %s", tries > TRIES ? 1 : tries, why);
	box->parked++;
	box->flight[box->flight_count++] = meta->uid;
	log_warning("a message is parked", "trigger", box->source.name, "error", buf_cstr(&rule));
	mail_park(box, meta, buf_cstr(&rule));
}

static void
vanished(struct mailbox *box, uint64_t uid)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!journal_judge(&box->journal, uid, &err))
		log_warning("a message that is gone is not noted", "trigger", box->source.name,
			    "error", err_text(&err));
}

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
scan_go_on(struct mailbox *box)
{
	if (!box->session || session_is_busy(box->session))
		return;
	backlog_note(box);
	if (!box->held && box->at < box->found_count && !flight_is_full(box)) {
		if (box->at >= box->meta_until) {
			meta_send(box);
			return;
		}
		batch_fill(box);
		if (box->batch_count)
			batch_send(box);
		else
			scan_go_on(box);
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
				  sizeof(*box->found), meta_compare)
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

static void
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

void
scan_data(struct mailbox *box, const struct imap_response *r)
{
	bool searches = box->step == STEP_SEARCH || box->step == STEP_SEARCH_ALL;

	if (str_eq_nocase(r->name, STR("FETCH")) && r->has_number)
		fetch_take(box, r->args);
	else if (searches && str_eq_nocase(r->name, STR("SEARCH")))
		ranges_take(box, r->args);
	else if (searches && str_eq_nocase(r->name, STR("ESEARCH")))
		esearch_take(box, r->args);
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
	scan_go_on(box);
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
	low_water(box);
	scan_go_on(box);
}

void
scan_done(struct mailbox *box, const struct imap_response *r)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (box->step == STEP_META) {
		meta_done(box, r);
	} else if (box->step == STEP_BODY) {
		body_done(box, r);
	} else if (r->status == IMAP_OK) {
		search_done(box);
	} else {
		err_set(&err, E_UNAVAILABLE, "the mail server refuses the search: %.*s",
			r->text.len < 200 ? (int)r->text.len : 200, r->text.p);
		mailbox_fail(box, &err);
	}
}

/* One message alone is to blame for what happened while it was fetched; of several the next fetches
 * will tell which. */
void
scan_lost(struct mailbox *box, const struct err *err)
{
	bool alone = box->batch_count == 1;

	for (size_t i = 0; i < box->batch_count && box->step == STEP_BODY; i++) {
		if (box->batch_got[i])
			continue;
		/* What is larger than it said will be so again. */
		missed(box, &box->batch[i], err_text(err),
		       !alone			  ? 0
		       : err->code == E_TOO_LARGE ? 2 * TRIES
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
	low_water(box);
	if (box->step == STEP_FLIGHT)
		scan_go_on(box);
	else
		backlog_note(box);
}
