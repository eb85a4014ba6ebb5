/* Diff: what changes would do, like ones together. */
/* SPDX-License-Identifier: MIT */
#include "cli/diff.h"

#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/diff_inside.h"
#include "cli/text.h"
#include "pure/group.h"

#define ENTITIES 5 /* named of those that get the very same */
#define CALM 99
#define CERTAIN 2.0 /* sorts behind every confidence there can be */

/* One change with what it does, ready to be compared with the others. */
struct item {
	const json_t *change;
	struct fields fields;
	char *group; /* target, op and shape */
	char *text;  /* the whole effect */
	double confidence;
	size_t order;
	unsigned calm; /* 0: the worst flag that there is; CALM: none */
};

static const char *
op_of(const json_t *change)
{
	const char *op = json_str(change, "op");

	return op ? op : "change";
}

static char
sign_of(const char *op)
{
	static const struct {
		const char *op;
		char sign;
	} signs[] = {{"create", '+'}, {"insert", '+'}, {"delete", '-'}};

	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (!strcmp(signs[i].op, op))
			return signs[i].sign;
	return '~';
}

/* As the daemon weighs what needs eyes (pure/group.h). */
static unsigned
calm_of(const json_t *change)
{
	const json_t *list = json_object_get(change, "flags");

	for (unsigned i = 0; i < GROUP_FLAG_BITS; i++)
		for (size_t at = 0; at < json_array_size(list); at++) {
			const char *flag = json_string_value(json_array_get(list, at));

			if (flag && !strcmp(flag, group_flag_name((enum group_flag_bit)i)))
				return i;
		}
	return CALM;
}

static void
item_init(struct item *item, const json_t *change, size_t order)
{
	struct buf group = BUF_INIT, text = BUF_INIT;
	const char *target = json_str(change, "target"), *patch = json_str(change, "patch");

	*item = (struct item){.change = change, .fields = FIELDS_INIT, .order = order};
	item->confidence = json_num(change, "confidence", CERTAIN);
	item->calm = calm_of(change);
	fields_of(change, &item->fields);
	buf_printf(&group, "%s\n%s\n", target ? target : "", op_of(change));
	fields_shape(&item->fields, &group);
	fields_text(&item->fields, &text);
	buf_printf(&text, "%s\n%s", json_str(change, "status") ? json_str(change, "status") : "",
		   patch ? patch : "");
	item->group = buf_take(&group);
	item->text = buf_take(&text);
}

static void
item_fini(struct item *item)
{
	fields_fini(&item->fields);
	free(item->group);
	free(item->text);
}

/* Within a group: the least sure first; the very same beside one another. */
static int
by_confidence(const void *a, const void *b)
{
	const struct item *left = a, *right = b;
	int same = strcmp(left->text, right->text);

	if (left->calm != right->calm)
		return left->calm < right->calm ? -1 : 1;
	if (left->confidence != right->confidence)
		return left->confidence < right->confidence ? -1 : 1;
	if (same)
		return same;
	return left->order < right->order ? -1 : left->order > right->order;
}

static int
by_group(const void *a, const void *b)
{
	int order = strcmp(((const struct item *)a)->group, ((const struct item *)b)->group);

	return order ? order : by_confidence(a, b);
}

struct bunch {
	struct item *items;
	size_t count;
};

/* Groups: the least sure first, then the rarest: outliers before the many. */
static int
group_by_interest(const void *a, const void *b)
{
	const struct bunch *left = a, *right = b;

	if (left->items[0].calm != right->items[0].calm)
		return left->items[0].calm < right->items[0].calm ? -1 : 1;
	if (left->items[0].confidence != right->items[0].confidence)
		return left->items[0].confidence < right->items[0].confidence ? -1 : 1;
	if (left->count != right->count)
		return left->count < right->count ? -1 : 1;
	return strcmp(left->items[0].group, right->items[0].group);
}

static void
put_effect(struct print *print, const json_t *change, const struct fields *fields, bool reverse)
{
	const char *patch = json_str(change, "patch");

	for (size_t i = 0; i < fields->count; i++) {
		struct field field = fields->items[i];

		if (reverse) {
			const json_t *after = field.after;

			field.after = field.before;
			field.before = after;
			field.kind = field.kind == '+' ? '-' : field.kind == '-' ? '+' : '~';
		}
		diff_put_field(print, &field);
	}
	if (patch)
		diff_put_patch(print, patch);
	else if (!fields->count)
		print_f(print, "    (no field changes)\n");
}

