/* Secrets: where they may lie, who may read them, and that nothing shows them. */
/* SPDX-License-Identifier: MIT */
#include "conf/secret.h"

#include "tap.h"
#include "test_conf_fixture.h"

#define AGENT "[agent a]\nkind = exec\ncommand = x\n"
#define HOOK AGENT "[trigger t]\nsource = webhook\nagent = a\nsecret = "

static enum err_code
resolve(const struct fixture *f, const char *reference, struct buf *out, struct err *err)
{
	err_fini(err);
	*err = (struct err)ERR_INIT;
	buf_clear(out);
	return secret_resolve_one(reference, f->dir, out, err) ? E_OK : err->code;
}

static void
check_one(struct fixture *f)
{
	AUTO(buf_fini) struct buf out = BUF_INIT, long_text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("a file gives its bytes without one trailing line end") {
		fixture_write(f, "s", "hunter2\n");
		CHECK_INT(resolve(f, "file:s", &out, &err), E_OK);
		CHECK_STR(buf_cstr(&out), "hunter2");
		fixture_write(f, "s", " two\r\n\r\n");
		CHECK_INT(resolve(f, "file:s", &out, &err), E_OK);
		CHECK_STR(buf_cstr(&out), " two\r\n");
	}
	IT ("a path from the root is taken as it is") {
		AUTO(buf_fini) struct buf reference = BUF_INIT;

		buf_printf(&reference, "file:%s", fixture_path(f, "s"));
		CHECK_INT(resolve(f, buf_cstr(&reference), &out, &err), E_OK);
	}
	IT ("a file that others can read, write or run is refused") {
		static const mode_t modes[] = {0644, 0602, 0601};

		for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
			CHECK(!chmod(fixture_path(f, "s"), modes[i]));
			CHECK_INT(resolve(f, "file:s", &out, &err), E_DENIED);
			CHECK(strstr(err_text(&err), "chmod o= ") != NULL);
			CHECK_INT(out.len, 0);
		}
	}
	IT ("a file that only the group can read is none of others'") {
		CHECK(!chmod(fixture_path(f, "s"), 0640));
		CHECK_INT(resolve(f, "file:s", &out, &err), E_OK);
	}
	IT ("a link is followed, and the file behind it is judged") {
		CHECK(!symlink("s", fixture_path(f, "link")));
		CHECK_INT(resolve(f, "file:link", &out, &err), E_OK);
		CHECK(!chmod(fixture_path(f, "s"), 0644));
		CHECK_INT(resolve(f, "file:link", &out, &err), E_DENIED);
		CHECK(!chmod(fixture_path(f, "s"), 0600));
	}
	IT ("a file of another user is refused") {
		if (geteuid() == 0) {
			CHECK(!chown(fixture_path(f, "s"), 12345, (gid_t)-1));
			CHECK_INT(resolve(f, "file:s", &out, &err), E_DENIED);
			CHECK(strstr(err_text(&err), "belongs to user 12345") != NULL);
			CHECK(!chown(fixture_path(f, "s"), 0, (gid_t)-1));
		} else {
			CHECK(true); /* only root can give files away */
		}
	}
	IT ("what is no regular file is refused at once, also a pipe that nobody writes to") {
		CHECK(!mkfifo(fixture_path(f, "pipe"), 0600));
		CHECK_INT(resolve(f, "file:pipe", &out, &err), E_DENIED);
		CHECK_INT(resolve(f, "file:.", &out, &err), E_DENIED);
		CHECK_INT(resolve(f, "file:/dev/null", &out, &err), E_DENIED);
	}
	IT ("a file that is missing is not found") {
		CHECK_INT(resolve(f, "file:none", &out, &err), E_NOT_FOUND);
		CHECK_INT(resolve(f, "file:s/under", &out, &err), E_NOT_FOUND);
	}
	IT ("64 KiB is a secret, a byte more is none") {
		for (size_t i = 0; i < 64 * 1024; i++)
			buf_putc(&long_text, 'x');
		fixture_write(f, "long", buf_cstr(&long_text));
		CHECK_INT(resolve(f, "file:long", &out, &err), E_OK);
		CHECK_INT(out.len, 64 * 1024);
		buf_putc(&long_text, 'x');
		fixture_write(f, "long", buf_cstr(&long_text));
		CHECK_INT(resolve(f, "file:long", &out, &err), E_TOO_LARGE);
	}
	IT ("an empty secret is refused, wherever it lies") {
		fixture_write(f, "empty", "\n");
		CHECK_INT(resolve(f, "file:empty", &out, &err), E_INVALID);
		setenv("ROUSE_TEST_SECRET", "", 1);
		CHECK_INT(resolve(f, "env:ROUSE_TEST_SECRET", &out, &err), E_INVALID);
		CHECK_INT(resolve(f, "plain:", &out, &err), E_INVALID);
	}
	IT ("the environment has secrets, or says which it lacks") {
		setenv("ROUSE_TEST_SECRET", "from env", 1);
		CHECK_INT(resolve(f, "env:ROUSE_TEST_SECRET", &out, &err), E_OK);
		CHECK_STR(buf_cstr(&out), "from env");
		unsetenv("ROUSE_TEST_SECRET");
		CHECK_INT(resolve(f, "env:ROUSE_TEST_SECRET", &out, &err), E_NOT_FOUND);
		CHECK_STR(err_text(&err), "the environment variable ROUSE_TEST_SECRET is not set");
	}
	IT ("credentials lie where systemd says") {
		fixture_write(f, "creds/hook", "of systemd\n");
		CHECK(!chmod(fixture_path(f, "creds/hook"), 0444));
		setenv("CREDENTIALS_DIRECTORY", fixture_path(f, "creds"), 1);
		CHECK_INT(resolve(f, "cred:hook", &out, &err), E_OK);
		CHECK_STR(buf_cstr(&out), "of systemd");
		CHECK_INT(resolve(f, "cred:rouse-test-none", &out, &err), E_NOT_FOUND);
		CHECK(strstr(err_text(&err), "/etc/credstore/rouse-test-none") != NULL);
		unsetenv("CREDENTIALS_DIRECTORY");
		CHECK_INT(resolve(f, "cred:rouse-test-none", &out, &err), E_NOT_FOUND);
	}
	IT ("a credential cannot be a path") {
		setenv("CREDENTIALS_DIRECTORY", fixture_path(f, "creds"), 1);
		CHECK_INT(resolve(f, "cred:../s", &out, &err), E_INVALID);
		CHECK_INT(resolve(f, "cred:..", &out, &err), E_INVALID);
		CHECK_INT(resolve(f, "cred:", &out, &err), E_INVALID);
	}
	IT ("what is no reference is refused and not shown") {
		CHECK_INT(resolve(f, "hunter2", &out, &err), E_INVALID);
		CHECK(!strstr(err_text(&err), "hunter2"));
		CHECK_INT(resolve(f, "plain:hunter2", &out, &err), E_OK);
		CHECK_STR(buf_cstr(&out), "hunter2");
	}
}

