/* Diff: as CSV, a row for each field. */
/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli/diff_inside.h"
#include "cli/text.h"

/* RFC 4180; what a spreadsheet would run as a formula gets a quote before it. */
static void
csv_cell(struct buf *out, const char *text, bool last)
{
	buf_putc(out, '"');
	if (text && *text && strchr("=+-@\t\r", *text))
		buf_putc(out, '\'');
	for (; text && *text; text++) {
		if (*text == '"')
			buf_putc(out, '"');
		buf_putc(out, *text);
	}
	buf_puts(out, last ? "\"\r\n" : "\",");
}

static void
csv_json(struct buf *out, const json_t *value, bool last)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	/* A number stays a number; JSON text of all else cannot be a formula. */
	if (value)
		diff_value_text(value, &text);
	if (json_is_number(value))
		buf_printf(out, "%s%s", buf_cstr(&text), last ? "\r\n" : ",");
	else
		csv_cell(out, buf_cstr(&text), last);
}

void
diff_print_csv_head(struct print *print)
{
	buf_puts(&print->buf,
		 "change,run,target,entity,op,status,confidence,field,before,after\r\n");
}

void
diff_print_csv(struct print *print, const json_t *items)
{
	static const char *const members[] = {"id", "run", "target", "entity", "op", "status"};
	struct buf *out = &print->buf;
	const json_t *change;
	size_t i;

	json_array_foreach (items, i, change) {
		AUTO(fields_fini) struct fields fields = FIELDS_INIT;
		AUTO(buf_fini) struct buf head = BUF_INIT;
		const json_t *confidence = json_object_get(change, "confidence");

		fields_of(change, &fields);
		for (size_t at = 0; at < ARRAY_LEN(members); at++) {
			AUTO(buf_fini) struct buf cell = BUF_INIT;

			text_escape(&cell, str_of(json_str(change, members[at])));
			csv_cell(&head, buf_cstr(&cell), false);
		}
		csv_json(&head, json_is_number(confidence) ? confidence : NULL, false);
		for (size_t at = 0; at < fields.count; at++) {
			buf_add_str(out, buf_str(&head));
			csv_cell(out, fields.items[at].path, false);
			csv_json(out, fields.items[at].before, false);
			csv_json(out, fields.items[at].after, true);
		}
		if (!fields.count) {
			buf_add_str(out, buf_str(&head));
			csv_cell(out, json_str(change, "patch") ? "patch" : "", false);
			csv_cell(out, "", false);
			csv_cell(out, json_str(change, "patch"), true);
		}
	}
}
