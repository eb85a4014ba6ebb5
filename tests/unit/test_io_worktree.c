/* Tests: the commit of a folder is what git says it is. */
/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "io/worktree.h"
#include "tests/unit/tap.h"

static char root[] = "/tmp/rouse-worktree-XXXXXX";

/* Runs a line of shell in the test's folder; nothing of the user's configuration of git counts. */
static bool
sh(const char *script)
{
	AUTO(buf_fini) struct buf line = BUF_INIT;

	buf_cat(&line, "cd ", root,
		" && export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b "
		"GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; { ",
		script, "; } >log 2>&1");
	return system(buf_cstr(&line)) == 0;
}

/* The last line that git printed. */
static bool
said(struct buf *ret)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	const char *last;

	buf_cat(&path, root, "/log");
	buf_clear(ret);
	if (!os_read_file(buf_cstr(&path), 1 << 16, ret, NULL))
		return false;
	while (ret->len && isspace((unsigned char)ret->data[ret->len - 1]))
		buf_truncate(ret, ret->len - 1);
	last = ret->data ? memrchr(ret->data, '\n', ret->len) : NULL;
	if (last)
		buf_consume(ret, (size_t)(last + 1 - ret->data));
	return true;
}

static bool
describe(const char *below, struct buf *ret, struct err *err)
{
	AUTO(buf_fini) struct buf dir = BUF_INIT;

	buf_cat(&dir, root, below);
	buf_clear(ret);
	return worktree_describe(buf_cstr(&dir), ret, err);
}

/* The folder is described so: NULL for git's own answer. */
static void
is(const char *below, const char *behind)
{
	AUTO(buf_fini) struct buf got = BUF_INIT, want = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	CHECK(said(&want) && want.len == 40);
	buf_puts(&want, behind);
	CHECK(describe(below, &got, &err));
	CHECK_STR(err.text, NULL);
	CHECK_STR(buf_cstr(&got), buf_cstr(&want));
}

static void
is_nothing(const char *below)
{
	AUTO(buf_fini) struct buf got = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	CHECK(describe(below, &got, &err));
	CHECK_STR(err.text, NULL);
	CHECK_INT(got.len, 0);
}

static void
tests_without_a_tree(void)
{
	AUTO(buf_fini) struct buf got = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("says nothing of a folder that lies in no work tree")
		is_nothing("");
	IT ("says nothing of a work tree without a commit") {
		CHECK(sh("mkdir -p new/sub && git -C new init"));
		is_nothing("/new/sub");
	}
	IT ("says nothing of a bare repository") {
		CHECK(sh("git init --bare bare.git && mkdir around && mv bare.git around/.git"));
		is_nothing("/around");
	}
	IT ("fails where there is no folder") {
		CHECK(!describe("/nowhere", &got, &err));
		CHECK_INT(err.code, E_IO);
	}
}

static void
tests_of_a_tree(void)
{
	IT ("tells the commit at the top and in folders below it") {
		CHECK(sh("mkdir -p tree/conf/deep && cd tree && git init && echo 1 >conf/a && git "
			 "add . && "
			 "git commit -m one"));
		CHECK(sh("git -C tree rev-parse HEAD"));
		is("/tree", "");
		is("/tree/conf/deep", "");
	}
	IT ("tells the commit of a detached head") {
		CHECK(sh("cd tree && echo 2 >conf/a && git commit -am two && git checkout HEAD~1"));
		CHECK(sh("git -C tree rev-parse HEAD"));
		is("/tree/conf", "");
	}
	IT ("follows a link to the folder") {
		CHECK(sh("ln -s tree/conf link && git -C tree rev-parse HEAD"));
		is("/link", "");
	}
	IT ("does not call files dirty that git does not track") {
		CHECK(sh("echo new >tree/conf/untracked && git -C tree rev-parse HEAD"));
		is("/tree/conf", "");
	}
	IT ("calls a tracked file dirty that was changed, staged or removed") {
		CHECK(sh("echo 3 >tree/conf/a && git -C tree rev-parse HEAD"));
		is("/tree/conf", "-dirty");
		CHECK(sh("git -C tree add conf/a && git -C tree rev-parse HEAD"));
		is("/tree/conf", "-dirty");
		CHECK(sh("git -C tree reset -q --hard && rm tree/conf/a && git -C tree rev-parse "
			 "HEAD"));
		is("/tree/conf", "-dirty");
		CHECK(sh("git -C tree reset -q --hard && git -C tree rev-parse HEAD"));
		is("/tree/conf", "");
	}
	IT ("does not call a file dirty that was only touched") {
		CHECK(sh("touch -d 2001-01-01 tree/conf/a && git -C tree rev-parse HEAD"));
		is("/tree/conf", "");
	}
	IT ("knows a work tree whose repository lies elsewhere") {
		CHECK(sh("git -C tree worktree add ../second && git -C second rev-parse HEAD"));
		is("/second", "");
	}
}

