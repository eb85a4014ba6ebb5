/* Groups: like changes together, what values they set, and which of them stand out. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_GROUP_H
#define ROUSE_PURE_GROUP_H

#include "pure/effect.h"

/* What is kept in memory, however many changes there are. */
#define GROUPS_MAX 500	      /* like ones beyond these are one more group, of whatever is left */
#define GROUP_FIELDS_MAX 2000 /* of all groups together */
#define GROUP_VALUES 48 /* different values of a field that are counted; of more, none is rare */
#define GROUP_MOVES 256 /* numbers of a field from which its usual range is told */
#define GROUP_EXAMPLES 3
#define GROUP_VALUE_BYTES                                                                          \
	120 /* of a value that is counted; longer ones are told by their digest                    \
	     */

/* Why a change needs eyes; the first of these weighs most. */
#define GROUP_FLAGS(X)                                                                             \
	X(GROUP_CONFLICT, "conflict")                                                              \
	X(GROUP_DELETE, "delete")                                                                  \
	X(GROUP_PARTIAL, "partial run")                                                            \
	X(GROUP_SHAPE, "rare shape")                                                               \
	X(GROUP_RARE, "rare value")                                                                \
	X(GROUP_MOVE, "large move")                                                                \
	X(GROUP_UNSURE, "low confidence")
enum group_flag_bit {
#define X(id, name) id##_BIT,
	GROUP_FLAGS(X)
#undef X
		GROUP_FLAG_BITS
};
enum group_flag {
#define X(id, name) id = 1 << id##_BIT,
	GROUP_FLAGS(X)
#undef X
};
const char *group_flag_name(enum group_flag_bit bit);

#define GROUP_UNSURE_BELOW 0.5

struct group_value {
	char *text; /* raw JSON, cut where it is long */
	uint64_t hash;
	uint64_t count;
};

struct group_field {
	char *path;
	char kind;				 /* '+' '-' '~' */
	struct group_value values[GROUP_VALUES]; /* once settled: the most frequent first */
	size_t value_count;
	bool many; /* there are more values than are counted */
	/* Numbers: of '~' by how much it moves, of '+' itself. */
	uint64_t numbers;
	double least, most;
	double sample[GROUP_MOVES];
	bool has_range; /* once settled: outside of low to high is a large move */
	double low, high;
};

struct group {
	char *key; /* effect_key(); of the group of what is left: "" */
	char name[33];
	char *target, *op;
	struct group_field *fields;
	size_t field_count;
	uint64_t count, flagged;
	uint64_t flags[GROUP_FLAG_BITS]; /* how many have each */
	bool rare;		 /* once settled: few of what is done there have this shape */
	double least_confidence; /* 2: none says one */
	double sum_confidence;
	uint64_t confident;
	int64_t examples[GROUP_EXAMPLES]; /* seqs of the first that do different things */
	uint64_t example_hashes[GROUP_EXAMPLES];
	size_t example_count;
	int64_t outliers[GROUP_EXAMPLES]; /* seqs of those that stand out most, in order */
	uint64_t outlier_hashes[GROUP_EXAMPLES];
	unsigned outlier_flags[GROUP_EXAMPLES];
	size_t outlier_count;
	size_t place; /* once ranked: in the order of what needs eyes first */
};

struct grouper;
struct grouper *grouper_new(void);
void grouper_free(struct grouper *grouper);

struct group_row {
	int64_t seq;
	struct effect_of of;
	const char *status;
	double confidence; /* -1: not said */
	bool partial;
};

/* First all rows are added, then it settles, then all rows are judged, then it ranks. */
void grouper_add(struct grouper *grouper, const struct group_row *row);
void grouper_settle(struct grouper *grouper);
/* The flags of this row; *ret_group: index of its group. */
unsigned grouper_judge(struct grouper *grouper, const struct group_row *row, size_t *ret_group);
void grouper_rank(struct grouper *grouper);

size_t grouper_count(const struct grouper *grouper);
const struct group *grouper_at(const struct grouper *grouper, size_t i);
/* The i-th as ranked. */
const struct group *grouper_ranked(const struct grouper *grouper, size_t i);
/* Larger: looked at sooner. */
unsigned group_weight(unsigned flags);

#endif
