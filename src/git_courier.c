/* rouse-git: the courier: a process beside the one that looks, which may start one program still:
 * git, to fetch what libgit2 cannot, a history cut off. It is begun before anything of a stranger's
 * is read, held to the cache's folder, has no capabilities, and does no more than it is told by the
 * other: so deep, these objects. When either dies, roused ends what is left of them. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "git_parts.h"
#include "io/confine.h"
#include "io/start.h"

#define ORDER_MAX 65536
#define ANSWER_MAX 4096
#define SAID_MAX 65536
#define ADDRESS_SPACE ((rlim_t)4 << 30)
#define EXIT_USAGE 129 /* of git: an option that it does not know */
#define REMOTE "remote.origin."

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED                                                                                  \
	1 /* git's askpass and ssh are this program: it needs terabytes of address space */
#else
#define SANITIZED 0
#endif

struct courier {
	int wire; /* messages: an order, an answer */
	/* In its own process alone. */
	const struct look *look;
	char self[PATH_MAX];
	int secret; /* file in memory; -1 */
	struct buf environ;
	size_t variables;
};

/* --- what git is told ------------------------------------------------------------------------ */

/* git-config(1). Nothing is run, nothing but the remote is asked, nothing goes on behind us. */
static const char *const settings[][2] = {
	{"protocol.allow", "never"},
	{"core.hooksPath", "/dev/null"},
	{"core.fsmonitor", "false"},
	{"core.attributesFile", "/dev/null"},
	{"core.excludesFile", "/dev/null"},
	{"core.pager", "cat"},
	{"credential.helper", ""},
	{"submodule.recurse", "false"},
	{"fetch.recurseSubmodules", "false"},
	{"fetch.writeCommitGraph", "false"},
	{"fetch.unpackLimit", "1"},	/* always a pack: one file, which its limit counts for */
	{"fetch.fsckObjects", "false"}, /* old histories have faults; nothing is checked out */
	{"transfer.bundleURI", "false"},
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
	{"pack.threads", "1"},
	{"protocol.version", "2"},
	{"http.followRedirects", "false"},
	{"http.sslVerify", "true"},
	{"http.saveCookies", "false"},
	{"http.lowSpeedLimit", "1"},
	{"http.lowSpeedTime", "60"},
	{"advice.fetchShowForcedUpdates", "false"},
	{"safe.directory", "*"},
	{REMOTE "tagOpt", "--no-tags"},
	{REMOTE "promisor", "true"},
	{REMOTE "partialCloneFilter", "blob:none"},
};

static const char *const variables[] = {
	"PATH=/usr/local/bin:/usr/bin:/bin",
	"LC_ALL=C",
	"GIT_CONFIG_NOSYSTEM=1",
	"GIT_CONFIG_SYSTEM=/dev/null",
	"GIT_CONFIG_GLOBAL=/dev/null",
	"GIT_ATTR_NOSYSTEM=1",
	"GIT_TERMINAL_PROMPT=0",
	"GIT_OPTIONAL_LOCKS=0",
	"GIT_NO_LAZY_FETCH=1",
	"GIT_NO_REPLACE_OBJECTS=1",
};

static const char *const command[] = {
	"git",
	"fetch",
	"--quiet",
	"--no-tags",
	"--no-recurse-submodules",
	"--no-write-fetch-head",
	"--no-auto-maintenance",
	"--no-show-forced-updates",
	"--no-write-commit-graph",
	"--refmap=",
	"--filter=blob:none",
	"--force",
};

static void
variable_add(struct courier *c, const char *name, const char *value)
{
	buf_cat(&c->environ, name, "=", value);
	buf_putc(&c->environ, '\0');
}

static void
setting_add(struct courier *c, const char *name, const char *value)
{
	AUTO(buf_fini) struct buf key = BUF_INIT;

	buf_printf(&key, "GIT_CONFIG_KEY_%zu", c->variables);
	variable_add(c, buf_cstr(&key), name);
	buf_clear(&key);
	buf_printf(&key, "GIT_CONFIG_VALUE_%zu", c->variables++);
	variable_add(c, buf_cstr(&key), value);
}

