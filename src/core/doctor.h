/* Doctor: what is wrong with this installation or soon will be, and what to do about it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_DOCTOR_H
#define ROUSE_CORE_DOCTOR_H

#include "core/core.h"

/* Each check adds rows {"check","state","found","advice"} to an array: state is `ok`, `warn` (it
 * works, but not for long or not as it should) or `fail`; advice is there where it is not ok. Of
 * one check at most DOCTOR_ROWS are told in full, then one says how many more there are. */
#define DOCTOR_ROWS 20

/* What can be seen from the outside, also where no daemon runs. conf is in force, or would be. */
void doctor_machine(const struct conf *conf, const char *state_dir, json_t *rows);
void doctor_secrets(const struct conf *conf, json_t *rows);
/* The files of conf against conf itself, which this process has loaded; takes as long as that. */
void doctor_config(const struct conf_schema *schema, const struct conf *conf, json_t *rows);
/* What only the daemon knows: sources, breakers, queue, dead letters, shims, its store. */
void doctor_core(struct core *core, json_t *rows);

/* One row; advice NULL where it is ok. */
enum doctor_state { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };
void doctor_say(json_t *rows, const char *check, enum doctor_state state, const char *advice,
		const char *fmt, ...) PRINTF(5, 6);

#endif
