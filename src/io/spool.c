/* Spools, the daemon's half: making the folder, reading what the shim wrote, talking to it. */
/* SPDX-License-Identifier: MIT */
#include "io/spool.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/uuid.h"

static char *
path_of(const char *dir, const char *name)
{
	struct buf path = BUF_INIT;
	buf_printf(&path, "%s/%s", dir, name);
	return buf_take(&path);
}

/* --- making one --- */

enum { GROUPS_MAX = 65536, PASSWD_BYTES = 65536 };

struct user {
	bool change;
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* owned */
	int count;
};

/* NSS may ask a server: this waits, like every look at the users of a machine. */
static bool
user_find(const char *name, struct user *ret, struct err *err)
{
	struct passwd entry, *found = NULL;
	AUTO(auto_free) char *text = mem_alloc(PASSWD_BYTES);
	int why = getpwnam_r(name, &entry, text, PASSWD_BYTES, &found);
	if (why)
		return err_errno(err, why, "cannot look up the user %s", name);
	if (!found)
		return err_set(err, E_NOT_FOUND,
			       "there is no user %s; expected one of this machine", name);
	if (entry.pw_uid == geteuid())
		return true;
	if (geteuid())
		return err_set(err, E_DENIED,
			       "cannot run an agent as %s: roused runs as uid %u, only root may "
			       "change it; leave user out",
			       name, (unsigned)geteuid());
	for (int room = 64; room <= GROUPS_MAX; room *= 2) {
		ret->count = room;
		ret->groups = mem_realloc(ret->groups, (size_t)room * sizeof(gid_t));
		if (getgrouplist(name, entry.pw_gid, ret->groups, &ret->count) < 0)
			continue;
		ret->change = true;
		ret->uid = entry.pw_uid;
		ret->gid = entry.pw_gid;
		return true;
	}
	return err_set(err, E_TOO_LARGE, "the user %s is in more than %d groups", name, GROUPS_MAX);
}

/* What is in a folder that is shared is shared. */
static bool
shared_like(const char *dir, int fd, struct err *err)
{
	struct stat st;
	return stat(dir, &st) || !(st.st_mode & S_IWOTH) || !fchmod(fd, 0666) ||
	       err_errno(err, errno, "cannot share");
}

/* used: the file is there, and what it holds is written over. */
static bool
file_write(const char *dir, const char *name, struct str data, bool used, struct err *err)
{
	AUTO(auto_free) char *path = path_of(dir, name);
	AUTO(auto_close)
	int fd = os.open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (used ? 0 : O_CREAT | O_EXCL),
			 0600);
	if (fd < 0)
		return err_errno(err, errno, "cannot create %s", path);
	if (!shared_like(dir, fd, err) || !os_write_all(fd, data, err))
		return err_prefix(err, "%s", path);
	return !used || !ftruncate(fd, (off_t)data.len) ||
	       err_errno(err, errno, "cannot cut %s", path);
}

static bool
job_write(const char *dir, const struct spool_job *job, bool used, struct err *err)
{
	struct buf text = BUF_INIT;
	struct user user = {0};
	bool ok = !job->user || user_find(job->user, &user, err);
	if (ok) {
		struct spool_job known = *job;
		known.change_user = user.change;
		known.uid = user.uid;
		known.gid = user.gid;
		known.groups = user.groups;
		known.group_count = user.change ? (size_t)user.count : 0;
		spool_job_format(&known, &text);
		ok = file_write(dir, "job", buf_str(&text), used, err);
		mem_zero(text.data, text.len);
	}
	free(user.groups);
	buf_fini(&text);
	return ok;
}

