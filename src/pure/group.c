/* Groups: like changes together, what values they set, and which of them stand out. */
/* SPDX-License-Identifier: MIT */
#include "pure/group.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/map.h"

#define MANY 50		/* below so many nothing can be said to be rare */
#define RARE_SHARE 50	/* rare: not more than one of so many ... */
#define RARE_EVEN 5	/* ... and not more than a fifth of what an even share would be */
#define FENCE 3.0	/* interquartile ranges beyond the quartiles */
#define NUMBER_BYTES 40 /* of a number's text that is read */

struct group_entry {
	struct group group;
	size_t index;
	UT_hash_handle hh;
};

struct grouper {
	struct group_entry *by_key;
	struct group_entry **list;
	struct group_entry **ranked;
	size_t count, fields;
	struct group_entry *rest; /* what has no group of its own; NULL: nothing */
	struct group_entry *last; /* that a row was added to: most often the next one's */
	struct effect effect;
	struct buf key;
};

static const char *const flag_names[] = {
#define X(id, name) name,
	GROUP_FLAGS(X)
#undef X
};
static_assert(ARRAY_LEN(flag_names) == GROUP_FLAG_BITS, "a name for every flag");

const char *
group_flag_name(enum group_flag_bit bit)
{
	return flag_names[bit];
}

struct grouper *
grouper_new(void)
{
	return mem_alloc(sizeof(struct grouper));
}

static void
entry_free(struct group_entry *entry)
{
	for (size_t i = 0; i < entry->group.field_count; i++) {
		for (size_t v = 0; v < entry->group.fields[i].value_count; v++)
			free(entry->group.fields[i].values[v].text);
		free(entry->group.fields[i].path);
	}
	free(entry->group.fields);
	free(entry->group.key);
	free(entry->group.target);
	free(entry->group.op);
	free(entry);
}

void
grouper_free(struct grouper *grouper)
{
	if (!grouper)
		return;
	HASH_CLEAR(hh, grouper->by_key);
	for (size_t i = 0; i < grouper->count; i++)
		entry_free(grouper->list[i]);
	free(grouper->list);
	free(grouper->ranked);
	effect_fini(&grouper->effect);
	buf_fini(&grouper->key);
	free(grouper);
}