void
diff_print_fields(struct print *print, const json_t *change)
{
	AUTO(fields_fini) struct fields fields = FIELDS_INIT;

	fields_of(change, &fields);
	put_effect(print, change, &fields, false);
}

static void
put_group_head(struct print *print, const struct bunch *group, bool reverse)
{
	const json_t *change = group->items[0].change;
	const struct fields *fields = &group->items[0].fields;
	char sign = sign_of(op_of(change));

	if (reverse && sign != '~')
		sign = sign == '+' ? '-' : '+';
	print_style(print, diff_style(sign));
	print_f(print, "%c ", sign);
	print_style(print, STYLE_PLAIN);
	print_style(print, STYLE_BOLD);
	if (reverse)
		print_f(print, "undo ");
	print_text(print, op_of(change));
	print_f(print, " ");
	print_text(print, json_str(change, "target"));
	print_style(print, STYLE_PLAIN);
	print_f(print, ": %zu change%s", group->count, group->count == 1 ? "" : "s");
	for (size_t i = 0; i < fields->count && i < 4; i++) {
		print_f(print, i ? ", " : " of ");
		print_text(print, *fields->items[i].path ? fields->items[i].path : "the whole");
	}
	if (fields->count > 4)
		print_f(print, " and %zu more", fields->count - 4);
	print_f(print, "\n");
}

/* Why it needs eyes. */
static void
put_item_flags(struct print *print, const json_t *change)
{
	const json_t *flags = json_object_get(change, "flags");

	if (!json_array_size(flags))
		return;
	print_f(print, "    ");
	for (size_t i = 0; i < json_array_size(flags); i++) {
		print_f(print, i ? ", " : "! ");
		print_styled(print, STYLE_YELLOW,
			     json_string_value(json_array_get(flags, i))
				     ? json_string_value(json_array_get(flags, i))
				     : "?");
	}
	print_f(print, "\n");
}

/* The third side of a conflict. */
static void
put_found(struct print *print, const json_t *change)
{
	AUTO(buf_fini) struct buf text = BUF_INIT, safe = BUF_INIT;
	const json_t *current = json_object_get(change, "current");

	if (!change_is(change, "conflict"))
		return;
	if (current && !json_is_null(current))
		json_write(&text, current);
	else
		buf_puts(&text, "nothing");
	text_escape(&safe, buf_str(&text));
	diff_put_wrapped(print, "    found there: ", STYLE_PLAIN, buf_str(&safe));
}

/* What a member says, where it says something. */
static void
put_words(struct print *print, const json_t *change, const char *name, const char *label,
	  enum print_style style)
{
	const char *words = json_str(change, name);
	AUTO(buf_fini) struct buf safe = BUF_INIT;

	if (!words || !*words)
		return;
	text_escape(&safe, str_of(words));
	diff_put_wrapped(print, label, style, buf_str(&safe));
}

/* The one change, or the several that do the very same, from first on. */
static void
put_item_head(struct print *print, const struct item *first, size_t same)
{
	const char *entity = json_str(first->change, "entity");
	const char *status = json_str(first->change, "status");

	print_f(print, "  ");
	print_style(print, STYLE_BOLD);
	print_text(print, entity ? entity : "(no entity)");
	print_style(print, STYLE_PLAIN);
	print_f(print, "  ");
	print_text(print, json_str(first->change, "id"));
	print_f(print, "  ");
	print_styled(print, print_status_style(status), status ? status : "");
	if (first->confidence < CERTAIN)
		print_f(print, "  confidence %.2f", first->confidence);
	if (json_bool(first->change, "partial", false))
		print_f(print, "  partial");
	print_f(print, "\n");
	put_item_flags(print, first->change);
	if (same > 1) {
		print_f(print, "  and the same for %zu more:", same - 1);
		for (size_t i = 1; i < same && i <= ENTITIES; i++) {
			entity = json_str(first[i].change, "entity");
			print_f(print, " ");
			print_text(print, entity ? entity : "(no entity)");
			print_f(print, i + 1 < same ? "," : "");
		}
		print_f(print, same - 1 > ENTITIES ? " …\n" : "\n");
	}
	put_words(print, first->change, "reason", "    because ", STYLE_PLAIN);
	put_words(print, first->change, "unchecked", "    not checked: ", STYLE_PLAIN);
	put_words(print, first->change, "error", "    error: ", STYLE_RED);
	put_found(print, first->change);
}

