/* Files that are whole or not there, under every failure that a call can have. */
/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"

#include "tests/unit/tap.h"

static char folder[] = "/tmp/rouse-os-XXXXXX";
static struct os_calls real;

static const char *
in(struct buf *b, const char *name)
{
	buf_clear(b);
	buf_printf(b, "%s/%s", folder, name);
	return buf_cstr(b);
}

static int
entries(const char *path)
{
	int n = 0;
	DIR *dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n - 2;
}

static bool
holds(const char *path, const char *want)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	return os_read_file(path, 1 << 20, &b, NULL) && str_eq_cstr(buf_str(&b), want);
}

/* --- calls that fail --- */

static int
fail_fsync(int fd UNUSED)
{
	errno = EIO;
	return -1;
}

static ssize_t
full_write(int fd UNUSED, const void *p UNUSED, size_t len UNUSED)
{
	errno = ENOSPC;
	return -1;
}

static int turn;

/* Every second call is interrupted, the others take three bytes. */
static ssize_t
slow_write(int fd, const void *p, size_t len)
{
	if (turn++ % 2) {
		errno = EINTR;
		return -1;
	}
	return write(fd, p, len < 3 ? len : 3);
}

static ssize_t
slow_read(int fd, void *p, size_t len)
{
	if (turn++ % 2) {
		errno = EINTR;
		return -1;
	}
	return read(fd, p, len < 3 ? len : 3);
}

static ssize_t
bad_read(int fd UNUSED, void *p UNUSED, size_t len UNUSED)
{
	errno = EIO;
	return -1;
}

static void
test_read(void)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf b = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	IT ("a file is read whole, at its limit too, and not a byte beyond") {
		CHECK(os_write_file(in(&path, "ten"), STR("0123456789"), 0600, &err));
		buf_puts(&b, ">");
		CHECK(os_read_file(buf_cstr(&path), 10, &b, &err));
		CHECK_STR(buf_cstr(&b), ">0123456789");
		CHECK(!os_read_file(buf_cstr(&path), 9, &b, &err));
		CHECK_INT(err.code, E_TOO_LARGE);
		CHECK_STR(buf_cstr(&b), ">0123456789");
		CHECK(!os_read_file(buf_cstr(&path), 0, &b, &err));
		CHECK(os_read_file("/dev/null", 0, &b, &err));
		CHECK(os_read_file(buf_cstr(&path), SIZE_MAX, &b, &err));
		CHECK_INT(b.len, 21);
	}
	IT ("a file without a size is read to its end") {
		buf_clear(&b);
		CHECK(os_read_file("/proc/self/status", 1 << 20, &b, &err));
		CHECK(b.len > 100 && strlen(buf_cstr(&b)) == b.len);
		CHECK(!os_read_file("/dev/zero", 1000000, &b, &err));
		CHECK_INT(err.code, E_TOO_LARGE);
	}
	IT ("what is missing, a folder, or a FIFO nobody writes to is said or empty") {
		CHECK(!os_read_file(in(&path, "none"), 10, &b, &err));
		CHECK_INT(errno, ENOENT);
		CHECK(strstr(err_text(&err), "none: No such file"));
		CHECK(!os_read_file(folder, 10, &b, &err));
		CHECK(strstr(err_text(&err), "expected a file"));
		buf_clear(&b);
		CHECK(!mkfifo(in(&path, "fifo"), 0600));
		CHECK(os_read_file(buf_cstr(&path), 10, &b, &err) && b.len == 0);
		unlink(buf_cstr(&path));
	}
	IT ("short reads and interruptions are seen to, a failing disk is said") {
		buf_clear(&b);
		os.read = slow_read;
		CHECK(os_read_file(in(&path, "ten"), 10, &b, &err));
		CHECK_STR(buf_cstr(&b), "0123456789");
		os.read = bad_read;
		CHECK(!os_read_file(buf_cstr(&path), 10, &b, &err));
		CHECK_INT(err.code, E_IO);
		os = real;
	}
}