/* FNV-1a: tells values apart for counting, and nothing rests on it. */
static uint64_t
hash_of(struct str s, uint64_t hash)
{
	for (size_t i = 0; i < s.len; i++)
		hash = (hash ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return hash;
}
#define HASH_START UINT64_C(0xcbf29ce484222325)

/* --- finding the group --------------------------------------------------------------------- */

static struct group_entry *
entry_new(struct grouper *grouper, const char *target, const char *op)
{
	struct group_entry *entry = mem_alloc(sizeof(*entry));

	if (!(grouper->count & (grouper->count + 1)))
		grouper->list = mem_realloc(grouper->list, 2 * (grouper->count + 1) *
								   sizeof(struct group_entry *));
	entry->index = grouper->count;
	grouper->list[grouper->count++] = entry;
	entry->group.target = mem_strdup(target ? target : "");
	entry->group.op = mem_strdup(op ? op : "");
	entry->group.least_confidence = 2;
	return entry;
}

static struct group_entry *
entry_make(struct grouper *grouper, const struct effect_of *of)
{
	struct group_entry *entry;
	struct group *group;

	if (grouper->count >= GROUPS_MAX ||
	    grouper->fields + grouper->effect.count > GROUP_FIELDS_MAX) {
		if (!grouper->rest) {
			grouper->rest = entry_new(grouper, "", "");
			grouper->rest->group.key = mem_strdup("");
		}
		return grouper->rest;
	}
	entry = entry_new(grouper, of->target, of->op);
	group = &entry->group;
	group->key = str_dup(buf_str(&grouper->key));
	effect_key_name(buf_str(&grouper->key), group->name);
	group->field_count = grouper->effect.count;
	grouper->fields += group->field_count;
	group->fields = mem_alloc_array(group->field_count + 1, sizeof(*group->fields));
	for (size_t i = 0; i < group->field_count; i++) {
		group->fields[i].path =
			str_dup(effect_path(&grouper->effect, &grouper->effect.fields[i]));
		group->fields[i].kind = grouper->effect.fields[i].kind;
	}
	HASH_ADD_KEYPTR(hh, grouper->by_key, group->key, grouper->key.len, entry);
	return entry;
}

static struct group_entry *
entry_of(struct grouper *grouper, const struct group_row *row, bool make)
{
	struct group_entry *entry = grouper->last;

	effect_read(&grouper->effect, &row->of);
	buf_clear(&grouper->key);
	effect_key(&grouper->effect, &row->of, &grouper->key);
	if (entry && str_eq_cstr(buf_str(&grouper->key), entry->group.key))
		return entry;
	HASH_FIND(hh, grouper->by_key, buf_cstr(&grouper->key), grouper->key.len, entry);
	if (!entry)
		entry = make ? entry_make(grouper, &row->of) : grouper->rest;
	grouper->last = entry;
	return entry;
}

/* --- adding -------------------------------------------------------------------------------- */

static bool
number_of(struct str raw, double *ret)
{
	char text[NUMBER_BYTES], *end;

	if (!raw.p || !raw.len || raw.len >= sizeof(text) ||
	    (*raw.p != '-' && (*raw.p < '0' || *raw.p > '9')))
		return false;
	memcpy(text, raw.p, raw.len);
	text[raw.len] = '\0';
	*ret = strtod(text, &end);
	return !*end && isfinite(*ret);
}

/* What counts as the number of a field here; false: it has none. */
static bool
move_of(const struct effect_field *field, double *ret)
{
	double before = 0, after;

	if (!number_of(field->after, &after) ||
	    (field->kind == '~' && !number_of(field->before, &before)))
		return false;
	*ret = after - before;
	return isfinite(*ret);
}

/* The value by which a field is counted: what it will be, or what goes. */
static struct str
told(const struct effect_field *field)
{
	return field->after.p ? field->after : field->before.p ? field->before : STR("null");
}

static struct group_value *
value_find(struct group_field *field, uint64_t hash)
{
	for (size_t i = 0; i < field->value_count; i++)
		if (field->values[i].hash == hash)
			return &field->values[i];
	return NULL;
}

static char *
value_text(struct str raw)
{
	struct buf text = BUF_INIT;
	size_t len = raw.len;

	if (len > GROUP_VALUE_BYTES)
		for (len = GROUP_VALUE_BYTES; len && ((unsigned char)raw.p[len] & 0xc0) == 0x80;)
			len--;
	buf_add(&text, raw.p, len);
	if (len < raw.len)
		buf_puts(&text, "\xe2\x80\xa6");
	return buf_take(&text);
}

static void
value_count(struct group_field *field, struct str raw)
{
	uint64_t hash = hash_of(raw, HASH_START);
	struct group_value *value = value_find(field, hash);

	if (!value && field->value_count == GROUP_VALUES) {
		field->many = true;
		return;
	}
	if (!value) {
		value = &field->values[field->value_count++];
		*value = (struct group_value){.text = value_text(raw), .hash = hash};
	}
	value->count++;
}

/* Each number is as likely to be kept as any other; drawn by what it is and where, so that the same
 * rows give the same ranges. */
static void
number_count(struct group_field *field, double number, int64_t seq)
{
	uint64_t draw = hash_of(str_make(&seq, sizeof(seq)), HASH_START);

	if (!field->numbers || number < field->least)
		field->least = number;
	if (!field->numbers || number > field->most)
		field->most = number;
	if (field->numbers < GROUP_MOVES) {
		field->sample[field->numbers] = number;
	} else {
		draw %= field->numbers + 1;
		if (draw < GROUP_MOVES)
			field->sample[draw] = number;
	}
	field->numbers++;
}

static uint64_t
effect_hash(const struct effect *effect)
{
	uint64_t hash = HASH_START;

	for (size_t i = 0; i < effect->count; i++) {
		hash = hash_of(effect->fields[i].before, hash);
		hash = hash_of(STR("\n"), hash);
		hash = hash_of(effect->fields[i].after, hash);
		hash = hash_of(STR("\n"), hash);
	}
	return hash;
}

/* Among so few, those that do different things are shown. */
static void
example_add(int64_t *list, uint64_t *hashes, size_t *count, int64_t seq, uint64_t hash)
{
	if (*count == GROUP_EXAMPLES)
		return;
	for (size_t i = 0; i < *count; i++)
		if (hashes[i] == hash)
			return;
	list[*count] = seq;
	hashes[(*count)++] = hash;
}

void
grouper_add(struct grouper *grouper, const struct group_row *row)
{
	struct group *group = &entry_of(grouper, row, true)->group;
	double number;

	group->count++;
	if (row->confidence >= 0) {
		group->confident++;
		group->sum_confidence += row->confidence;
		if (row->confidence < group->least_confidence)
			group->least_confidence = row->confidence;
	}
	if (group->example_count < GROUP_EXAMPLES)
		example_add(group->examples, group->example_hashes, &group->example_count, row->seq,
			    effect_hash(&grouper->effect));
	for (size_t i = 0; i < group->field_count; i++) {
		const struct effect_field *field = &grouper->effect.fields[i];

		value_count(&group->fields[i], told(field));
		if (move_of(field, &number))
			number_count(&group->fields[i], number, row->seq);
	}
}

/* --- settling ------------------------------------------------------------------------------ */

static int
by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int
by_count(const void *a, const void *b)
{
	const struct group_value *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->text, y->text);
}

