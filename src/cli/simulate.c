/* rouse simulate: a calendar and stored events, played against the configuration on disk. SPEC 14.
 */
/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/os.h"
#include "cli/rehearsal.h"
#include "cli/schedule.h"

#define EVENT_MAX (16 << 20)

static const struct column event_columns[] = {
	{"TIME", "time", CELL_TEXT},	     {"TRIGGER", "trigger", CELL_TEXT},
	{"VERDICT", "verdict", CELL_STATUS}, {"KEY", "key", CELL_TEXT},
	{"ENTITY", "entity", CELL_TEXT},     {"RULE", "rule", CELL_TEXT},
};

/* An event that was stored: its file and when it came. */
struct stored {
	char *file;
	json_t *document;
	struct wall time;
};

struct stores {
	struct stored *list;
	size_t count, room;
};

static void
stores_fini(struct stores *stores)
{
	for (size_t i = 0; i < stores->count; i++) {
		free(stores->list[i].file);
		json_decref(stores->list[i].document);
	}
	free(stores->list);
}

/* The event itself, or an answer of `rouse event show --json` that has it. */
static bool
stored_read(const char *path, struct stored *ret, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(json_auto_decref) json_t *json = NULL;
	json_t *document;
	const char *time;

	if (!os_read_file(path, EVENT_MAX, &text, err))
		return false;
	if (!json_read(str_trim(buf_str(&text)), &json, err))
		return err_prefix(err, "%s", path);
	document = json_object_get(json, "document");
	ret->document = json_incref(json_is_object(document) ? document : json);
	time = json_str(ret->document, "time");
	if (!json_str(json_object_get(ret->document, "rouse"), "trigger") || !time ||
	    !wall_parse(str_of(time), &ret->time)) {
		json_decref(ret->document);
		return err_set(err, E_INVALID,
			       "%s is no event: expected a document with `time` and "
			       "`rouse.trigger`, as `rouse event show --json` prints it",
			       path);
	}
	ret->file = mem_strdup(path);
	return true;
}

static int
by_time(const void *pa, const void *pb)
{
	const struct stored *a = pa, *b = pb;

	if (a->time.ms != b->time.ms)
		return a->time.ms < b->time.ms ? -1 : 1;
	return strcmp(a->file, b->file);
}

static bool
stores_read(const char *folder, struct stores *stores, struct err *err)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	bool ok = true;

	if (!dir)
		return err_errno(err, errno, "%s", folder);
	while (ok && (entry = readdir(dir))) {
		AUTO(buf_fini) struct buf path = BUF_INIT;

		if (entry->d_name[0] == '.' || !str_ends(str_of(entry->d_name), STR(".json")))
			continue;
		if (stores->count == stores->room) {
			stores->room = stores->room ? stores->room * 2 : 64;
			stores->list =
				mem_realloc(stores->list, stores->room * sizeof(*stores->list));
		}
		buf_cat(&path, folder, "/", entry->d_name);
		ok = stored_read(buf_cstr(&path), &stores->list[stores->count], err);
		stores->count += ok;
	}
	closedir(dir);
	if (ok && stores->count)
		qsort(stores->list, stores->count, sizeof(*stores->list), by_time);
	return ok;
}

/* What would become of one; a key that an earlier one had is its run's. */
static bool
event_play(struct cli *cli, const struct stored *stored, json_t *keys, json_t **ret,
	   struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_pack("{s:O}", "document", stored->document);
	AUTO(buf_fini) struct buf known = BUF_INIT;
	AUTO(err_fini) struct err failed = ERR_INIT;
	const char *trigger = json_str(json_object_get(stored->document, "rouse"), "trigger"), *key;

	*ret = json_object();
	json_put_str(*ret, "time", json_str(stored->document, "time"));
	json_put_str(*ret, "trigger", trigger);
	json_put_str(*ret, "event", json_str(stored->document, "id"));
	if (!cli_post(cli, body, &reply, &failed, "/v1/triggers/%s/test", trigger)) {
		if (failed.code != E_NOT_FOUND)
			return err_move(err, &failed);
		json_put_str(*ret, "verdict", "rejected");
		json_put_str(*ret, "rule", "there is no such trigger");
		return true;
	}
	for (size_t i = 2; i < ARRAY_LEN(event_columns); i++) {
		json_t *value = json_object_get(reply.json, event_columns[i].key);

		if (value)
			json_object_set(*ret, event_columns[i].key, value);
	}
	key = json_str(reply.json, "key");
	if (!key || !json_str(reply.json, "verdict") ||
	    strcmp(json_str(reply.json, "verdict"), "run") != 0)
		return true;
	buf_cat(&known, trigger, "\n", key);
	if (json_object_get(keys, buf_cstr(&known))) {
		json_put_str(*ret, "verdict", "replayed");
		json_put_str(*ret, "rule", "an earlier one has this key");
	}
	json_object_set_new(keys, buf_cstr(&known), json_true());
	return true;
}

static bool
events_play(struct cli *cli, const struct stores *stores, struct err *err)
{
	AUTO(json_auto_decref) json_t *keys = json_object();
	AUTO(json_auto_decref) json_t *rows = json_array();
	unsigned widths[ARRAY_LEN(event_columns)] = {0};
	size_t would = 0;

	for (size_t i = 0; i < stores->count; i++) {
		json_t *row = NULL;
		bool ok = event_play(cli, &stores->list[i], keys, &row, err);
		const char *verdict = json_str(row, "verdict");

		would += verdict && !strcmp(verdict, "run");
		json_array_append_new(rows, row);
		if (!ok)
			return false;
	}
	schedule_rows(cli, event_columns, ARRAY_LEN(event_columns), rows, widths);
	if (!cli->out.json)
		cli_note("%zu of %zu stored events would run.", would, stores->count);
	return true;
}

bool
verb_simulate(struct cli *cli, struct err *err)
{
	AUTO(rehearsal_fini) struct rehearsal rehearsal = REHEARSAL_INIT;
	AUTO(stores_fini) struct stores stores = {NULL, 0, 0};
	const char *folder = cli_opt(cli, "events");

	if (folder && !stores_read(folder, &stores, err))
		return false;
	if (!rehearsal_begin(cli, &rehearsal, err) || !schedule_play(cli, NULL, true, err))
		return false;
	return !folder || events_play(cli, &stores, err);
}
