/* Differences of JSON values. The walk and the merge patches; how it is shown is at the end. */
/* SPDX-License-Identifier: MIT */
#include "pure/jsondiff.h"

#include <assert.h>
#include <stdlib.h>

#include "pure/textdiff.h"

#define ARROW " \xe2\x86\x92 "
#define ELLIPSIS "\xe2\x80\xa6"
#define CONTEXT_COLUMNS 16 /* shown before the first difference of two long values */
#define CONTEXT_LINES 2
#define WIDTH_MIN 20

static const char *const op_names[] = {"add", "remove", "replace"};
_Static_assert(ARRAY_LEN(op_names) == JSONDIFF_OPS, "a name for each op");

const char *
jsondiff_op_name(enum jsondiff_op op)
{
	return op_names[op];
}

/* ---- the walk ---- */

/* The way to where the walk is: for programs, and for people. */
struct trail {
	struct buf pointer, path;
};

struct trail_mark {
	size_t pointer, path;
};

static struct trail_mark
trail_mark(const struct trail *trail)
{
	return (struct trail_mark){trail->pointer.len, trail->path.len};
}

static void
trail_back(struct trail *trail, struct trail_mark to)
{
	buf_truncate(&trail->pointer, to.pointer);
	buf_truncate(&trail->path, to.path);
}

static void
item_add(struct jsondiff *diff, const struct trail *trail, const json_t *before,
	 const json_t *after)
{
	struct jsondiff_item *item;

	if (!(diff->count & (diff->count - 1))) /* room doubles at each power of two */
		diff->items = mem_realloc(diff->items, (diff->count ? diff->count * 2 : 1) *
							       sizeof(*diff->items));
	item = &diff->items[diff->count++];
	item->op = !before ? JSONDIFF_ADD : !after ? JSONDIFF_REMOVE : JSONDIFF_REPLACE;
	item->pointer = mem_memdup(buf_cstr(&trail->pointer), trail->pointer.len);
	item->path = mem_memdup(buf_cstr(&trail->path), trail->path.len);
	item->before = json_incref((json_t *)before);
	item->after = json_incref((json_t *)after);
}

static void
trail_add_key(struct trail *trail, const char *key)
{
	if (trail->path.len)
		buf_putc(&trail->path, '.');
	buf_puts(&trail->path, key);
	buf_putc(&trail->pointer, '/');
	for (; *key; key++) {
		if (*key == '~')
			buf_puts(&trail->pointer, "~0");
		else if (*key == '/')
			buf_puts(&trail->pointer, "~1");
		else
			buf_putc(&trail->pointer, *key);
	}
}

/* A word that needs no quotes to be told from what stands around it. */
static bool
is_word(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] == ']' || text.p[i] == '"' || text.p[i] == '\\' ||
		    (unsigned char)text.p[i] <= ' ')
			return false;
	return text.len > 0;
}

#define KEY_SHOWN 64 /* bytes; a longer one says less than the place */

/* [3], or by the key of a list's elements: [id=a-17]. key: as key_text() gives it. */
static void
trail_add_element(struct trail *trail, size_t at, const char *name, const char *key)
{
	struct str bare = key ? str_of(key) : STR_NONE;

	buf_printf(&trail->pointer, "/%zu", at);
	if (!key || bare.len > KEY_SHOWN) {
		buf_printf(&trail->path, "[%zu]", at);
		return;
	}
	if (bare.len > 2 && *bare.p == '"' && is_word(str_make(bare.p + 1, bare.len - 2)))
		bare = str_make(bare.p + 1, bare.len - 2);
	buf_printf(&trail->path, "[%s=%.*s]", name, STR_ARG(bare));
}

static void walk(struct jsondiff *diff, struct trail *trail, const json_t *before,
		 const json_t *after);

static void
walk_object(struct jsondiff *diff, struct trail *trail, const json_t *before, const json_t *after)
{
	const struct trail_mark mark = trail_mark(trail);
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)before, key, value) {
		trail_add_key(trail, key);
		walk(diff, trail, value, json_object_get(after, key));
		trail_back(trail, mark);
	}
	json_object_foreach ((json_t *)after, key, value) {
		if (json_object_get(before, key))
			continue;
		trail_add_key(trail, key);
		item_add(diff, trail, NULL, value);
		trail_back(trail, mark);
	}
}

/* Members by which people tell the elements of a list apart; the first that all of them have. */
static const char *const key_names[] = {"id", "key", "name", "uuid", "code", "slug"};

