/* Mails: one message on its way from the server to its event. */
/* SPDX-License-Identifier: MIT */
#include "triggers/imap/mail.h"

#include <assert.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/uuid.h"
#include "core/admit.h"
#include "io/jail.h"
#include "io/jail_wire.h"
#include "io/work.h"
#include "pure/authres.h"
#include "triggers/imap/attachments.h"
#include "triggers/imap/mailbox.h"

/* Of an event's data; what is beyond is left out, and said. */
#define DATA_MAX (1 << 20)
#define KEY_MAX 500

struct mail {
	LIST_ENTRY(mail) entry;
	struct core *core;
	struct mailbox *box; /* NULL: its source has ended */
	struct mail_meta meta;
	size_t bytes;
	char identity[IDENTITY_LEN + 1];
	bool vouched, in_helper;
	char *refused; /* NULL */
	char *cause;
	struct uuid event_id;
	struct buf data, key;

	/* Attachments on their way to the disk. */
	char *folder;
	char **names;
	struct str *parts;
	struct buf blob;
	size_t count;
	struct err err; /* and what else went wrong */
};

/* Of this process: the helper, while there are sources, and every mail under way. */
static struct jail *helper;
static unsigned helper_users;
static LIST_HEAD(, mail) mails = LIST_HEAD_INITIALIZER(mails);

static void
mail_free(struct mail *mail)
{
	LIST_REMOVE(mail, entry);
	for (size_t i = 0; i < mail->count; i++)
		free(mail->names[i]);
	free(mail->names);
	free(mail->parts);
	free(mail->folder);
	free(mail->refused);
	free(mail->cause);
	buf_fini(&mail->blob);
	buf_fini(&mail->data);
	buf_fini(&mail->key);
	err_fini(&mail->err);
	free(mail);
}

void
mail_open(struct core *core)
{
	if (!helper_users++)
		helper = jail_new_for(core->base, core->mime_path, &jail_mime);
}

/* What the helper had in hand is answered no more. */
void
mail_close(void)
{
	struct mail *mail, *next;

	if (--helper_users)
		return;
	jail_free(helper);
	helper = NULL;
	LIST_FOREACH_SAFE (mail, &mails, entry, next)
		if (mail->in_helper)
			mail_free(mail);
}

void
mail_forget_all(struct mailbox *box)
{
	struct mail *mail;

	LIST_FOREACH (mail, &mails, entry)
		if (mail->box == box)
			mail->box = NULL;
}

static void
mail_end(struct mail *mail, enum mail_end end)
{
	if (mail->box)
		mailbox_on_mail(mail->box, &mail->meta, mail->bytes, mail->identity, end,
				err_text(&mail->err));
	mail_free(mail);
}

static void
on_failed_early(void *arg, const struct err *err UNUSED)
{
	mail_end(arg, MAIL_NOT_NOW);
}

/* Ends it in a turn of its own. */
static void
mail_end_later(struct mail *mail)
{
	turn_after(mail->core->store, on_failed_early, mail);
}

/* --- the event
 * ------------------------------------------------------------------------------------- */

static bool
is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

static void
unmark(struct mail *mail)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!journal_unmark(&mail->box->journal, &mail->meta.uid, 1, &err))
		log_warning("a message may be marked later that was not accepted", "trigger",
			    mail->box->source.name, "error", err_text(&err));
}

static void
on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	static const char *const accepted[] = {"ran", "replayed", "coalesced", "held", NULL};
	static const char *const again[] = {"shed", "paused", NULL};
	struct mail *mail = arg;
	bool marks;

	if (!mail->box) {
		mail_free(mail);
		return;
	}
	if (!result) {
		err_set(&mail->err, err->code, "%s", err_text(err));
		mail_end(mail, MAIL_NOT_NOW);
		return;
	}
	marks = mail->box->accept != ACCEPT_NONE && !mail->refused;
	journal_committed(&mail->box->journal, mail->meta.uid, mail->identity,
			  marks && is_one_of(result->outcome, accepted));
	if (marks && !is_one_of(result->outcome, accepted))
		unmark(mail);
	if (is_one_of(result->outcome, again)) {
		err_set(&mail->err, E_RATE, "%s", result->rule);
		mail_end(mail, MAIL_NOT_NOW);
		return;
	}
	mail_end(mail, marks && is_one_of(result->outcome, accepted) ? MAIL_ACCEPTED : MAIL_KEPT);
}

