/* Tests: control groups of runs, in folders that only look like them; scenarios use real ones. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "io/cgroup.h"
#include "tests/unit/tap.h"

static char root[] = "/tmp/rouse-test-cgroup-XXXXXX";
static char leaf[64];

static void
put(const char *name, const char *text)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_cat(&path, leaf, "/", name);
	AUTO(auto_close) int fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static bool
holds(const char *name, const char *want)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;

	buf_cat(&path, leaf, "/", name);
	return os_read_file(buf_cstr(&path), 4096, &text, NULL) &&
	       str_eq_cstr(buf_str(&text), want);
}

static void
test_prepare(void)
{
	AUTO(buf_fini) struct buf limits = BUF_INIT;

	mkdir(leaf, 0700);
	put("cgroup.subtree_control", "");
	put("cgroup.procs", "");
	IT ("hands controllers down where no process stands in the way") {
		cgroup_prepare(leaf, &limits);
		CHECK(holds("cgroup.subtree_control", "+cpusry"));
	}
	IT ("and takes them back where one does: nobody could enter the groups below") {
		put("cgroup.procs", "77\n");
		put("cgroup.subtree_control", "");
		cgroup_prepare(leaf, &limits);
		CHECK(holds("cgroup.subtree_control", "-cpusry"));
		CHECK_STR(buf_cstr(&limits), "");
	}
	put("cgroup.subtree_control", "");
}

static void
test_limits(void)
{
	const struct cgroup_limits both = {64 << 20, 7, 1500}, none = {-1, -1, -1};
	struct cgroup_kept kept;
	int fd = -1;

	IT ("limits what there are controllers for, and says what it does not") {
		mkdir(leaf, 0700);
		put("cgroup.procs", "");
		put("memory.max", "");
		put("memory.swap.max", "");
		CHECK(cgroup_make(leaf, &both, &kept, &fd, NULL));
		CHECK(kept.memory_max && !kept.processes);
		CHECK(holds("memory.max", "67108864"));
		CHECK(holds("memory.swap.max", "0"));
		put("pids.max", "");
		put("cpu.max", "");
		close(fd);
		CHECK(!kept.cpu);
		CHECK(cgroup_make(leaf, &both, &kept, &fd, NULL));
		CHECK(kept.memory_max && kept.processes && kept.cpu);
		CHECK(holds("cpu.max", "150000 100000"));
		CHECK(holds("pids.max", "7"));
		CHECK(cgroup_enter(fd));
		CHECK(holds("cgroup.procs", "0"));
		close(fd);
	}
	IT ("leaves unlimited what has no limit") {
		put("memory.max", "max");
		put("pids.max", "max");
		CHECK(cgroup_make(leaf, &none, &kept, &fd, NULL));
		CHECK(!kept.memory_max && !kept.processes);
		CHECK(holds("memory.max", "max") && holds("pids.max", "max"));
		close(fd);
	}
	IT ("fails where no group can be, without a descriptor") {
		AUTO(err_fini) struct err err = ERR_INIT;

		fd = -7;
		CHECK(!cgroup_make("/proc/nothing/here", &none, &kept, &fd, &err));
		CHECK(err.code != E_OK && fd == -7);
	}
}

static void
test_events(void)
{
	static const struct {
		const char *text;
		int count;
	} rows[] = {
		{"low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n", 2},
		{"oom_kill 0\n", 0},
		{"oom_group_kill 9\n", 0},
		{"oom_kill\n", 0},
		{"oom_kill -5\n", 0},
		{"oom_kill 99999999999\n", 0},
		{"oom_kill x\noom_kill", 0},
		{"", 0},
	};

	IT ("counts those that were killed for want of memory, and nothing else") {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			put("memory.events", rows[i].text);
			CHECK_INT(cgroup_oom_kills(leaf), rows[i].count);
		}
		CHECK_INT(cgroup_oom_kills("/nothing"), 0);
	}
}

static void
test_find(void)
{
	IT ("none is none") {
		char *base = (char *)"x";

		CHECK(cgroup_find("none", &base, NULL) && !base);
	}
	IT ("a folder that is not of control groups is refused with a sentence") {
		static const char *const wrong[] = {"relative", "", root, "/nothing/here",
						    "/proc/self"};

		for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
			AUTO(err_fini) struct err err = ERR_INIT;
			char *base = NULL;

			CHECK(!cgroup_find(wrong[i], &base, &err) && !base);
			CHECK(strlen(err_text(&err)) > 20);
		}
	}
}

int
main(void)
{
	if (!mkdtemp(root))
		return 1;
	snprintf(leaf, sizeof(leaf), "%s/leaf", root);
	test_prepare();
	test_limits();
	test_events();
	test_find();
	os_remove_tree(root, NULL);
	return tap_done();
}
