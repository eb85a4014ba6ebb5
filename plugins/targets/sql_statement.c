/* SQL targets: statements that people write, with :after.NAME and the like in them. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/sql.h"

#include <ctype.h>

#include "plugins/targets/outcome.h"

void
sql_text_fini(struct sql_text *text)
{
	for (size_t i = 0; i < text->count; i++)
		free(text->params[i].path);
	free(text->params);
	free(text->text);
	*text = (struct sql_text){0};
}

/* --- reading a statement ------------------------------------------------------------------- */

/* Bytes of what is no code at the front: a string, a quoted name, a comment. 0: it is code. */
static size_t
quiet_len(const char *p)
{
	const char *end;
	char close = *p == '[' ? ']' : *p;

	if (p[0] == '-' && p[1] == '-')
		return strcspn(p, "\n");
	if (p[0] == '/' && p[1] == '*') {
		end = strstr(p + 2, "*/");
		return end ? (size_t)(end + 2 - p) : strlen(p);
	}
	if (!strchr("'\"`[", *p))
		return 0;
	end = strchr(p + 1, close);
	/* A doubled quote ends one string and begins the next: the same for us. */
	return end ? (size_t)(end + 1 - p) : strlen(p);
}

static size_t
name_len(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || p[n] == '_' || (unsigned char)p[n] >= 0x80 ||
	       (p[n] == '.' && (isalnum((unsigned char)p[n + 1]) || p[n + 1] == '_')))
		n++;
	return n;
}

static bool
param_parse(struct str name, struct sql_param *ret)
{
	static const struct {
		const char *name;
		enum sql_source source;
	} plain[] = {{"entity", SQL_FROM_ENTITY}, {"key", SQL_FROM_KEY}, {"op", SQL_FROM_OP}};
	bool after = str_starts(name, STR("after."));
	size_t prefix = after ? 6 : 7;

	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		if (!str_eq_cstr(name, plain[i].name))
			continue;
		*ret = (struct sql_param){.source = plain[i].source};
		return true;
	}
	if (!after && !str_starts(name, STR("before.")))
		return false;
	*ret = (struct sql_param){.source = after ? SQL_FROM_AFTER : SQL_FROM_BEFORE,
				  .path = str_dup(str_make(name.p + prefix, name.len - prefix))};
	return true;
}

/* The number of a parameter, from 1; the same name has the same number. Takes param. */
static size_t
param_number(struct sql_text *text, struct sql_param *take_param)
{
	for (size_t i = 0; i < text->count; i++) {
		const struct sql_param *known = &text->params[i];

		if (known->source != take_param->source ||
		    (known->path && strcmp(known->path, take_param->path)))
			continue;
		free(take_param->path);
		return i + 1;
	}
	text->params = mem_realloc(text->params, (text->count + 1) * sizeof(*text->params));
	text->params[text->count] = *take_param;
	return ++text->count;
}

bool
sql_text_parse(const char *statement, char mark, struct sql_text *ret, struct err *err)
{
	struct sql_text text = {0};
	AUTO(buf_fini) struct buf out = BUF_INIT;

	for (const char *p = statement; *p;) {
		struct sql_param param;
		struct str name;
		size_t quiet = quiet_len(p);

		if (quiet || *p != ':' || p[1] == ':' || (p > statement && p[-1] == ':') ||
		    !name_len(p + 1)) {
			buf_add(&out, p, quiet ? quiet : 1);
			p += quiet ? quiet : 1;
			continue;
		}
		name = str_make(p + 1, name_len(p + 1));
		if (!param_parse(name, &param)) {
			sql_text_fini(&text);
			return err_set(err, E_CONFIG,
				       ":%.*s is unknown; expected :entity, :key, :op, :after.NAME "
				       "or :before.NAME",
				       STR_ARG(name));
		}
		buf_printf(&out, "%c%zu", mark, param_number(&text, &param));
		p += 1 + name.len;
	}
	if (!str_trim(buf_str(&out)).len) {
		sql_text_fini(&text);
		return err_set(err, E_CONFIG, "is empty; expected a statement");
	}
	text.text = buf_take(&out);
	*ret = text;
	return true;
}

/* --- binding it ---------------------------------------------------------------------------- */

static bool
param_bind(const struct sql_param *param, const struct sql_images *images, struct sql_value *ret,
	   struct err *err)
{
	const char *plain[] = {images->entity, images->key, images->op};
	const char *image = param->source == SQL_FROM_AFTER ? "after" : "before";
	AUTO(buf_fini) struct buf what = BUF_INIT;
	struct str raw;

