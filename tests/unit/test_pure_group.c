/* Effects and groups: like changes together, and which of them stand out. */
/* SPDX-License-Identifier: MIT */
#include "pure/group.h"

#include <stdio.h>

#include "tests/unit/tap.h"

static const char *
key_of(const char *op, const char *before, const char *after, const char *patch)
{
	static struct buf key;
	struct effect effect = EFFECT_INIT;
	const struct effect_of of = {"crm", op, before, after, patch};

	buf_clear(&key);
	effect_read(&effect, &of);
	effect_key(&effect, &of, &key);
	effect_fini(&effect);
	return buf_cstr(&key);
}

static void
add(struct grouper *g, bool judge, int64_t seq, const char *op, const char *after,
    double confidence, unsigned *ret_flags)
{
	const struct group_row row = {.seq = seq,
				      .of = {"crm", op, "{\"tag\":null,\"n\":1}", after, NULL},
				      .status = "proposed",
				      .confidence = confidence};
	size_t group;

	if (judge)
		*ret_flags = grouper_judge(g, &row, &group);
	else
		grouper_add(g, &row);
}

/* What i-th of n is: one of three tags; the 17th is another, the 33rd moves far. */
static unsigned
play(struct grouper *g, bool judge, int n, int *ret_flagged, unsigned *ret_rare, unsigned *ret_far)
{
	static const char *const tags[] = {"gold", "silver", "bronze"};
	unsigned flags = 0;

	*ret_flagged = 0;
	for (int i = 0; i < n; i++) {
		char after[100];

		snprintf(after, sizeof(after), "{\"tag\":\"%s\",\"n\":%d}",
			 i == 17 ? "???" : tags[i % 3], i == 33 ? 100000 : 2 + i % 100);
		add(g, judge, i + 1, "update", after, 0.9, &flags);
		*ret_flagged += judge && flags;
		if (i == 17)
			*ret_rare = flags;
		if (i == 33)
			*ret_far = flags;
	}
	return flags;
}