/* All files from the start, so that the folder can be used again. */
static bool
folder_fill(const char *dir, bool shared, struct err *err)
{
	static const char *const empty[] = {"out", "err", "shim", "agent", "status.new"};
	AUTO(auto_free) char *ctl = path_of(dir, "ctl");
	for (size_t i = 0; i < ARRAY_LEN(empty); i++)
		if (!file_write(dir, empty[i], STR(""), false, err))
			return false;
	if (mkfifo(ctl, 0600))
		return err_errno(err, errno, "cannot create %s", ctl);
	return !shared || !chmod(ctl, 0666) || err_errno(err, errno, "cannot share %s", ctl);
}

bool
spool_create(const char *dir, const struct spool_job *job, struct err *err)
{
	return spool_create_from(NULL, dir, job, err);
}

bool
spool_create_from(struct spool_pool *pool, const char *dir, const struct spool_job *job,
		  struct err *err)
{
	assert(job->id && job->argv && job->argv[0]);
	if (!job->shared && spool_pool_take(pool, dir)) {
		if (job_write(dir, job, true, err))
			return true;
		os_remove_tree(dir, NULL);
		return false;
	}
	if (mkdir(dir, 0700)) {
		if (errno == EEXIST)
			return err_set(err, E_EXISTS, "%s is there already", dir);
		return err_errno(err, errno, "cannot make folder %s", dir);
	}
	if (job->shared && chmod(dir, 0777)) {
		err_errno(err, errno, "cannot share %s", dir);
		rmdir(dir);
		return false;
	}
	if (job_write(dir, job, false, err) && folder_fill(dir, job->shared, err))
		return true;
	os_remove_tree(dir, NULL);
	return false;
}

/* --- looking --- */

enum { WHO_MAX = 64, NOTE_MAX = 4096 };

/* comm, so that after a restart of the machine no stranger with the same numbers is taken for it.
 */
static bool
is_a_shim(pid_t pid)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	char path[40];
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	return os_read_file(path, WHO_MAX, &name, NULL) &&
	       str_eq_cstr(str_trim(buf_str(&name)), "rouse-shim");
}

/* "PID START\n" */
static bool
who_read(const char *dir, const char *file, pid_t *ret_pid, uint64_t *ret_start)
{
	AUTO(auto_free) char *path = path_of(dir, file);
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str first, second;
	uint64_t pid;
	if (!os_read_file(path, WHO_MAX, &text, NULL))
		return false;
	second = str_split(str_trim(buf_str(&text)), ' ', &first);
	if (!second.p || !str_to_u64(first, &pid) || !pid || pid > INT_MAX ||
	    !str_to_u64(second, ret_start))
		return false;
	*ret_pid = (pid_t)pid;
	return true;
}

/* The file is there from the start; a folder of the pool has one byte in it. */
bool
spool_shim_began(const char *dir)
{
	AUTO(auto_free) char *path = path_of(dir, "shim");
	struct stat st;
	return !stat(path, &st) && st.st_size > 1;
}

/* Who a folder belongs to in which no shim shall begin. */
#define TAKEN "0 0\n"

bool
spool_claim(const char *dir)
{
	AUTO(auto_free) char *path = path_of(dir, "shim");
	AUTO(auto_close) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	char who[sizeof(TAKEN)];
	ssize_t n;

	/* The folder is filled before a shim is begun in it. */
	if (fd < 0)
		return errno == ENOENT;
	if (flock(fd, LOCK_EX | LOCK_NB) || (n = pread(fd, who, sizeof(who), 0)) < 0)
		return false;
	return str_eq(str_make(who, (size_t)n), STR(TAKEN)) ||
	       (n <= 1 && os_write_all(fd, STR(TAKEN), NULL));
}

bool
spool_session_write(const char *dir, struct str text, struct err *err)
{
	return file_write(dir, "session", text, false, err);
}

bool
spool_unit_write(const char *dir, struct str text, struct err *err)
{
	return file_write(dir, "unit", text, false, err);
}

void
spool_unit_forget(const char *dir)
{
	AUTO(auto_free) char *path = path_of(dir, "unit");
	unlink(path);
}

