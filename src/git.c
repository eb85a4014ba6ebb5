/* rouse-git: looks at one repository once, for roused; see git_parts.h. In a process of its own,
 * because what is in a repository, and who answers for it, may be anybody's: it can be ended at any
 * moment, and it can start nothing. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <malloc.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/os.h"
#include "git_parts.h"

#define REQUEST_MAX (64 << 20)
#define FLUSH_BYTES 65536
#define ADDRESS_SPACE ((rlim_t)4 << 30)

enum { EXIT_USE = 64 };

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1 /* needs terabytes of address space */
#else
#define SANITIZED 0
#endif

bool
git_failed(const struct look *look, struct err *err, const char *what)
{
	return err_set(err, E_UNAVAILABLE, "%s: %s", what, git_said(&look->git));
}

/* --- rights --------------------------------------------------------------------------------- */

/* No hook, no filter, no program of anybody's configuration: nothing can be started here. */
static bool
starts_forbid(struct err *err)
{
	static const int calls[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),
				    SCMP_SYS(vfork), SCMP_SYS(ptrace)};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < ARRAY_LEN(calls); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return !rc || err_errno(err, -rc, "cannot load the filter of system calls");
}

static bool
rights_drop(const struct request *request, struct err *err)
{
	const rlim_t files = (rlim_t)(request->fetch_max + (256 << 20));
	const struct rlimit core = {0, 0}, size = {files, files},
			    space = {ADDRESS_SPACE, ADDRESS_SPACE};

	setrlimit(RLIMIT_CORE, &core);
	setrlimit(RLIMIT_FSIZE, &size);
	if (!SANITIZED)
		setrlimit(RLIMIT_AS, &space);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_errno(err, errno, "cannot give up rights");
	return starts_forbid(err);
}

/* --- what is asked -------------------------------------------------------------------------- */

static bool
request_read(struct look *look, struct buf *text, struct err *err)
{
	struct request *request = &look->request;
	struct str rest, line;
	json_t *head;

	if (!os_read_fd(STDIN_FILENO, REQUEST_MAX, "request", text, err))
		return false;
	rest = str_split(buf_str(text), '\n', &line);
	if (!json_read(line, &request->head, err))
		return false;
	head = request->head;
	request->repo = json_str(head, "repo");
	request->cache = json_str(head, "cache");
	request->secret = json_str(head, "secret");
	request->git = json_str(head, "git");
	request->ssh = json_str(head, "ssh");
	request->remote = json_bool(head, "remote", false);
	request->learn = json_bool(head, "learn", false);
	request->plain = json_bool(head, "plain", false);
	request->changes_max = json_int(head, "changes_max", 100);
	request->commits_max = json_int(head, "commits_max", 100);
	request->paths_max = json_int(head, "paths_max", 1000);
	request->fetch_max = json_int(head, "fetch_max", 1 << 30);
	if (!request->repo || !request->cache)
		return err_set(err, E_INVALID, "the request names no repository");
	while (rest.p && rest.len) {
		struct str id, name;

		rest = str_split(rest, '\n', &line);
		name = str_split(line, ' ', &id);
		if (!name.p || id.len != GIT_OID_HEXSZ || !ref_is_wanted(look, name))
			continue;
		memcpy(ref_note(look, name)->known, id.p, id.len);
	}
	return true;
}

/* known_hosts is looked for below the folder of the user's configuration: that one is ours. */
static bool
home_make(const struct request *request, struct err *err)
{
	const char *known_hosts = json_str(request->head, "known_hosts");
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_cat(&path, request->cache, "/.ssh");
	if (!os_mkdirs(buf_cstr(&path), 0700, err))
		return false;
	buf_puts(&path, "/known_hosts");
	if (unlink(buf_cstr(&path)) && errno != ENOENT)
		return err_errno(err, errno, "cannot replace %s", buf_cstr(&path));
	if (known_hosts && symlink(known_hosts, buf_cstr(&path)))
		return err_errno(err, errno, "cannot make %s", buf_cstr(&path));
	setenv("HOME", request->cache, 1);
	return true;
}

/* --- what is found -------------------------------------------------------------------------- */

static void
flush(struct look *look)
{
	if (!os_write_all(STDOUT_FILENO, buf_str(&look->out), NULL))
		_exit(1);
	buf_clear(&look->out);
}

static int
by_name(const struct ref *a, const struct ref *b)
{
	return strcmp(a->name, b->name);
}

static void
change_tell(struct look *look, const struct ref *ref)
{
	AUTO(buf_fini) struct buf data = BUF_INIT, cause = BUF_INIT;

	change_build(look, ref, &data, &cause);
	buf_cat(&look->out, "* ", ref->found[0] ? ref->found : OID_NONE, " ", ref->name, "\n",
		buf_cstr(&cause), "\n", buf_cstr(&data), "\n");
	flush(look);
}

