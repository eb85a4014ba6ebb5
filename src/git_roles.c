/* rouse-git: what git asks it to be. git knows no other way to be given a password than a program
 * that prints it, nor to be kept from a user's ssh settings than a program that is its ssh: both
 * are rouse-git, started again. What is secret is read from a file in memory, and stands in no
 * argument, no environment and on no disk. */
/* SPDX-License-Identifier: MIT */
#include "git_parts.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/os.h"

#define SECRET_MAX 65536
#define EXIT_REFUSED 1

enum { NAME_SECRET, NAME_USER, NAME_KNOWN_HOSTS, NAME_SSH, NAMES };
static const char *const names[] = {"ROUSE_GIT_SECRET", "ROUSE_GIT_USER", "ROUSE_GIT_KNOWN_HOSTS",
				    "ROUSE_GIT_SSH"};
static_assert(ARRAY_LEN(names) == NAMES, "a name for each");

static void
name_add(struct buf *out, const char *name, const char *value)
{
	if (value) {
		buf_cat(out, name, "=", value);
		buf_putc(out, '\0');
	}
}

void
roles_environ(const struct role_means *means, const char *self, struct buf *out)
{
	name_add(out, names[NAME_SECRET], means->secret);
	name_add(out, names[NAME_USER], means->user);
	name_add(out, names[NAME_KNOWN_HOSTS], means->known_hosts);
	name_add(out, names[NAME_SSH], means->ssh);
	name_add(out, "GIT_ASKPASS", means->secret ? self : NULL);
	name_add(out, "GIT_SSH", means->ssh ? self : NULL);
	name_add(out, "GIT_SSH_VARIANT", "ssh");
}

/* --- who answers for a password ------------------------------------------------------------- */

static int
askpass(const char *question)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const char *path = getenv(names[NAME_SECRET]), *user = getenv(names[NAME_USER]);
	struct str secret, name, rest;
	int status;

	if (!path || !os_read_file(path, SECRET_MAX, &text, NULL))
		return EXIT_REFUSED;
	secret = buf_str(&text);
	rest = str_split(secret, ':', &name);
	if (str_starts(str_of(question), STR("Username")))
		secret = str_of(user ? user : "git");
	else if (rest.p)
		secret = rest;
	status = os_write_all(STDOUT_FILENO, secret, NULL) &&
				 os_write_all(STDOUT_FILENO, STR("\n"), NULL)
			 ? 0
			 : EXIT_REFUSED;
	mem_zero(text.data, text.len);
	return status;
}

/* --- ssh ------------------------------------------------------------------------------------ */

/* ssh_config(5). Of each option the first counts: what git adds comes behind. */
static const char *const ssh_options[] = {
	"BatchMode=no",
	"StrictHostKeyChecking=yes",
	"GlobalKnownHostsFile=/dev/null",
	"UpdateHostKeys=no",
	"CheckHostIP=no",
	"KnownHostsCommand=none",
	"CanonicalizeHostname=no",
	"ProxyCommand=none",
	"ProxyJump=none",
	"PermitLocalCommand=no",
	"ControlMaster=no",
	"ControlPath=none",
	"ClearAllForwardings=yes",
	"ForwardAgent=no",
	"ForwardX11=no",
	"GSSAPIAuthentication=no",
	"HostbasedAuthentication=no",
	"IdentityAgent=none",
	"IdentitiesOnly=yes",
	"NumberOfPasswordPrompts=1",
	"ServerAliveInterval=15",
	"ConnectTimeout=60",
	"EscapeChar=none",
	"RequestTTY=no",
	"LogLevel=ERROR",
};

static bool
secret_is_key(const char *path)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	bool is_key;

	os_read_file(path, SECRET_MAX, &text, NULL);
	is_key = str_starts(buf_str(&text), STR("-----BEGIN "));
	mem_zero(text.data, text.len);
	return is_key;
}

/* As it stands in a configuration: quoted, and no % begins anything. */
static void
path_option(struct buf *out, const char *name, const char *path)
{
	buf_cat(out, name, "=\"");
	for (; *path; path++)
		buf_printf(out, *path == '%' ? "%%%%" : "%c", *path);
	buf_putc(out, '"');
}

static int
ssh_become(const char *ssh, char **words)
{
	const char *secret = getenv(names[NAME_SECRET]), *hosts = getenv(names[NAME_KNOWN_HOSTS]);
	const char *user = getenv(names[NAME_USER]);
	const char *key = secret && secret_is_key(secret) ? secret : NULL;
	AUTO(buf_fini) struct buf known = BUF_INIT, identity = BUF_INIT;
	size_t given = 0, n = 0;
	AUTO(auto_free) const char **argv = NULL;

	while (words[given])
		given++;
	argv = mem_alloc_array(2 * ARRAY_LEN(ssh_options) + given + 16, sizeof(char *));
	path_option(&known, "UserKnownHostsFile", hosts && *hosts ? hosts : "/dev/null");
	path_option(&identity, "IdentityFile", key ? key : "/dev/null");
	argv[n++] = "ssh";
	argv[n++] = "-F";
	argv[n++] = "none";
	for (size_t i = 0; i < ARRAY_LEN(ssh_options); i++) {
		argv[n++] = "-o";
		argv[n++] = ssh_options[i];
	}
	argv[n++] = "-o";
	argv[n++] = buf_cstr(&known);
	argv[n++] = "-o";
	argv[n++] = buf_cstr(&identity);
	argv[n++] = "-o";
	argv[n++] = key ? "PreferredAuthentications=publickey"
			: "PreferredAuthentications=password,keyboard-interactive";
	if (user) {
		argv[n++] = "-l";
		argv[n++] = user;
	}
	for (size_t i = 0; i < given; i++)
		argv[n++] = words[i];
	if (secret && !key) {
		setenv("SSH_ASKPASS", getenv("GIT_ASKPASS") ? getenv("GIT_ASKPASS") : "", 1);
		setenv("SSH_ASKPASS_REQUIRE", "force", 1);
	}
	execv(ssh, (char *const *)argv);
	fprintf(stderr, "error: cannot start %s\n", ssh);
	return EXIT_REFUSED;
}

void
roles_play(char **argv)
{
	const char *ssh = getenv(names[NAME_SSH]);

	if (!argv[0] || !argv[1])
		return;
	if (!argv[2] && getenv(names[NAME_SECRET]))
		exit(askpass(argv[1]));
	if (argv[2] && ssh)
		exit(ssh_become(ssh, argv + 1));
}