static bool
note_read(const char *dir, const char *name, struct buf *ret)
{
	AUTO(auto_free) char *path = path_of(dir, name);
	return os_read_file(path, NOTE_MAX, ret, NULL);
}

bool
spool_session_read(const char *dir, struct buf *ret)
{
	return note_read(dir, "session", ret);
}

bool
spool_unit_read(const char *dir, struct buf *ret)
{
	return note_read(dir, "unit", ret);
}

bool
spool_why_read(const char *dir, struct buf *ret)
{
	return note_read(dir, "why", ret);
}

bool
spool_shim_alive(const char *dir, pid_t *ret_pid, uint64_t *ret_start)
{
	pid_t pid;
	uint64_t start;
	if (!who_read(dir, "shim", &pid, &start) || os_process_start(pid) != start ||
	    !is_a_shim(pid))
		return false;
	if (ret_pid)
		*ret_pid = pid;
	if (ret_start)
		*ret_start = start;
	return true;
}

static bool
file_read(const char *dir, const char *name, int64_t offset, size_t max, struct buf *out,
	  struct err *err)
{
	AUTO(auto_free) char *path = path_of(dir, name);
	struct stat st;
	AUTO(auto_close) int fd = os.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, E_NOT_FOUND, "%s is not there", path);
	if (fd < 0 || fstat(fd, &st))
		return err_errno(err, errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_CORRUPT, "%s is no file any more", path);
	if (offset < 0 || offset >= st.st_size)
		return true;
	if (max > (uint64_t)(st.st_size - offset))
		max = (size_t)(st.st_size - offset);
	if (!buf_try_reserve(out, max))
		return err_set(err, E_FULL, "no memory for %zu bytes of %s", max, path);
	while (max) {
		ssize_t n = pread(fd, out->data + out->len, max, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "cannot read %s", path);
		if (!n)
			break;
		out->len += (size_t)n;
		max -= (size_t)n;
		offset += n;
	}
	out->data[out->len] = '\0';
	return true;
}

bool
spool_read_out(const char *dir, int64_t offset, size_t max, struct buf *out, struct err *err)
{
	return file_read(dir, "out", offset, max, out, err);
}

bool
spool_read_err(const char *dir, int64_t offset, size_t max, struct buf *out, struct err *err)
{
	return file_read(dir, "err", offset, max, out, err);
}

/* --- talking --- */

/* A FIFO takes up to PIPE_BUF bytes whole or not at all. */
static bool
fifo_send(int fd, struct str line, struct err *err)
{
	char text[PIPE_BUF];
	assert(line.len < sizeof(text));
	memcpy(text, line.p, line.len);
	text[line.len] = '\n';
	ssize_t n = write(fd, text, line.len + 1);
	if (n == (ssize_t)line.len + 1)
		return true;
	if (n < 0 && errno == EAGAIN)
		return err_set(err, E_FULL,
			       "the shim does not take control lines: its pipe is full");
	if (n < 0 && errno == EPIPE)
		return err_set(err, E_NOT_FOUND, "no shim listens");
	return err_errno(err, n < 0 ? errno : EIO, "cannot write to the shim");
}

static bool
fifo_open(const char *dir, int *ret, struct err *err)
{
	AUTO(auto_free) char *path = path_of(dir, "ctl");
	struct stat st;
	AUTO(auto_close) int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && (errno == ENXIO || errno == ENOENT))
		return err_set(err, E_NOT_FOUND, "no shim listens at %s", path);
	if (fd < 0 || fstat(fd, &st))
		return err_errno(err, errno, "cannot open %s", path);
	if (!S_ISFIFO(st.st_mode))
		return err_set(err, E_CORRUPT, "%s is no pipe any more", path);
	*ret = fd;
	fd = -1;
	return true;
}

