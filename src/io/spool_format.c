/* Spools, the half that roused and rouse-shim share: how job and status are written down. */
/* SPDX-License-Identifier: MIT */
#include "io/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"

static const char job_head[] = "rouse-job 1\n";
/* Of an agent that is held to something. */
static const char job_head_confined[] = "rouse-job 2\n";
/* Of one that stays for another turn, held to something or not. */
static const char job_head_session[] = "rouse-job 3\n";
static const char status_head[] = "rouse-status 1\n";

enum {
	JOB_MAX = 64 << 20,
	STATUS_MAX = 64 << 10,
	WORDS_MAX = 1 << 20, /* arguments or variables: the kernel takes fewer */
};

/* Long enough for a UUID and a count; nothing that means something in a path. */
bool
spool_id_is_valid(struct str id)
{
	enum { RUN_MAX = 64, ATTEMPT_MAX = 9 };
	struct str run, attempt = str_split(id, '.', &run);
	if (!attempt.p || !run.len || run.len > RUN_MAX || !attempt.len ||
	    attempt.len > ATTEMPT_MAX)
		return false;
	for (size_t i = 0; i < run.len; i++) {
		char c = run.p[i];
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    c != '-')
			return false;
	}
	for (size_t i = 0; i < attempt.len; i++)
		if (attempt.p[i] < '0' || attempt.p[i] > '9')
			return false;
	return true;
}

static int64_t
file_size(const char *dir, const char *name)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct stat st;
	buf_printf(&path, "%s/%s", dir, name);
	return lstat(buf_cstr(&path), &st) || !S_ISREG(st.st_mode) ? 0 : st.st_size;
}

int64_t
spool_out_size(const char *dir)
{
	return file_size(dir, "out");
}

int64_t
spool_err_size(const char *dir)
{
	return file_size(dir, "err");
}

/* --- fields: "NAME LENGTH\nBYTES\n" --- */

static void
field_add(struct buf *out, const char *name, struct str value)
{
	buf_printf(out, "%s %zu\n", name, value.len);
	buf_add_str(out, value);
	buf_putc(out, '\n');
}

static void
field_add_cstr(struct buf *out, const char *name, const char *value)
{
	if (value)
		field_add(out, name, str_of(value));
}

static void
field_add_int(struct buf *out, const char *name, int64_t value)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%lld", (long long)value);
	field_add(out, name, str_make(text, (size_t)len));
}

/* Takes one field off the front of *rest. */
static bool
field_next(struct str *rest, struct str *ret_name, struct str *ret_value)
{
	struct str line, digits;
	uint64_t len;
	struct str after = str_split(*rest, '\n', &line);
	digits = str_split(line, ' ', ret_name);
	if (!after.p || !digits.p || !ret_name->len || !str_to_u64(digits, &len))
		return false;
	if (len >= after.len || after.p[len] != '\n')
		return false;
	*ret_value = str_make(after.p, (size_t)len);
	*rest = str_make(after.p + len + 1, after.len - (size_t)len - 1);
	return true;
}

static bool
has_nul(struct str s)
{
	return memchr(s.p, '\0', s.len);
}

/* --- the numbers of both, as tables --- */

struct number {
	const char *name;
	size_t offset;
	enum { NUMBER_I64, NUMBER_INT, NUMBER_BOOL } kind;
};

#define JOB_NUMBER(field, kind)                                                                    \
	{                                                                                          \
#field, offsetof(struct spool_job, field), kind                                    \
	}
static const struct number job_numbers[] = {
	JOB_NUMBER(keep_stdin, NUMBER_BOOL), JOB_NUMBER(deadline_ms, NUMBER_I64),
	JOB_NUMBER(grace_ms, NUMBER_I64),    JOB_NUMBER(linger_ms, NUMBER_I64),
	JOB_NUMBER(out_max, NUMBER_I64),     JOB_NUMBER(err_max, NUMBER_I64),
	JOB_NUMBER(memory_max, NUMBER_I64),  JOB_NUMBER(cpu_time_s, NUMBER_I64),
	JOB_NUMBER(files, NUMBER_I64),	     JOB_NUMBER(processes, NUMBER_I64),
	JOB_NUMBER(umask, NUMBER_I64),	     JOB_NUMBER(nice, NUMBER_I64),
	JOB_NUMBER(file_size, NUMBER_I64),   JOB_NUMBER(change_user, NUMBER_BOOL),
	JOB_NUMBER(uid, NUMBER_INT),	     JOB_NUMBER(gid, NUMBER_INT),
	JOB_NUMBER(no_network, NUMBER_BOOL), JOB_NUMBER(few_files, NUMBER_BOOL),
	JOB_NUMBER(read_all, NUMBER_BOOL),   JOB_NUMBER(session, NUMBER_BOOL),
	JOB_NUMBER(idle_ms, NUMBER_I64),     JOB_NUMBER(cpu_milli, NUMBER_I64),
	JOB_NUMBER(as_uid, NUMBER_I64),
};

