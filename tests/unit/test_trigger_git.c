/* Source git: which repositories can be meant, and an answer of rouse-git, line by line. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"
#include "triggers/git/git.h"
#include "triggers/git/look.h"

#define ID "0123456789abcdef0123456789abcdef01234567"

static void
ways(void)
{
	static const struct {
		const char *text;
		enum git_way way;
		const char *path;
	} list[] = {
		{"/srv/x.git", GIT_LOCAL, "/srv/x.git"},
		{"file:///srv/x.git", GIT_LOCAL, "/srv/x.git"},
		{"file://host/x", GIT_NO_WAY, NULL},
		{"https://example.org/x", GIT_HTTPS, NULL},
		{"https://ann@example.org/x", GIT_HTTPS, NULL},
		{"ssh://git@example.org:22/x", GIT_SSH, NULL},
		{"git@example.org:team/x.git", GIT_SSH, NULL},
		{"http://example.org/x", GIT_PLAIN, NULL},
		{"git://example.org/x", GIT_PLAIN, NULL},
		{"", GIT_NO_WAY, NULL},
		{"x", GIT_NO_WAY, NULL},
		{"./x", GIT_NO_WAY, NULL},
		{"https://", GIT_NO_WAY, NULL},
		{"https:///x", GIT_NO_WAY, NULL},
		{"ftp://example.org/x", GIT_NO_WAY, NULL},
		{"ext::sh -c id", GIT_NO_WAY, NULL},
		{"ext::id@x:y", GIT_NO_WAY, NULL},
		{"--upload-pack=id", GIT_NO_WAY, NULL},
		{"-x@host:path", GIT_NO_WAY, NULL},
		{"git@-oProxyCommand=id:x", GIT_NO_WAY, NULL},
		{"ssh://-oProxyCommand=id/x", GIT_NO_WAY, NULL},
		{"git@host:", GIT_NO_WAY, NULL},
		{"git@:x", GIT_NO_WAY, NULL},
		{"/srv/x\ny", GIT_NO_WAY, NULL},
		{"https://example.org/x y", GIT_NO_WAY, NULL},
	};

	IT ("a repository is a path from the root or a URL; nothing else is one") {
		for (size_t i = 0; i < ARRAY_LEN(list); i++) {
			const char *path;

			if (git_way_of(list[i].text, &path) != list[i].way)
				printf("# %s\n", list[i].text);
			CHECK_INT(git_way_of(list[i].text, &path), list[i].way);
			CHECK(!list[i].path == !path);
			if (path)
				CHECK_STR(path, list[i].path);
		}
	}
	IT ("a password in a URL is found") {
		CHECK(git_has_password("https://ann:pw@example.org/x"));
		CHECK(git_has_password("https://:pw@example.org/x"));
		CHECK(!git_has_password("https://ann@example.org:443/x"));
		CHECK(!git_has_password("https://example.org/a:b@c"));
		CHECK(!git_has_password("git@example.org:x"));
	}
}

static void
answers(void)
{
	struct str rest =
		STR("= " ID " refs/heads/a b\xff\n* " ID " refs/x\nroot=1;parent=2;hops=3\n"
		    "{\"n\":1}\n~ deep\n. {\"refs\":2}\n! \"why\"\n= " ID " refs/cut");
	struct look_line line = look_next(&rest);

	IT ("a ref that is learned has its id and its name, whatever bytes that has") {
		CHECK_INT(line.kind, LOOK_LEARN);
		CHECK(str_eq_cstr(line.id, ID) && str_eq_cstr(line.ref, "refs/heads/a b\xff"));
	}
	line = look_next(&rest);
	IT ("a change has its cause and its data too") {
		CHECK_INT(line.kind, LOOK_CHANGE);
		CHECK(str_eq_cstr(line.cause, "root=1;parent=2;hops=3") &&
		      str_eq_cstr(line.data, "{\"n\":1}"));
	}
	IT ("then it says what it does, its end, or its trouble") {
		CHECK_INT(look_next(&rest).kind, LOOK_DEEP);
		CHECK_INT(look_next(&rest).kind, LOOK_END);
		line = look_next(&rest);
		CHECK(line.kind == LOOK_TROUBLE && str_eq_cstr(line.data, "\"why\""));
	}
	IT ("a line that is cut off is none") {
		CHECK_INT(look_next(&rest).kind, LOOK_NONE);
		CHECK(str_starts(rest, STR("= ")));
	}
}

static void
lies(void)
{
	static const char *const bad[] = {
		"\n",
		"x\n",
		"? what\n",
		"=" ID " refs/x\n",
		"= " ID "\n",
		"= " ID " \n",
		"= 0123 refs/x\n",
		"= 0123456789ABCDEF0123456789ABCDEF01234567 refs/x\n",
		"= 0123456789abcdef0123456789abcdef0123456\0 refs/x\n",
		"* " ID " refs/x\n",
		"* " ID " refs/x\n\n",
		"* " ID " refs/x\n\n{\"n\":\n",
		"* " ID " refs/x\n\n{} {}\n",
		". {\n",
		"! why\n",
	};

	IT ("an answer that is none ends there") {
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			struct str rest = str_of(bad[i]);

			CHECK_INT(look_next(&rest).kind, LOOK_NONE);
		}
	}
	IT ("a name that is too long is none") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		struct str rest;

		buf_puts(&text, "= " ID " refs/");
		for (int i = 0; i < 2000; i++)
			buf_putc(&text, 'x');
		buf_putc(&text, '\n');
		rest = buf_str(&text);
		CHECK_INT(look_next(&rest).kind, LOOK_NONE);
	}
}

int
main(void)
{
	ways();
	answers();
	lies();
	return tap_done();
}