/* Tukey's outer fences. Where half of all numbers are one and the same, that one is the range. */
static void
range_settle(struct group_field *field)
{
	size_t n = field->numbers < GROUP_MOVES ? (size_t)field->numbers : GROUP_MOVES;
	double low, high;

	if (field->numbers < MANY)
		return;
	qsort(field->sample, n, sizeof(*field->sample), by_number);
	low = field->sample[n / 4];
	high = field->sample[n - 1 - n / 4];
	field->low = low - FENCE * (high - low);
	field->high = high + FENCE * (high - low);
	field->has_range = isfinite(field->low) && isfinite(field->high);
}

/* Not more than one of so many, and not more than a fifth of an even share. */
static bool
is_few(uint64_t count, uint64_t of, uint64_t kinds)
{
	return of >= MANY && kinds > 1 && count <= of / RARE_SHARE &&
	       count <= of / kinds / RARE_EVEN;
}

/* Of all that is done in the same way to the same target, only few set these fields. */
static void
shape_settle(const struct grouper *grouper, struct group_entry *entry)
{
	uint64_t all = 0, kinds = 0;

	for (size_t i = 0; i < grouper->count; i++) {
		const struct group *other = &grouper->list[i]->group;

		if (strcmp(other->target, entry->group.target) != 0 ||
		    strcmp(other->op, entry->group.op) != 0)
			continue;
		all += other->count;
		kinds++;
	}
	entry->group.rare = entry != grouper->rest && is_few(entry->group.count, all, kinds);
}

void
grouper_settle(struct grouper *grouper)
{
	for (size_t i = 0; i < grouper->count; i++) {
		struct group *group = &grouper->list[i]->group;

		shape_settle(grouper, grouper->list[i]);
		for (size_t f = 0; f < group->field_count; f++) {
			qsort(group->fields[f].values, group->fields[f].value_count,
			      sizeof(*group->fields[f].values), by_count);
			range_settle(&group->fields[f]);
		}
	}
}

/* --- judging ------------------------------------------------------------------------------- */

static bool
is_rare(const struct group *group, struct group_field *field, struct str raw)
{
	const struct group_value *value;

	if (field->many)
		return false;
	value = value_find(field, hash_of(raw, HASH_START));
	return value && is_few(value->count, group->count, field->value_count);
}

static unsigned
fields_judge(const struct grouper *grouper, struct group *group)
{
	unsigned flags = 0;
	double number;

	for (size_t i = 0; i < group->field_count; i++) {
		struct group_field *field = &group->fields[i];
		const struct effect_field *is = &grouper->effect.fields[i];

		if (is_rare(group, field, told(is)))
			flags |= GROUP_RARE;
		/* A list of few numbers has no range; which of them is rare was just asked. */
		if ((field->many || field->kind == '~') && field->has_range &&
		    move_of(is, &number) && (number < field->low || number > field->high))
			flags |= GROUP_MOVE;
	}
	return flags;
}

unsigned
group_weight(unsigned flags)
{
	unsigned weight = 0;

	for (int bit = 0; bit < GROUP_FLAG_BITS; bit++)
		if (flags & 1u << bit)
			weight |= 1u << (GROUP_FLAG_BITS - 1 - bit);
	return weight;
}