static void
refs_learn(struct look *look)
{
	for (struct ref *ref = look->refs; ref; ref = ref->hh.next) {
		if (ref->known[0] || !ref->found[0])
			continue;
		buf_cat(&look->out, "= ", ref->found, " ", ref->name, "\n");
		memcpy(ref->known, ref->found, sizeof(ref->known));
	}
}

/* Those that changed, by name, as many as may be told at once. */
static size_t
changes_collect(struct look *look, struct ref **ret, size_t most, bool *ret_more)
{
	size_t count = 0;

	*ret_more = false;
	for (struct ref *ref = look->refs; ref; ref = ref->hh.next) {
		look->found += ref->found[0] != '\0';
		look->left_out += ref->unreadable;
		if (ref->unreadable || !strcmp(ref->known, ref->found))
			continue;
		if (count == most) {
			*ret_more = true;
			continue;
		}
		ret[count++] = ref;
	}
	return count;
}

static bool
changes_tell(struct look *look, struct err *err)
{
	size_t most = (size_t)look->request.changes_max, count;
	AUTO(auto_free) struct ref **changed = mem_alloc_array(most + 1, sizeof(struct ref *));
	bool more;

	HASH_SORT(look->refs, by_name);
	if (look->request.learn)
		refs_learn(look);
	flush(look);
	count = changes_collect(look, changed, most, &more);
	if (look->request.plain)
		look->incomplete = "an earlier look at it did not come to its end";
	else if (look->request.remote && !remote_fetch(look, changed, count, err))
		return false;
	look->shallow = walk_is_needed(look);
	if (count && !look->request.plain) {
		buf_puts(&look->out, "~ deep\n");
		flush(look);
	}
	for (size_t i = 0; i < count; i++)
		change_tell(look, changed[i]);
	buf_printf(&look->out, ". {\"refs\":%zu,\"more\":%s,\"unreadable\":%zu}\n", look->found,
		   more ? "true" : "false", look->left_out);
	flush(look);
	return true;
}

static bool
library_start(struct look *look, struct err *err)
{
	const struct git *git = &look->git;
	const char *ca_file = json_str(look->request.head, "ca_file");

	if (!git_load(&look->git, err))
		return false;
	if (GIT_CALL(git, git_libgit2_init) < 0)
		return git_failed(look, err, "libgit2 does not start");
	git_confine(git, true);
	GIT_CALL(git, git_libgit2_opts, GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_GLOBAL,
		 look->request.cache);
	if (ca_file &&
	    GIT_CALL(git, git_libgit2_opts, GIT_OPT_SET_SSL_CERT_LOCATIONS, ca_file, NULL))
		return git_failed(look, err, "ca_file cannot be read");
	GIT_CALL(git, git_libgit2_opts, GIT_OPT_SET_MWINDOW_SIZE, (size_t)32 << 20);
	GIT_CALL(git, git_libgit2_opts, GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)512 << 20);
	return true;
}

static bool
look_do(struct look *look, struct buf *text, struct err *err)
{
	if (!request_read(look, text, err))
		return false;
	look->courier = courier_start(look);
	return rights_drop(&look->request, err) && home_make(&look->request, err) &&
	       library_start(look, err) &&
	       (look->request.remote ? remote_list(look, err) : refs_list_local(look, err)) &&
	       changes_tell(look, err);
}

static void
look_end(struct look *look)
{
	if (!look->git.library)
		return;
	GIT_CALL(&look->git, git_remote_free, look->remote);
	GIT_CALL(&look->git, git_repository_free, look->repository);
	GIT_CALL(&look->git, git_libgit2_shutdown);
}

int
main(int argc, char **argv)
{
	struct look look = {.out = BUF_INIT};
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	bool ok;

	roles_play(argv);
	if (argc != 1 || isatty(STDIN_FILENO)) {
		fprintf(stderr, "rouse-git is started by roused, which asks it to look at a "
				"repository; use git for yourself instead.\n");
		return EXIT_USE;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	mallopt(M_ARENA_MAX, 1);
	ok = look_do(&look, &text, &err);
	if (!ok) {
		buf_puts(&look.out, "! ");
		buf_json_cstr(&look.out, err_text(&err));
		buf_putc(&look.out, '\n');
		flush(&look);
	}
	look_end(&look);
	courier_free(look.courier);
	refs_free(&look);
	json_decref(look.request.head);
	buf_fini(&look.out);
	mem_zero(text.data, text.len);
	return ok ? 0 : 1;
}
