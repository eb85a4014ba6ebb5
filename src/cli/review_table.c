/* rouse review --export, --import: decisions made in a spreadsheet. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "cli/diff.h"
#include "cli/review.h"
#include "cli/text.h"
#include "pure/csv.h"

#define FILE_MAX (256 << 20)
#define FIELD_MAX (16 << 20)
#define CELL_MAX 30000 /* spreadsheets cut cells at 32767 characters, without a word */
#define CHUNK 500      /* decisions in one request */
#define BOM "\xef\xbb\xbf"

enum table_column {
	COLUMN_CHANGE,
	COLUMN_DIGEST,
	COLUMN_ENTITY,
	COLUMN_TARGET,
	COLUMN_OP,
	COLUMN_CONFIDENCE,
	COLUMN_FLAGS,
	COLUMN_REASON,
	COLUMN_BEFORE,
	COLUMN_AFTER,
	COLUMN_DECISION,
	COLUMN_WHY,
	COLUMNS
};
static const char *const names[] = {"change", "digest",	    "entity",	"target",
				    "op",     "confidence", "flags",	"reason",
				    "before", "after",	    "decision", "why"};
_Static_assert(ARRAY_LEN(names) == COLUMNS, "a name for every column");

/* --- export -------------------------------------------------------------------------------- */

/* A cell's text: what a spreadsheet would run as a formula gets a quote before it. */
static void
put_cell(struct buf *out, struct str text, bool last)
{
	bool cut = text.len > CELL_MAX;

	if (cut)
		for (text.len = CELL_MAX;
		     text.len && ((unsigned char)text.p[text.len] & 0xc0) == 0x80;)
			text.len--;
	buf_putc(out, '"');
	if (text.len && strchr("=+-@\t\r\n", *text.p))
		buf_putc(out, '\'');
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '"')
			buf_putc(out, '"');
		buf_putc(out, text.p[i]);
	}
	buf_puts(out, cut ? "\xe2\x80\xa6\"" : "\"");
	buf_puts(out, last ? "\r\n" : ",");
}

/* A cell as it is exported, without quotes and the guard; what an import is held against. */
static void
cell_text(const json_t *change, enum table_column column, struct buf *out)
{
	const json_t *value = json_object_get(change, names[column]);
	const json_t *flags = json_object_get(change, "flags");

	switch (column) {
	case COLUMN_CHANGE:
		buf_puts(out, json_str(change, "id") ? json_str(change, "id") : "");
		break;
	case COLUMN_DIGEST:
		/* Never to be taken for a number. */
		buf_printf(out, "sha256:%s",
			   json_str(change, "digest") ? json_str(change, "digest") : "");
		break;
	case COLUMN_FLAGS:
		for (size_t i = 0; i < json_array_size(flags); i++)
			buf_printf(out, "%s%s", i ? ", " : "",
				   json_string_value(json_array_get(flags, i)));
		break;
	case COLUMN_BEFORE:
	case COLUMN_AFTER:
	case COLUMN_CONFIDENCE:
		if (column == COLUMN_AFTER && (!value || json_is_null(value)))
			value = json_object_get(change, "patch");
		if (value && !json_is_null(value)) {
			AUTO(buf_fini) struct buf json = BUF_INIT;

			json_write(&json, value);
			text_escape(out, buf_str(&json));
		}
		break;
	case COLUMN_DECISION:
	case COLUMN_WHY:
	case COLUMNS:
		break;
	default:
		text_escape(out,
			    str_of(json_str(change, names[column]) ? json_str(change, names[column])
								   : ""));
	}
}

static bool
put_rows(void *arg, const json_t *items, struct err *err)
{
	struct cli *cli = arg;

	for (size_t i = 0; i < json_array_size(items); i++)
		for (int c = 0; c < COLUMNS; c++) {
			AUTO(buf_fini) struct buf text = BUF_INIT;

			cell_text(json_array_get(items, i), (enum table_column)c, &text);
			put_cell(&cli->out.buf, buf_str(&text), c + 1 == COLUMNS);
		}
	return print_flush(&cli->out, err);
}

