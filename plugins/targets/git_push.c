/* Git targets: the remote that the branch is pushed to, by the program git. It reads neither the
 * system's nor a user's configuration, starts no hook and no helper of the repository, and asks
 * nobody. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/git_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/targets/child.h"

#define REASON_BYTES 300

/* git-config(1). What stands in an environment counts before what stands in the repository. */
static const char *const settings[][2] = {
	{"protocol.allow", "never"},
	{"protocol.file.allow", "always"},
	{"protocol.https.allow", "always"},
	{"protocol.ssh.allow", "always"},
	{"core.hooksPath", "/dev/null"},
	{"core.fsmonitor", "false"},
	{"core.attributesFile", "/dev/null"},
	{"core.alternateRefsCommand", "true"},
	{"credential.helper", ""},
	{"submodule.recurse", "false"},
	{"fetch.recurseSubmodules", "false"},
	{"fetch.writeCommitGraph", "false"},
	{"transfer.bundleURI", "false"},
	{"push.gpgSign", "false"},
	{"push.followTags", "false"},
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
	{"http.followRedirects", "false"},
	{"http.lowSpeedLimit", "1"},
	{"http.lowSpeedTime", "60"},
	{"safe.directory", "*"},
};

static const char *const variables[] = {
	"PATH=/usr/local/bin:/usr/bin:/bin",
	"LC_ALL=C",
	"GIT_CONFIG_NOSYSTEM=1",
	"GIT_CONFIG_SYSTEM=/dev/null",
	"GIT_CONFIG_GLOBAL=/dev/null",
	"GIT_ATTR_NOSYSTEM=1",
	"GIT_TERMINAL_PROMPT=0",
	"GIT_ASKPASS=/bin/false",
	"GIT_ALLOW_PROTOCOL=file:https:ssh",
	"GIT_SSH_COMMAND=ssh -oBatchMode=yes -oConnectTimeout=30",
	"GIT_SSH_VARIANT=ssh",
	"GIT_PROTOCOL_FROM_USER=0",
};

/* Pieces, each with its '\0'. */
static void
environ_add(struct buf *out, const char *name, const char *value)
{
	buf_cat(out, name, "=", value);
	buf_putc(out, '\0');
}

static void
environ_make(struct buf *out)
{
	const char *home = getenv("HOME");
	AUTO(buf_fini) struct buf name = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		buf_add(out, variables[i], strlen(variables[i]) + 1);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		for (int value = 0; value <= 1; value++) {
			buf_clear(&name);
			buf_printf(&name, "GIT_CONFIG_%s_%zu", value ? "VALUE" : "KEY", i);
			environ_add(out, buf_cstr(&name), settings[i][value]);
		}
	buf_clear(&name);
	buf_printf(&name, "%zu", ARRAY_LEN(settings));
	environ_add(out, "GIT_CONFIG_COUNT", buf_cstr(&name));
	environ_add(out, "HOME", home ? home : "/");
}

/* A word of a command line: nothing in it is special to what splits them. */
static void
word_add(struct buf *out, const char *text)
{
	buf_putc(out, ' ');
	buf_shell_word(out, str_of(text));
}

static bool
order_start(struct git_work *w, const struct buf *command, child_on_done *on_done, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const char *envp[ARRAY_LEN(variables) + 2 * ARRAY_LEN(settings) + 3];
	int64_t left = w->until.ms - clock_mono(w->core->clock).ms;
	size_t n = 0;

	environ_make(&text);
	for (const char *p = text.data; p < text.data + text.len; p += strlen(p) + 1)
		envp[n++] = p;
	envp[n] = NULL;
	return child_start(w->core,
			   &(struct child_spec){.command = buf_cstr(command),
						.workdir = "/",
						.envp = envp,
						.input = STR(""),
						.timeout_ms = left,
						.ends_with_us = true},
			   on_done, w, err) ||
	       err_prefix(err, "git, which pushes (package git)");
}

static void
command_begin(const struct git_work *w, const char *verb, struct buf *out)
{
	buf_puts(out, "git -C");
	word_add(out, w->t->repo);
	buf_cat(out, " ", verb);
}

/* Of what git said the line that tells most: its last that is no remark, and what a hook there
 * said. */
