/* Environments of programs that we start: a few names of ours, nothing that leaks from the daemon.
 */
/* SPDX-License-Identifier: MIT */
#include "plugins/env.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/proc.h"

static const char path_default[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const char *
path_now(void)
{
	const char *path = getenv("PATH");

	return path && *path ? path : path_default;
}

void
env_fini(struct env *env)
{
	for (size_t i = 0; i < env->count; i++)
		free(env->items[i]);
	free(env->items);
	*env = (struct env)ENV_INIT;
}

static char **
env_slot(struct env *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->count; i++)
		if (!strncmp(env->items[i], name, len) && env->items[i][len] == '=')
			return &env->items[i];
	env->items = mem_realloc(env->items, (env->count + 2) * sizeof(*env->items));
	env->items[env->count + 1] = NULL;
	env->items[env->count] = NULL;
	return &env->items[env->count++];
}

void
env_put(struct env *env, const char *name, const char *value)
{
	struct buf item = BUF_INIT;
	char **slot;

	if (!value || strlen(value) > ENV_VALUE_MAX)
		return;
	buf_printf(&item, "%s=%s", name, value);
	slot = env_slot(env, name);
	free(*slot);
	*slot = buf_take(&item);
}

void
env_put_section(struct env *env, const struct conf_section *section, const char *home)
{
	const char *const *items;
	size_t count;

	env_put(env, "PATH", path_now());
	env_put(env, "HOME", home ? home : getenv("HOME"));
	env_put(env, "LANG", "C.UTF-8");
	count = conf_list(section, "pass_env", &items);
	for (size_t i = 0; i < count; i++)
		env_put(env, items[i], getenv(items[i]));
	count = conf_list(section, "env", &items);
	for (size_t i = 0; i < count; i++) {
		struct str name, value = str_split(str_of(items[i]), '=', &name);
		AUTO(auto_free) char *owned = str_dup(name);

		env_put(env, owned, value.p);
	}
}

const char *const *
env_items(const struct env *env)
{
	static const char *const none[] = {NULL};

	return env->items ? (const char *const *)env->items : none;
}

static bool
name_is_valid(struct str name)
{
	if (!name.len || isdigit((unsigned char)name.p[0]))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.p[i]) && name.p[i] != '_')
			return false;
	return true;
}

static void
env_check_name(const struct conf_section *section, const char *key, struct str name,
	       const char *form, struct conf_report *report)
{
	if (!name_is_valid(name))
		conf_complain(report, section, key,
			      "\"%.*s\" is no name of a variable; expected %s, where a name has "
			      "letters, digits and _",
			      STR_ARG(name), form);
	else if (str_starts(name, STR("ROUSE_")))
		conf_complain(report, section, key,
			      "%.*s cannot be set: names that begin with ROUSE_ are given by Rouse "
			      "itself",
			      STR_ARG(name));
}

void
env_check(const struct conf_section *section, struct conf_report *report)
{
	const char *const *items;
	size_t count = conf_list(section, "env", &items);

	for (size_t i = 0; i < count; i++) {
		struct str name, value = str_split(str_of(items[i]), '=', &name);

		if (!value.p)
			conf_complain(
				report, section, "env",
				"\"%s\" has no value; expected NAME=VALUE, or pass_env = NAME for "
				"what the daemon's own environment has",
				items[i]);
		else
			env_check_name(section, "env", name, "NAME=VALUE", report);
		if (value.p && value.len > ENV_VALUE_MAX)
			conf_complain(report, section, "env",
				      "%.*s has %zu bytes; at most %d can be passed", STR_ARG(name),
				      value.len, ENV_VALUE_MAX);
	}
	count = conf_list(section, "pass_env", &items);
	for (size_t i = 0; i < count; i++)
		env_check_name(section, "pass_env", str_of(items[i]), "NAME", report);
}

static bool
program_is_there(const char *program)
{
	struct str rest, folder;

	if (strchr(program, '/'))
		return !access(program, X_OK);
	for (rest = str_of(path_now()); rest.p;) {
		AUTO(buf_fini) struct buf path = BUF_INIT;

		rest = str_split(rest, ':', &folder);
		buf_printf(&path, "%.*s/%s", STR_ARG(folder), program);
		if (!access(buf_cstr(&path), X_OK))
			return true;
	}
	return false;
}

void
command_check(const struct conf_section *section, const char *key, struct conf_report *report)
{
	const char *command = conf_str(section, key);
	AUTO(err_fini) struct err err = ERR_INIT;
	char **words = NULL;

	if (!command)
		return;
	if (!proc_split(command, &words, &err)) {
		conf_complain(report, section, key, "%s", err_text(&err));
		return;
	}
	if (!words[0])
		conf_complain(report, section, key,
			      "is empty; expected a program and its arguments");
	else if (!program_is_there(words[0]))
		conf_warn(report, section, key,
			  strchr(words[0], '/')
				  ? "%s is not there, or is no program that we may start"
				  : "%s is not found in $PATH",
			  words[0]);
	proc_words_free(words);
}
