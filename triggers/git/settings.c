/* Source git: what its section says, and whether it can be meant. */
/* SPDX-License-Identifier: MIT */
#include "triggers/git/settings.h"

#include "conf/conf.h"
#include "pure/glob.h"

static const struct conf_key keys[] = {
	{"repo", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "path from the root, or URL (https: ssh: file:, or USER@HOST:PATH)"},
	{"refs", CONF_LIST, "refs/heads/**, refs/tags/**, !refs/heads/rouse/**",
	 .help = "globs of the refs that count; without refs/ they are of branches; ! takes out"},
	{"poll", CONF_DURATION, "60s", .min = 1000, .max = 86400000,
	 .help = "how often it is looked at; a local one also when its refs change"},
	{"credentials", CONF_SECRET,
	 .help = "USER:PASSWORD, a token, or a private key for ssh, whole"},
	{"known_hosts", CONF_PATH, "/etc/ssh/ssh_known_hosts",
	 .help = "file of the host keys that are right, for ssh"},
	{"ca_file", CONF_PATH,
	 .help = "PEM file of the authorities that may vouch for an https server; default: the "
		 "system's"},
	{"timeout", CONF_DURATION, "2m", .min = 1000, .max = 3600000,
	 .help = "how long one look may take, what it fetches included"},
	{"fetch_max", CONF_SIZE, "1G", .min = 1048576, .max = 1099511627776,
	 .help = "a history larger than this is not fetched: refs are told without commits"},
};

/* The host and path that have to stand behind a scheme. */
static bool
has_scheme(const char *text, const char *scheme)
{
	size_t len = strlen(scheme);

	return !strncmp(text, scheme, len) && text[len] && text[len] != '/' && text[len] != '-';
}

enum git_way
git_way_of(const char *text, const char **ret_path)
{
	const char *colon = strchr(text, ':'), *at = strchr(text, '@');

	*ret_path = NULL;
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return GIT_NO_WAY;
	if (*text == '/')
		return *ret_path = text, GIT_LOCAL;
	if (!strncmp(text, "file:///", 8))
		return *ret_path = text + 7, GIT_LOCAL;
	if (has_scheme(text, "https://"))
		return GIT_HTTPS;
	if (has_scheme(text, "ssh://"))
		return GIT_SSH;
	if (has_scheme(text, "http://") || has_scheme(text, "git://"))
		return GIT_PLAIN;
	if (colon && at && text < at && at + 1 < colon && at[1] != '-' && *text != '-' &&
	    colon[1] && colon[1] != ':' && !memchr(text, '/', (size_t)(colon - text)))
		return GIT_SSH;
	return GIT_NO_WAY;
}

bool
git_has_password(const char *url)
{
	const char *host = strstr(url, "://"), *at, *colon, *end;

	if (!host)
		return false;
	host += 3;
	end = host + strcspn(host, "/");
	at = memchr(host, '@', (size_t)(end - host));
	colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
	return colon != NULL;
}

static void
refs_check(const struct conf_section *section, struct conf_report *report)
{
	const char *const *patterns;
	size_t count = conf_list(section, "refs", &patterns);

	for (size_t i = 0; i < count; i++) {
		AUTO(err_fini) struct err err = ERR_INIT;

		if (!glob_check(str_of(patterns[i] + (*patterns[i] == '!')), &err))
			conf_complain(report, section, "refs", "%s: %s", patterns[i],
				      err_text(&err));
	}
}

static void
git_check(const struct conf_section *section, struct conf_report *report)
{
	const char *repo = conf_str(section, "repo"), *path;
	enum git_way way = git_way_of(repo, &path);

	if (git_has_password(repo))
		conf_complain(report, section, "repo",
			      "a URL with a password in it would be in every event; put "
			      "USER:PASSWORD into a file of its own, and say credentials = "
			      "file:PATH");
	else if (way == GIT_NO_WAY)
		conf_complain(report, section, "repo",
			      "%s; expected a path from the root, or a URL that begins with "
			      "https:// ssh:// file:// http:// or git://, or USER@HOST:PATH",
			      repo);
	else if (way == GIT_PLAIN)
		conf_warn(report, section, "repo",
			  "%s is not encrypted: anyone on the way may change what is seen, so its "
			  "events are untrusted; use https or ssh",
			  repo);
	if (way == GIT_LOCAL && conf_is_set(section, "credentials"))
		conf_warn(report, section, "credentials",
			  "nobody asks for credentials of a repository on this machine");
	refs_check(section, report);
}

static const struct conf_table table = {.section = "trigger",
					.named = true,
					.selector = "source",
					.value = "git",
					.keys = keys,
					.count = ARRAY_LEN(keys),
					.check = git_check,
					.help = "refs of a git repository",
					.hint = "Push to {repo}, or make a commit there."};
const struct conf_table *const git_tables[] = {&table, NULL};

enum trust
git_trust(const struct conf_section *section)
{
	const char *path;

	return git_way_of(conf_str(section, "repo"), &path) == GIT_PLAIN ? TRUST_UNTRUSTED
									 : TRUST_AUTHENTICATED;
}