static bool
table_export(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply look = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct client *client;

	buf_puts(&path, "/v1/diff");
	cli_query(&path, "of", cli_arg(cli, 0));
	cli_query(&path, "status", "proposed");
	cli_query(&path, "where", cli_opt(cli, "where"));
	cli_query(&path, "entity", cli_opt(cli, "entity"));
	cli_query(&path, "groups", "1");
	if (!cli_client(cli, &client, err) ||
	    !client_send(client,
			 &(struct client_request){.method = "GET",
						  .path = buf_cstr(&path),
						  .timeout_ms = LOOK_TIMEOUT_MS},
			 &look, err))
		return false;
	if (!json_str(look.json, "look"))
		return err_set(err, E_CORRUPT, "the daemon answered a diff without its name");
	/* Spreadsheets take a file for UTF-8 when it begins so. */
	buf_puts(&cli->out.buf, BOM);
	for (int c = 0; c < COLUMNS; c++)
		put_cell(&cli->out.buf, str_of(names[c]), c + 1 == COLUMNS);
	return look_each(cli, json_str(look.json, "look"), put_rows, cli, err);
}

/* --- import -------------------------------------------------------------------------------- */

struct row {
	uint64_t line;
	char *id, *digest, *why, *after;
	bool approve;
};

struct table {
	struct cli *cli;
	int at[COLUMNS]; /* of the file's columns; -1: it has none */
	struct row *rows;
	size_t count;
	uint64_t empty, refused;
	bool headed;
};

static void
table_fini(struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		free(table->rows[i].id);
		free(table->rows[i].digest);
		free(table->rows[i].why);
		free(table->rows[i].after);
	}
	free(table->rows);
}

static void
refuse(struct table *table, uint64_t line, const char *id, const char *why)
{
	AUTO(buf_fini) struct buf safe = BUF_INIT;

	text_escape(&safe, str_of(why));
	cli_note("line %llu, change %s: %s", (unsigned long long)line, id && *id ? id : "?",
		 buf_cstr(&safe));
	table->refused++;
}

/* A cell's text without the guard that the export, or the person, put before it. */
static struct str
cell(const struct table *table, const struct csv *csv, enum table_column column)
{
	struct str text;

	if (table->at[column] < 0 || (size_t)table->at[column] >= csv_count(csv))
		return STR("");
	text = str_trim(csv_field(csv, (size_t)table->at[column]));
	if (text.len > 1 && *text.p == '\'' && strchr("=+-@\t\r\n", text.p[1]))
		text = str_make(text.p + 1, text.len - 1);
	return text;
}

static bool
head_read(struct table *table, const struct csv *csv, struct err *err)
{
	static const enum table_column needed[] = {COLUMN_CHANGE, COLUMN_DIGEST, COLUMN_DECISION};

	for (int c = 0; c < COLUMNS; c++) {
		table->at[c] = -1;
		for (size_t i = 0; i < csv_count(csv); i++)
			if (str_eq_nocase(str_trim(csv_field(csv, i)), str_of(names[c])))
				table->at[c] = (int)i;
	}
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (table->at[needed[i]] < 0)
			return err_set(err, E_INVALID,
				       "the first line has no column %s; expected a file that "
				       "rouse review --export wrote, with its titles",
				       names[needed[i]]);
	table->headed = true;
	return true;
}

static const struct {
	const char *word;
	int approve; /* -1: nothing */
} words[] = {
	{"", -1},	 {"skip", -1},	  {"accept", 1}, {"accepted", 1}, {"approve", 1},
	{"approved", 1}, {"yes", 1},	  {"y", 1},	 {"ok", 1},	  {"true", 1},
	{"reject", 0},	 {"rejected", 0}, {"no", 0},	 {"n", 0},	  {"false", 0},
};

/* False: no decision that we know. */
static bool
decision_read(struct str text, int *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		*ret = words[i].approve;
		if (str_eq_nocase(text, str_of(words[i].word)))
			return true;
	}
	return false;
}

