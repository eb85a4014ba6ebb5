/* The audit log's rows: written once, answered once; the oldest alone go. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_AUDIT_H
#define ROUSE_STORE_AUDIT_H

#include "store/rows.h"

struct audit_row {
	int64_t seq;
	struct wall at;
	char *who, *via, *act;
	char *object, *scope, *request; /* NULL: none */
	int64_t status;			/* of HTTP; 0: not answered */
	char *error;			/* NULL: none */
};
void audit_row_fini(struct audit_row *row);

/* *ret_seq: of the new row; row->seq is not looked at. */
bool audit_insert(struct store *store, const struct audit_row *row, int64_t *ret_seq,
		  struct err *err);
/* E_NOT_FOUND when there is no such row: its turn was not kept. Once a row; E_INVALID after. */
bool audit_answer(struct store *store, int64_t seq, int64_t status, const char *error,
		  struct err *err);
/* columns: by scope object status. */
bool audit_list(struct store *store, const struct list_query *query,
		bool (*fn)(void *arg, const struct audit_row *row), void *arg, struct err *err);
/* Lets go of at most `most` rows of the audit log, and as many decisions and samples, that are
 * older than before; the newest of each stays. *ret_gone: the most of one of them. */
bool audit_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
		  struct err *err);

#endif
