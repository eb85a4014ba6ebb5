/* File targets, on a real folder. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "tests/fakes/target.h"
#include "tests/unit/tap.h"

/* A path in the root, good for a while. */
static const char *
at(const char *name)
{
	static struct buf paths[4];
	static int next;
	struct buf *path = &paths[next++ % 4];

	buf_clear(path);
	buf_cat(path, f.dir, "/root/", name);
	return buf_cstr(path);
}

static void
put(const char *name, const char *text)
{
	os_write_file(at(name), str_of(text), 0640, NULL);
}

static const char *
text_of(const char *name)
{
	static struct buf text;

	buf_clear(&text);
	if (!os_read_file(at(name), 1 << 20, &text, NULL))
		buf_puts(&text, "(nothing)");
	return buf_cstr(&text);
}

static int
entries(void)
{
	AUTO(buf_fini) struct buf command = BUF_INIT;
	FILE *ls;
	int n = -1;

	buf_cat(&command, "find ", f.dir, "/root -type f | wc -l");
	ls = popen(buf_cstr(&command), "r");
	if (fscanf(ls, "%d", &n) != 1)
		n = -1;
	pclose(ls);
	return n;
}

static bool
root_is(const char *more)
{
	AUTO(buf_fini) struct buf keys = BUF_INIT, root = BUF_INIT;

	buf_cat(&root, f.dir, "/root");
	os_remove_tree(buf_cstr(&root), NULL);
	mkdir(buf_cstr(&root), 0755);
	buf_cat(&keys, "root = ", buf_cstr(&root), "\n", more);
	return target_is("file", buf_cstr(&keys));
}

static char receipt[sizeof(got.receipt)];

/* As the daemon keeps it. */
static void
keep_receipt(struct change_row *change)
{
	memcpy(receipt, got.receipt, sizeof(receipt));
	change->receipt = receipt;
}

static struct change_row
patch_of(const char *entity, const char *before, const char *patch)
{
	struct change_row change = change_of("k", "update", entity, before, NULL);

	change.patch = (char *)patch;
	return change;
}

static void
test_whole(void)
{
	struct change_row change;
	struct stat st;

	IT ("creates a file, folders and all, and takes it back") {
		CHECK(root_is("mode = 0600\n"));
		change = change_of("k1", "create", "a/b/new.txt", NULL, "\"hello\\n\"");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(text_of("a/b/new.txt"), "hello\n");
		CHECK(!stat(at("a/b/new.txt"), &st) && (st.st_mode & 0777) == 0600);
		CHECK(strstr(got.receipt, "\"was\":null"));
		CHECK_STR(f.intent, got.receipt);
		CHECK(f.echo && strstr(f.echo, "/root/a/b/new.txt"));
		keep_receipt(&change);
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(text_of("a/b/new.txt"), "(nothing)");
		CHECK_INT(entries(), 0);
	}
	IT ("does not create over what is there") {
		put("f", "theirs");
		change = change_of("k2", "create", "f", NULL, "\"mine\"");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK_STR(got.current, "\"theirs\"");
		CHECK_STR(text_of("f"), "theirs");
	}
	IT ("updates the whole file, keeps its mode, and takes it back") {
		change = change_of("k3", "update", "f", "\"theirs\"", "\"mine\"");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(text_of("f"), "mine");
		CHECK(!stat(at("f"), &st) && (st.st_mode & 0777) == 0640);
		keep_receipt(&change);
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(text_of("f"), "theirs");
	}
	IT ("does not take back what somebody changed since") {
		change.receipt = NULL;
		CHECK_INT(go(&change, false), TARGET_DONE);
		keep_receipt(&change);
		put("f", "by hand");
		CHECK_INT(go(&change, true), TARGET_DRIFTED);
		CHECK_STR(got.current, "\"by hand\"");
		CHECK_STR(text_of("f"), "by hand");
	}
	IT ("finds drift by text, by hash and by what a document's before names") {
		change = change_of("k4", "update", "f", "\"something else\"", "\"x\"");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		change = change_of("k4", "update", "f", "{\"$sha256\":\"00\"}", "\"x\"");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		put("d.json", "{\"a\": 1, \"b\": 2}");
		change = change_of("k4", "update", "d.json", "{\"a\":2}", "{\"a\":3}");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK_STR(got.current, "{\"a\": 1, \"b\": 2}");
		put("f", "known");
		change = change_of(
			"k4", "update", "f",
			"{\"$sha256\":"
			"\"7117fff2d0fd294462b3c802b7cb8753579f23f3946b99cf55f38e873f013f10\"}",
			"\"x\"");
		CHECK_INT(go(&change, false), TARGET_DONE);
	}
	IT ("deletes, and puts back what it deleted, with its mode") {
		put("gone", "bytes");
		change = change_of("k5", "delete", "gone", "\"bytes\"", NULL);
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(text_of("gone"), "(nothing)");
		keep_receipt(&change);
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(text_of("gone"), "bytes");
		CHECK(!stat(at("gone"), &st) && (st.st_mode & 0777) == 0640);
		change.receipt = NULL;
		unlink(at("gone"));
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK_STR(got.current, "");
	}
	IT ("keeps bytes that are no text") {
		change = change_of("k6", "create", "bin", NULL, "{\"$base64\":\"AP8Q\"}");
		CHECK_INT(go(&change, false), TARGET_DONE);
		keep_receipt(&change);
		CHECK(!stat(at("bin"), &st) && st.st_size == 3);
		change = change_of("k7", "update", "bin", "{\"$base64\":\"AP8Q\"}", "\"text\"");
		CHECK_INT(go(&change, false), TARGET_DONE);
		keep_receipt(&change);
		CHECK(strstr(receipt, "\"before\":{\"$base64\":\"AP8Q\"}"));
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK(!stat(at("bin"), &st) && st.st_size == 3);
	}
}