static void
test_write(void)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	IT ("a file is made with the mode asked for, whatever the umask") {
		struct stat st;
		mode_t old = umask(0777);
		CHECK(os_write_file(in(&path, "mode"), STR("x"), 0644, &err));
		umask(old);
		CHECK(!stat(buf_cstr(&path), &st) && (st.st_mode & 07777) == 0644);
		CHECK(os_write_file(buf_cstr(&path), STR_NONE, 0600, &err));
		CHECK(!stat(buf_cstr(&path), &st) && (st.st_mode & 07777) == 0600 && !st.st_size);
	}
	IT ("a file that cannot be written whole leaves the old one, and no other") {
		CHECK(os_write_file(in(&path, "kept"), STR("old"), 0600, &err));
		int before = entries(folder);
		os.write = full_write;
		CHECK(!os_write_file(buf_cstr(&path), STR("new"), 0600, &err));
		CHECK_INT(err.code, E_FULL);
		CHECK(strstr(err_text(&err), "kept"));
		os = real;
		os.fsync = fail_fsync;
		CHECK(!os_write_file(buf_cstr(&path), STR("new"), 0600, &err));
		CHECK_INT(err.code, E_IO);
		os = real;
		CHECK(holds(buf_cstr(&path), "old"));
		CHECK_INT(entries(folder), before);
	}
	IT ("short writes and interruptions are seen to") {
		os.write = slow_write;
		CHECK(os_write_file(in(&path, "kept"), STR("a longer text than three"), 0600,
				    &err));
		os = real;
		CHECK(holds(buf_cstr(&path), "a longer text than three"));
	}
	IT ("a link is replaced, what it points to is not touched") {
		AUTO(buf_fini) struct buf link = BUF_INIT;
		struct stat st;
		CHECK(os_write_file(in(&path, "target"), STR("safe"), 0600, &err));
		CHECK(!symlink(buf_cstr(&path), in(&link, "link")));
		CHECK(os_write_file(buf_cstr(&link), STR("new"), 0600, &err));
		CHECK(holds(buf_cstr(&path), "safe") && holds(buf_cstr(&link), "new"));
		CHECK(!lstat(buf_cstr(&link), &st) && S_ISREG(st.st_mode));
	}
	IT ("a name as long as names may be can be written") {
		AUTO(buf_fini) struct buf name = BUF_INIT;
		for (int i = 0; i < NAME_MAX; i++)
			buf_putc(&name, 'n');
		CHECK(os_write_file(in(&path, buf_cstr(&name)), STR("x"), 0600, &err));
	}
	IT ("no folder, or a folder of that name, is said") {
		int before = entries(folder);
		CHECK(!os_write_file(in(&path, "no/file"), STR("x"), 0600, &err));
		CHECK_INT(err.code, E_IO);
		CHECK(!mkdir(in(&path, "dir"), 0700));
		CHECK(!os_write_file(buf_cstr(&path), STR("x"), 0600, &err));
		CHECK_INT(entries(folder), before + 1);
	}
}

static void
test_mkdirs(void)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct stat st;
	IT ("folders are made with those between, twice as well") {
		CHECK(os_mkdirs(in(&path, "a//b/c/"), 0700, &err));
		CHECK(os_mkdirs(buf_cstr(&path), 0700, &err));
		CHECK(!stat(buf_cstr(&path), &st) && S_ISDIR(st.st_mode));
		CHECK(os_mkdirs("/", 0700, &err) && os_mkdirs(".", 0700, &err));
	}
	IT ("a file in the way is said") {
		CHECK(os_write_file(in(&path, "file"), STR("x"), 0600, &err));
		CHECK(!os_mkdirs(buf_cstr(&path), 0700, &err));
		CHECK(!os_mkdirs(in(&path, "file/below"), 0700, &err));
		CHECK(strstr(err_text(&err), "Not a directory"));
		CHECK(!os_mkdirs("", 0700, &err));
	}
}

static void
test_rest(void)
{
	IT ("the flags of a descriptor are set and taken away") {
		AUTO(auto_close) int fd = open("/dev/null", O_RDONLY);
		CHECK(os_cloexec(fd, true) && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
		CHECK(os_cloexec(fd, false) && !(fcntl(fd, F_GETFD) & FD_CLOEXEC));
		CHECK(os_nonblock(fd, true) && (fcntl(fd, F_GETFL) & O_NONBLOCK));
		CHECK(os_nonblock(fd, false) && !(fcntl(fd, F_GETFL) & O_NONBLOCK));
		CHECK(!os_nonblock(-1, true) && !os_cloexec(-1, true));
	}
	IT ("the folder of the program is absolute and holds it") {
		AUTO(auto_free) char *dir = os_program_dir();
		AUTO(buf_fini) struct buf path = BUF_INIT;
		CHECK(dir[0] == '/');
		buf_printf(&path, "%s/test_os", dir);
		CHECK(!access(buf_cstr(&path), X_OK));
	}
	IT ("a process has one start while it lives, none when it is gone") {
		uint64_t own = os_process_start(getpid());
		CHECK(own > 0 && own == os_process_start(getpid()));
		fflush(stdout);
		pid_t child = fork();
		if (!child) {
			pause();
			_exit(0);
		}
		CHECK(os_process_start(child) >= own);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		CHECK_INT(os_process_start(child), 0);
		CHECK_INT(os_process_start(0), 0);
		CHECK_INT(os_process_start(-1), 0);
	}
}

int
main(void)
{
	real = os;
	if (!mkdtemp(folder))
		return 99;
	test_read();
	test_write();
	test_mkdirs();
	test_rest();
	IT ("all that was made is removed") {
		AUTO(err_fini) struct err err = ERR_INIT;
		CHECK(os_remove_tree(folder, &err));
		CHECK(access(folder, F_OK) != 0);
	}
	return tap_done();
}