/* The part of a URL that says who: [start, end), end behind its @. False: it does not say. */
static bool
user_find(const char *url, const char **ret_start, const char **ret_end)
{
	const char *scheme = strstr(url, "://"), *start = scheme ? scheme + 3 : url, *at;

	at = memchr(start, '@', strcspn(start, "/"));
	*ret_start = start;
	*ret_end = at ? at + 1 : start;
	return at != NULL;
}

/* What stands before the first colon of a URL, or ssh of one that has no scheme. */
static void
scheme_print(const char *url, struct buf *out)
{
	const char *scheme = strstr(url, "://");

	buf_add_str(out, scheme ? str_make(url, (size_t)(scheme - url)) : STR("ssh"));
}

/* Where the secret names a user, that is the one. For ssh git has to find it in the URL. */
static void
remote_tell(struct courier *c, bool is_ssh, struct role_means *means, struct buf *user)
{
	const struct request *request = &c->look->request;
	const char *url = request->repo, *start, *end, *colon;
	AUTO(buf_fini) struct buf plain = BUF_INIT;
	bool named = user_find(url, &start, &end);

	colon = request->secret && !is_ssh ? strchr(request->secret, ':') : NULL;
	if (colon)
		buf_add(user, request->secret, (size_t)(colon - request->secret));
	else if (named)
		buf_add(user, start, (size_t)(end - start - 1));
	else
		buf_puts(user, "git");
	means->user = is_ssh && named ? NULL : buf_cstr(user);
	buf_add(&plain, url, (size_t)(start - url));
	buf_puts(&plain, is_ssh || !request->secret ? start : end);
	setting_add(c, REMOTE "url", buf_cstr(&plain));
}

static void
environ_make(struct courier *c)
{
	const struct request *request = &c->look->request;
	const char *ca_file = json_str(request->head, "ca_file");
	AUTO(buf_fini)
	struct buf scheme = BUF_INIT, allow = BUF_INIT, secret = BUF_INIT, repository = BUF_INIT,
		   user = BUF_INIT, count = BUF_INIT, hosts = BUF_INIT;
	struct role_means means = {.ssh = request->ssh};

	scheme_print(request->repo, &scheme);
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		buf_add(&c->environ, variables[i], strlen(variables[i]) + 1);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		setting_add(c, settings[i][0], settings[i][1]);
	buf_cat(&allow, "protocol.", buf_cstr(&scheme), ".allow");
	setting_add(c, buf_cstr(&allow), "always");
	if (ca_file)
		setting_add(c, "http.sslCAInfo", ca_file);
	remote_tell(c, str_eq_cstr(buf_str(&scheme), "ssh"), &means, &user);
	if (c->secret >= 0) {
		buf_printf(&secret, "/proc/%d/fd/%d", getpid(), c->secret);
		means.secret = buf_cstr(&secret);
	}
	buf_cat(&hosts, request->cache, "/.ssh/known_hosts");
	means.known_hosts = buf_cstr(&hosts);
	roles_environ(&means, c->self, &c->environ);
	buf_cat(&repository, request->cache, "/repository.git");
	variable_add(c, "HOME", request->cache);
	variable_add(c, "GIT_DIR", buf_cstr(&repository));
	variable_add(c, "GIT_ALLOW_PROTOCOL", buf_cstr(&scheme));
	buf_printf(&count, "%zu", c->variables);
	variable_add(c, "GIT_CONFIG_COUNT", buf_cstr(&count));
}

/* --- git ------------------------------------------------------------------------------------- */

/* Pointers to its pieces, which end with '\0' each; NULL at the end. */
static const char **
pieces_of(const struct buf *text, size_t ahead)
{
	size_t count = ahead, n = ahead;
	const char **list;

	for (size_t i = 0; i < text->len; i++)
		count += text->data[i] == '\0';
	list = mem_alloc_array(count + 1, sizeof(char *));
	for (const char *p = text->data; p && p < text->data + text->len; p += strlen(p) + 1)
		list[n++] = p;
	return list;
}

