/* The look: which messages are new, and how far it has come. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "base/log.h"
#include "triggers/imap/mailbox.h"

#define SEARCH_MS 120000

int
mail_meta_compare(const void *a, const void *b)
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
	qsort(box->found, box->found_count, sizeof(*box->found), mail_meta_compare);
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
						 sizeof(*box->found), mail_meta_compare)))
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
	fetch_go_on(box);
}

/* --- how far it has come
 * -------------------------------------------------------------------------------- */

/* Everything below what is still under way has been dealt with. */
void
scan_low_water(struct mailbox *box)
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

void
scan_note_backlog(struct mailbox *box)
{
	box->source.backlog = (int64_t)(box->found_count - box->at + box->flight_count +
					journal_waiting(&box->journal));
}

void
scan_end(struct mailbox *box)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct journal *journal = &box->journal;
	int64_t day = core_wall(box->source.core).ms / 86400000;
	bool ok = true, again = box->more || in_range(box);

	scan_low_water(box);
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
	scan_note_backlog(box);
	if (box->held) {
		mailbox_rest(box);
	} else if (again || box->stirred) {
		scan_begin(box);
	} else {
		box->failures = box->holds = 0;
		mailbox_rest(box);
	}
}

/* --- what the server says
 * ------------------------------------------------------------------------------------ */

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

void
scan_done(struct mailbox *box, const struct imap_response *r)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (box->step == STEP_META || box->step == STEP_BODY) {
		fetch_done(box, r);
	} else if (r->status == IMAP_OK) {
		search_done(box);
	} else {
		err_set(&err, E_UNAVAILABLE, "the mail server refuses the search: %.*s",
			r->text.len < 200 ? (int)r->text.len : 200, r->text.p);
		mailbox_fail(box, &err);
	}
}
