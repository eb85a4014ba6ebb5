/* A generation of the configuration: its sections and values, as the rest of the house sees them.
 */
/* SPDX-License-Identifier: MIT */
#include "conf/inside.h"

#include <assert.h>
#include <math.h>

#include "base/digest.h"

void
conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->kind_count; i++) {
		struct kind *kind = &conf->kinds[i];

		HASH_CLEAR(hh, kind->by_name);
		for (struct shape *shape = kind->shapes; shape; shape = shape->next)
			HASH_CLEAR(hh, shape->by_name);
	}
	free(conf->sections);
	free(conf->files);
	free(conf->commit);
	arena_fini(&conf->arena);
	free(conf);
}

struct conf *
conf_ref(struct conf *conf)
{
	assert(conf->refs);
	conf->refs++;
	return conf;
}

void
conf_unref(struct conf *conf)
{
	if (!conf)
		return;
	assert(conf->refs);
	if (!--conf->refs)
		conf_free(conf);
}

uint64_t
conf_generation(const struct conf *conf)
{
	return conf->generation;
}

const char *
conf_path(const struct conf *conf)
{
	return conf->path;
}

const char *
conf_dir(const struct conf *conf)
{
	return conf->dir;
}

const char *
conf_commit(const struct conf *conf)
{
	return conf->commit ? conf->commit : "";
}

void
conf_set_commit(struct conf *conf, const char *commit)
{
	char *copy = mem_strdup(commit);

	free(conf->commit);
	conf->commit = copy;
}

const struct conf_section *
conf_section(const struct conf *conf, const char *kind_name, const char *name)
{
	for (size_t i = 0; i < conf->kind_count; i++) {
		const struct kind *kind = &conf->kinds[i];
		struct conf_section *section;

		if (strcmp(kind->name, kind_name))
			continue;
		name = name ? name : "";
		HASH_FIND_STR(kind->by_name, name, section);
		return section;
	}
	return NULL;
}

const struct conf_section *
conf_next(const struct conf *conf, const char *kind, const struct conf_section *after)
{
	const struct kind *same =
		after && kind && !strcmp(after->kind->name, kind) ? after->kind : NULL;

	for (size_t i = after ? after->index + 1 : 0; i < conf->section_count; i++)
		if (!kind || conf->sections[i]->kind == same ||
		    (!same && !strcmp(conf->sections[i]->kind->name, kind)))
			return conf->sections[i];
	return NULL;
}

size_t
conf_section_count(const struct conf *conf)
{
	return conf->section_count;
}

size_t
conf_section_index(const struct conf_section *section)
{
	return section->index;
}

const char *
conf_section_kind(const struct conf_section *section)
{
	return section->kind->name;
}

const char *
conf_section_name(const struct conf_section *section)
{
	return section->name;
}

const char *
conf_section_file(const struct conf_section *section)
{
	return section->kind->conf->files[section->file].path;
}

int
conf_section_line(const struct conf_section *section)
{
	return section->line;
}

const struct conf *
conf_section_conf(const struct conf_section *section)
{
	return section->kind->conf;
}

const char *
conf_section_digest(const struct conf_section *section)
{
	return section->digest;
}

static struct conf_value *
value_below(const struct conf_section *section, const struct shape_key *key, const char *name)
{
	struct conf_value *value = value_of(section, key);

	while (value && strcmp(value->name, name))
		value = value->next;
	return value;
}

const struct conf_value *
section_value(const struct conf_section *section, const char *name, const struct conf_key **ret_row)
{
	const struct shape_key *key = section->shape ? shape_find(section->shape, name) : NULL;
	const struct conf_value *value;

	if (!key)
		return NULL;
	if (ret_row)
		*ret_row = key->row;
	if (key->prefix_len)
		return value_below(section, key, name);
	value = value_of(section, key);
	return value ? value : key->def;
}

/* What may be relied on; NULL when there is nothing, and while checks run also for a bad value. */
static const struct conf_value *
value_get(const struct conf_section *section, const char *key, unsigned types)
{
	const struct conf_key *row = NULL;
	const struct conf_value *value = section_value(section, key, &row);

	assert(row && "the key is in no table of this section");
	assert(types >> row->type & 1);
	return value && !value->bad ? value : NULL;
}

#define TYPE(type) (1U << (type))
#define ANY_TYPE (~0U)

bool
conf_is_set(const struct conf_section *section, const char *key)
{
	const struct conf_value *value = value_get(section, key, ANY_TYPE);

	return value && value->line;
}

const char *
conf_str(const struct conf_section *section, const char *key)
{
	const struct conf_value *value = value_get(section, key, ANY_TYPE);

	return value ? value->text : NULL;
}

int64_t
conf_int(const struct conf_section *section, const char *key)
{
	const struct conf_value *value = value_get(section, key,
						   TYPE(CONF_INT) | TYPE(CONF_DURATION) |
							   TYPE(CONF_SIZE) | TYPE(CONF_MONEY));

	return value ? value->i : INT64_MIN;
}