int
main(void)
{
	IT ("names the fields that come, go and change, in order, however deep") {
		CHECK_STR(key_of("update", "{\"b\":{\"c\":1,\"d\":2},\"a\":1}",
				 "{\"a\":2,\"b\":{\"c\":1,\"e\":3}}", NULL),
			  "crm\nupdate\n~a\n-b.d\n+b.e\n");
	}
	IT ("takes the order of members for no difference") {
		CHECK_STR(key_of("update", "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", NULL),
			  "crm\nupdate\n");
	}
	IT ("compares lists as wholes") {
		CHECK_STR(key_of("update", "{\"l\":[1,{\"a\":1}]}", "{\"l\":[1,{\"a\":2}]}", NULL),
			  "crm\nupdate\n~l\n");
	}
	IT ("reads a patch that is an object as a merge patch, any other as one field") {
		CHECK_STR(
			key_of("update", "{\"a\":1,\"b\":2}", NULL, "{\"a\":null,\"b\":2,\"c\":1}"),
			"crm\nupdate\n-a\n+c\n");
		CHECK_STR(key_of("update", NULL, NULL, "\"--- a\\n+++ b\""),
			  "crm\nupdate\n~patch\n");
	}
	IT ("names no field of a deletion, and all of a creation") {
		CHECK_STR(key_of("delete", "{\"a\":1}", NULL, NULL), "crm\ndelete\n");
		CHECK_STR(key_of("create", NULL, "{\"b\":1,\"a\":2}", NULL),
			  "crm\ncreate\n+a\n+b\n");
	}
	IT ("stands values that are no objects, nothing at all, and braces within strings") {
		CHECK_STR(key_of("update", "1", "2", NULL), "crm\nupdate\n~\n");
		CHECK_STR(key_of("update", NULL, NULL, NULL), "crm\nupdate\n");
		CHECK_STR(key_of("update", "{\"a\":\"}\\\"{\"}", "{\"a\":\"]\"}", NULL),
			  "crm\nupdate\n~a\n");
	}
	IT ("keeps to its bounds with an object of a thousand members, and one that is very deep") {
		struct buf wide = BUF_INIT, deep = BUF_INIT;

		buf_putc(&wide, '{');
		for (int i = 0; i < 1000; i++)
			buf_printf(&wide, "%s\"k%d\":1", i ? "," : "", i);
		buf_putc(&wide, '}');
		CHECK_STR(key_of("update", "{\"k0\":1}", buf_cstr(&wide), NULL),
			  "crm\nupdate\n~\n");
		for (int i = 0; i < 60; i++)
			buf_puts(&deep, "{\"a\":");
		buf_puts(&deep, "1");
		for (int i = 0; i < 60; i++)
			buf_putc(&deep, '}');
		CHECK(strlen(key_of("update", "{\"a\":{\"a\":{}}}", buf_cstr(&deep), NULL)) < 60);
		buf_fini(&wide);
		buf_fini(&deep);
	}
	IT ("flags what is rare and what moves far, and nothing else") {
		struct grouper *g = grouper_new();
		unsigned rare = 0, far = 0;
		int flagged;

		play(g, false, 3000, &flagged, &rare, &far);
		grouper_settle(g);
		play(g, true, 3000, &flagged, &rare, &far);
		CHECK(flagged == 2);
		CHECK(rare == GROUP_RARE);
		CHECK(far == GROUP_MOVE);
		grouper_rank(g);
		CHECK(grouper_count(g) == 1);
		CHECK(grouper_ranked(g, 0)->flagged == 2);
		grouper_free(g);
	}
	IT ("says nothing of rarity among a few") {
		struct grouper *g = grouper_new();
		unsigned rare = 0, far = 0;
		int flagged;

		play(g, false, 40, &flagged, &rare, &far);
		grouper_settle(g);
		play(g, true, 40, &flagged, &rare, &far);
		CHECK(flagged == 0);
		grouper_free(g);
	}
	IT ("flags what sets other fields than nearly all, and puts it first") {
		struct grouper *g = grouper_new();
		unsigned odd = 0, even = 0, other = 0;

		for (int judge = 0; judge < 2; judge++) {
			for (int i = 0; i < 200; i++)
				add(g, judge, i, "update", "{\"tag\":1}", 0.9, &even);
			for (int i = 200; i < 204; i++)
				add(g, judge, i, "update", "{\"n\":1}", 0.9, &odd);
			add(g, judge, 204, "create", "{\"n\":1}", 0.9, &other);
			if (!judge)
				grouper_settle(g);
		}
		grouper_rank(g);
		CHECK(even == 0);
		CHECK(odd == GROUP_SHAPE);
		CHECK(other == 0);
		CHECK(grouper_ranked(g, 0)->flags[GROUP_SHAPE_BIT] == 4);
		grouper_free(g);
	}
	IT ("takes no shape for rare where there are many") {
		struct grouper *g = grouper_new();
		unsigned flags = 0;

		for (int judge = 0; judge < 2; judge++) {
			for (int i = 0; i < 400; i++) {
				char after[32];

				snprintf(after, sizeof(after), "{\"f%d\":1}", i % 100);
				add(g, judge, i, "update", after, 0.9, &flags);
				CHECK(!flags);
			}
			if (!judge)
				grouper_settle(g);
		}
		grouper_free(g);
	}
	IT ("puts deletions before the unsure, and these before the rest") {
		struct grouper *g = grouper_new();
		unsigned flags;

		for (int judge = 0; judge < 2; judge++) {
			add(g, judge, 1, "update", "{\"tag\":1,\"n\":1}", 0.9, &flags);
			add(g, judge, 2, "update", "{\"tag\":1,\"n\":1,\"x\":1}", 0.2, &flags);
			add(g, judge, 3, "delete", NULL, 0.9, &flags);
			if (!judge)
				grouper_settle(g);
		}
		grouper_rank(g);
		CHECK_STR(grouper_ranked(g, 0)->op, "delete");
		CHECK(grouper_ranked(g, 1)->least_confidence < 0.3);
		CHECK(group_weight(GROUP_DELETE) > group_weight(GROUP_RARE | GROUP_UNSURE));
		grouper_free(g);
	}
	IT ("shows those that weigh most, whenever they come; of equal ones the first") {
		struct grouper *g = grouper_new();
		const struct group *group;
		char after[60];
		unsigned flags = 0;

		for (int judge = 0; judge < 2; judge++) {
			for (int i = 1; i <= 6; i++) {
				const struct group_row row = {
					.seq = i,
					.of = {"crm", "update", "{\"n\":0}", after, NULL},
					.status = i == 5 ? "conflict" : "proposed",
					.partial = i == 6,
					.confidence = 0.1};
				size_t at;

				snprintf(after, sizeof(after), "{\"n\":%d}", i);
				if (judge)
					flags = grouper_judge(g, &row, &at);
				else
					grouper_add(g, &row);
			}
			if (!judge)
				grouper_settle(g);
		}
		grouper_rank(g);
		group = grouper_ranked(g, 0);
		CHECK(flags & GROUP_PARTIAL);
		CHECK(group->outlier_count == 3);
		CHECK(group->outliers[0] == 5 && group->outliers[1] == 6 &&
		      group->outliers[2] == 1);
		CHECK(group->outlier_flags[0] & GROUP_CONFLICT);
		grouper_free(g);
	}
	IT ("puts what is beyond its bounds into one last group") {
		struct grouper *g = grouper_new();
		unsigned flags;

		for (int judge = 0; judge < 2; judge++) {
			for (int i = 0; i < 2 * GROUPS_MAX; i++) {
				char after[60];

				snprintf(after, sizeof(after), "{\"tag\":null,\"n\":1,\"f%d\":1}",
					 i);
				add(g, judge, i, "update", after, -1, &flags);
			}
			if (!judge)
				grouper_settle(g);
		}
		CHECK(grouper_count(g) == GROUPS_MAX + 1);
		CHECK(grouper_at(g, GROUPS_MAX)->count == GROUPS_MAX);
		grouper_free(g);
	}
	return tap_done();
}
