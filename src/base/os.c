/* The operating system: files that are whole or not there, descriptors, processes, crash points. */
/* SPDX-License-Identifier: MIT */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/uuid.h"

static int
open_real(const char *path, int flags, mode_t mode)
{
	return open(path, flags, mode);
}

struct os_calls os = {read, write, fsync, open_real};

/* --- reading --- */

/* A FIFO without a writer must not hold up its opener, so it is opened without waiting first. */
bool
os_read_file(const char *path, size_t max, struct buf *out, struct err *err)
{
	struct stat st;
	AUTO(auto_close) int fd = os.open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", path);
	if (fstat(fd, &st))
		return err_errno(err, errno, "cannot look at %s", path);
	if (S_ISDIR(st.st_mode))
		return err_errno(err, EISDIR, "cannot read %s: expected a file", path);
	if (!S_ISREG(st.st_mode) && !os_nonblock(fd, false))
		return err_errno(err, errno, "cannot prepare %s for reading", path);
	if (S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size <= max &&
	    !buf_try_reserve(out, (size_t)st.st_size + 1))
		return err_set(err, E_FULL, "no memory for the %lld bytes of %s",
			       (long long)st.st_size, path);
	return os_read_fd(fd, max, path, out, err);
}

/* Reads one byte more than may be, to tell a full file from one that goes on. */
bool
os_read_fd(int fd, size_t max, const char *what, struct buf *out, struct err *err)
{
	const size_t chunk = 65536, start = out->len;
	for (;;) {
		size_t room = out->cap > out->len ? out->cap - out->len - 1 : 0;
		if (!room && !buf_try_reserve(out, chunk)) {
			buf_truncate(out, start);
			return err_set(err, E_FULL, "no memory to read %s; try again later", what);
		}
		room = out->cap - out->len - 1;
		size_t left = max - (out->len - start);
		ssize_t n = os.read(fd, out->data + out->len, left < room ? left + 1 : room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int why = errno;
			buf_truncate(out, start);
			return err_errno(err, why, "cannot read %s", what);
		}
		if ((size_t)n > left) {
			buf_truncate(out, start);
			return err_set(err, E_TOO_LARGE, "%s is larger than the %zu bytes allowed",
				       what, max);
		}
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (!n)
			return true;
	}
}

/* --- writing --- */

bool
os_write_all(int fd, struct str data, struct err *err)
{
	while (data.len) {
		ssize_t n = os.write(fd, data.p, data.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(err, n ? errno : EIO, "cannot write");
		data = str_make(data.p + n, data.len - (size_t)n);
	}
	return true;
}

/* The folder that path lies in, "/" or "." included. */
static char *
path_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return mem_strdup(".");
	return slash == path ? mem_strdup("/") : mem_memdup(path, (size_t)(slash - path));
}

static bool
sync_folder(const char *folder, struct err *err)
{
	AUTO(auto_close) int fd = os.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, errno, "cannot open folder %s", folder);
	if (os.fsync(fd))
		return err_errno(err, errno, "cannot sync folder %s", folder);
	return true;
}

static bool
fill_file(int fd, const char *path, struct str data, mode_t mode, struct err *err)
{
	if (!os_write_all(fd, data, err))
		return false;
	/* Not left to open(): the umask shall not take part. */
	if (fchmod(fd, mode))
		return err_errno(err, errno, "cannot set the mode of %s", path);
	if (os.fsync(fd))
		return err_errno(err, errno, "cannot sync %s", path);
	return true;
}

static bool
replace_file(const char *path, const char *temporary, struct str data, mode_t mode, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	AUTO(auto_close) int fd = os.open(temporary, flags, 0600);
	if (fd < 0)
		return err_errno(err, errno, "cannot create %s", temporary);
	bool ok = fill_file(fd, temporary, data, mode, err);
	if (ok) {
		crash_point("os_write_file.written");
		ok = !rename(temporary, path) ||
		     err_errno(err, errno, "cannot rename %s", temporary);
	}
	if (!ok) {
		int why = errno;
		unlink(temporary);
		errno = why;
	}
	return ok;
}