static void
check_section(struct fixture *f)
{
	const struct conf_section *t;
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("several references, and several lines of a file, are several secrets") {
		AUTO(secrets_fini) struct secrets secrets = SECRETS_INIT;

		fixture_write(f, "s", "new\n\nold\r\n");
		fixture_load_text(f, HOOK "file:s,\n  plain:third\n");
		t = conf_section(f->conf, "trigger", "t");
		CHECK(secrets_resolve(t, "secret", &secrets, &err));
		CHECK_INT(secrets.count, 3);
		CHECK(str_eq_cstr(secrets.items[0], "new"));
		CHECK(str_eq_cstr(secrets.items[1], "old"));
		CHECK(str_eq_cstr(secrets.items[2], "third"));
		secrets_fini(&secrets);
		CHECK(!secrets.items && !secrets.count);
	}
	IT ("a file of several lines is one secret where one is meant") {
		static const struct conf_key keys[] = {
			{"key", CONF_SECRET, NULL, NULL, 0, 0, 0, "A private key"},
			{"header.", CONF_SECRET, NULL, NULL, 0, 0, CONF_PREFIX, "Headers"},
		};
		static const struct conf_table table = {"one", false, NULL, NULL,
							keys,  2,     NULL, NULL};
		struct conf_schema schema = {.count = 0};
		struct conf_report *report = conf_report_new();
		AUTO(secrets_fini) struct secrets secrets = SECRETS_INIT, below = SECRETS_INIT;
		struct conf *conf;

		conf_schema_add(&schema, &table);
		fixture_write(f, "rouse.conf", "[one]\nkey = file:s\nheader.X = plain:a,b\n");
		conf = conf_load(&schema, fixture_path(f, "rouse.conf"), NULL, 0, report);
		CHECK(conf);
		CHECK(secrets_resolve(conf_section(conf, "one", NULL), "key", &secrets, &err));
		CHECK_INT(secrets.count, 1);
		CHECK(str_eq_cstr(secrets.items[0], "new\n\nold"));
		CHECK(secrets_resolve(conf_section(conf, "one", NULL), "header.X", &below, &err));
		CHECK(str_eq_cstr(below.items[0], "a,b"));
		conf_unref(conf);
		conf_report_free(report);
	}
	IT ("what fails says for which key, and gives nothing") {
		AUTO(secrets_fini) struct secrets secrets = SECRETS_INIT;

		fixture_load_text(f, HOOK "plain:one, env:ROUSE_TEST_NONE\n");
		t = conf_section(f->conf, "trigger", "t");
		CHECK(!secrets_resolve(t, "secret", &secrets, &err));
		CHECK_STR(
			err_text(&err),
			"[trigger t] secret: the environment variable ROUSE_TEST_NONE is not set");
		CHECK_INT(secrets.count, 0);
	}
	IT ("a key that is not set has no secret") {
		AUTO(secrets_fini) struct secrets secrets = SECRETS_INIT;

		fixture_load_text(f, AGENT "[trigger t]\nsource = webhook\nagent = a\n");
		CHECK(!secrets_resolve(conf_section(f->conf, "trigger", "t"), "secret", &secrets,
				       &err));
		CHECK_INT(err.code, E_NOT_FOUND);
	}
	IT ("a load looks at each file of a secret, and tells where it is named") {
		static const struct {
			mode_t mode; /* 0: it is not there */
			size_t errors, warnings;
			const char *told;
		} files[] = {
			{0600, 0, 0, ""},
			{0660, 0, 0, ""},
			{0604, 1, 0, "may be read, written or run by others; chmod o= "},
			{0666, 1, 0, "may be read, written or run by others; chmod o= "},
			{0, 0, 1, "does not exist; create it with mode 0600"},
		};

		for (size_t i = 0; i < ARRAY_LEN(files); i++) {
			AUTO(buf_fini) struct buf told = BUF_INIT;

			fixture_write(f, "t", "hunter2");
			CHECK(files[i].mode ? !chmod(fixture_path(f, "t"), files[i].mode)
					    : !unlink(fixture_path(f, "t")));
			fixture_load_text(f, HOOK "env:NONE,\n  file:s, cred:none,\n  file:t\n");
			CHECK_INT(conf_report_errors(f->report), files[i].errors);
			CHECK_INT(conf_report_warnings(f->report), files[i].warnings);
			CHECK(!f->conf == (files[i].errors > 0));
			conf_report_print(f->report, &told);
			CHECK(strstr(buf_cstr(&told), files[i].told));
			CHECK(!told.len ||
			      strstr(buf_cstr(&told), "rouse.conf:7: [trigger t] secret: "));
			CHECK(!strstr(buf_cstr(&told), "hunter2"));
		}
	}
	IT ("a secret that is no file is told at load") {
		fixture_load_text(f, HOOK "file:.\n");
		CHECK(!f->conf);
		CHECK_INT(conf_report_errors(f->report), 1);
	}
	IT ("values show references, never a plain secret") {
		struct conf_setting setting;

		fixture_load_text(f, HOOK "env:HOOK, plain:hunter2\n");
		t = conf_section(f->conf, "trigger", "t");
		CHECK_STR(conf_str(t, "secret"), "env:HOOK, plain:***");
		for (size_t i = 0; conf_setting(t, i, &setting); i++)
			if (!strcmp(setting.name, "secret"))
				break;
		CHECK_STR(setting.name, "secret");
		CHECK_STR(setting.text, "env:HOOK, plain:***");
		CHECK(!setting.is_list && !setting.items);
		CHECK(!strstr(buf_cstr(&f->messages), "hunter2"));
	}
}

int
main(void)
{
	AUTO(fixture_fini) struct fixture f;

	fixture_init(&f);
	check_one(&f);
	check_section(&f);
	return tap_done();
}