static void
test_patches(void)
{
	struct change_row change;

	IT ("merges into a document, and keeps how it is laid out") {
		CHECK(root_is(""));
		put("c.json",
		    "{\n    \"name\": \"x\",\n    \"rate\": 0.1,\n    \"old\": true\n}\n");
		change = patch_of("c.json", "{\"name\":\"x\"}",
				  "{\"name\":\"y\",\"old\":null,\"l\":[1]}");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(text_of("c.json"), "{\n    \"name\": \"y\",\n    \"rate\": 0.1,\n    "
					     "\"l\": [\n        1\n    ]\n}\n");
		keep_receipt(&change);
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(text_of("c.json"),
			  "{\n    \"name\": \"x\",\n    \"rate\": 0.1,\n    \"old\": true\n}\n");
		put("t.json", "{\n\t\"a\": {\n\t\t\"b\": \" c\"\n\t}\n}");
		change = patch_of("t.json", NULL, "{\"d\":1}");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(text_of("t.json"),
			  "{\n\t\"a\": {\n\t\t\"b\": \" c\"\n\t},\n\t\"d\": 1\n}");
		put("l.json", "{\"a\":1}");
		change = patch_of("l.json", NULL, "{\"b\":2}");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(text_of("l.json"), "{\"a\":1,\"b\":2}");
	}
	IT ("applies a JSON patch once, also when its answer was lost") {
		put("list.json", "[1]");
		change = patch_of("list.json", NULL,
				  "[{\"op\":\"add\",\"path\":\"/-\",\"value\":2}]");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(text_of("list.json"), "[1,2]");
		keep_receipt(&change);
		change.attempts = 1;
		CHECK_INT(go(&change, false), TARGET_ALREADY);
		CHECK_STR(text_of("list.json"), "[1,2]");
		CHECK_STR(got.receipt, receipt);
	}
	IT ("leaves it to a person when it may have been done, and somebody was there since") {
		put("list.json", "[1,2,3]");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK_STR(text_of("list.json"), "[1,2,3]");
		change.attempts = 0; /* he approved it */
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(text_of("list.json"), "[1,2,3,2]");
	}
	IT ("goes on where it was begun and not done") {
		put("list.json", "[1]");
		change.attempts = 1;
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(text_of("list.json"), "[1,2]");
	}
	IT ("applies a unified diff, and calls drift what it does not fit") {
		put("s.conf", "a = 1\nb = 2\n");
		change = patch_of("s.conf", NULL,
				  "\"@@ -1,2 +1,2 @@\\n a = 1\\n-b = 2\\n+b = 3\\n\"");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(text_of("s.conf"), "a = 1\nb = 3\n");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK_STR(got.current, "\"a = 1\\nb = 3\\n\"");
		keep_receipt(&change);
	}
	IT ("refuses to touch numbers that it could not keep") {
		put("n.json", "{\"a\":1,\"pi\":3.14159265358979323846}");
		change = patch_of("n.json", NULL, "{\"a\":2}");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		put("n.json", "{\"a\":1,\"id\":18446744073709551615}");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		put("n.json", "{\"a\":1,\"id\":\"18446744073709551615\"}");
		CHECK_INT(go(&change, false), TARGET_DONE);
	}
}

static ssize_t
no_space(int fd, const void *bytes, size_t len)
{
	(void)fd;
	(void)bytes;
	(void)len;
	errno = ENOSPC;
	return -1;
}

