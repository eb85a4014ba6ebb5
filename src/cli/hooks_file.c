/* Hooks files: JSON or YAML, read into one tree. */
/* SPDX-License-Identifier: MIT */
#include <yaml.h>

#include "cli/hooks.h"

/* --- YAML ---------------------------------------------------------------------------------- */

struct reading {
	yaml_document_t *document;
	size_t nodes;
	int depth;
};

static json_t *node_json(struct reading *r, const yaml_node_t *node, struct err *err);

static json_t *
fail(const yaml_node_t *node, struct err *err, const char *what)
{
	err_set(err, E_INVALID, "line %zu, column %zu: %s", node->start_mark.line + 1,
		node->start_mark.column + 1, what);
	return NULL;
}

static json_t *
scalar_json(const yaml_node_t *node, struct err *err)
{
	struct str s = str_make(node->data.scalar.value, node->data.scalar.length);

	if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (!s.len || str_eq_cstr(s, "~") || str_eq_nocase(s, STR("null"))))
		return json_null();
	if (!str_is_utf8(s))
		return fail(node, err, "what is not UTF-8");
	return json_stringn(s.p, s.len);
}

static json_t *
sequence_json(struct reading *r, const yaml_node_t *node, struct err *err)
{
	json_t *array = json_array(), *value;

	for (const yaml_node_item_t *i = node->data.sequence.items.start;
	     i < node->data.sequence.items.top; i++) {
		value = node_json(r, yaml_document_get_node(r->document, *i), err);
		if (!value) {
			json_decref(array);
			return NULL;
		}
		json_array_append_new(array, value);
	}
	return array;
}

static bool
pair_add(struct reading *r, const yaml_node_pair_t *pair, json_t *object, struct err *err)
{
	const yaml_node_t *key = yaml_document_get_node(r->document, pair->key);
	json_t *value;

	if (key->type != YAML_SCALAR_NODE ||
	    memchr(key->data.scalar.value, '\0', key->data.scalar.length))
		return fail(key, err, "a key that is no plain text") != NULL;
	if (json_object_get(object, (const char *)key->data.scalar.value))
		return fail(key, err, "a key that stands twice") != NULL;
	value = node_json(r, yaml_document_get_node(r->document, pair->value), err);
	if (!value)
		return false;
	if (json_object_set_new(object, (const char *)key->data.scalar.value, value))
		return fail(key, err, "a key that is not UTF-8") != NULL;
	return true;
}

static json_t *
mapping_json(struct reading *r, const yaml_node_t *node, struct err *err)
{
	json_t *object = json_object();

	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
	     p < node->data.mapping.pairs.top; p++)
		if (!pair_add(r, p, object, err)) {
			json_decref(object);
			return NULL;
		}
	return object;
}

/* Aliases come back to the same node: the bounds hold for what is written out. */
static json_t *
node_json(struct reading *r, const yaml_node_t *node, struct err *err)
{
	json_t *value = NULL;

	if (++r->nodes > HOOKS_NODES_MAX)
		return fail(node, err, "more than 100,000 values, aliases written out");
	if (r->depth == JSON_DEPTH_MAX)
		return fail(node, err, "nested more than 64 deep (an alias of itself?)");
	r->depth++;
	if (node->type == YAML_SCALAR_NODE)
		value = scalar_json(node, err);
	else if (node->type == YAML_SEQUENCE_NODE)
		value = sequence_json(r, node, err);
	else if (node->type == YAML_MAPPING_NODE)
		value = mapping_json(r, node, err);
	else
		fail(node, err, "a value of no known kind");
	r->depth--;
	return value;
}

bool
yaml_read(struct str text, json_t **ret, struct err *err)
{
	yaml_parser_t parser;
	yaml_document_t document;
	struct reading r = {.document = &document};
	const yaml_node_t *root;

	if (!yaml_parser_initialize(&parser))
		return err_set(err, E_FULL, "memory is out");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.len);
	if (!yaml_parser_load(&parser, &document)) {
		err_set(err, E_INVALID, "line %zu, column %zu: %s", parser.problem_mark.line + 1,
			parser.problem_mark.column + 1,
			parser.problem ? parser.problem : "no YAML");
		yaml_parser_delete(&parser);
		return false;
	}
	root = yaml_document_get_root_node(&document);
	*ret = root ? node_json(&r, root, err) : NULL;
	if (!root)
		err_set(err, E_INVALID, "there is nothing in it");
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	return *ret != NULL;
}

/* --- the file ------------------------------------------------------------------------------ */

bool
hooks_read(struct str text, json_t **ret, struct err *err)
{
	AUTO(json_auto_decref) json_t *tree = NULL;
	struct str s = str_trim(text);
	bool is_json = s.len && (*s.p == '[' || *s.p == '{');
	const json_t *hook;
	size_t i;

	/* YAML has JSON in it, but not its words on what is wrong. */
	if (is_json && memmem(s.p, s.len, "{{", 2) && !json_check(s, NULL))
		return err_set(err, E_INVALID,
			       "a template ({{ ... }}); put its values in first, as `webhook "
			       "-template` would");
	if (is_json ? !json_read(s, &tree, err) : !yaml_read(text, &tree, err))
		return false;
	if (!json_is_array(tree))
		return err_set(err, E_INVALID, "no list of hooks; expected [{\"id\": ...}, ...]");
	json_array_foreach (tree, i, hook)
		if (!json_is_object(hook))
			return err_set(err, E_INVALID, "hook %zu is no object with an id", i + 1);
	*ret = TAKE(tree);
	return true;
}

bool
hooks_text(const json_t *object, const char *key, struct buf *out)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value)) {
		buf_add(out, json_string_value(value), json_string_length(value));
		return true;
	}
	if (!json_is_number(value) && !json_is_boolean(value))
		return false;
	json_write(out, value);
	return true;
}

bool
hooks_bool(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);

	if (text)
		return !strcasecmp(text, "true") || !strcasecmp(text, "yes") ||
		       !strcasecmp(text, "on") || !strcasecmp(text, "y");
	return json_is_true(value);
}
