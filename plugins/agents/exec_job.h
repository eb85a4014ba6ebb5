/* Exec agents: their keys, and the job that a section and an attempt make together. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_EXEC_JOB_H
#define ROUSE_PLUGINS_EXEC_JOB_H

#include "core/attempt.h"

extern const struct conf_table exec_agent_table;

/* Every process of an attempt has it in its environment: RUN_ID.ATTEMPT. */
#define EXEC_MARK "ROUSE_ATTEMPT_ID"

/* Is the output plain text, of which no line is of the protocol? */
bool exec_is_text(const struct conf_section *section);
/* May messages follow the envelope on standard input? */
bool exec_is_open(const struct conf_section *section);

/* Makes the spool `dir` of the attempt. Errors are spool_create()'s. ret_print: owned; where its
 * process stays for more turns, a digest of all that these must have in common; else NULL. */
bool exec_job_create(const struct attempt *attempt, const char *dir, struct str envelope,
		     char **ret_print, struct err *err);

#endif