static void
row_read(struct table *table, const struct csv *csv)
{
	struct str id = cell(table, csv, COLUMN_CHANGE), digest = cell(table, csv, COLUMN_DIGEST);
	struct str decision = cell(table, csv, COLUMN_DECISION);
	AUTO(auto_free) char *name = str_dup(id);
	struct row *row;
	int approve;

	if (!decision_read(decision, &approve)) {
		AUTO(buf_fini) struct buf why = BUF_INIT;

		buf_printf(&why, "decision %.*s; expected accept, reject or nothing",
			   decision.len > 40 ? 40 : STR_ARG(decision));
		refuse(table, csv->record_line, name, buf_cstr(&why));
		return;
	}
	if (approve < 0) {
		table->empty++;
		return;
	}
	if (!str_starts(digest, STR("sha256:")) || digest.len != 7 + 64 || !id.len) {
		refuse(table, csv->record_line, name,
		       "its change or digest is not as it was exported; nothing was decided "
		       "about it");
		return;
	}
	if (!(table->count & (table->count + 1)))
		table->rows =
			mem_realloc(table->rows, 2 * (table->count + 1) * sizeof(*table->rows));
	row = &table->rows[table->count++];
	*row = (struct row){.line = csv->record_line, .approve = approve == 1};
	row->id = TAKE(name);
	row->digest = str_dup(str_make(digest.p + 7, 64));
	row->why = str_dup(cell(table, csv, COLUMN_WHY));
	row->after = table->at[COLUMN_AFTER] < 0 ? NULL : str_dup(cell(table, csv, COLUMN_AFTER));
}

/* What stands most often in the first line: , or ; or a tab. Excel's own "sep=;" says it. */
static char
delimiter_of(struct str *text)
{
	struct str rest = *text, line;
	size_t counts[3] = {0};
	static const char list[] = {',', ';', '\t'};
	size_t best = 0;
	bool quoted = false;

	rest = str_split(rest, '\n', &line);
	line = str_trim(line);
	if (str_starts_nocase(line, STR("sep=")) && line.len == 5 && rest.p) {
		*text = rest;
		return line.p[4];
	}
	for (size_t i = 0; i < line.len; i++) {
		quoted = quoted != (line.p[i] == '"');
		for (size_t c = 0; c < 3 && !quoted; c++)
			counts[c] += line.p[i] == list[c];
	}
	for (size_t c = 1; c < 3; c++)
		if (counts[c] > counts[best])
			best = c;
	return list[best];
}

static bool
record_take(struct table *table, const struct csv *csv, struct err *err)
{
	if (!table->headed)
		return head_read(table, csv, err);
	row_read(table, csv);
	return true;
}

static bool
table_read(struct table *table, struct str text, struct err *err)
{
	AUTO(csv_fini) struct csv csv;
	enum csv_got got;

	if (str_starts(text, STR("\xff\xfe")) || str_starts(text, STR("\xfe\xff"))) {
		csv_init(&csv, ',', 1, 1);
		return err_set(err, E_INVALID,
			       "the file is in UTF-16; save it as CSV in UTF-8 (\"CSV UTF-8\" in "
			       "Excel)");
	}
	if (str_starts(text, STR(BOM)))
		text = str_make(text.p + 3, text.len - 3);
	csv_init(&csv, delimiter_of(&text), FIELD_MAX, 4 * FIELD_MAX);
	csv_begin(&csv, 0, 1);
	while ((got = csv_next(&csv, &text, err)) == CSV_RECORD)
		if (!record_take(table, &csv, err))
			return false;
	if (got == CSV_MORE)
		got = csv_end(&csv, err);
	if (got == CSV_RECORD && !record_take(table, &csv, err))
		return false;
	return got != CSV_BAD &&
	       (table->headed || err_set(err, E_INVALID, "there is nothing in it"));
}

/* The same value, whatever a spreadsheet made of how it is written. */
static bool
is_same(const char *was, const char *is)
{
	AUTO(json_auto_decref) json_t *a = NULL;
	AUTO(json_auto_decref) json_t *b = NULL;

	if (!strcmp(was, is))
		return true;
	return json_read(str_of(was), &a, NULL) && json_read(str_of(is), &b, NULL) &&
	       (json_equal(a, b) || (json_is_number(a) && json_is_number(b) &&
				     json_number_value(a) == json_number_value(b)));
}

/* Somebody who changed what a change would make wants that, and not what it is. */
static bool
after_check(struct table *table, const struct row *row, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct err why = ERR_INIT;
	bool ok;

	if (!row->after || !*row->after)
		return true;
	if (!cli_get(table->cli, &reply, &why, "/v1/changes/%s", row->id)) {
		ok = why.code == E_NOT_FOUND || why.code == E_INVALID;
		if (ok)
			refuse(table, row->line, row->id, "there is no such change");
		else
			err_move(err, &why);
		err_fini(&why);
		return false;
	}
	cell_text(reply.json, COLUMN_AFTER, &text);
	if (text.len > CELL_MAX || is_same(buf_cstr(&text), row->after))
		return true;
	/* One that changed meanwhile is refused by its digest. */
	if (json_str(reply.json, "digest") && strcmp(json_str(reply.json, "digest"), row->digest))
		return true;
	refuse(table, row->line, row->id,
	       "what it would make was changed in the file; use rouse edit for that");
	return false;
}