void
diff_print_previous(struct print *print, const json_t *change)
{
	const json_t *previous = json_object_get(change, "previous");
	AUTO(json_auto_decref) json_t *both = NULL;
	AUTO(fields_fini) struct fields fields = FIELDS_INIT;

	if (!json_is_object(previous))
		return;
	both = json_object();
	json_put_str(both, "op", "update");
	json_object_set(both, "before", json_object_get(previous, "after"));
	json_object_set(both, "after", json_object_get(change, "after"));
	fields_of(both, &fields);
	print_f(print, "    was approved as change ");
	print_text(print, json_str(previous, "id"));
	print_f(print, ", by ");
	print_text(print, json_str(previous, "decided_by"));
	print_f(print, "; since then:\n");
	put_effect(print, both, &fields, false);
	if (!fields.count)
		print_f(print, "    (the same, from another state)\n");
}

void
diff_print_change(struct print *print, const json_t *change)
{
	struct item item;

	item_init(&item, change, 0);
	put_item_head(print, &item, 1);
	put_effect(print, change, &item.fields, false);
	diff_print_previous(print, change);
	item_fini(&item);
}

static void
put_group(struct print *print, const struct bunch *group, const struct diff_options *options)
{
	size_t shown = 0, at = 0;

	put_group_head(print, group, options->reverse);
	while (at < group->count && (!options->each || shown < options->each)) {
		const struct item *first = &group->items[at];
		size_t same = 1;

		while (at + same < group->count && !strcmp(first[same].text, first->text) &&
		       first[same].confidence == first->confidence)
			same++;
		put_item_head(print, first, same);
		put_effect(print, first->change, &first->fields, options->reverse);
		diff_print_previous(print, first->change);
		at += same;
		shown++;
	}
	if (at < group->count)
		print_f(print,
			"  … %zu more changes of these fields: rouse diff --all, or --entity "
			"ENTITY\n",
			group->count - at);
	print_f(print, "\n");
}

static const char *
part(bool *first)
{
	const char *text = *first ? " " : ", ";

	*first = false;
	return text;
}

/* What is still to come, as Terraform ends its plan; then what is behind. */
static void
put_plan(struct print *print, const struct item *items, size_t count, bool reverse)
{
	static const char *const over[] = {"applied", "rejected", "superseded", "reverted"};
	size_t create = 0, update = 0, remove = 0, behind[ARRAY_LEN(over)] = {0};
	bool first = true;

	for (size_t i = 0; i < count; i++) {
		const char *status = json_str(items[i].change, "status");
		char sign = sign_of(op_of(items[i].change));
		bool open = true;

		for (size_t at = 0; status && !reverse && at < ARRAY_LEN(over); at++) {
			if (strcmp(status, over[at]))
				continue;
			behind[at]++;
			open = false;
		}
		if (!open)
			continue;
		if (sign == '~')
			update++;
		else if ((sign == '+') != reverse)
			create++;
		else
			remove++;
	}
	print_style(print, STYLE_BOLD);
	print_f(print, "Plan: %zu to create, %zu to update, %zu to delete.", create, update,
		remove);
	print_style(print, STYLE_PLAIN);
	for (size_t at = 0; at < ARRAY_LEN(over); at++)
		if (behind[at])
			print_f(print, "%s%zu %s", part(&first), behind[at], over[at]);
	print_f(print, first ? "\n" : ".\n");
}

void
diff_print(struct print *print, const json_t *items, const struct diff_options *options)
{
	size_t count = json_array_size(items), groups = 0;
	struct item *sorted = mem_alloc_array(count + 1, sizeof(*sorted));
	struct bunch *list = mem_alloc_array(count + 1, sizeof(*list));

	for (size_t i = 0; i < count; i++)
		item_init(&sorted[i], json_array_get(items, i), i);
	qsort(sorted, count, sizeof(*sorted), by_group);
	for (size_t i = 0; i < count; i++) {
		if (!i || strcmp(sorted[i].group, sorted[i - 1].group))
			list[groups++].items = &sorted[i];
		list[groups - 1].count++;
	}
	qsort(list, groups, sizeof(*list), group_by_interest);
	for (size_t i = 0; i < groups; i++)
		put_group(print, &list[i], options);
	put_plan(print, sorted, count, options->reverse);
	for (size_t i = 0; i < count; i++)
		item_fini(&sorted[i]);
	free(sorted);
	free(list);
}