#define KEYED_MAX 2000 /* elements of a list that is compared by key */

/* A text that is the same for equal scalars only. */
static bool
key_text(const json_t *element, const char *name, struct buf *out)
{
	const json_t *key = json_object_get(element, name);

	buf_clear(out);
	if (!key || json_is_object(key) || json_is_array(key) || json_is_null(key))
		return false;
	json_write(out, key);
	return true;
}

/* The keys of a list's elements, each another; NULL when they have none. Owned. */
static char **
keys_read(const json_t *list, const char *name)
{
	size_t count = json_array_size(list), i;
	char **keys = mem_alloc_array(count + 1, sizeof(*keys));
	AUTO(json_auto_decref) json_t *seen = json_object();
	AUTO(buf_fini) struct buf text = BUF_INIT;

	for (i = 0; i < count; i++) {
		if (!key_text(json_array_get(list, i), name, &text) ||
		    json_object_get(seen, buf_cstr(&text)))
			break;
		json_object_set_new(seen, buf_cstr(&text), json_integer((json_int_t)i));
		keys[i] = mem_strdup(buf_cstr(&text));
	}
	if (i == count)
		return keys;
	while (i-- > 0)
		free(keys[i]);
	free(keys);
	return NULL;
}

static void
keys_free(char **keys, size_t count)
{
	for (size_t i = 0; keys && i < count; i++)
		free(keys[i]);
	free(keys);
}

/* Where each of a stands in b, SIZE_MAX: nowhere; false when those that are in both stand in
 * another order, which is a difference of its own. */
static bool
keys_match(char **a, size_t n, char **b, size_t m, size_t *ret)
{
	AUTO(json_auto_decref) json_t *places = json_object();
	size_t last = 0;

	for (size_t i = 0; i < m; i++)
		json_object_set_new(places, b[i], json_integer((json_int_t)i));
	for (size_t i = 0; i < n; i++) {
		const json_t *place = json_object_get(places, a[i]);

		ret[i] = place ? (size_t)json_integer_value(place) : SIZE_MAX;
		if (!place)
			continue;
		if (ret[i] < last)
			return false;
		last = ret[i];
	}
	return true;
}

static void
walk_element(struct jsondiff *diff, struct trail *trail, size_t at, const char *name,
	     const char *key, const json_t *before, const json_t *after)
{
	const struct trail_mark mark = trail_mark(trail);

	trail_add_element(trail, at, name, key);
	walk(diff, trail, before, after);
	trail_back(trail, mark);
}

/* Two lists whose elements have keys of this name. */
struct keyed {
	const char *name;
	char **before, **after;
	size_t *places; /* of each of before in after */
};

static void
walk_keyed(struct jsondiff *diff, struct trail *trail, const json_t *before, const json_t *after,
	   const struct keyed *by)
{
	size_t n = json_array_size(before), m = json_array_size(after);
	AUTO(auto_free) bool *met = mem_alloc_array(m + 1, sizeof(*met));

	for (size_t i = 0; i < n; i++) {
		bool is = by->places[i] != SIZE_MAX;

		if (is)
			met[by->places[i]] = true;
		walk_element(diff, trail, i, by->name, by->before[i], json_array_get(before, i),
			     is ? json_array_get(after, by->places[i]) : NULL);
	}
	for (size_t i = 0; i < m; i++)
		if (!met[i])
			walk_element(diff, trail, i, by->name, by->after[i], NULL,
				     json_array_get(after, i));
}

/* False: the elements have no key, or are in another order. */
static bool
walk_by_key(struct jsondiff *diff, struct trail *trail, const json_t *before, const json_t *after)
{
	size_t n = json_array_size(before), m = json_array_size(after);
	AUTO(auto_free) size_t *places = NULL;
	bool done = false;

	if (!n || !m || n > KEYED_MAX || m > KEYED_MAX)
		return false;
	places = mem_alloc_array(n, sizeof(*places));
	for (size_t k = 0; !done && k < ARRAY_LEN(key_names); k++) {
		char **a = keys_read(before, key_names[k]);
		char **b = a ? keys_read(after, key_names[k]) : NULL;

		if (b && keys_match(a, n, b, m, places)) {
			walk_keyed(diff, trail, before, after,
				   &(struct keyed){key_names[k], a, b, places});
			done = true;
		}
		keys_free(a, n);
		keys_free(b, m);
		if (b)
			break;
	}
	return done;
}