static const struct row *
row_of(const struct row *const *rows, size_t count, const char *id)
{
	for (size_t i = 0; id && i < count; i++)
		if (!strcmp(rows[i]->id, id))
			return rows[i];
	return NULL;
}

/* Rows with the same decision and reason. */
static bool
send(struct table *table, const struct row *const *rows, size_t count, int64_t *ret_changed,
     struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	json_t *list = json_array(), *why;

	for (size_t i = 0; i < count; i++) {
		json_t *one = json_object();

		json_put_str(one, "id", rows[i]->id);
		json_put_str(one, "digest", rows[i]->digest);
		json_array_append_new(list, one);
	}
	json_put_str(body, "decision", rows[0]->approve ? "approve" : "reject");
	json_put_str(body, "reason", *rows[0]->why ? rows[0]->why : NULL);
	json_object_set_new(body, "changes", list);
	if (cli_has(table->cli, "plan"))
		json_object_set_new(body, "plan", json_true());
	if (!look_post(table->cli, "/v1/decide", body, &reply, err))
		return false;
	*ret_changed += json_int(reply.json, "changed", 0);
	why = json_object_get(reply.json, "why");
	for (size_t i = 0; i < json_array_size(why); i++) {
		const json_t *one = json_array_get(why, i);
		const struct row *row = row_of(rows, count, json_str(one, "id"));

		refuse(table, row ? row->line : 0, json_str(one, "id"),
		       json_str(one, "why") ? json_str(one, "why") : "it was refused");
	}
	return true;
}

static int
by_decision(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
	int why = strcmp(x->why, y->why);

	if (x->approve != y->approve)
		return x->approve ? -1 : 1;
	return why ? why : (x->line > y->line) - (x->line < y->line);
}

static bool
send_all(struct table *table, int64_t changed[2], struct err *err)
{
	const struct row **list = mem_alloc_array(table->count + 1, sizeof(const struct row *));
	size_t count = 0;
	bool ok = true;

	for (size_t i = 0; ok && i < table->count; i++) {
		if (after_check(table, &table->rows[i], err))
			list[count++] = &table->rows[i];
		ok = err->code == E_OK;
	}
	qsort(list, count, sizeof(const struct row *), by_decision);
	for (size_t from = 0; ok && from < count;) {
		size_t n = 1;

		while (from + n < count && n < CHUNK &&
		       list[from + n]->approve == list[from]->approve &&
		       !strcmp(list[from + n]->why, list[from]->why))
			n++;
		ok = send(table, list + from, n, &changed[list[from]->approve], err);
		from += n;
	}
	free(list);
	return ok;
}

static bool
table_import(struct cli *cli, const char *path, struct err *err)
{
	AUTO(table_fini) struct table table = {.cli = cli};
	AUTO(buf_fini) struct buf text = BUF_INIT;
	int64_t changed[2] = {0, 0};
	bool plan = cli_has(cli, "plan");

	if (!strcmp(path, "-") ? !os_read_file("/dev/stdin", FILE_MAX, &text, err)
			       : !os_read_file(path, FILE_MAX, &text, err))
		return false;
	if (!table_read(&table, buf_str(&text), err))
		return err_prefix(err, "%s", path);
	if (!send_all(&table, changed, err))
		return false;
	print_f(&cli->out, "%s %lld, %s %lld, %llu without a decision, %llu refused.\n",
		plan ? "Would accept" : "Accepted", (long long)changed[1],
		plan ? "reject" : "rejected", (long long)changed[0],
		(unsigned long long)table.empty, (unsigned long long)table.refused);
	return !table.refused || err_set(err, E_STATE,
					 "%llu rows were refused; why is said above, and the "
					 "others %s",
					 (unsigned long long)table.refused,
					 plan ? "would be decided" : "were decided");
}

bool
review_table(struct cli *cli, struct err *err)
{
	if (cli_has(cli, "export"))
		return table_export(cli, err);
	return table_import(cli, cli_opt(cli, "import"), err);
}
