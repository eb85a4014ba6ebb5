/* Samples: changes drawn at random, and what became of them. Rows only. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_SAMPLES_H
#define ROUSE_STORE_SAMPLES_H

#include "store/rows.h"

struct sample_row {
	int64_t seq;
	char *id, *scope; /* "batch NAME/START", "run ID" */
	int64_t seed, population, last_seq;
	char *digest;
	double confidence, max_defect;
	char *drawn_by;
	struct wall at;
};
void sample_row_fini(struct sample_row *row);

bool samples_insert(struct store *store, const struct sample_row *row, int64_t *ret_seq,
		    struct err *err);
bool samples_add(struct store *store, int64_t sample, int64_t n, int64_t change, struct err *err);
/* By its id; or the latest of a scope. E_NOT_FOUND. */
bool samples_get(struct store *store, const char *id, struct sample_row *ret, struct err *err);
bool samples_latest(struct store *store, const char *scope, struct sample_row *ret,
		    struct err *err);
/* Its changes in the order that they are shown in. */
bool samples_items(struct store *store, int64_t sample,
		   bool (*fn)(void *arg, const char *id, int64_t seq), void *arg, struct err *err);
/* wrong: rejected, superseded, or edited since it was drawn. */
struct sample_counts {
	int64_t size, open, good, wrong;
};
bool samples_count(struct store *store, int64_t sample, struct sample_counts *ret, struct err *err);

#endif