static void
walk_array(struct jsondiff *diff, struct trail *trail, const json_t *before, const json_t *after)
{
	size_t n = json_array_size(before), m = json_array_size(after), start = 0, end = 0;

	if (walk_by_key(diff, trail, before, after))
		return;
	while (start < n && start < m &&
	       json_equal(json_array_get(before, start), json_array_get(after, start)))
		start++;
	while (end < n - start && end < m - start &&
	       json_equal(json_array_get(before, n - 1 - end), json_array_get(after, m - 1 - end)))
		end++;
	for (size_t i = start; i < n - end || i < m - end; i++)
		walk_element(diff, trail, i, NULL, NULL,
			     i < n - end ? json_array_get(before, i) : NULL,
			     i < m - end ? json_array_get(after, i) : NULL);
}

static void
walk(struct jsondiff *diff, struct trail *trail, const json_t *before, const json_t *after)
{
	if (json_is_object(before) && json_is_object(after))
		walk_object(diff, trail, before, after);
	else if (json_is_array(before) && json_is_array(after))
		walk_array(diff, trail, before, after);
	else if ((before || after) && !(before && after && json_equal(before, after)))
		item_add(diff, trail, before, after);
}

struct jsondiff *
jsondiff_new(const json_t *before, const json_t *after)
{
	struct trail trail = {BUF_INIT, BUF_INIT};
	struct jsondiff *diff = mem_alloc(sizeof(*diff));

	walk(diff, &trail, before, after);
	buf_fini(&trail.pointer);
	buf_fini(&trail.path);
	return diff;
}

void
jsondiff_free(struct jsondiff *diff)
{
	if (!diff)
		return;
	for (size_t i = 0; i < diff->count; i++) {
		free(diff->items[i].pointer);
		free(diff->items[i].path);
		json_decref(diff->items[i].before);
		json_decref(diff->items[i].after);
	}
	free(diff->items);
	free(diff);
}

void
jsondiff_auto_free(struct jsondiff **diff)
{
	jsondiff_free(*diff);
}

/* ---- merge patches ---- */

json_t *
jsondiff_merge_apply(const json_t *target, const json_t *patch)
{
	json_t *result, *value;
	const char *key;

	if (!json_is_object(patch))
		return json_deep_copy(patch);
	result = json_is_object(target) ? json_deep_copy(target) : json_object();
	json_object_foreach ((json_t *)patch, key, value) {
		if (json_is_null(value))
			json_object_del(result, key);
		else
			json_object_set_new(
				result, key,
				jsondiff_merge_apply(json_object_get(result, key), value));
	}
	return result;
}

/* Whether a merge patch that sets value would lose one of its members. */
static bool
has_null_member(const json_t *value)
{
	const char *key;
	json_t *member;

	json_object_foreach ((json_t *)value, key, member) {
		if (json_is_null(member) || has_null_member(member))
			return true;
	}
	return false;
}

static bool
merge_members(const json_t *before, const json_t *after, json_t *patch)
{
	const char *key;
	json_t *value, *was, *inner;

	json_object_foreach ((json_t *)before, key, value) {
		if (!json_object_get(after, key))
			json_object_set_new(patch, key, json_null());
	}
	json_object_foreach ((json_t *)after, key, value) {
		was = json_object_get(before, key);
		if (was && json_equal(was, value))
			continue;
		if (json_is_null(value) || !jsondiff_merge_create(was, value, &inner))
			return false;
		json_object_set_new(patch, key, inner);
	}
	return true;
}

bool
jsondiff_merge_create(const json_t *before, const json_t *after, json_t **ret)
{
	AUTO(json_auto_decref) json_t *patch = NULL;

	assert(after);
	if (!json_is_object(after)) {
		*ret = json_deep_copy(after);
		return true;
	}
	if (!json_is_object(before)) {
		if (has_null_member(after))
			return false;
		*ret = json_deep_copy(after);
		return true;
	}
	patch = json_object();
	if (!merge_members(before, after, patch))
		return false;
	*ret = TAKE(patch);
	return true;
}

/* ---- for people ---- */

