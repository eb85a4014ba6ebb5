/* Marks: what on_accept does to a message, once its event is on disk. */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "triggers/imap/mailbox.h"

#define AGAIN_MS 30000
#define AGAIN_MAX_MS 3600000

static void
uids_write(const struct mailbox *box, struct buf *out)
{
	for (size_t i = 0; i < box->marking_count; i++)
		buf_printf(out, "%s%llu", i ? "," : "", (unsigned long long)box->marking[i]);
}

/* Takes the next ones: those that are copied already by themselves. */
static bool
marks_take(struct mailbox *box, bool *ret_copied)
{
	struct journal_mark *mark, *next;

	box->marking_count = 0;
	*ret_copied = false;
	HASH_ITER (hh, box->journal.marks, mark, next) {
		if (!box->marking_count)
			*ret_copied = mark->copied;
		if (mark->copied == *ret_copied && box->marking_count < MARK_COUNT)
			box->marking[box->marking_count++] = mark->uid;
	}
	return box->marking_count;
}

static void
mark_command(struct mailbox *box, enum step step, const char *before, const char *behind)
{
	AUTO(buf_fini) struct buf command = BUF_INIT;

	buf_puts(&command, before);
	uids_write(box, &command);
	buf_cat(&command, " ", behind);
	mailbox_command(box, step, 0, buf_cstr(&command));
}

bool
mark_begin(struct mailbox *box)
{
	struct mono now = clock_mono(box->source.core->clock);
	AUTO(buf_fini) struct buf flags = BUF_INIT;
	bool copied;

	if (box->accept == ACCEPT_NONE || now.ms < box->mark_due.ms || !marks_take(box, &copied))
		return false;
	if (box->accept == ACCEPT_FLAG) {
		buf_cat(&flags, "+FLAGS.SILENT (", box->accept_what, ")");
		mark_command(box, STEP_MARK, "UID STORE ", buf_cstr(&flags));
	} else if (copied) {
		mark_command(box, STEP_DELETE, "UID STORE ", "+FLAGS.SILENT (\\Deleted)");
	} else {
		mark_command(box, STEP_MARK, box->has_move ? "UID MOVE " : "UID COPY ",
			     box->accept_what);
	}
	return true;
}

static void
mark_refused(struct mailbox *box, const struct imap_response *r)
{
	struct mono now = clock_mono(box->source.core->clock);
	AUTO(buf_fini) struct buf error = BUF_INIT;
	int64_t pause = AGAIN_MS;

	for (unsigned i = 0; i < box->mark_failures && pause < AGAIN_MAX_MS; i++)
		pause *= 2;
	box->mark_failures++;
	box->mark_due = (struct mono){now.ms + pause};
	buf_printf(&error, "%zu messages cannot be marked (on_accept): %.*s", box->marking_count,
		   r->text.len < 200 ? (int)r->text.len : 200, r->text.p);
	free(box->mark_error);
	box->mark_error = buf_take(&error);
	log_warning("messages are not marked", "trigger", box->source.name, "error",
		    box->mark_error);
}

/* These are through. */
static bool
marks_forget(struct mailbox *box, struct err *err)
{
	box->mark_failures = 0;
	free(box->mark_error);
	box->mark_error = NULL;
	return journal_unmark(&box->journal, box->marking, box->marking_count, err);
}

void
mark_done(struct mailbox *box, const struct imap_response *r)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	bool ok = true, moves = box->accept == ACCEPT_MOVE && !box->has_move;

	if (r->status != IMAP_OK) {
		mark_refused(box, r);
	} else if (box->step == STEP_MARK && moves) {
		/* From here on a copy is there: who comes back only deletes. */
		if (journal_copied(&box->journal, box->marking, box->marking_count, &err)) {
			mark_command(box, STEP_DELETE, "UID STORE ", "+FLAGS.SILENT (\\Deleted)");
			return;
		}
		ok = false;
	} else if (box->step == STEP_DELETE && box->has_uidplus) {
		/* Never EXPUNGE alone: that takes others' messages along. */
		AUTO(buf_fini) struct buf command = BUF_INIT;

		buf_puts(&command, "UID EXPUNGE ");
		uids_write(box, &command);
		mailbox_command(box, STEP_EXPUNGE, 0, buf_cstr(&command));
		return;
	} else {
		ok = marks_forget(box, &err);
	}
	if (!ok) {
		mailbox_fail(box, &err);
		return;
	}
	fetch_go_on(box);
}