	if (param->source <= SQL_FROM_OP) {
		if (!plain[param->source])
			return err_set(
				err, E_INVALID,
				"the change names no entity, and the statement uses :entity");
		ret->type = SQL_TEXT;
		buf_puts(&ret->bytes, plain[param->source]);
		return true;
	}
	buf_printf(&what, "%s.%s", image, param->path);
	if (param->source == SQL_FROM_AFTER
		    ? change_image_find(images->after, param->path, &raw)
		    : change_image_find(images->before[0], param->path, &raw) ||
			      change_image_find(images->before[1], param->path, &raw))
		return sql_value_of(raw, buf_cstr(&what), ret, err);
	return err_set(err, E_INVALID,
		       "the change has no %s, and the statement uses :%s; give it, null where "
		       "there is none",
		       buf_cstr(&what), buf_cstr(&what));
}

bool
sql_text_bind(const struct sql_text *text, const struct sql_images *images, struct sql_values *ret,
	      struct err *err)
{
	for (size_t i = 0; i < text->count; i++)
		if (!param_bind(&text->params[i], images, sql_values_add(ret), err))
			return false;
	return true;
}

/* --- the general form ---------------------------------------------------------------------- */

static const struct sql_text *
slot_of_op(const struct sql_target *t, const char *op)
{
	static const struct {
		const char *op;
		enum sql_slot slot;
	} slots[] = {{"create", SQL_APPLY_CREATE},
		     {"update", SQL_APPLY_UPDATE},
		     {"delete", SQL_APPLY_DELETE},
		     {"call", SQL_APPLY_CALL}};

	for (size_t i = 0; i < ARRAY_LEN(slots); i++)
		if (!strcmp(slots[i].op, op) && t->statements[slots[i].slot].text)
			return &t->statements[slots[i].slot];
	return NULL;
}

/* The statement, and whether before and after change places for it. */
static const struct sql_text *
statement_of(const struct sql_target *t, const struct change_row *change, bool revert,
	     bool *ret_swap, struct err *err)
{
	const char *op = change_op(change, revert);
	const struct sql_text *own = slot_of_op(t, op), *general = &t->statements[SQL_APPLY];

	*ret_swap = false;
	if (revert && t->statements[SQL_REVERT].text)
		return &t->statements[SQL_REVERT];
	*ret_swap = revert;
	if (own && !(revert && !strcmp(op, "call")))
		return own;
	if (general->text && (!revert || !strcmp(op, "update")))
		return general;
	if (revert)
		err_set(err, E_INVALID,
			"target %s has no statement that reverts a %s; set revert%s%s",
			change->target, change->op, strcmp(op, "call") ? " or apply_" : "",
			strcmp(op, "call") ? op : "");
	else
		err_set(err, E_INVALID,
			"target %s has no statement for a %s; set apply or apply_%s",
			change->target, op, op);
	return NULL;
}

bool
sql_statement_plan(const struct sql_target *t, const struct change_row *change, const char *before,
		   bool revert, struct sql_plan *ret, struct err *err)
{
	bool swap;
	const struct sql_text *text = statement_of(t, change, revert, &swap, err),
			      *read = &t->statements[SQL_READ];
	const char *op = change_op(change, revert), *wanted = change_wanted(change);
	AUTO(buf_fini) struct buf key = BUF_INIT;
	struct sql_images images;

	if (!text)
		return false;
	change_key(change, revert, &key);
	images = (struct sql_images){.entity = change->entity,
				     .key = buf_cstr(&key),
				     .op = op,
				     .after = wanted,
				     .before = {before, change->before}};
	if (read->text && !sql_text_bind(read, &images, &ret->read_values, err))
		return false;
	if (swap) {
		images.after = before;
		images.before[0] = images.before[1] = wanted;
	}
	if (!sql_text_bind(text, &images, &ret->values, err))
		return false;
	buf_puts(&ret->read, read->text ? read->text : "");
	buf_puts(&ret->text, text->text);
	ret->needs_row = !strcmp(op, "update") || !strcmp(op, "delete");
	return true;
}

bool
sql_statement_check(const struct sql_target *t, const struct change_row *change, struct err *err)
{
	AUTO(sql_plan_fini) struct sql_plan plan = {0};

	return sql_statement_plan(t, change, change->before, false, &plan, err);
}