#define STATUS_NUMBER(field, kind)                                                                 \
	{                                                                                          \
#field, offsetof(struct spool_status, field), kind                                 \
	}
static const struct number status_numbers[] = {
	STATUS_NUMBER(exec_failed, NUMBER_BOOL),   STATUS_NUMBER(exec_errno, NUMBER_INT),
	STATUS_NUMBER(exit_code, NUMBER_INT),	   STATUS_NUMBER(signal, NUMBER_INT),
	STATUS_NUMBER(out_bytes, NUMBER_I64),	   STATUS_NUMBER(err_bytes, NUMBER_I64),
	STATUS_NUMBER(err_truncated, NUMBER_BOOL), STATUS_NUMBER(started_ms, NUMBER_I64),
	STATUS_NUMBER(ended_ms, NUMBER_I64),	   STATUS_NUMBER(max_rss_bytes, NUMBER_I64),
	STATUS_NUMBER(cpu_ms, NUMBER_I64),	   STATUS_NUMBER(killed, NUMBER_INT),
	STATUS_NUMBER(oom_kills, NUMBER_INT),	   STATUS_NUMBER(kept, NUMBER_BOOL),
	STATUS_NUMBER(turn, NUMBER_INT),	   STATUS_NUMBER(unread, NUMBER_BOOL),
	STATUS_NUMBER(worked_ms, NUMBER_I64),
};

static int64_t
number_get(const struct number *n, const void *at)
{
	const char *p = (const char *)at + n->offset;
	if (n->kind == NUMBER_BOOL)
		return *(const bool *)(const void *)p;
	return n->kind == NUMBER_INT ? *(const int *)(const void *)p
				     : *(const int64_t *)(const void *)p;
}

static bool
number_set(const struct number *n, void *at, int64_t value)
{
	char *p = (char *)at + n->offset;
	if (n->kind == NUMBER_BOOL) {
		*(bool *)(void *)p = value != 0;
		return value == 0 || value == 1;
	}
	if (n->kind == NUMBER_INT) {
		*(int *)(void *)p = (int)value;
		return value == (int)value;
	}
	*(int64_t *)(void *)p = value;
	return true;
}

static void
numbers_format(struct buf *out, const struct number *table, size_t count, const void *at)
{
	for (size_t i = 0; i < count; i++)
		field_add_int(out, table[i].name, number_get(&table[i], at));
}

/* False when the name is known and the value is not a number that fits. */
static bool
numbers_take(const struct number *table, size_t count, void *at, struct str name, struct str value)
{
	int64_t number;
	for (size_t i = 0; i < count; i++)
		if (str_eq_cstr(name, table[i].name))
			return str_to_i64(value, &number) && number_set(&table[i], at, number);
	return true;
}

/* --- the job --- */

/* One block: this, the pointers of argv, envp and paths, the groups, then a copy of the text, whose
 * line ends behind values have become NULs. */
struct job_sizes {
	size_t argc, envc, paths, groups;
};

static bool
job_corrupt(struct err *err, const char *what)
{
	return err_set(err, E_CORRUPT, "the job is damaged: %s; expected what roused writes", what);
}

static bool
job_count(struct str rest, struct job_sizes *ret, struct err *err)
{
	struct str name, value;
	while (rest.len) {
		if (!field_next(&rest, &name, &value))
			return job_corrupt(err, "a field is cut");
		ret->argc += str_eq_cstr(name, "arg");
		ret->envc += str_eq_cstr(name, "env");
		ret->paths += str_eq_cstr(name, "path");
		ret->groups += str_eq_cstr(name, "group");
		if (ret->argc > WORDS_MAX || ret->envc > WORDS_MAX || ret->paths > WORDS_MAX ||
		    ret->groups > WORDS_MAX)
			return job_corrupt(err, "it has too many words");
	}
	return true;
}

/* Points into the copy; a C string must not hold a NUL. */
static bool
job_take_words(struct spool_job *job, struct job_sizes *at, struct str name, struct str value)
{
	int64_t gid;
	const char *text = value.p;
	if (str_eq_cstr(name, "input")) {
		job->input = value;
		return true;
	}
	if (str_eq_cstr(name, "group")) {
		if (!str_to_i64(value, &gid))
			return false;
		((gid_t *)job->groups)[at->groups++] = (gid_t)gid;
		return true;
	}
	if (str_eq_cstr(name, "arg"))
		((const char **)job->argv)[at->argc++] = text;
	else if (str_eq_cstr(name, "env"))
		((const char **)job->envp)[at->envc++] = text;
	else if (str_eq_cstr(name, "path"))
		((const char **)job->paths)[at->paths++] = text;
	else if (str_eq_cstr(name, "id"))
		job->id = text;
	else if (str_eq_cstr(name, "workdir"))
		job->workdir = text;
	else if (str_eq_cstr(name, "user"))
		job->user = text;
	else if (str_eq_cstr(name, "cgroup"))
		job->cgroup = text;
	else
		return true;
	return !has_nul(value);
}

