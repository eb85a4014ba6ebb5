/* Environments of programs that we start: a few names of ours, nothing that leaks from the daemon.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_ENV_H
#define ROUSE_PLUGINS_ENV_H

#include "conf/conf.h"

struct env {
	char **items; /* NAME=VALUE, NULL at the end */
	size_t count;
};
#define ENV_INIT                                                                                   \
	{                                                                                          \
		NULL, 0                                                                            \
	}

/* Keys of a section that names a program: where it starts, and what env_put_section() reads. */
/* clang-format off */
#define PROGRAM_WORKDIR_KEY                                                                        \
	{"workdir", CONF_PATH, "/", .help = "folder that it starts in"}
#define PROGRAM_ENV_KEYS                                                                           \
	{"env", CONF_LIST, .help = "NAME=VALUE, ... for its environment"},                         \
	{"pass_env", CONF_LIST, .help = "NAME, ... that it gets from the daemon's own environment"}
/* clang-format on */

/* Longer values are left out: the kernel refuses to start a program that gets one. */
#define ENV_VALUE_MAX 32768

void env_fini(struct env *env);
/* Sets name, in place of what it was. value NULL or longer than ENV_VALUE_MAX: it is not set. */
void env_put(struct env *env, const char *name, const char *value);
/* PATH, HOME (home NULL: the daemon's), LANG, then the section's pass_env (of the daemon's own) and
 * env. */
void env_put_section(struct env *env, const struct conf_section *section, const char *home);
const char *const *env_items(const struct env *env); /* never NULL */

/* Complains about items of the keys env and pass_env that are no NAME=VALUE or no NAME, or ours. */
void env_check(const struct conf_section *section, struct conf_report *report);
/* Complains about a command that does not split; warns when its program is not there now. */
void command_check(const struct conf_section *section, const char *key, struct conf_report *report);

#endif
