/* What the rooms about review share. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_API_REVIEW_H
#define ROUSE_API_REVIEW_H

#include "api/inside.h"
#include "core/selection.h"

/* Who is meant by a word: a batch (by id or name), a run, a change. Adds to spec, also when it
 * fails. */
bool api_review_word(struct core *core, const char *word, struct selection_spec *spec,
		     struct err *err);
/* The same, of a batch or a run. *ret_scope: as samples name it; owned.
 * E_USAGE for a change, or nothing. */
bool api_review_scope(struct api *api, const char *word, struct selection_spec *ret_spec,
		      char **ret_scope, struct err *err);

#endif
