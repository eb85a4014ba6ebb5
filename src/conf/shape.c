/* Shapes: which keys a section has, by its kind and the variants that its selectors chose. */
/* SPDX-License-Identifier: MIT */
#include "conf/inside.h"

#include <assert.h>
#include <stdio.h>

#include "base/digest.h"

void
conf_schema_add(struct conf_schema *schema, const struct conf_table *table)
{
	assert(schema->count < CONF_TABLES_MAX);
	assert(!table->selector == !table->value);
	schema->tables[schema->count++] = table;
}

struct kind *
kind_find(struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->kind_count; i++)
		if (!strcmp(conf->kinds[i].name, name))
			return &conf->kinds[i];
	return NULL;
}

const struct conf_key *
tables_find(const struct conf_schema *schema, uint64_t set, const char *key)
{
	for (size_t t = 0; t < schema->count; t++) {
		const struct conf_table *table = schema->tables[t];

		for (size_t i = 0; set >> t & 1 && i < table->count; i++)
			if (row_matches(&table->keys[i], key))
				return &table->keys[i];
	}
	return NULL;
}

static struct conf_value *
default_new(struct conf *conf, const struct conf_key *row)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct conf_value *value = arena_alloc(&conf->arena, sizeof(*value));

	value->name = row->name;
	if (!value_parse(row, row->def, conf->dir, &conf->arena, value, &err)) {
		fprintf(stderr, "default of %s: %s\n", row->name, err_text(&err));
		assert(!"a default of the key table does not parse");
	}
	return value;
}

static void
shape_add(struct conf *conf, struct shape *shape, const struct conf_key *row, bool variant)
{
	struct shape_key *key;

	HASH_FIND_STR(shape->by_name, row->name, key);
	if (key)
		return; /* a variant's row stands before the kind's */
	key = &shape->keys[shape->count++];
	key->row = row;
	key->variant = variant;
	shape->required += row->flags & CONF_REQUIRED ? 1 : 0;
	if (row->flags & CONF_PREFIX) {
		key->prefix_len = strlen(row->name);
		shape->has_prefix = true;
		assert(row->name[key->prefix_len - 1] == '.');
	} else if (row->def) {
		key->def = default_new(conf, row);
	}
	HASH_ADD_KEYPTR(hh, shape->by_name, row->name, strlen(row->name), key);
}

static void
shape_digest(struct shape *shape)
{
	AUTO(buf_fini) struct buf text = BUF_INIT, hex = BUF_INIT;
	struct digest digest;

	for (size_t i = 0; i < shape->count; i++) {
		const struct shape_key *key = &shape->keys[i];

		buf_add(&text, key->row->name, strlen(key->row->name) + 1);
		buf_putc(&text, key->def ? '=' : '-');
		if (key->def)
			value_canonical(key->row, key->def, &text);
		buf_putc(&text, '\0');
	}
	digest = digest_of(DIGEST_SHA256, buf_str(&text));
	hex_encode(&hex, str_make(digest.bytes, digest.len));
	memcpy(shape->digest, buf_cstr(&hex), sizeof(shape->digest));
}

static void
shape_fill(struct conf *conf, struct shape *shape, uint64_t set, bool variant)
{
	for (size_t t = 0; t < conf->schema.count; t++) {
		const struct conf_table *table = conf->schema.tables[t];

		for (size_t i = 0; set >> t & 1 && i < table->count; i++)
			shape_add(conf, shape, &table->keys[i], variant);
	}
}

struct shape *
shape_of(struct kind *kind, uint64_t tables)
{
	struct conf *conf = kind->conf;
	struct shape *shape;
	size_t rows = 0;

	for (shape = kind->shapes; shape; shape = shape->next)
		if (shape->tables == tables)
			return shape;
	for (size_t t = 0; t < conf->schema.count; t++)
		if (tables >> t & 1)
			rows += conf->schema.tables[t]->count;
	shape = arena_alloc(&conf->arena, sizeof(*shape));
	shape->tables = tables;
	shape->keys = arena_alloc(&conf->arena, rows * sizeof(*shape->keys));
	/* Variants first, so that their rows win. */
	shape_fill(conf, shape, tables & ~kind->base, true);
	shape_fill(conf, shape, tables & kind->base, false);
	shape_digest(shape);
	shape->next = kind->shapes;
	kind->shapes = shape;
	return shape;
}

const struct shape_key *
shape_find(struct shape *shape, const char *name)
{
	uint64_t place = (uint64_t)(uintptr_t)name * UINT64_C(0x9e3779b97f4a7c15) >> 58;
	struct shape_memo *memo = &shape->memo[place];
	struct shape_key *key;

	/* Another word may stand at that address by now. */
	if (memo->name == name && !strcmp(memo->key->row->name, name))
		return memo->key;
	HASH_FIND_STR(shape->by_name, name, key);
	if (key && !key->prefix_len) {
		*memo = (struct shape_memo){name, key};
		return key;
	}
	for (size_t i = 0; shape->has_prefix && i < shape->count; i++)
		if (shape->keys[i].prefix_len && row_matches(shape->keys[i].row, name))
			return &shape->keys[i];
	return NULL;
}
