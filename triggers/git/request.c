/* Source git: what rouse-git is asked: the repository, what is known of it, and by what means. */
/* SPDX-License-Identifier: MIT */
#include "triggers/git/request.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "conf/secret.h"
#include "io/start.h"
#include "store/facts.h"
#include "triggers/git/git.h"

/* Changes that one look tells; the rest comes with the next, at once. */
#define CHANGES_MAX 200
#define COMMITS_MAX 100
#define PATHS_MAX 1000

static bool
on_known(void *arg, const struct fact *fact)
{
	struct buf *out = arg;

	buf_add_str(out, fact->value);
	buf_putc(out, ' ');
	buf_add_str(out, fact->item);
	buf_putc(out, '\n');
	return true;
}

static bool
secret_add(const struct conf_section *section, struct buf *out, struct err *err)
{
	struct secrets secrets = SECRETS_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!conf_is_set(section, "credentials"))
		return true;
	if (!secrets_resolve(section, "credentials", &secrets, err))
		return err_prefix(err, "credentials");
	buf_add_str(&text, secrets.items[0]);
	if (str_starts(buf_str(&text), STR("-----BEGIN ")))
		buf_putc(&text, '\n');
	buf_puts(out, ",\"secret\":");
	buf_json_str(out, buf_str(&text));
	mem_zero(text.data, text.len);
	secrets_fini(&secrets);
	return true;
}

/* In $PATH; NULL: it is not installed. */
static char *
program_find(const char *name)
{
	AUTO(auto_free) char **paths = start_paths(name, getenv("PATH"));

	for (size_t i = 0; paths[i]; i++)
		if (*paths[i] == '/' && !access(paths[i], X_OK))
			return mem_strdup(paths[i]);
	return NULL;
}

/* git alone fetches a history that is cut off, and a server's that is reached by ssh with ssh
 * alone. */
static void
programs_add(enum git_way way, struct buf *out)
{
	static bool told;
	AUTO(auto_free) char *git = program_find("git"), *ssh = program_find("ssh");

	if (!git || (way == GIT_SSH && !ssh)) {
		if (!told)
			log_info("histories of remote repositories are fetched whole: "
				 "the program is not installed",
				 "program", git ? "ssh" : "git");
		told = true;
		return;
	}
	buf_puts(out, ",\"git\":");
	buf_json_cstr(out, git);
	buf_puts(out, ",\"ssh\":");
	buf_json_cstr(out, ssh);
}

bool
request_build(const struct request_terms *terms, const struct trigger *trigger, struct buf *out,
	      struct err *err)
{
	const struct conf_section *section = trigger->section;
	const char *const *patterns, *path = NULL;
	size_t count = conf_list(section, "refs", &patterns);

	enum git_way way = git_way_of(conf_str(section, "repo"), &path);

	buf_puts(out, "{\"repo\":");
	buf_json_cstr(out, path ? path : conf_str(section, "repo"));
	buf_puts(out, ",\"cache\":");
	buf_json_cstr(out, terms->cache);
	buf_puts(out, ",\"known_hosts\":");
	buf_json_cstr(out, conf_str(section, "known_hosts"));
	buf_puts(out, ",\"ca_file\":");
	buf_json_cstr(out, conf_str(section, "ca_file"));
	buf_puts(out, ",\"refs\":[");
	for (size_t i = 0; i < count; i++) {
		buf_puts(out, i ? "," : "");
		buf_json_cstr(out, patterns[i]);
	}
	buf_printf(out,
		   "],\"remote\":%s,\"learn\":%s,\"plain\":%s,\"changes_max\":%d,"
		   "\"commits_max\":%d,\"paths_max\":%d,\"fetch_max\":%lld",
		   way == GIT_LOCAL ? "false" : "true", terms->learn ? "true" : "false",
		   terms->plain ? "true" : "false", CHANGES_MAX, COMMITS_MAX, PATHS_MAX,
		   (long long)conf_int(section, "fetch_max"));
	if (way != GIT_LOCAL)
		programs_add(way, out);
	if (!secret_add(section, out, err))
		return false;
	buf_puts(out, "}\n");
	return facts_each(terms->core->store, trigger->name, STR_NONE, 0, on_known, out, err);
}