static bool
job_fill(struct spool_job *job, struct str rest, struct err *err)
{
	struct job_sizes at = {0, 0, 0, 0};
	struct str name, value;
	while (rest.len) {
		if (!field_next(&rest, &name, &value))
			return job_corrupt(err, "a field is cut");
		if (!job_take_words(job, &at, name, value) ||
		    !numbers_take(job_numbers, ARRAY_LEN(job_numbers), job, name, value))
			return job_corrupt(err, "a value is not of its kind");
		*(char *)(value.p + value.len) = '\0';
	}
	if (!job->id || !spool_id_is_valid(str_of(job->id)))
		return job_corrupt(err, "it has no id");
	if (!at.argc || !*job->argv[0])
		return job_corrupt(err, "it names no program");
	return true;
}

bool
spool_job_parse(struct str text, struct spool_job **ret, struct err *err)
{
	struct job_sizes sizes = {0, 0, 0, 0};
	struct str rest = text;
	static_assert(sizeof(job_head) == sizeof(job_head_confined) &&
			      sizeof(job_head) == sizeof(job_head_session),
		      "cut off alike");
	if (!str_starts(text, str_of(job_head)) && !str_starts(text, str_of(job_head_confined)) &&
	    !str_starts(text, str_of(job_head_session)))
		return job_corrupt(err, "its first line is not \"rouse-job 1\", 2 or 3");
	rest = str_make(text.p + sizeof(job_head) - 1, text.len - sizeof(job_head) + 1);
	if (!job_count(rest, &sizes, err))
		return false;
	size_t pointers = (sizes.argc + 1 + sizes.envc + 1 + sizes.paths + 1) * sizeof(char *);
	size_t groups = (sizes.groups + 1) * sizeof(gid_t);
	struct spool_job *job = mem_try_alloc(sizeof(*job) + pointers + groups + rest.len + 1);
	if (!job)
		return err_set(err, E_FULL, "no memory for a job of %zu bytes", text.len);
	const char **words = (const char **)(void *)(job + 1);
	job->argv = words;
	job->envp = words + sizes.argc + 1;
	job->paths = words + sizes.argc + 1 + sizes.envc + 1;
	job->groups = (gid_t *)(void *)(words + sizes.argc + 1 + sizes.envc + 1 + sizes.paths + 1);
	job->group_count = sizes.groups;
	char *copy = (char *)job + sizeof(*job) + pointers + groups;
	memcpy(copy, rest.p, rest.len);
	job->umask = job->nice = job->cpu_milli = job->as_uid = -1;
	if (!job_fill(job, str_make(copy, rest.len), err)) {
		spool_job_free(job);
		return false;
	}
	if (str_starts(text, str_of(job_head_confined)) && !job->no_network && !job->few_files) {
		spool_job_free(job);
		return job_corrupt(err, "it does not say what its agent is held to");
	}
	if (str_starts(text, str_of(job_head_session)) && !job->session) {
		spool_job_free(job);
		return job_corrupt(err, "it does not say that its agent stays");
	}
	*ret = job;
	return true;
}

void
spool_job_format(const struct spool_job *job, struct buf *out)
{
	buf_reserve(out, job->input.len + 2048);
	buf_puts(out, job->session			  ? job_head_session
		      : job->no_network || job->few_files ? job_head_confined
							  : job_head);
	field_add_cstr(out, "id", job->id);
	for (size_t i = 0; job->argv && job->argv[i]; i++)
		field_add_cstr(out, "arg", job->argv[i]);
	for (size_t i = 0; job->envp && job->envp[i]; i++)
		field_add_cstr(out, "env", job->envp[i]);
	field_add_cstr(out, "workdir", job->workdir);
	field_add_cstr(out, "user", job->user);
	field_add_cstr(out, "cgroup", job->cgroup);
	for (size_t i = 0; job->paths && job->paths[i]; i++)
		field_add_cstr(out, "path", job->paths[i]);
	for (size_t i = 0; i < job->group_count; i++)
		field_add_int(out, "group", job->groups[i]);
	numbers_format(out, job_numbers, ARRAY_LEN(job_numbers), job);
	field_add(out, "input", job->input.p ? job->input : STR(""));
}