static void
tests_of_safety(void)
{
	AUTO(buf_fini) struct buf got = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("runs no filter, no hook, no program that the repository names") {
		CHECK(sh("cd tree && git config core.fsmonitor \"touch $PWD/../ran; :\" && "
			 "git config filter.f.clean \"touch $PWD/../ran; cat\" && "
			 "git config filter.f.smudge \"touch $PWD/../ran; cat\" && "
			 "git config diff.d.textconv \"touch $PWD/../ran; cat\" && "
			 "echo '* filter=f diff=d' >.git/info/attributes && "
			 "for h in post-index-change pre-commit post-checkout; do "
			 "printf '#!/bin/sh\\ntouch %s/../ran\\n' $PWD >.git/hooks/$h; "
			 "chmod +x .git/hooks/$h; done; rm -f ../ran; echo 9 >conf/a"));
		CHECK(describe("/tree/conf", &got, &err));
		CHECK(got.len == 46);
		CHECK(sh("test ! -e ran"));
	}
	IT ("writes nothing into the repository") {
		CHECK(sh("find tree -newermt 2001-01-02 -printf '%p %T@ %s\\n' | sort >before"));
		CHECK(describe("/tree/conf", &got, &err));
		CHECK(sh("find tree -newermt 2001-01-02 -printf '%p %T@ %s\\n' | sort | cmp - "
			 "before"));
	}
	IT ("says what is wrong with a repository that is broken") {
		CHECK(sh("cp -a tree broken && echo nonsense >broken/.git/HEAD"));
		CHECK(!describe("/broken", &got, &err));
		CHECK_INT(err.code, E_IO);
		CHECK(strstr(err_text(&err), "broken") != NULL);
		CHECK(sh("echo nowhere >broken/.git.new && rm -r broken/.git && mv broken/.git.new "
			 "broken/.git"));
		CHECK(!describe("/broken", &got, &err));
		CHECK_INT(got.len, 0);
	}
}

/* Only root can make a repository of someone else's, or be someone else. */
static void
tests_of_owners(void)
{
	AUTO(buf_fini) struct buf got = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("refuses a repository of another user") {
		CHECK(sh("cp -a tree strange && chown -R 65534 strange"));
		CHECK(!describe("/strange", &got, &err));
		CHECK_INT(err.code, E_DENIED);
		CHECK_INT(got.len, 0);
	}
	IT ("takes root's repository as an ordinary user, unless others may write to it") {
		CHECK(sh("chmod -R a+rX . && git -C tree reset -q --hard && git -C tree rev-parse "
			 "HEAD"));
		CHECK(!seteuid(65534));
		is("/tree/conf", "");
		CHECK(!seteuid(0));
		CHECK(sh("chmod o+w tree/.git"));
		CHECK(!seteuid(65534));
		CHECK(!describe("/tree", &got, &err));
		CHECK_INT(err.code, E_DENIED);
		CHECK(!seteuid(0));
	}
}

int
main(void)
{
	if (!mkdtemp(root) || chmod(root, 0755))
		return 99;
	if (!sh("git --version")) {
		puts("1..0 # SKIP git is not installed");
		os_remove_tree(root, NULL);
		return 0;
	}
	tests_without_a_tree();
	tests_of_a_tree();
	tests_of_safety();
	if (!geteuid())
		tests_of_owners();
	os_remove_tree(root, NULL);
	return tap_done();
}
