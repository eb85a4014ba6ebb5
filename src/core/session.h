/* Sessions: runs that continue one another, as the turns of a conversation. SPEC 2, 5. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_SESSION_H
#define ROUSE_CORE_SESSION_H

#include "core/registry.h"
#include "store/sessions.h"

/* A session is an agent's, of one tenant (or of none), under the name that its caller or the
 * trigger's `session` gives. Each of its runs is a turn, numbered in order of arrival; turns go one
 * at a time in that order. What a turn said last as `checkpoint` is what the next one begins with.
 */

/* Bytes of a name. */
#define SESSION_NAME_MAX 512

/* E_INVALID with a sentence for what is no name of a session. */
bool session_name_check(struct str name, struct err *err);
/* In the turn: the run becomes the next turn of the session that row->session_name says; nothing to
 * do where that is NULL. Sets row->session (owned by id) and row->turn. row->seq is needed. */
bool session_join(struct core *core, struct run_row *row, struct wall now, struct buf *id,
		  struct err *err);
/* The session's name alone. */
void session_name_recall(struct core *core, struct run_row *run);
/* For the envelope: the session's name, and its checkpoint where the run has none of its own. */
void session_recall(struct core *core, struct run_row *run);
/* In the turn: one of its turns has ended; checkpoint: the last that it said, NULL. */
bool session_turned(struct core *core, const struct run_row *run, const char *checkpoint,
		    struct err *err);
/* Nothing of it goes on: its name is free, its checkpoint forgotten, its process dismissed. E_STATE
 * while a turn is not done. */
bool session_end(struct core *core, const char *id, const char *by, struct err *err);
/* All processes that are kept for a next turn go; why: a sentence. */
void sessions_dismiss(struct core *core, const char *session, const char *why);

/* As the API has it. */
json_t *session_object(struct core *core, const struct session_row *session, bool full);

#endif