bool
spool_job_read(const char *dir, struct spool_job **ret, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	buf_printf(&path, "%s/job", dir);
	if (!os_read_file(buf_cstr(&path), JOB_MAX, &text, err))
		return false;
	bool ok = spool_job_parse(buf_str(&text), ret, err);
	mem_zero(text.data, text.len);
	return ok || err_prefix(err, "%s", buf_cstr(&path));
}

void
spool_job_free(struct spool_job *job)
{
	free(job);
}

/* Not unlinked: the folder is used again. */
void
spool_job_forget(const char *dir)
{
	static const char nothing[4096];
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct stat st;
	buf_printf(&path, "%s/job", dir);
	AUTO(auto_close) int fd = os.open(buf_cstr(&path), O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0 || fstat(fd, &st))
		return;
	for (off_t left = st.st_size; left > 0; left -= (off_t)sizeof(nothing)) {
		size_t len = left < (off_t)sizeof(nothing) ? (size_t)left : sizeof(nothing);
		if (!os_write_all(fd, str_make(nothing, len), NULL))
			break;
	}
	if (ftruncate(fd, 1))
		unlink(buf_cstr(&path));
}

/* --- the status --- */

void
spool_status_fini(struct spool_status *status)
{
	free(status->error);
	free(status->reason);
	*status = (struct spool_status){0};
}

void
spool_status_format(const struct spool_status *status, struct buf *out)
{
	buf_puts(out, status_head);
	field_add_cstr(out, "error", status->error);
	field_add_cstr(out, "reason", status->reason);
	numbers_format(out, status_numbers, ARRAY_LEN(status_numbers), status);
}

static bool
status_take(struct spool_status *status, struct str name, struct str value)
{
	char **text = str_eq_cstr(name, "error")    ? &status->error
		      : str_eq_cstr(name, "reason") ? &status->reason
						    : NULL;
	if (!text)
		return numbers_take(status_numbers, ARRAY_LEN(status_numbers), status, name, value);
	if (*text || has_nul(value))
		return false;
	*text = str_dup(value);
	return true;
}

static bool
status_corrupt(struct err *err, const char *what)
{
	return err_set(err, E_CORRUPT, "the status is damaged: %s; expected what rouse-shim writes",
		       what);
}

bool
spool_status_parse(struct str text, struct spool_status *ret, struct err *err)
{
	AUTO(spool_status_fini) struct spool_status status = {.exit_code = -1};
	struct str rest, name, value;
	if (!str_starts(text, str_of(status_head)))
		return status_corrupt(err, "its first line is not \"rouse-status 1\"");
	rest = str_make(text.p + sizeof(status_head) - 1, text.len - sizeof(status_head) + 1);
	while (rest.len) {
		if (!field_next(&rest, &name, &value))
			return status_corrupt(err, "a field is cut");
		if (!status_take(&status, name, value))
			return status_corrupt(err, "a value is not of its kind");
	}
	if (status.out_bytes < 0 || status.err_bytes < 0)
		return status_corrupt(err, "it counts less than nothing");
	*ret = status;
	status = (struct spool_status){0};
	return true;
}

/* No fsync: after a power cut the attempt counts as lost whatever stands here. */
bool
spool_status_write(const char *dir, const struct spool_status *status, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(buf_fini) struct buf fresh = BUF_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	spool_status_format(status, &text);
	buf_printf(&fresh, "%s/status.new", dir);
	buf_printf(&path, "%s/status", dir);
	AUTO(auto_close)
	int fd = os.open(buf_cstr(&fresh), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, errno, "cannot create %s", buf_cstr(&fresh));
	if (!os_write_all(fd, buf_str(&text), err))
		return err_prefix(err, "%s", buf_cstr(&fresh));
	if (ftruncate(fd, (off_t)text.len))
		return err_errno(err, errno, "cannot cut %s", buf_cstr(&fresh));
	if (rename(buf_cstr(&fresh), buf_cstr(&path)))
		return err_errno(err, errno, "cannot write %s", buf_cstr(&path));
	return true;
}

bool
spool_status_read(const char *dir, struct spool_status *ret, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(spool_status_fini) struct spool_status status = {0};
	buf_printf(&path, "%s/status", dir);
	if (access(buf_cstr(&path), F_OK))
		return err_set(err, E_NOT_FOUND, "%s is not there yet", buf_cstr(&path));
	if (!os_read_file(buf_cstr(&path), STATUS_MAX, &text, err))
		return false;
	if (!spool_status_parse(buf_str(&text), &status, err))
		return err_prefix(err, "%s", buf_cstr(&path));
	int64_t size = spool_out_size(dir);
	if (size < status.out_bytes)
		return err_set(err, E_CORRUPT,
			       "%s counts %lld bytes of output, but there are %lld; the machine "
			       "stopped meanwhile",
			       buf_cstr(&path), (long long)status.out_bytes, (long long)size);
	*ret = status;
	status = (struct spool_status){0};
	return true;
}
