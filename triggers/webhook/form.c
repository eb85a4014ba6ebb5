/* Forms: NAME=VALUE pairs, of a body or of a query, as JSON. */
/* SPDX-License-Identifier: MIT */
#include "triggers/webhook/webhook.h"

#include "base/digest.h"

/* Whoever knows the hash could choose names that meet in it. */
#define NAMES_MAX 10000

/* One name and its values, in order. */
struct field {
	char *name;
	size_t len, count;
	struct buf values; /* JSON strings with commas between */
	bool is_list;
	UT_hash_handle hh;
};

static struct field *
field_get(struct field **fields, struct str name)
{
	struct field *field;

	HASH_FIND(hh, *fields, name.p, name.len, field);
	if (field)
		return field;
	field = mem_alloc(sizeof(*field));
	field->name = str_dup(name);
	field->len = name.len;
	field->is_list = str_ends(name, STR("[]"));
	HASH_ADD_KEYPTR(hh, *fields, field->name, field->len, field);
	return field;
}

static void
pair_read(struct str pair, struct field **fields)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	AUTO(buf_fini) struct buf clean = BUF_INIT;
	AUTO(buf_fini) struct buf value = BUF_INIT;
	struct str head, tail = str_split(pair, '=', &head);
	struct field *field;

	percent_decode(head, true, &name);
	percent_decode(tail.p ? tail : STR(""), true, &value);
	/* No name in JSON may have a NUL. */
	for (size_t i = 0; i < name.len; i++)
		if (!name.data[i])
			name.data[i] = '\xff';
	/* As JSON has it, so that two names that look alike there are one. */
	buf_json_str(&clean, buf_str(&name));
	field = field_get(fields, str_make(clean.data + 1, clean.len - 2));
	if (field->count++)
		buf_putc(&field->values, ',');
	buf_json_str(&field->values, buf_str(&value));
}

/* Frees them. */
static void
fields_write(struct field *fields, struct buf *out)
{
	struct field *field, *next;

	buf_putc(out, '{');
	HASH_ITER (hh, fields, field, next) {
		bool list = field->is_list || field->count > 1;

		buf_puts(out, out->data[out->len - 1] == '{' ? "\"" : ",\"");
		buf_add(out, field->name, field->len);
		buf_puts(out, list ? "\":[" : "\":");
		buf_add_str(out, buf_str(&field->values));
		if (list)
			buf_putc(out, ']');
		HASH_DEL(fields, field);
		free(field->name);
		buf_fini(&field->values);
		free(field);
	}
	buf_putc(out, '}');
}

bool
form_write(struct str form, struct buf *out, struct err *err)
{
	struct field *fields = NULL;
	struct str pair;
	bool fits;

	while (form.p && HASH_COUNT(fields) <= NAMES_MAX) {
		form = str_split(form, '&', &pair);
		if (pair.len)
			pair_read(pair, &fields);
	}
	fits = HASH_COUNT(fields) <= NAMES_MAX;
	fields_write(fields, out);
	return fits ||
	       err_set(err, E_INVALID, "a form of more than %d names; expected fewer", NAMES_MAX);
}