/* Code points; wide and combining ones are counted as one, which cuts a little early or late. */
static size_t
columns(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* Offset of the n-th code point. */
static size_t
offset_of(struct str s, size_t n)
{
	size_t i = 0;

	for (; i < s.len; i++)
		if (((unsigned char)s.p[i] & 0xc0) != 0x80 && !n--)
			break;
	return i;
}

/* From column skip on, at most width columns, with an ellipsis where something is left out. */
static void
add_cut(struct buf *out, struct str text, size_t skip, size_t width)
{
	size_t from = offset_of(text, skip);

	if (from) {
		buf_puts(out, ELLIPSIS);
		width--;
	}
	text = str_make(text.p + from, text.len - from);
	if (columns(text) <= width) {
		buf_add_str(out, text);
		return;
	}
	buf_add(out, text.p, offset_of(text, width - 1));
	buf_puts(out, ELLIPSIS);
}

static void
add_json(struct buf *out, const json_t *value)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	json_write(&text, value);
	textdiff_add_safe(out, buf_str(&text));
}

/* /a/b~1c/0 as a.b/c.0; a part that would mislead stands in quotes. */
static void
add_label(struct buf *out, const char *pointer)
{
	AUTO(buf_fini) struct buf part = BUF_INIT;
	AUTO(buf_fini) struct buf quoted = BUF_INIT;

	if (!*pointer)
		buf_puts(out, "(all)");
	for (const char *p = pointer; *p;) {
		size_t len = strcspn(p + 1, "/");

		buf_clear(&part);
		for (size_t i = 1; i <= len; i++) {
			if (p[i] == '~')
				buf_putc(&part, p[++i] == '0' ? '~' : '/');
			else
				buf_putc(&part, p[i]);
		}
		if (p != pointer)
			buf_putc(out, '.');
		if (part.len && !strpbrk(buf_cstr(&part), ".:\" \\\n\t")) {
			textdiff_add_safe(out, buf_str(&part));
		} else {
			buf_clear(&quoted);
			buf_json_str(&quoted, buf_str(&part));
			textdiff_add_safe(out, buf_str(&quoted));
		}
		p += len + 1;
	}
}

static bool
has_lines(const json_t *value)
{
	return json_is_string(value) &&
	       memchr(json_string_value(value), '\n', json_string_length(value));
}

static struct str
string_of(const json_t *value)
{
	return str_make(json_string_value(value), json_string_length(value));
}

/* Two values that do not fit beside one another: each on a line, around the first difference. */
static void
print_long(struct str before, struct str after, unsigned width, struct buf *out)
{
	size_t same = 0, skip;

	while (same < before.len && same < after.len && before.p[same] == after.p[same])
		same++;
	skip = columns(str_make(before.p, same));
	skip = skip > CONTEXT_COLUMNS ? skip - CONTEXT_COLUMNS : 0;
	buf_puts(out, "\n    - ");
	add_cut(out, before, skip, width - 6);
	buf_puts(out, "\n    + ");
	add_cut(out, after, skip, width - 6);
	buf_putc(out, '\n');
}

static void
print_item(const struct jsondiff_item *item, unsigned width, struct buf *out)
{
	AUTO(buf_fini) struct buf label = BUF_INIT;
	AUTO(buf_fini) struct buf before = BUF_INIT;
	AUTO(buf_fini) struct buf after = BUF_INIT;
	size_t room;

	add_label(&label, item->pointer);
	buf_putc(out, "+-~"[item->op]);
	buf_putc(out, ' ');
	add_cut(out, buf_str(&label), 0, width / 2);
	buf_putc(out, ':');
	room = columns(buf_str(&label)) < width / 2 ? width - columns(buf_str(&label)) - 4
						    : width / 2 - 4;
	if (item->op == JSONDIFF_REPLACE && (has_lines(item->before) || has_lines(item->after)) &&
	    json_is_string(item->before) && json_is_string(item->after)) {
		buf_putc(out, '\n');
		textdiff_print(string_of(item->before), string_of(item->after), CONTEXT_LINES,
			       "    ", out);
		return;
	}
	if (item->before)
		add_json(&before, item->before);
	if (item->after)
		add_json(&after, item->after);
	if (item->op != JSONDIFF_REPLACE) {
		buf_putc(out, ' ');
		add_cut(out, item->before ? buf_str(&before) : buf_str(&after), 0, room);
		buf_putc(out, '\n');
	} else if (columns(buf_str(&before)) + columns(buf_str(&after)) + 3 <= room) {
		buf_printf(out, " %s" ARROW "%s\n", buf_cstr(&before), buf_cstr(&after));
	} else {
		print_long(buf_str(&before), buf_str(&after), width, out);
	}
}

void
jsondiff_print(const struct jsondiff *diff, unsigned width, struct buf *out)
{
	for (size_t i = 0; i < diff->count; i++)
		print_item(&diff->items[i], width < WIDTH_MIN ? WIDTH_MIN : width, out);
}
