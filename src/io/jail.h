/* The jail: what strangers sent is worked on in a child without rights, restarted when it dies. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_JAIL_H
#define ROUSE_IO_JAIL_H

#include "base/buf.h"
#include "base/err.h"

struct event_base;
struct jail;
struct jail_spec; /* io/jail_wire.h */

/* What a program gave for one input: its outputs as JSON texts. err->code E_OK: outputs holds count
 * of them, perhaps none. Otherwise outputs is NULL and err says what failed: E_MAPPING (what jq
 * says, or the input is no JSON), E_INVALID (the program does not compile), E_TOO_LARGE (beyond the
 * limits below), E_TIMEOUT (after 1 s of CPU), E_FULL (beyond its memory), E_UNAVAILABLE (no helper
 * can be started). err is never NULL and may be moved away; everything lives until return. */
typedef void jail_on_answer(void *arg, const struct str *outputs, size_t count, struct err *err);

/* program_path: of rouse-jq. Nothing is started before the first use. */
struct jail *jail_new(struct event_base *base, const char *program_path);
/* The same with another helper, which makes of "jq", "JSON" and the limits what spec says. */
struct jail *jail_new_for(struct event_base *base, const char *program_path,
			  const struct jail_spec *spec);
/* Answers not yet given are not given. Not from within on_answer. */
void jail_free(struct jail *jail);

/* Does the program compile? Blocks (at most 5 s; at start and reload only). E_INVALID with jq's
 * message. */
bool jail_check(struct jail *jail, const char *program, struct err *err);
/* The same of many, some hundred at once: on_wrong for each that does not compile, in their order.
 * What compiled once is not looked at again. Programs beyond the first 50 that are wrong may be
 * called wrong unseen. */
typedef void jail_on_wrong(void *arg, size_t i, const struct err *err);
void jail_check_all(struct jail *jail, const char *const *programs, size_t count,
		    jail_on_wrong *on_wrong, void *arg);
/* Runs program over input (JSON text, copied). Integers beyond 2^53 reach the program as strings.
 * At most 1,000 outputs, 16 MiB. on_answer comes later, never from within; successes come in the
 * order of the calls. E_FULL when 10,000 wait, E_TOO_LARGE for an input beyond 16 MiB. */
bool jail_run(struct jail *jail, const char *program, struct str input, jail_on_answer *on_answer,
	      void *arg, struct err *err);
/* pid of the running helper, 0 when there is none. */
int jail_pid(const struct jail *jail);

#endif