static void
mail_admit(struct mail *mail)
{
	struct mailbox *box = mail->box;
	bool marks = box->accept != ACCEPT_NONE && !mail->refused;
	struct journal_entry entry;
	struct happening happening = {.trigger = source_trigger(&box->source),
				      .event_id = mail->event_id.text,
				      .data = buf_str(&mail->data),
				      .natural_key = buf_str(&mail->key),
				      .refused_as = "rejected",
				      .trust_is_set = true,
				      .trust = mail->vouched ? TRUST_AUTHENTICATED
							     : TRUST_UNTRUSTED};
	bool ok;

	if (!happening.trigger || !mailbox_is_on(box)) {
		err_set(&mail->err, E_PAUSED, "the trigger is paused or disabled");
		mail_end_later(mail);
		return;
	}
	journal_entry(&box->journal, mail->meta.uid, mail->refused ? "" : mail->identity,
		      marks ? mail->event_id.text : NULL, mail->meta.received, &entry);
	if (mail->refused)
		happening.refused = str_of(mail->refused);
	if (mail->cause)
		happening.cause = str_of(mail->cause);
	happening.cursor = buf_str(&entry.cursor);
	happening.facts = entry.facts;
	happening.fact_count = entry.count;
	ok = admit_event(mail->core, &happening, on_admitted, mail, &mail->err);
	journal_entry_fini(&entry);
	if (!ok)
		mail_end_later(mail);
}

/* --- attachments
 * ------------------------------------------------------------------------------------ */

static void
save_run(void *arg)
{
	struct mail *mail = arg;

	attachments_write(mail->folder, (const char *const *)mail->names, mail->parts, mail->count,
			  &mail->err);
}

static void
save_done(void *arg)
{
	struct mail *mail = arg;

	buf_fini(&mail->blob);
	if (!mail->box)
		mail_free(mail);
	else if (mail->err.code != E_OK)
		mail_end(mail, MAIL_NOT_NOW);
	else
		mail_admit(mail);
}

/* Its file's name and path go into what is said of it. */
static void
attachment_place(struct mail *mail, json_t *about, struct str bytes)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf hex = BUF_INIT;
	const char *raw = json_str(about, "name");
	struct digest digest = digest_of(DIGEST_SHA256, bytes);

	buf_printf(&name, "%zu-", mail->count + 1);
	attachment_name(str_of(raw ? raw : ""), &name);
	buf_cat(&path, mail->folder, "/", buf_cstr(&name));
	hex_encode(&hex, str_make(digest.bytes, digest.len));
	json_put_str(about, "path", buf_cstr(&path));
	json_put_str(about, "sha256", buf_cstr(&hex));
	json_object_set_new(about, "size", json_integer((json_int_t)bytes.len));
	mail->names[mail->count] = buf_take(&name);
	mail->parts[mail->count++] = bytes;
}

/* The helper may be in a stranger's hands: only what fits together is taken. */
static bool
attachments_place(struct mail *mail, json_t *document, const struct str *outputs, size_t count)
{
	json_t *list = json_object_get(document, "attachments");
	size_t bytes = 0;

	if (json_array_size(list) != count)
		return err_set(&mail->err, E_MAPPING, "its attachments do not fit together");
	for (size_t i = 0; i < count; i++)
		bytes += outputs[i].len;
	if (!buf_try_reserve(&mail->blob, bytes + 1))
		return err_set(&mail->err, E_FULL, "no memory for %zu bytes of attachments", bytes);
	mail->names = mem_alloc_array(count + 1, sizeof(*mail->names));
	mail->parts = mem_alloc_array(count + 1, sizeof(*mail->parts));
	for (size_t i = 0; i < count; i++) {
		const char *at = mail->blob.data + mail->blob.len;

		if (!json_is_object(json_array_get(list, i)))
			return err_set(&mail->err, E_MAPPING, "an attachment is no object");
		buf_add_str(&mail->blob, outputs[i]);
		attachment_place(mail, json_array_get(list, i), str_make(at, outputs[i].len));
	}
	return true;
}

/* --- the document
 * ------------------------------------------------------------------------------------- */

static void
identity_of(struct str text, char ret[IDENTITY_LEN + 1])
{
	AUTO(buf_fini) struct buf hex = BUF_INIT;
	struct digest digest = digest_of(DIGEST_SHA256, text);

	hex_encode(&hex, str_make(digest.bytes, IDENTITY_LEN / 2));
	memcpy(ret, buf_cstr(&hex), IDENTITY_LEN + 1);
}

/* What it is known by, twice: to the queue, and to a mailbox whose UIDs are new. */
static void
key_make(struct mail *mail, const json_t *document)
{
	const char *id = json_str(document, "message_id");

	if (id && *id) {
		identity_of(str_of(id), mail->identity);
		if (strlen(id) <= KEY_MAX)
			buf_puts(&mail->key, id);
		else
			buf_cat(&mail->key, "sha256:", mail->identity);
		return;
	}
	buf_printf(&mail->key, "%llu/%llu", (unsigned long long)mail->box->journal.uidvalidity,
		   (unsigned long long)mail->meta.uid);
}