static void
reason_find(const struct child_result *result, struct buf *out)
{
	struct str rest = result->err, line, found = STR(""), remote = STR("");

	while (rest.p && rest.len) {
		rest = str_split(rest, '\n', &line);
		line = str_trim(line);
		if (str_starts(line, STR("remote: ")) && !remote.len)
			remote = str_make(line.p + 8, line.len - 8);
		if (str_starts(line, STR("fatal: ")) || str_starts(line, STR("error: ")))
			found = found.len ? found : str_make(line.p + 7, line.len - 7);
		else if (memmem(line.p, line.len, "rejected]", 9))
			found = line;
	}
	if (result->timed_out)
		buf_puts(out, "it was not done in time");
	else if (!found.len)
		buf_printf(out, "exit status %d", result->exit_code);
	for (size_t i = 0; i < found.len && i < REASON_BYTES; i++)
		buf_putc(out, (unsigned char)found.p[i] < ' ' ? ' ' : found.p[i]);
	if (remote.len)
		buf_puts(out, ": ");
	for (size_t i = 0; i < remote.len && i < REASON_BYTES; i++)
		buf_putc(out, (unsigned char)remote.p[i] < ' ' ? ' ' : remote.p[i]);
}

static bool
has_words(struct str text, const char *words)
{
	return text.len && memmem(text.p, text.len, words, strlen(words));
}

/* --- fetch ---------------------------------------------------------------------------------- */

/* What was killed has left its lock behind; the ref is ours. */
static void
lock_remove(const struct git_target *t)
{
	static const char *const folders[] = {"", "/.git"};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		AUTO(buf_fini) struct buf folder = BUF_INIT, ref = BUF_INIT, path = BUF_INIT;

		buf_cat(&folder, t->repo, folders[i]);
		git_remote_ref(t, &ref);
		git_lock_path(buf_cstr(&folder), buf_cstr(&ref), &path);
		unlink(buf_cstr(&path));
	}
}

static void
on_fetch_done(void *arg, const struct child_result *result)
{
	struct git_work *w = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf why = BUF_INIT;

	/* A remote that has no such branch yet gets it. */
	if (result->exit_code && !has_words(result->err, "couldn't find remote ref")) {
		reason_find(result, &why);
		if (result->timed_out || result->signal)
			lock_remove(w->t);
		err_set(&err, E_UNAVAILABLE, "%s (push) cannot be looked at: %s", w->t->push,
			buf_cstr(&why));
	}
	w->on_fetched(w, &err);
}

bool
git_fetch_start(struct git_work *w, git_on_fetched *on_fetched, struct err *err)
{
	AUTO(buf_fini) struct buf command = BUF_INIT, spec = BUF_INIT;

	w->on_fetched = on_fetched;
	command_begin(w,
		      "fetch --quiet --no-tags --no-recurse-submodules --no-write-fetch-head "
		      "--no-auto-maintenance --refmap= --force --upload-pack=git-upload-pack --",
		      &command);
	word_add(&command, w->t->push);
	buf_cat(&spec, "+refs/heads/", w->t->branch, ":");
	git_remote_ref(w->t, &spec);
	word_add(&command, buf_cstr(&spec));
	return order_start(w, &command, on_fetch_done, err);
}

/* --- push ----------------------------------------------------------------------------------- */

static void
on_push_done(void *arg, const struct child_result *result)
{
	struct git_work *w = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf why = BUF_INIT;
	enum git_pushed what = GIT_PUSHED;

	if (result->exit_code) {
		what = has_words(result->err, "rejected]") ? GIT_REJECTED : GIT_PUSH_FAILED;
		reason_find(result, &why);
		err_set(&err, E_UNAVAILABLE, "%s does not take the push: %s", w->t->push,
			buf_cstr(&why));
	}
	w->on_pushed(w, what, &err);
}

bool
git_push_start(struct git_work *w, git_on_pushed *on_pushed, struct err *err)
{
	AUTO(buf_fini) struct buf command = BUF_INIT, spec = BUF_INIT;
	char id[2 * GIT_OID_RAWSZ + 1];

	w->on_pushed = on_pushed;
	for (size_t i = 0; i < GIT_OID_RAWSZ; i++)
		snprintf(id + 2 * i, 3, "%02x", w->head.id[i]);
	command_begin(w,
		      "push --quiet --no-follow-tags --recurse-submodules=no --no-verify "
		      "--no-signed --receive-pack=git-receive-pack --",
		      &command);
	word_add(&command, w->t->push);
	buf_cat(&spec, id, ":refs/heads/", w->t->branch);
	word_add(&command, buf_cstr(&spec));
	return order_start(w, &command, on_push_done, err);
}