static bool
git_start(struct courier *c, const char *const *argv, int said, pid_t *ret, struct err *err)
{
	const struct request *request = &c->look->request;
	const rlim_t most = (rlim_t)request->fetch_max;
	const struct start_limit limits[] = {{RLIMIT_CORE, 0, 0},
					     {RLIMIT_FSIZE, most, most},
					     {RLIMIT_NOFILE, 1024, 1024},
					     {RLIMIT_AS, ADDRESS_SPACE, ADDRESS_SPACE}};
	const char *const paths[] = {request->git, NULL};
	AUTO(auto_close) int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO(auto_free) const char **envp = pieces_of(&c->environ, 0);
	const struct start_plan plan = {.argv = argv,
					.envp = envp,
					.paths = paths,
					.workdir = request->cache,
					.fds = {nothing, nothing, said},
					.new_session = true,
					.die_with_parent = true,
					.limits = limits,
					.limit_count = ARRAY_LEN(limits) - SANITIZED,
					.umask = 077};

	if (nothing < 0)
		return err_errno(err, errno, "cannot open /dev/null");
	return start_program(&plan, ret, NULL, NULL, err);
}

/* A pack that was cut off where its limit is. */
static bool
pack_is_full(const struct request *request)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	bool full = false;
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	buf_cat(&path, request->cache, "/repository.git/objects/pack");
	dir = opendir(buf_cstr(&path));
	while (dir && (entry = readdir(dir)))
		full |= !strncmp(entry->d_name, "tmp_", 4) &&
			!fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
			S_ISREG(st.st_mode) && st.st_size >= request->fetch_max;
	if (dir)
		closedir(dir);
	return full;
}

/* Of all that it said, what tells most: its last line that is no remark. */
static void
reason_find(struct str said, struct buf *out)
{
	struct str line, found = STR(""), last = STR("");

	while (said.p && said.len) {
		said = str_split(said, '\n', &line);
		line = str_trim(line);
		if (!line.len)
			continue;
		last = line;
		if (str_starts(line, STR("fatal: ")) || str_starts(line, STR("error: ")))
			found = str_make(line.p + 7, line.len - 7);
	}
	found = found.len ? found : last;
	for (size_t i = 0; i < found.len && i < 300; i++) {
		unsigned char byte = (unsigned char)found.p[i];

		buf_putc(out, byte < ' ' || byte == 0x7f ? ' ' : found.p[i]);
	}
	if (!found.len)
		buf_puts(out, "git said nothing");
}

/* A letter for the outcome, as courier_fetch() reads it. */
static char
letter_of(struct str said, int status)
{
	static const struct {
		const char *words;
		char letter;
	} known[] = {{"not our ref", '!'},
		     {"unadvertised object", '!'},
		     {"does not support shallow", '?'},
		     {"dumb http transport", '?'}};

	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_USAGE)
		return '?';
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (said.p && memmem(said.p, said.len, known[i].words, strlen(known[i].words)))
			return known[i].letter;
	return '-';
}

/* The answer: a letter, and what there is to say. */
static void
git_judge(const struct request *request, int status, int said, struct buf *answer)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (WIFEXITED(status) && !WEXITSTATUS(status)) {
		buf_putc(answer, '+');
		return;
	}
	if (lseek(said, 0, SEEK_SET) || !os_read_fd(said, SAID_MAX, "git's words", &text, NULL))
		buf_puts(&text, "");
	buf_putc(answer, pack_is_full(request) ? '>' : letter_of(buf_str(&text), status));
	reason_find(buf_str(&text), answer);
}

