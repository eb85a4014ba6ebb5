/* Sampling: some changes drawn at random of each group, and what having looked at them proves.
 * SPEC 12. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_SAMPLING_H
#define ROUSE_CORE_SAMPLING_H

#include "core/look.h"
#include "store/samples.h"

#define SAMPLING_MOST SELECTION_IDS_MAX

struct sampling {
	const char *scope; /* "batch NAME/START", "run ID" */
	const char *by;
	uint64_t size; /* 0: as many as it takes for max_defect when none is wrong */
	int64_t seed;
	double confidence, max_defect;
};
/* What is drawn from a look at what is proposed: seqs in the order that they are shown in. */
struct sampling_drawn {
	int64_t *seqs;
	size_t count;
	int64_t population, last_seq;
};
void sampling_drawn_fini(struct sampling_drawn *drawn);
/* In proportion to the groups, at least one of each while there are enough; the same look and seed
 * draw the same. *ret to be zeroed. */
bool sampling_draw(const struct look *look, const struct sampling *how, struct sampling_drawn *ret,
		   struct err *err);
/* A copy of its seqs, sorted. */
int64_t *sampling_sorted(const struct sampling_drawn *drawn);
/* Writes it down, in the turn. rest: digest of what was not drawn, which the sample speaks for. */
bool sampling_keep(struct core *core, const struct sampling *how,
		   const struct sampling_drawn *drawn, const char *rest, struct sample_row *ret,
		   struct err *err);

/* {"id","scope","size","open","good","wrong","bound","enough","sentence",...} */
json_t *sampling_object(struct core *core, const struct sample_row *sample, struct err *err);
/* Its seqs, sorted, for what it is to be left out of; owned. */
bool sampling_seqs(struct core *core, const struct sample_row *sample, int64_t **ret,
		   size_t *ret_count, struct err *err);
/* The ids of its changes, as an array. */
json_t *sampling_ids(struct core *core, const struct sample_row *sample, struct err *err);
/* Does it prove that no more than max_defect of all is wrong? E_STATE: it says why not. */
bool sampling_proves(struct core *core, const struct sample_row *sample, struct err *err);

#endif
