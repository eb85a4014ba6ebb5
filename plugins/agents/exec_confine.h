/* Exec agents: what a run of theirs may reach, by the agent's section and the trust of its event.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_EXEC_CONFINE_H
#define ROUSE_PLUGINS_EXEC_CONFINE_H

#include "core/attempt.h"
#include "io/confine.h"

/* Says what of filesystem is wrong, and warns of what this kernel cannot keep. */
void exec_confine_check(const struct conf_section *section, struct conf_report *report);

/* Does every run of the section have the network, also one whose trust is untrusted? */
bool exec_confine_has_network(const struct conf_section *section);

/* What agents can be held to on this machine, one line for people. */
void exec_confine_describe(const struct conf *conf, struct buf *out);

/* The rules of one attempt, which starts in workdir; exec_confine_fini() frees what they point to.
 */
struct exec_confine {
	struct confine_rules rules;
	const char **paths;
	char *workdir; /* "rw:PATH" */
};
void exec_confine_init(struct exec_confine *confine, const struct attempt *attempt,
		       const char *workdir);
void exec_confine_fini(struct exec_confine *confine);

#endif