static void
git_run(struct courier *c, struct str order, struct buf *answer)
{
	AUTO(auto_close) int said = memfd_create("rouse-git-said", MFD_CLOEXEC);
	AUTO(buf_fini) struct buf words = BUF_INIT;
	AUTO(auto_free) const char **argv = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	int status = 0;
	pid_t pid;

	buf_add_str(&words, order);
	argv = pieces_of(&words, ARRAY_LEN(command));
	for (size_t i = 0; i < ARRAY_LEN(command); i++)
		argv[i] = command[i];
	if (said < 0 || !git_start(c, argv, said, &pid, &err)) {
		buf_cat(answer, "?", said < 0 ? "no file in memory" : err_text(&err));
		return;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	git_judge(&c->look->request, status, said, answer);
}

/* --- the process ----------------------------------------------------------------------------- */

static void
capabilities_clear(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};

	/* Those that it starts have none; whoever has some may not be looked at by them. */
	syscall(SYS_capset, &head, none);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* To the cache, and what every program needs. Where the kernel cannot, its user's rights bound it.
 */
static void
files_confine(const struct courier *c)
{
	const struct request *request = &c->look->request;
	const char *const named[] = {json_str(request->head, "ca_file"),
				     json_str(request->head, "known_hosts")};
	const char *const argv[] = {c->self, request->git, request->ssh ? request->ssh : "", NULL};
	AUTO(buf_fini) struct buf words = BUF_INIT;
	AUTO(auto_free) const char **paths = NULL;
	struct confine *confine = NULL;

	buf_cat(&words, "rw:", request->cache);
	buf_putc(&words, '\0');
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (named[i] && !access(named[i], R_OK)) {
			buf_cat(&words, "ro:", named[i]);
			buf_putc(&words, '\0');
		}
	paths = pieces_of(&words, 0);
	if (confine_new(&(struct confine_rules){.files = true, .argv = argv, .paths = paths},
			&confine, NULL))
		confine_apply(confine);
	confine_free(confine);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void
secret_keep(struct courier *c)
{
	const char *secret = c->look->request.secret;

	c->secret = secret ? memfd_create("rouse-git-secret", MFD_CLOEXEC) : -1;
	if (c->secret < 0)
		return;
	/* As ssh wants a key to lie. */
	fchmod(c->secret, 0600);
	os_write_all(c->secret, str_of(secret), NULL);
}

static _Noreturn void
courier_main(struct courier *c, pid_t parent)
{
	char order[ORDER_MAX];
	ssize_t n = readlink("/proc/self/exe", c->self, sizeof(c->self) - 1);

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent || n <= 0)
		_exit(1);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	open("/dev/null", O_RDWR);
	open("/dev/null", O_RDWR);
	secret_keep(c);
	files_confine(c);
	capabilities_clear();
	environ_make(c);
	while ((n = recv(c->wire, order, sizeof(order), 0)) > 0) {
		AUTO(buf_fini) struct buf answer = BUF_INIT;

		git_run(c, str_make(order, (size_t)n), &answer);
		send(c->wire, answer.data, answer.len, MSG_NOSIGNAL);
	}
	_exit(0);
}

struct courier *
courier_start(const struct look *look)
{
	const struct request *request = &look->request;
	bool is_ssh = !strstr(request->repo, "://") || !strncmp(request->repo, "ssh:", 4);
	struct courier *c;
	pid_t parent = getpid(), pid;
	int ends[2];

	if (!request->remote || request->plain || !request->git || (is_ssh && !request->ssh) ||
	    strpbrk(request->cache, "\"\n"))
		return NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return NULL;
	c = mem_alloc(sizeof(*c));
	*c = (struct courier){.look = look, .environ = BUF_INIT, .secret = -1};
	pid = fork();
	c->wire = ends[pid ? 0 : 1];
	close(ends[pid ? 1 : 0]);
	if (!pid)
		courier_main(c, parent);
	if (pid > 0)
		return c;
	courier_free(c);
	return NULL;
}

void
courier_free(struct courier *courier)
{
	if (!courier)
		return;
	close(courier->wire);
	buf_fini(&courier->environ);
	free(courier);
}

/* --- the other side -------------------------------------------------------------------------- */

bool
courier_fetch(struct courier *courier, unsigned depth, bool keep, const char *const *ids,
	      size_t count, struct err *err)
{
	AUTO(buf_fini) struct buf order = BUF_INIT;
	static const struct {
		char letter;
		enum err_code code;
	} answers[] = {{'>', E_TOO_LARGE}, {'?', E_INVALID}, {'!', E_NOT_FOUND}};
	char answer[ANSWER_MAX];
	enum err_code code = E_UNAVAILABLE;
	ssize_t n;

	buf_printf(&order, "--depth=%u", depth);
	buf_add(&order, "\0--\0origin", sizeof("\0--\0origin"));
	for (size_t i = 0; i < count; i++) {
		buf_cat(&order, "+", ids[i], keep ? ":" KEPT : "", keep ? ids[i] : "");
		buf_putc(&order, '\0');
	}
	assert(order.len <= ORDER_MAX);
	if (send(courier->wire, order.data, order.len, MSG_NOSIGNAL) < 0 ||
	    (n = recv(courier->wire, answer, sizeof(answer), 0)) <= 0)
		return err_set(err, E_UNAVAILABLE, "cannot fetch: the courier is gone");
	if (*answer == '+')
		return true;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		code = *answer == answers[i].letter ? answers[i].code : code;
	return err_set(err, code, "cannot fetch: %.*s", (int)n - 1, answer + 1);
}