bool
os_write_file(const char *path, struct str data, mode_t mode, struct err *err)
{
	AUTO(auto_free) char *folder = path_folder(path);
	AUTO(buf_fini) struct buf temporary = BUF_INIT;
	uint64_t nonce;
	entropy_fill(&nonce, sizeof(nonce));
	buf_printf(&temporary, "%s/.rouse-%016llx.tmp", folder, (unsigned long long)nonce);
	if (!replace_file(path, buf_cstr(&temporary), data, mode, err))
		return err_prefix(err, "cannot write %s", path);
	crash_point("os_write_file.renamed");
	if (!sync_folder(folder, err))
		return err_prefix(err, "cannot write %s", path);
	return true;
}

/* --- folders --- */

static bool
make_folder(const char *path, mode_t mode, struct err *err)
{
	struct stat st;
	if (!mkdir(path, mode))
		return true;
	int why = errno;
	if (stat(path, &st))
		return err_errno(err, why, "cannot make folder %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_errno(err, ENOTDIR, "cannot make folder %s: something else is there",
				 path);
	return true;
}

bool
os_mkdirs(const char *path, mode_t mode, struct err *err)
{
	AUTO(auto_free) char *part = mem_strdup(path);
	if (!*path)
		return err_set(err, E_INVALID, "cannot make a folder without a name");
	for (char *p = part + 1; *p; p++) {
		if (*p != '/' || p[-1] == '/')
			continue;
		*p = '\0';
		/* What lies between must let us through to what lies below. */
		if (!make_folder(part, mode | 0300, err))
			return false;
		*p = '/';
	}
	return make_folder(part, mode, err);
}

/* --- descriptors and processes --- */

static bool
set_flag(int fd, int get, int set, int flag, bool on)
{
	int flags = fcntl(fd, get);
	if (flags < 0)
		return false;
	int wanted = on ? flags | flag : flags & ~flag;
	return wanted == flags || fcntl(fd, set, wanted) == 0;
}

bool
os_nonblock(int fd, bool on)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

bool
os_cloexec(int fd, bool on)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

char *
os_program_dir(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	for (size_t room = 256;; room *= 2) {
		buf_reserve(&b, room);
		ssize_t n = readlink("/proc/self/exe", b.data, room);
		/* Without /proc nothing can be found beside the program; "/" holds no helper. */
		if (n < 0)
			return mem_strdup("/");
		if ((size_t)n < room) {
			b.len = (size_t)n;
			b.data[b.len] = '\0';
			return path_folder(b.data);
		}
	}
}

/* proc(5): the name in brackets may hold blanks and brackets, so fields count from its end. */
uint64_t
os_process_start(pid_t pid)
{
	enum { STATE_FIELD = 3, START_FIELD = 22 };
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str field, rest;
	uint64_t start = 0;
	buf_printf(&path, "/proc/%lld/stat", (long long)pid);
	if (pid <= 0 || !os_read_file(buf_cstr(&path), 65536, &text, NULL))
		return 0;
	struct str line = buf_str(&text);
	const char *end = memrchr(line.p, ')', line.len);
	if (!end)
		return 0;
	rest = str_trim(str_make(end + 1, (size_t)(line.p + line.len - end - 1)));
	for (int i = STATE_FIELD; i <= START_FIELD; i++)
		rest = str_split(rest, ' ', &field);
	return str_to_u64(field, &start) ? start : 0;
}

/* --- crash points --- */

static enum { CRASH_UNKNOWN, CRASH_OFF, CRASH_ARMED } crash_state;
static const char *crash_name;
static size_t crash_name_len;
static uint64_t crash_left = 1;

static void
crash_arm(void)
{
	const char *want = secure_getenv("ROUSE_CRASH");
	crash_state = CRASH_OFF;
	if (!want || !*want)
		return;
	const char *colon = strrchr(want, ':');
	crash_name = want;
	crash_name_len = strlen(want);
	if (colon && str_to_u64(str_of(colon + 1), &crash_left))
		crash_name_len = (size_t)(colon - want);
	crash_state = CRASH_ARMED;
}

void
crash_point_pass(const char *name)
{
	if (__builtin_expect(crash_state == CRASH_OFF, 1))
		return;
	if (crash_state == CRASH_UNKNOWN)
		crash_arm();
	if (crash_state != CRASH_ARMED ||
	    !str_eq(str_of(name), str_make(crash_name, crash_name_len)))
		return;
	if (crash_left > 1)
		crash_left--;
	else
		kill(getpid(), SIGKILL);
}