int64_t
conf_ms(const struct conf_section *section, const char *key)
{
	const struct conf_value *value = value_get(section, key, TYPE(CONF_DURATION));

	return value ? value->i : INT64_MIN;
}

bool
conf_bool(const struct conf_section *section, const char *key)
{
	const struct conf_value *value = value_get(section, key, TYPE(CONF_BOOL));

	return value && value->i;
}

double
conf_ratio(const struct conf_section *section, const char *key)
{
	const struct conf_value *value = value_get(section, key, TYPE(CONF_RATIO));

	return value ? value->ratio : NAN;
}

bool
conf_rate(const struct conf_section *section, const char *key, int64_t *ret_count,
	  int64_t *ret_per_ms)
{
	const struct conf_value *value = value_get(section, key, TYPE(CONF_RATE));

	if (!value)
		return false;
	*ret_count = value->i;
	*ret_per_ms = value->i2;
	return true;
}

size_t
conf_list(const struct conf_section *section, const char *key, const char *const **ret_items)
{
	const struct conf_value *value = value_get(
		section, key, TYPE(CONF_LIST) | TYPE(CONF_ENUM_LIST) | TYPE(CONF_NAME_LIST));

	*ret_items = value ? value->items : NULL;
	return value ? value->item_count : 0;
}

bool
conf_below(const struct conf_section *section, const char *prefix, size_t i, const char **ret_name,
	   const char **ret_value)
{
	struct shape_key *key;
	const struct conf_value *value;

	HASH_FIND_STR(section->shape->by_name, prefix, key);
	assert(key && key->prefix_len && "the prefix is in no table of this section");
	for (value = value_of(section, key); value; value = value->next)
		if (!value->bad && !i--)
			break;
	if (!value)
		return false;
	*ret_name = value->name + key->prefix_len;
	*ret_value = value->text;
	return true;
}

/* Values that say what the default says anyway are left out: the shape's digest has them. */
void
section_digest(struct conf_section *section)
{
	AUTO(buf_fini) struct buf text = BUF_INIT, hex = BUF_INIT, def = BUF_INIT, set = BUF_INIT;
	struct digest digest;

	buf_printf(&text, "%s%c%s%c%s", section->kind->name, 0, section->name, 0,
		   section->shape->digest);
	for (struct conf_value *set_here = section->values; set_here; set_here = set_here->more) {
		const struct shape_key *key = set_here->key;

		buf_clear(&def);
		if (key->def)
			value_canonical(key->row, key->def, &def);
		for (struct conf_value *value = set_here; value; value = value->next) {
			buf_clear(&set);
			value_canonical(key->row, value, &set);
			if (key->def && str_eq(buf_str(&set), buf_str(&def)))
				continue;
			buf_printf(&text, "%c%s=%zu:", 0, value->name, set.len);
			buf_add_str(&text, buf_str(&set));
			if (key->row->type == CONF_SECRET)
				secret_print_now(value, &text);
		}
	}
	digest = digest_of(DIGEST_SHA256, buf_str(&text));
	hex_encode(&hex, str_make(digest.bytes, digest.len));
	memcpy(section->digest, buf_cstr(&hex), sizeof(section->digest));
	mem_zero(text.data, text.len);
	if (set.data)
		mem_zero(set.data, set.cap);
}

/* The i-th of those that are set, or have a default; value-by-value, for below a prefix there may
 * be many. */
static const struct conf_value *
setting_find(const struct conf_section *section, bool variant, size_t *i,
	     const struct shape_key **ret_key)
{
	for (size_t k = 0; k < section->shape->count; k++) {
		const struct shape_key *key = &section->shape->keys[k];
		const struct conf_value *value = value_of(section, key);

		if (key->variant != variant)
			continue;
		*ret_key = key;
		if (!value && key->def && !(*i)--)
			return key->def;
		for (; value; value = value->next)
			if (!(*i)--)
				return value;
	}
	return NULL;
}

bool
conf_setting(const struct conf_section *section, size_t i, struct conf_setting *ret)
{
	const struct shape_key *key = NULL;
	const struct conf_value *value = setting_find(section, false, &i, &key);

	if (!value)
		value = setting_find(section, true, &i, &key);
	if (!value)
		return false;
	*ret = (struct conf_setting){
		.name = value == key->def ? key->row->name : value->name,
		.type = key->row->type,
		.text = value->text,
		.is_default = value == key->def,
	};
	/* Not of secrets: their items are not masked. */
	if (key->row->type == CONF_LIST || key->row->type == CONF_ENUM_LIST ||
	    key->row->type == CONF_NAME_LIST) {
		ret->is_list = true;
		ret->items = value->items;
		ret->count = value->item_count;
	}
	if (key->row->type == CONF_INT || key->row->type == CONF_BOOL)
		ret->number = value->i;
	return true;
}
