/* Sections: the keys of the file find their rows, become values, or are complained about. */
/* SPDX-License-Identifier: MIT */
#include "conf/inside.h"

static const struct raw *
raw_find(const struct conf_section *section, const char *key)
{
	const struct raw *raw = section->raws;

	while (raw && strcmp(raw->key, key))
		raw = raw->next;
	return raw;
}

/* The tables of kind that selector chooses: those for value, all where value is NULL. */
static uint64_t
selected(const struct kind *kind, const char *selector, const char *value)
{
	const struct conf_schema *schema = &kind->conf->schema;
	uint64_t set = 0;

	for (size_t t = 0; t < schema->count; t++) {
		const struct conf_table *table = schema->tables[t];

		if (kind->tables >> t & 1 && table->selector &&
		    !strcmp(table->selector, selector) && (!value || !strcmp(table->value, value)))
			set |= UINT64_C(1) << t;
	}
	return set;
}

/* A selector that is no choice by type has only its tables to say what is known. */
static void
selector_complain(const struct conf_section *section, const struct raw *raw, uint64_t known,
		  struct conf_report *report)
{
	const struct conf_schema *schema = &section->kind->conf->schema;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct suggest suggest = suggest_for(raw->text);
	bool first = true;

	quote_print(raw->text, &text);
	buf_puts(&text, " is not known; expected one of ");
	for (size_t t = 0; t < schema->count; t++) {
		if (!(known >> t & 1))
			continue;
		buf_printf(&text, "%s%s", first ? "" : ", ", schema->tables[t]->value);
		suggest_offer(&suggest, schema->tables[t]->value);
		first = false;
	}
	suggest_print(&suggest, &text);
	report_key(report, section, raw->key, raw->file, raw->line, "%s", buf_cstr(&text));
}

/* What one selector adds. */
static uint64_t
select_by(struct conf_section *section, const struct conf_key *row, struct conf_report *report)
{
	const struct kind *kind = section->kind;
	const struct raw *raw = raw_find(section, row->name);
	const char *value = raw ? raw->text : row->def;
	uint64_t all = selected(kind, row->name, NULL), chosen;

	if (!value || (raw && raw->bad)) {
		section->unsure |= all;
		return 0;
	}
	chosen = selected(kind, row->name, value);
	if (chosen)
		return chosen;
	if (row->type == CONF_ENUM && choice_has(row->choices, str_of(value)))
		return 0;
	section->unsure |= all;
	if (row->type != CONF_ENUM && raw && raw->text[0]) {
		selector_complain(section, raw, all, report);
		((struct raw *)raw)->bad = true;
	}
	return 0;
}

/* Whether all selectors say what they said in the section before. */
static bool
chosen_again(const struct conf_section *section)
{
	const struct kind *kind = section->kind;

	for (size_t i = 0; i < kind->chosen.count; i++) {
		const struct chooser *by = &kind->chosen.by[i];
		const struct raw *raw = raw_find(section, by->key);

		if (!raw != !by->text || (raw && (raw->bad || strcmp(raw->text, by->text))))
			return false;
	}
	return kind->chosen.count > 0;
}

static void
chosen_note(struct kind *kind, const struct conf_section *section, const char *key)
{
	const struct raw *raw = raw_find(section, key);

	if (kind->chosen.count < ARRAY_LEN(kind->chosen.by))
		kind->chosen.by[kind->chosen.count] = (struct chooser){key, raw ? raw->text : NULL};
	kind->chosen.count++;
}

uint64_t
section_select(struct conf_section *section, struct conf_report *report)
{
	struct kind *kind = section->kind;
	const struct conf_schema *schema = &kind->conf->schema;
	uint64_t set = kind->base, done = kind->base;

	if (chosen_again(section))
		return kind->chosen.set;
	kind->chosen.count = 0;

	/* A selector may itself be a key of a variant, so again until nothing is added. */
	for (uint64_t before = 0; before != set;) {
		before = set;
		for (size_t t = 0; t < schema->count; t++) {
			const struct conf_key *row;

			if (!((kind->tables & ~done) >> t & 1))
				continue;
			row = tables_find(schema, set, schema->tables[t]->selector);
			if (!row)
				continue;
			done |= selected(kind, row->name, NULL);
			set |= select_by(section, row, report);
			chosen_note(kind, section, row->name);
		}
	}
	kind->chosen.set = set;
	if (section->unsure || kind->chosen.count > ARRAY_LEN(kind->chosen.by))
		kind->chosen.count = 0;
	return set;
}