/* Too long for the pipe: it lies in a file, and the pipe gets its name. */
static bool
send_by_file(const char *dir, int fd, struct str line, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	uint64_t nonce;
	entropy_fill(&nonce, sizeof(nonce));
	buf_printf(&name, "ctl.%016llx", (unsigned long long)nonce);
	if (!buf_try_reserve(&text, line.len + 1))
		return err_set(err, E_FULL, "no memory for a control line of %zu bytes", line.len);
	buf_add_str(&text, line);
	buf_putc(&text, '\n');
	if (!file_write(dir, buf_cstr(&name), buf_str(&text), false, err))
		return false;
	AUTO(buf_fini) struct buf note = BUF_INIT;
	buf_printf(&note, "@%s", buf_cstr(&name) + 4);
	if (fifo_send(fd, buf_str(&note), err))
		return true;
	AUTO(auto_free) char *path = path_of(dir, buf_cstr(&name));
	unlink(path);
	return false;
}

static bool
send_open(const char *dir, int fd, struct str line, struct err *err)
{
	return line.len < PIPE_BUF ? fifo_send(fd, line, err) : send_by_file(dir, fd, line, err);
}

/* Under the lock that the shim takes before it reads and removes the file. *ret_kept: false when it
 * has done so since we opened it, and therefore listens. */
static bool
early_add(const char *dir, struct str line, bool *ret_kept, struct err *err)
{
	AUTO(auto_free) char *early = path_of(dir, "ctl.early");
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct stat st;
	AUTO(auto_close)
	int fd = open(early, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	*ret_kept = false;
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
		return true;
	if (fd < 0 || fstat(fd, &st))
		return err_errno(err, errno, "cannot open %s", early);
	buf_add_str(&text, line);
	buf_putc(&text, '\n');
	*ret_kept = st.st_nlink > 0;
	if (!shared_like(dir, fd, err))
		return false;
	return !*ret_kept || os_write_all(fd, buf_str(&text), err) || err_prefix(err, "%s", early);
}

/* The shim opens its pipe, writes `shim`, then looks for ctl.early; we write ctl.early, then look
 * for the pipe once more: one of us sees the other. */
static bool
send_early(const char *dir, struct str line, bool *ret_kept, struct err *err)
{
	AUTO(auto_close) int fd = -1;
	if (!early_add(dir, line, ret_kept, err))
		return false;
	return !*ret_kept || !fifo_open(dir, &fd, NULL) || fifo_send(fd, STR("@early"), err);
}

bool
spool_control(const char *dir, struct str line, struct err *err)
{
	AUTO(auto_free) char *job = path_of(dir, "job");
	AUTO(err_fini) struct err why = ERR_INIT;
	AUTO(auto_close) int fd = -1;
	bool kept = false;
	assert(!memchr(line.p, '\n', line.len));
	if (fifo_open(dir, &fd, &why))
		return send_open(dir, fd, line, err);
	if (why.code != E_NOT_FOUND)
		return err_move(err, &why);
	if (!spool_shim_began(dir) && !access(job, F_OK) && !send_early(dir, line, &kept, err))
		return false;
	/* Nobody listened then: the shim has ended, or it began a moment ago and listens now. */
	return kept || (fifo_open(dir, &fd, err) && send_open(dir, fd, line, err));
}

/* --- all of them --- */

bool
spool_each(const char *root, void (*fn)(void *arg, const char *id), void *arg, struct err *err)
{
	DIR *dir = opendir(root);
	struct dirent *entry;
	char **ids = NULL;
	size_t count = 0;
	if (!dir)
		return err_errno(err, errno, "cannot list %s", root);
	/* All names first: fn may remove what it is given. */
	while ((entry = readdir(dir))) {
		if (!spool_id_is_valid(str_of(entry->d_name)))
			continue;
		if (!(count & (count + 1)))
			ids = mem_realloc(ids, (2 * count + 2) * sizeof(*ids));
		ids[count++] = mem_strdup(entry->d_name);
	}
	closedir(dir);
	for (size_t i = 0; i < count; i++) {
		fn(arg, ids[i]);
		free(ids[i]);
	}
	free(ids);
	return true;
}
