/* Removing trees: deep ones, forbidden ones, and those full of links to elsewhere. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"

#include "tests/unit/tap.h"

static char folder[] = "/tmp/rouse-tree-XXXXXX";

static const char *
in(struct buf *b, const char *name)
{
	buf_clear(b);
	buf_printf(b, "%s/%s", folder, name);
	return buf_cstr(b);
}

static bool
exists(const char *path)
{
	struct stat st;
	return !lstat(path, &st);
}

/* A chain of folders that no path can name, each with a file beside. */
static bool
dig(const char *path, int depth)
{
	if (mkdir(path, 0700))
		return false;
	AUTO(auto_close) int at = open(path, O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < depth; i++) {
		AUTO(auto_close) int file = openat(at, "file", O_CREAT | O_WRONLY, 0600);
		if (file < 0 || mkdirat(at, "deeper", 0700))
			return false;
		int below = openat(at, "deeper", O_RDONLY | O_DIRECTORY);
		if (below < 0)
			return false;
		close(at);
		at = below;
	}
	return true;
}

static void
test_trees(void)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	IT ("what is not there is removed, a file as well") {
		CHECK(os_remove_tree(in(&path, "none"), &err));
		CHECK(os_write_file(in(&path, "file"), STR("x"), 0600, &err));
		CHECK(os_remove_tree(buf_cstr(&path), &err));
		CHECK(!exists(buf_cstr(&path)));
	}
	IT ("a folder of many files goes") {
		CHECK(!mkdir(in(&path, "many"), 0700));
		for (int i = 0; i < 500; i++) {
			AUTO(buf_fini) struct buf name = BUF_INIT;
			buf_printf(&name, "%s/%d", buf_cstr(&path), i);
			close(open(buf_cstr(&name), O_CREAT | O_WRONLY, 0600));
		}
		CHECK(os_remove_tree(buf_cstr(&path), &err));
		CHECK(!exists(buf_cstr(&path)));
	}
	IT ("a chain deeper than any path, with few descriptors, goes") {
		struct rlimit old, few = {64, 64};
		CHECK(dig(in(&path, "deep"), 1500));
		CHECK(!getrlimit(RLIMIT_NOFILE, &old));
		few.rlim_max = old.rlim_max;
		CHECK(!setrlimit(RLIMIT_NOFILE, &few));
		CHECK(os_remove_tree(buf_cstr(&path), &err));
		CHECK_STR(err_text(&err), "ok");
		CHECK(!setrlimit(RLIMIT_NOFILE, &old));
		CHECK(!exists(buf_cstr(&path)));
	}
	IT ("a name that is no name of a tree is refused") {
		CHECK(!os_remove_tree("", &err));
		CHECK(!os_remove_tree("/", &err));
		CHECK(!os_remove_tree("//", &err));
		CHECK_INT(err.code, E_INVALID);
	}
}

static void
test_links(void)
{
	AUTO(buf_fini) struct buf outside = BUF_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf kept = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	IT ("links inside go, what they point to stays") {
		CHECK(!mkdir(in(&outside, "outside"), 0755));
		CHECK(os_write_file(in(&kept, "outside/kept"), STR("x"), 0600, &err));
		CHECK(!mkdir(in(&path, "links"), 0700));
		CHECK(!symlink(buf_cstr(&outside), in(&path, "links/folder")));
		CHECK(!symlink(buf_cstr(&kept), in(&path, "links/file")));
		CHECK(!symlink("nowhere", in(&path, "links/broken")));
		CHECK(!symlink(".", in(&path, "links/circle")));
		CHECK(os_remove_tree(in(&path, "links"), &err));
		CHECK(!exists(buf_cstr(&path)) && exists(buf_cstr(&kept)));
	}
	IT ("a link itself goes, what it points to stays, a slash behind it or not") {
		CHECK(!symlink(buf_cstr(&outside), in(&path, "link")));
		CHECK(os_remove_tree(buf_cstr(&path), &err));
		CHECK(!exists(buf_cstr(&path)) && exists(buf_cstr(&kept)));
		CHECK(!symlink(buf_cstr(&outside), buf_cstr(&path)));
		CHECK(os_remove_tree(in(&path, "link/"), &err));
		CHECK(!exists(in(&path, "link")) && exists(buf_cstr(&kept)));
	}
	IT ("modes of what links point to are not changed") {
		struct stat st;
		CHECK(!chmod(buf_cstr(&outside), 0));
		CHECK(!mkdir(in(&path, "links"), 0700));
		CHECK(!symlink(buf_cstr(&outside), in(&path, "links/folder")));
		CHECK(os_remove_tree(in(&path, "links"), &err));
		CHECK(!stat(buf_cstr(&outside), &st) && !(st.st_mode & 0777));
		CHECK(!chmod(buf_cstr(&outside), 0700));
	}
}

/* Root is denied nothing, so only the others really test this. */
static void
test_denied(void)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	IT ("folders that deny their owner go") {
		CHECK(os_mkdirs(in(&path, "denied/a/b"), 0700, &err));
		CHECK(os_write_file(in(&path, "denied/a/b/f"), STR("x"), 0400, &err));
		CHECK(!chmod(in(&path, "denied/a/b"), 0));
		CHECK(!chmod(in(&path, "denied/a"), 0500));
		CHECK(!chmod(in(&path, "denied"), 0400));
		CHECK(os_remove_tree(buf_cstr(&path), &err));
		CHECK_STR(err_text(&err), "ok");
		CHECK(!exists(buf_cstr(&path)));
	}
}

static bool
become_nobody(void)
{
	if (geteuid())
		return true;
	return !chown(folder, 65534, 65534) && !setegid(65534) && !seteuid(65534);
}

int
main(void)
{
	if (!mkdtemp(folder) || !become_nobody())
		return 99;
	test_trees();
	test_links();
	test_denied();
	IT ("the folder of the test goes last") {
		AUTO(err_fini) struct err err = ERR_INIT;
		CHECK(os_remove_tree(folder, &err) || geteuid() != getuid());
		seteuid(getuid());
		CHECK(os_remove_tree(folder, &err));
		CHECK(!exists(folder));
	}
	return tap_done();
}