static void
test_hostile(void)
{
	static const char *const paths[] = {"../x",
					    "a/../../x",
					    "/etc/passwd",
					    "",
					    ".",
					    "..",
					    "a//b",
					    "a/",
					    "/",
					    "a\nb",
					    "a/./b",
					    ".git/hooks/pre-commit",
					    "x/.GIT/config",
					    "\x7f"};
	AUTO(buf_fini) struct buf outside = BUF_INIT, link = BUF_INIT, longest = BUF_INIT;
	struct change_row change;
	const char *why;

	CHECK(root_is("max_size = 64\n"));
	buf_cat(&outside, f.dir, "/outside");
	mkdir(buf_cstr(&outside), 0755);
	IT ("never leaves the root, neither at a proposal nor at applying") {
		for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
			change = change_of("k", "create", paths[i], NULL, "\"x\"");
			CHECK(!check("create", paths[i], NULL, "\"x\"", &why));
			CHECK_INT(go(&change, false), TARGET_FAILED);
		}
		for (int i = 0; i < 300; i++)
			buf_putc(&longest, 'a');
		CHECK(!check("create", buf_cstr(&longest), NULL, "\"x\"", &why));
		CHECK(!check("create", NULL, NULL, "\"x\"", &why));
		CHECK_INT(entries(), 0);
	}
	IT ("follows no link, neither to a folder nor to a file, neither in nor out") {
		CHECK(!symlink(buf_cstr(&outside), at("out")));
		CHECK(!symlink("/etc/hostname", at("f")));
		mkdir(at("d"), 0755);
		CHECK(!symlink("d", at("in")));
		change = change_of("k", "create", "out/x", NULL, "\"x\"");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_DENIED);
		change = change_of("k", "create", "in/x", NULL, "\"x\"");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		change = change_of("k", "update", "f", NULL, "\"x\"");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		change = change_of("k", "delete", "f", NULL, NULL);
		CHECK_INT(go(&change, false), TARGET_FAILED);
		change = change_of("k", "create", "out/a/b", NULL, "\"x\"");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		buf_cat(&link, buf_cstr(&outside), "/x");
		CHECK(access(buf_cstr(&link), F_OK) && errno == ENOENT);
		CHECK(!access(at("f"), F_OK));
	}
	IT ("takes files alone") {
		CHECK(!mkfifo(at("pipe"), 0600));
		change = change_of("k", "update", "pipe", NULL, "\"x\"");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		change = change_of("k", "update", "d", NULL, "\"x\"");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		put("plain", "x");
		change = change_of("k", "create", "plain/below", NULL, "\"x\"");
		CHECK_INT(go(&change, false), TARGET_FAILED);
	}
	IT ("refuses what is too large, before and after") {
		put("big",
		    "0123456789012345678901234567890123456789012345678901234567890123456789");
		change = change_of("k", "update", "big", NULL, "\"x\"");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_TOO_LARGE);
		change = change_of("k", "create", "new", NULL,
				   "\"0123456789012345678901234567890123456789012345678901234567890"
				   "123456789\"");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_STR(text_of("new"), "(nothing)");
	}
	IT ("leaves no file half written when there is no space, and tries again") {
		int before;

		put("full", "whole");
		before = entries();
		change = change_of("k", "update", "full", NULL, "\"new\"");
		os.write = no_space;
		CHECK_INT(go(&change, false), TARGET_FAILED);
		os.write = write;
		CHECK_INT(got.code, E_FULL);
		CHECK_STR(text_of("full"), "whole");
		CHECK_INT(entries(), before);
	}
}

static void
test_proposals(void)
{
	struct change_row change;
	const char *why;

	CHECK(root_is(""));
	put("f", "text");
	IT ("refuses proposals for what is not there, and creates of what is") {
		CHECK(!check("update", "none", NULL, "\"x\"", &why));
		CHECK(!check("delete", "none", NULL, NULL, &why));
		CHECK(!check("create", "f", NULL, "\"x\"", &why));
		CHECK(check("create", "none", NULL, "\"x\"", &why));
		CHECK(check("update", "f", NULL, "\"x\"", &why));
		CHECK(check("delete", "f", NULL, NULL, &why));
	}
	IT ("refuses what is no change of a file") {
		CHECK(!check("call", "f", NULL, "\"x\"", &why));
		CHECK(!check("update", "f", NULL, NULL, &why));
		CHECK(!check("delete", "f", NULL, "\"x\"", &why));
		CHECK(!check("update", "f", NULL, "{\"$sha256\":\"00\"}", &why));
		CHECK(!check("update", "f", NULL, "{\"$base64\":\"?\"}", &why));
	}
	IT ("refuses patches that are none, or that do not fit what is there") {
		static const char *const bad[] = {"1",
						  "true",
						  "\"no diff\"",
						  "[{\"op\":\"x\"}]",
						  "\"@@ -1 +1 @@\\n-other\\n+x\\n\"",
						  "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]",
						  "{\"a\":1}"};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			change = patch_of("f", NULL, bad[i]);
			CHECK(!t.kind->check(&f.core, &t, &change, NULL));
		}
		change = patch_of("f", NULL, "\"@@ -1 +1 @@\\n-text\\n\\\\ No newline\\n+x\\n\"");
		CHECK(t.kind->check(&f.core, &t, &change, NULL));
	}
}

int
main(void)
{
	fake_init(&f);
	test_whole();
	test_patches();
	test_hostile();
	test_proposals();
	target_free();
	fake_fini(&f);
	return tap_done();
}