static int
raw_cmp(const void *pa, const void *pb)
{
	const struct raw *a = *(const struct raw *const *)pa, *b = *(const struct raw *const *)pb;
	int by_key = strcmp(a->key, b->key);

	if (by_key)
		return by_key;
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

/* The first of a key is the one that is looked at further. */
static void
duplicates_drop(struct conf_section *section, struct raw **list, struct conf_report *report)
{
	const struct conf *conf = section->kind->conf;
	struct raw *first;

	qsort(list, section->raw_count, sizeof(struct raw *), raw_cmp);
	first = list[0];
	for (size_t i = 1; i < section->raw_count; i++) {
		struct raw *raw = list[i];

		if (strcmp(raw->key, first->key)) {
			first = raw;
			continue;
		}
		report_key(report, section, raw->key, raw->file, raw->line,
			   "is set twice, first at %s:%d; remove one",
			   conf->files[first->file].path, first->line);
		raw->twice = true;
	}
}

/* Which variants of the section's kind have the key: "source = cron". */
static bool
print_owners(const struct conf_section *section, const char *key, struct buf *out)
{
	const struct conf_schema *schema = &section->kind->conf->schema;
	bool found = false;

	for (size_t t = 0; t < schema->count; t++) {
		const struct conf_table *table = schema->tables[t];

		if (!(section->kind->tables >> t & 1) || !table->selector ||
		    !tables_find(schema, UINT64_C(1) << t, key))
			continue;
		if (!found)
			buf_printf(out, "this key belongs to %s = %s", table->selector,
				   table->value);
		else
			buf_printf(out, " or %s", table->value);
		found = true;
	}
	return found;
}

static const char *
owner_kind(const struct conf *conf, const char *key)
{
	for (size_t i = 0; i < conf->kind_count; i++)
		if (tables_find(&conf->schema, conf->kinds[i].tables, key))
			return conf->kinds[i].name;
	return NULL;
}

static void
suggest_keys(const struct conf_section *section, struct suggest *suggest)
{
	for (size_t i = 0; i < section->shape->count; i++)
		suggest_offer(suggest, section->shape->keys[i].row->name);
}

static void
unknown_complain(const struct conf_section *section, const struct raw *raw,
		 struct conf_report *report)
{
	const struct conf *conf = section->kind->conf;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct suggest suggest = suggest_for(raw->key);
	const char *kind;

	/* What the variant that was meant would know is not known either. */
	if (tables_find(&conf->schema, section->unsure, raw->key))
		return;
	if (print_owners(section, raw->key, &text)) {
		report_key(report, section, raw->key, raw->file, raw->line, "%s; remove it",
			   buf_cstr(&text));
		return;
	}
	if (report_may_suggest(report))
		suggest_keys(section, &suggest);
	kind = suggest.best ? NULL : owner_kind(conf, raw->key);
	suggest_print(&suggest, &text);
	if (kind)
		buf_printf(&text, "; it is one of [%s]", kind);
	report_key(report, section, raw->key, raw->file, raw->line, "unknown key%s%s",
		   buf_cstr(&text), suggest.best || kind ? "" : "; remove it");
}

static void
plain_warn(const struct conf_section *section, const struct conf_key *row,
	   const struct conf_value *value, struct conf_report *report)
{
	for (size_t i = 0; row->type == CONF_SECRET && !value->bad && i < value->item_count; i++)
		if (!strncmp(value->items[i], "plain:", 6)) {
			conf_warn(report, section, value->name,
				  "plain: keeps a secret in this file; use cred:NAME, file:PATH or "
				  "env:NAME");
			return;
		}
}

static void
later_warn(const struct conf_section *section, const struct conf_key *row,
	   struct conf_report *report)
{
	if (row->flags & CONF_LATER)
		conf_warn(report, section, row->name, "this version does not act on it yet");
}

/* In front of others below the same prefix. */
static void
value_insert(struct conf_section *section, const struct shape_key *key, struct conf_value *value)
{
	struct conf_value **at = &section->values;

	while (*at && (*at)->key < key)
		at = &(*at)->more;
	value->key = key;
	value->more = *at;
	if (*at && (*at)->key == key) {
		value->next = *at;
		value->more = (*at)->more;
	}
	*at = value;
}

static void
key_type(struct conf_section *section, const struct raw *raw, struct conf_report *report)
{
	const struct shape_key *key = shape_find(section->shape, raw->key);
	struct conf *conf = section->kind->conf;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct conf_value *value;

	if (!key) {
		unknown_complain(section, raw, report);
		return;
	}
	value = arena_alloc(&conf->arena, sizeof(*value));
	value->name = raw->key;
	value->text = "";
	value->file = raw->file;
	value->line = raw->line;
	value->bad = raw->bad;
	if (!value->bad && !value_parse(key->row, raw->text, conf->files[raw->file].dir,
					&conf->arena, value, &err)) {
		value->bad = true;
		report_key(report, section, raw->key, raw->file, raw->line, "%s", err_text(&err));
	}
	value_insert(section, key, value);
	plain_warn(section, key->row, value, report);
	secret_files_check(section, key->row, value, report);
	later_warn(section, key->row, report);
}

static void
required_check(struct conf_section *section, struct conf_report *report)
{
	size_t set = 0;

	for (const struct conf_value *value = section->values; value; value = value->more)
		set += value->key->row->flags & CONF_REQUIRED && !value->bad ? 1 : 0;
	if (set == section->shape->required)
		return;
	for (size_t i = 0; i < section->shape->count; i++) {
		const struct shape_key *key = &section->shape->keys[i];
		const struct conf_value *value = value_of(section, key);

		if (!(key->row->flags & CONF_REQUIRED) || (value && !value->bad))
			continue;
		section->broken = true;
		if (value)
			continue;
		report_key(report, section, NULL, section->file, section->line,
			   "the key '%s' is missing; expected %s = %s (%s)", key->row->name,
			   key->row->name, conf_type_name(key->row->type),
			   key->row->help ? key->row->help : "required");
	}
}

void
section_type(struct conf_section *section, struct conf_report *report)
{
	struct raw **list = mem_alloc_array(section->raw_count + 1, sizeof(struct raw *));
	size_t n = 0;

	for (struct raw *raw = section->raws; raw; raw = raw->next)
		list[n++] = raw;
	if (n > 1)
		duplicates_drop(section, list, report);
	section->shape = shape_of(section->kind, section_select(section, report));
	/* Backwards, because each is put before the last: below a prefix several may stand. */
	n = 0;
	for (struct raw *raw = section->raws; raw; raw = raw->next)
		list[n++] = raw;
	while (n--)
		if (!list[n]->twice)
			key_type(section, list[n], report);
	required_check(section, report);
	free(list);
}