static void
outlier_drop(struct group *group, size_t at)
{
	for (group->outlier_count--; at < group->outlier_count; at++) {
		group->outliers[at] = group->outliers[at + 1];
		group->outlier_hashes[at] = group->outlier_hashes[at + 1];
		group->outlier_flags[at] = group->outlier_flags[at + 1];
	}
}

/* Those that weigh most, in order; of equal ones the first that do different things. */
static void
outlier_add(struct group *group, int64_t seq, uint64_t hash, unsigned flags)
{
	unsigned weight = group_weight(flags);
	size_t at;

	for (size_t i = 0; i < group->outlier_count; i++)
		if (group->outlier_hashes[i] == hash) {
			if (group_weight(group->outlier_flags[i]) >= weight)
				return;
			outlier_drop(group, i);
			break;
		}
	if (group->outlier_count == GROUP_EXAMPLES) {
		if (group_weight(group->outlier_flags[GROUP_EXAMPLES - 1]) >= weight)
			return;
		group->outlier_count--;
	}
	at = group->outlier_count++;
	for (; at && group_weight(group->outlier_flags[at - 1]) < weight; at--) {
		group->outliers[at] = group->outliers[at - 1];
		group->outlier_hashes[at] = group->outlier_hashes[at - 1];
		group->outlier_flags[at] = group->outlier_flags[at - 1];
	}
	group->outliers[at] = seq;
	group->outlier_hashes[at] = hash;
	group->outlier_flags[at] = flags;
}

unsigned
grouper_judge(struct grouper *grouper, const struct group_row *row, size_t *ret_group)
{
	struct group_entry *entry = entry_of(grouper, row, false);
	unsigned flags = 0;
	struct group *group;

	*ret_group = 0;
	if (!entry)
		return 0;
	group = &entry->group;
	*ret_group = entry->index;
	flags = fields_judge(grouper, group);
	if (row->status && !strcmp(row->status, "conflict"))
		flags |= GROUP_CONFLICT;
	if (row->of.op && !strcmp(row->of.op, "delete"))
		flags |= GROUP_DELETE;
	if (row->partial)
		flags |= GROUP_PARTIAL;
	if (group->rare)
		flags |= GROUP_SHAPE;
	if (row->confidence >= 0 && row->confidence < GROUP_UNSURE_BELOW)
		flags |= GROUP_UNSURE;
	for (int bit = 0; bit < GROUP_FLAG_BITS; bit++)
		if (flags & 1u << bit)
			group->flags[bit]++;
	if (flags) {
		group->flagged++;
		outlier_add(group, row->seq, effect_hash(&grouper->effect), flags);
	}
	return flags;
}

/* The flag that weighs most among those that its changes have. */
static unsigned
group_worst(const struct group *group)
{
	for (int bit = 0; bit < GROUP_FLAG_BITS; bit++)
		if (group->flags[bit])
			return GROUP_FLAG_BITS - (unsigned)bit;
	return 0;
}

static int
by_need(const void *a, const void *b)
{
	const struct group *x = &(*(struct group_entry *const *)a)->group;
	const struct group *y = &(*(struct group_entry *const *)b)->group;
	unsigned left = group_worst(x), right = group_worst(y);

	if (left != right)
		return left > right ? -1 : 1;
	if (x->least_confidence != y->least_confidence)
		return x->least_confidence < y->least_confidence ? -1 : 1;
	if (x->count != y->count)
		return x->count < y->count ? -1 : 1;
	return strcmp(x->key, y->key);
}

void
grouper_rank(struct grouper *grouper)
{
	grouper->ranked =
		mem_realloc(grouper->ranked, (grouper->count + 1) * sizeof(struct group_entry *));
	if (grouper->count)
		memcpy(grouper->ranked, grouper->list,
		       grouper->count * sizeof(struct group_entry *));
	qsort(grouper->ranked, grouper->count, sizeof(struct group_entry *), by_need);
	for (size_t i = 0; i < grouper->count; i++)
		grouper->ranked[i]->group.place = i;
}

size_t
grouper_count(const struct grouper *grouper)
{
	return grouper->count;
}

const struct group *
grouper_at(const struct grouper *grouper, size_t i)
{
	return &grouper->list[i]->group;
}

const struct group *
grouper_ranked(const struct grouper *grouper, size_t i)
{
	return &grouper->ranked[i]->group;
}