static void
document_complete(struct mail *mail, json_t *document)
{
	json_object_del(document, "parts");
	json_object_set_new(document, "uid", json_integer((json_int_t)mail->meta.uid));
	json_object_set_new(document, "uidvalidity",
			    json_integer((json_int_t)mail->box->journal.uidvalidity));
	json_put_str(document, "mailbox", mail->box->url.folder);
	json_put_wall(document, "received", mail->meta.received.ms);
	json_object_set_new(
		document, "size",
		json_integer((json_int_t)(mail->meta.size ? mail->meta.size : mail->bytes)));
	json_put_str(document, "trust",
		     trust_name(mail->vouched ? TRUST_AUTHENTICATED : TRUST_UNTRUSTED));
}

/* As text no larger than an event may be: the largest parts go first, and that is said. */
static void
document_write(struct mail *mail, json_t *document)
{
	static const char *const large[] = {"html", "text", "headers", "attachments"};
	json_t *cuts = json_object_get(document, "truncated");

	json_write(&mail->data, document);
	for (size_t i = 0; i < ARRAY_LEN(large) && mail->data.len > DATA_MAX; i++) {
		json_object_set_new(document, large[i], json_null());
		if (json_is_array(cuts))
			json_array_append_new(cuts, json_string(large[i]));
		buf_clear(&mail->data);
		json_write(&mail->data, document);
	}
}

static bool
document_take(struct mail *mail, const struct str *outputs, size_t count)
{
	AUTO(json_auto_decref) json_t *document = NULL;
	const char *cause;
	bool save = mail->box->save && !mail->refused;

	if (!count || !json_read(outputs[0], &document, &mail->err))
		return err_prefix(&mail->err, "what was made of the message");
	if (!json_is_object(document))
		return err_set(&mail->err, E_MAPPING, "what was made of the message is no object");
	key_make(mail, document);
	if (save && !attachments_place(mail, document, outputs + 1, count - 1))
		return false;
	cause = json_str(json_object_get(document, "headers"), "rouse-cause");
	mail->cause = mem_strdup(cause);
	document_complete(mail, document);
	document_write(mail, document);
	return true;
}

static bool
is_known(const struct mail *mail)
{
	const struct journal *journal = &mail->box->journal;

	return journal->reset && mail->meta.uid <= journal->until &&
	       journal_is_known(journal, mail->identity);
}

static void
on_answer(void *arg, const struct str *outputs, size_t count, struct err *err)
{
	struct mail *mail = arg;

	mail->in_helper = false;
	if (!mail->box) {
		mail_free(mail);
		return;
	}
	if (err->code != E_OK) {
		err_move(&mail->err, err);
		mail_end(mail, mail->err.code == E_UNAVAILABLE ? MAIL_NOT_NOW : MAIL_BAD);
	} else if (!document_take(mail, outputs, count)) {
		mail_end(mail, MAIL_BAD);
	} else if (is_known(mail)) {
		mail_end(mail, MAIL_KNOWN);
	} else if (!mail->count) {
		mail_admit(mail);
	} else if (!work_submit(mail->core->work, save_run, save_done, mail, &mail->err)) {
		mail_end(mail, MAIL_NOT_NOW);
	}
}

static struct mail *
mail_new(struct mailbox *box, const struct mail_meta *meta)
{
	struct mail *mail = mem_alloc(sizeof(*mail));
	AUTO(buf_fini) struct buf folder = BUF_INIT;

	mail->core = box->source.core;
	mail->box = box;
	mail->meta = *meta;
	if (!wall_is_set(meta->received))
		mail->meta.received = core_wall(mail->core);
	mail->event_id = uuid_v7(core_wall(mail->core));
	buf_cat(&folder, mail->core->state_dir, "/attachments/", mail->event_id.text);
	mail->folder = buf_take(&folder);
	LIST_INSERT_HEAD(&mails, mail, entry);
	return mail;
}

void
mail_start(struct mailbox *box, const struct mail_meta *meta, struct str raw, struct str refused)
{
	struct mail *mail = mail_new(box, meta);

	mail->bytes = raw.len;
	mail->refused = refused.p ? str_dup(refused) : NULL;
	identity_of(raw, mail->identity);
	mail->vouched = box->authserv && authres_vouches(raw, str_of(box->authserv), NULL);
	if (jail_run(helper, box->save && !refused.p ? "save" : "skip", raw, on_answer, mail,
		     &mail->err))
		mail->in_helper = true;
	else
		mail_end_later(mail);
}

static void
on_parked(void *arg, const struct err *err UNUSED)
{
	struct mail *mail = arg;

	if (mail->box)
		mail_admit(mail);
	else
		mail_free(mail);
}

void
mail_park(struct mailbox *box, const struct mail_meta *meta, const char *why)
{
	struct mail *mail = mail_new(box, meta);
	AUTO(json_auto_decref) json_t *document = json_object();

	mail->refused = mem_strdup(why);
	json_put_str(document, "error", why);
	key_make(mail, document);
	document_complete(mail, document);
	json_write(&mail->data, document);
	turn_after(mail->core->store, on_parked, mail);
}
