/* The journal of a mailbox, as the last daemon left it in the trigger's cursor and facts. */
/* SPDX-License-Identifier: MIT */
#include "triggers/imap/journal_parts.h"

#include "base/digest.h"
#include "store/events.h"
#include "store/state.h"

static bool
cursor_parse(struct journal *j, struct str text)
{
	uint64_t numbers[4], version, reset;
	struct str word, place;
	int64_t since, newest;

	text = str_split(text, ' ', &word);
	if (!str_to_u64(word, &version) || version != 1 || !text.p)
		return false;
	text = str_split(text, ' ', &place);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		text = str_split(text.p ? text : STR(""), ' ', &word);
		if (!str_to_u64(word, &numbers[i]))
			return false;
	}
	text = str_split(text.p ? text : STR(""), ' ', &word);
	if (!str_to_i64(word, &since))
		return false;
	text = str_split(text.p ? text : STR(""), ' ', &word);
	if (!str_to_u64(word, &reset) || !text.p || !str_to_i64(text, &newest))
		return false;
	j->exists = str_eq_cstr(place, j->place);
	j->uidvalidity = numbers[0];
	j->last = numbers[1];
	j->floor = numbers[2];
	j->until = numbers[3];
	j->since = since ? (struct wall){since} : WALL_NONE;
	j->reset = reset;
	j->newest = newest ? (struct wall){newest} : WALL_NONE;
	return true;
}

/* What was to be marked when the last daemon ended: only what was accepted is. */
static void
mark_load(struct journal *j, uint64_t uid, struct str value)
{
	AUTO(event_row_fini) struct event_row event = {0};
	struct str id, rest = str_split(value, ' ', &id);
	AUTO(auto_free) char *name = str_dup(id);

	if (events_get(j->core->store, name, &event, NULL) &&
	    (!strcmp(event.outcome, "ran") || !strcmp(event.outcome, "replayed")))
		journal_mark_note(j, uid)->copied = str_eq(rest, STR("copied"));
}

bool
journal_on_fact(void *arg, const struct fact *fact)
{
	struct journal *j = arg;
	struct str item = fact->item;
	uint64_t uid = 0, tries = 0;
	char kind = item.len > 2 && item.p[1] == '/' ? item.p[0] : ' ';

	item = kind == ' ' ? item : str_make(item.p + 2, item.len - 2);
	if (kind == 'm') {
		struct str day, identity = str_split(item, '/', &day);

		if (j->reset)
			journal_known_note(j, identity);
		return true;
	}
	if (!str_to_u64(item, &uid))
		return true;
	if (kind == 'u')
		journal_judged_note(j, uid);
	else if (kind == 'p' && str_to_u64(fact->value, &tries))
		journal_pending_note(j, uid)->tries = (unsigned)tries;
	return true;
}

struct marks_load {
	struct journal *journal;
	struct buf list; /* "UID VALUE\n": events are not looked up while facts are walked */
};

static bool
on_mark_fact(void *arg, const struct fact *fact)
{
	struct marks_load *load = arg;

	if (!str_starts(fact->item, STR("n/")))
		return false;
	buf_add(&load->list, fact->item.p + 2, fact->item.len - 2);
	buf_putc(&load->list, ' ');
	buf_add_str(&load->list, fact->value);
	buf_putc(&load->list, '\n');
	return true;
}

static bool
marks_load(struct journal *j, struct err *err)
{
	struct marks_load load = {j, BUF_INIT};
	bool ok = facts_each(j->core->store, j->trigger, STR("n/"), 0, on_mark_fact, &load, err);
	struct str rest = buf_str(&load.list), line, number;
	uint64_t uid;

	while (ok && rest.p && rest.len) {
		rest = str_split(rest, '\n', &line);
		line = str_split(line, ' ', &number);
		if (str_to_u64(number, &uid) && line.p)
			mark_load(j, uid, line);
	}
	buf_fini(&load.list);
	return ok;
}

bool
journal_load(struct journal *j, struct core *core, const char *trigger, const char *place,
	     struct err *err)
{
	AUTO(buf_fini) struct buf cursor = BUF_INIT;
	AUTO(buf_fini) struct buf hex = BUF_INIT;
	AUTO(err_fini) struct err none = ERR_INIT;
	struct digest digest = digest_of(DIGEST_SHA256, str_of(place));

	*j = (struct journal){
		.core = core, .trigger = trigger, .since = WALL_NONE, .newest = WALL_NONE};
	hex_encode(&hex, str_make(digest.bytes, 8));
	memcpy(j->place, buf_cstr(&hex), sizeof(j->place));
	if (!cursors_get(core->store, trigger, &cursor, &none))
		return none.code == E_NOT_FOUND || err_move(err, &none);
	if (!cursor_parse(j, buf_str(&cursor)))
		return err_set(err, E_CORRUPT, "the cursor of trigger %s is damaged: %s", trigger,
			       buf_cstr(&cursor));
	if (!j->exists)
		return true;
	return facts_each(core->store, trigger, STR_NONE, 0, journal_on_fact, j, err) &&
	       marks_load(j, err);
}
