/* Loading: folders, extra files, generations, digests, and ten thousand sections. */
/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include <time.h>

#include "tap.h"
#include "test_conf_fixture.h"

#define AGENT "[agent a]\nkind = exec\ncommand = x\n"

static void
check_folders(struct fixture *f)
{
	IT ("a missing rouse.conf is an error") {
		CHECK(!fixture_load(f, NULL, 0));
		CHECK_STR(buf_cstr(&f->messages),
			  "rouse.conf: cannot be read: No such file or directory\n");
	}
	IT ("folders beside it are read in the order of their names, others are not") {
		const struct conf_section *s;

		fixture_write(f, "rouse.conf", AGENT);
		fixture_write(f, "agents.d/20.conf", "[agent c]\nkind = exec\ncommand = x\n");
		fixture_write(f, "agents.d/10.conf", "[agent d]\nkind = exec\ncommand = x\n");
		fixture_write(f, "agents.d/.hidden.conf", "rubbish\n");
		fixture_write(f, "agents.d/old.conf~", "rubbish\n");
		fixture_write(f, "agents.d/.conf", "rubbish\n");
		fixture_write(f, "triggers.d/t.conf", "[trigger t]\nsource = manual\nagent = d\n");
		fixture_write(f, "targets.d/b.conf", "[agent e]\nkind = exec\ncommand = x\n");
		fixture_write(f, "other.d/b.conf", "rubbish\n");
		CHECK(fixture_load(f, NULL, 0));
		CHECK_STR(buf_cstr(&f->messages), "");
		s = conf_next(f->conf, "agent", NULL);
		CHECK_STR(conf_section_name(s), "a");
		CHECK_STR(conf_section_name(s = conf_next(f->conf, "agent", s)), "d");
		CHECK_STR(conf_section_name(s = conf_next(f->conf, "agent", s)), "c");
		CHECK_STR(conf_section_name(s = conf_next(f->conf, "agent", s)), "e");
		CHECK(conf_section(f->conf, "trigger", "t"));
	}
	IT ("an unnamed section may be spread over files, its keys may not stand twice") {
		fixture_write(f, "rouse.conf", AGENT "[daemon]\nport = 1\n");
		fixture_write(f, "agents.d/20.conf", "[daemon]\npublic_url = x\n");
		CHECK(fixture_load(f, NULL, 0));
		CHECK_STR(conf_str(conf_section(f->conf, "daemon", NULL), "public_url"), "x");
		fixture_write(f, "agents.d/20.conf", "[daemon]\npublic_url = x\nport = 2\n");
		CHECK(!fixture_load(f, NULL, 0));
		CHECK_STR(buf_cstr(&f->messages), "agents.d/20.conf:3: [daemon] port: is set "
						  "twice, first at rouse.conf:5; remove one\n");
	}
	IT ("a section in two files is told with both places, errors in the order of the files") {
		fixture_write(f, "agents.d/20.conf",
			      "[agent c]\nkind = exec\ncommand = x\nbogus = 1\n");
		fixture_write(f, "triggers.d/t.conf", "\n[agent c]\nkind = exec\n");
		fixture_write(f, "rouse.conf", AGENT "[daemon]\nport = x\n");
		CHECK(!fixture_load(f, NULL, 0));
		CHECK_STR(buf_cstr(&f->messages),
			  "rouse.conf:5: [daemon] port: 'x' is not a whole number; expected "
			  "digits, as in 10\n"
			  "agents.d/20.conf:4: [agent c] bogus: unknown key; remove it\n"
			  "triggers.d/t.conf:2: [agent c]: this section stands twice, first at "
			  "agents.d/20.conf:1; remove or rename one\n"
			  "triggers.d/t.conf:2: [agent c]: the key 'command' is missing; expected "
			  "command = text (What is run)\n");
		CHECK_INT(conf_report_errors(f->report), 4);
	}
	IT ("an extra file is tried as if it lay there, one that lies there is not read twice") {
		AUTO(auto_free) char *fresh = mem_strdup(fixture_path(f, "new.conf"));
		AUTO(auto_free) char *loaded = mem_strdup(fixture_path(f, "./agents.d/20.conf"));
		const char *extra[] = {loaded, fresh};

		fixture_write(f, "agents.d/20.conf", "[agent z]\nkind = exec\ncommand = x\n");
		fixture_write(f, "triggers.d/t.conf", "");
		fixture_write(f, "rouse.conf", AGENT);
		fixture_write(f, "new.conf", "[trigger n]\nsource = manual\nagent = a\n");
		CHECK(fixture_load(f, extra, 2));
		CHECK(conf_section(f->conf, "trigger", "n"));
		fixture_write(f, "new.conf", "[trigger n]\nsource = manual\nagent = b\n");
		CHECK(!fixture_load(f, extra, 2));
		CHECK_STR(buf_cstr(&f->messages),
			  "new.conf:3: [trigger n] agent: there is no [agent b]; write that "
			  "section or correct the name\n");
	}
	IT ("relative paths are read from where the process stands") {
		char *old = getcwd(NULL, 0);
		struct conf_report *report = conf_report_new();
		struct conf *conf;

		CHECK(!chdir(f->dir));
		conf = conf_load(fixture_schema(), "rouse.conf", NULL, 0, report);
		CHECK(conf);
		CHECK_STR(conf_path(conf), "rouse.conf");
		CHECK_STR(conf_dir(conf), f->dir);
		CHECK_STR(conf_str(conf_section(conf, "agent", "a"), "workdir"),
			  fixture_path(f, "work"));
		conf_unref(conf);
		conf_report_free(report);
		CHECK(!chdir(old));
		free(old);
	}
}

static void
check_generations(struct fixture *f)
{
	IT ("a generation lives while someone uses it") {
		struct conf *old;
		uint64_t generation;

		fixture_load_text(f, AGENT);
		old = conf_ref(f->conf);
		generation = conf_generation(old);
		fixture_load_text(f, "[agent b]\nkind = exec\ncommand = y\n");
		CHECK(conf_generation(f->conf) > generation);
		CHECK(conf_section(old, "agent", "a") && !conf_section(f->conf, "agent", "a"));
		CHECK_STR(conf_str(conf_section(old, "agent", "a"), "command"), "x");
		conf_unref(old);
	}
	IT ("a file that does not load is no generation") {
		uint64_t generation = conf_generation(f->conf);

		fixture_load_text(f, "rubbish\n");
		CHECK(!f->conf);
		fixture_load_text(f, AGENT);
		CHECK_INT(conf_generation(f->conf), generation + 1);
	}
	IT ("the commit is kept with the generation") {
		CHECK_STR(conf_commit(f->conf), "");
		conf_set_commit(f->conf, "abc");
		conf_set_commit(f->conf, conf_commit(f->conf));
		CHECK_STR(conf_commit(f->conf), "abc");
	}
	IT ("a report may be used for several loads and keeps their order") {
		struct conf_report *report = conf_report_new();
		AUTO(buf_fini) struct buf text = BUF_INIT;

		fixture_write(f, "x.conf", "one\n");
		fixture_write(f, "rouse.conf", "[daemon]\ntwo\n");
		CHECK(!conf_load(fixture_schema(), fixture_path(f, "x.conf"), NULL, 0, report));
		CHECK(!conf_load(fixture_schema(), fixture_path(f, "rouse.conf"), NULL, 0, report));
		conf_report_print(report, &text);
		CHECK_INT(conf_report_errors(report), 2);
		CHECK(strstr(buf_cstr(&text), "x.conf:1:") <
		      strstr(buf_cstr(&text), "rouse.conf:2:"));
		conf_report_free(report);
	}
}

static char *
digest_for(struct fixture *f, const char *text)
{
	fixture_load_text(f, text);
	return f->conf ? mem_strdup(conf_section_digest(conf_section(f->conf, "agent", "a")))
		       : NULL;
}

static void
check_digests(struct fixture *f)
{
	AUTO(auto_free) char *first = digest_for(f, AGENT);
	static const struct {
		const char *name, *text;
		bool same;
	} digests[] = {
		{"as it was", AGENT, true},
		{"elsewhere in the file", "# moved\n\n[daemon]\nport = 3\n" AGENT, true},
		{"a default written down", AGENT "cost = 1\nthreshold = 0.5\n", true},
		{"keys in another order", "[agent a]\ncommand = x\nkind = exec\n", true},
		{"another value", "[agent a]\nkind = exec\ncommand = y\n", false},
		{"a key more", AGENT "env = A\n", false},
		{"a value that is not the default", AGENT "cost = 2\n", false},
		{"another variant", "[agent a]\nkind = http\nurl = x\n", false},
	};
	AUTO(auto_free) char *list = NULL, *other = NULL;

	IT ("a digest says whether anything changed that counts") {
		CHECK_INT(strlen(first), 64);
		for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
			AUTO(auto_free) char *digest = digest_for(f, digests[i].text);

			if (!CHECK((digest && !strcmp(digest, first)) == digests[i].same))
				printf("#   %s\n", digests[i].name);
		}
	}
	IT ("a digest tells two items from one, and one section from the other") {
		list = digest_for(f, AGENT "env = AB\n");
		other = digest_for(f, AGENT
				   "env = A, B\n[agent b]\nkind = exec\ncommand = x\nenv = A, B\n");
		CHECK(strcmp(list, other) != 0);
		CHECK(strcmp(other, conf_section_digest(conf_section(f->conf, "agent", "b"))) != 0);
	}
	IT ("a digest follows the text of a secret's reference") {
		AUTO(auto_free) char *one = NULL;

		fixture_load_text(f, AGENT
				  "[trigger t]\nsource = webhook\nagent = a\nsecret = plain:one\n");
		one = mem_strdup(conf_section_digest(conf_section(f->conf, "trigger", "t")));
		fixture_load_text(f, AGENT
				  "[trigger t]\nsource = webhook\nagent = a\nsecret = plain:two\n");
		CHECK(strcmp(one, conf_section_digest(conf_section(f->conf, "trigger", "t"))) != 0);
	}
	IT ("a digest follows what stands in a secret's file, and not when it was written") {
		static const char text[] =
			AGENT "[trigger t]\nsource = webhook\nagent = a\nsecret = file:s\n";
		static const struct {
			const char *secret; /* NULL: the file is gone */
			bool same;
		} steps[] = {{"one", true}, {"one", true}, {"two", false}, {"one\n", true},
			     {NULL, false}, {"", false},   {"one", true}};
		AUTO(auto_free) char *digest = NULL;

		fixture_write(f, "s", "one");
		for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
			const char *now;

			if (steps[i].secret)
				fixture_write(f, "s", steps[i].secret);
			else
				CHECK(!unlink(fixture_path(f, "s")));
			fixture_load_text(f, text);
			now = conf_section_digest(conf_section(f->conf, "trigger", "t"));
			digest = digest ? digest : mem_strdup(now);
			if (!CHECK(!strcmp(now, digest) == steps[i].same))
				printf("#   step %zu\n", i);
		}
	}
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
write_many(struct fixture *f, size_t count, const char *agent)
{
	AUTO(buf_fini) struct buf text = BUF_INIT, name = BUF_INIT;

	fixture_write(f, "rouse.conf", AGENT);
	for (size_t i = 0; i < count; i++) {
		buf_printf(&text,
			   "[trigger t%zu]\nsource = cron\nschedule = */5 * * * *\nagent = "
			   "%s\nrate = %zu/m\n\n",
			   i, agent, i + 1);
		if (i % 5000 == 4999 || i + 1 == count) {
			buf_clear(&name);
			buf_printf(&name, "triggers.d/%05zu.conf", i);
			fixture_write(f, buf_cstr(&name), buf_cstr(&text));
			buf_clear(&text);
		}
	}
}

static void
check_many(struct fixture *f)
{
	int64_t start;

	IT ("a key is found by its letters, wherever they stand") {
		const struct conf_section *section;
		char key[16];

		fixture_load_text(f, AGENT "[trigger t]\nsource = manual\nagent = a\n");
		section = conf_section(f->conf, "trigger", "t");
		snprintf(key, sizeof(key), "source");
		CHECK_STR(conf_str(section, key), "manual");
		snprintf(key, sizeof(key), "agent");
		CHECK_STR(conf_str(section, key), "a");
		CHECK(!conf_is_set(section, "overlap") && conf_is_set(section, key));
	}
	IT ("what one section's selector chose says nothing of the next one's") {
		fixture_load_text(f,
				  AGENT "[agent b]\nkind = exec\ncommand = y\n"
					"[agent c]\nkind = http\nurl = z\n"
					"[trigger t]\nsource = webhook\nagent = a\nverify = none\n"
					"[trigger u]\nsource = manual\nagent = b\n"
					"[trigger v]\nsource = webhook\nagent = c\n");
		CHECK_STR(conf_str(conf_section(f->conf, "agent", "c"), "url"), "z");
		CHECK_STR(conf_str(conf_section(f->conf, "trigger", "v"), "verify"), "none");
		fixture_load_text(f,
				  AGENT "[trigger t]\nsource = webhook\nagent = a\nverify = none\n"
					"[trigger u]\nsource = manual\nagent = a\nverify = none\n");
		CHECK(!f->conf);
		CHECK(strstr(buf_cstr(&f->messages),
			     "verify: this key belongs to source = webhook"));
	}
	IT ("ten thousand triggers load in no time") {
		write_many(f, 10000, "a");
		start = now_ms();
		CHECK(fixture_load(f, NULL, 0));
		start = now_ms() - start;
		printf("# 10,000 sections: %lld ms\n", (long long)start);
		CHECK(conf_section(f->conf, "trigger", "t9999"));
	}
	IT ("ten thousand mistakes are told in little more, not all of them with a suggestion") {
		write_many(f, 10000, "aa");
		start = now_ms();
		CHECK(!fixture_load(f, NULL, 0));
		start = now_ms() - start;
		printf("# 10,000 errors: %lld ms\n", (long long)start);
		CHECK_INT(conf_report_errors(f->report), 10000);
	}
	IT ("one section of many keys is not read in the square of their number") {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		fixture_write(f, "triggers.d/04999.conf", "");
		fixture_write(f, "triggers.d/09999.conf", "");
		buf_puts(&text, "[agent a]\nkind = http\nurl = x\n");
		for (size_t i = 0; i < 40000; i++)
			buf_printf(&text, "header.X-%zu = %zu\n", i, i);
		start = now_ms();
		fixture_load_text(f, buf_cstr(&text));
		CHECK_STR(buf_cstr(&f->messages), "");
		start = now_ms() - start;
		printf("# 40,000 keys: %lld ms\n", (long long)start);
	}
	IT ("more than 250,000 sections are refused once") {
		AUTO(buf_fini) struct buf text = BUF_INIT, name = BUF_INIT;

		fixture_write(f, "agents.d/10.conf", "");
		fixture_write(f, "agents.d/20.conf", "");
		fixture_write(f, "rouse.conf", AGENT);
		for (size_t i = 0; i < 250001; i++) {
			buf_printf(&text, "[agent a%zu]\nkind=exec\ncommand=x\n", i);
			if (i % 125000 == 124999 || i == 250000) {
				buf_clear(&name);
				buf_printf(&name, "triggers.d/%06zu.conf", i);
				fixture_write(f, buf_cstr(&name), buf_cstr(&text));
				buf_clear(&text);
			}
		}
		CHECK(!fixture_load(f, NULL, 0));
		CHECK_STR(buf_cstr(&f->messages), "triggers.d/249999.conf:374998: more than 250000 "
						  "sections; what follows was not read\n");
	}
}

int
main(void)
{
	AUTO(fixture_fini) struct fixture f;

	fixture_init(&f);
	check_folders(&f);
	check_generations(&f);
	check_digests(&f);
	check_many(&f);
	return tap_done();
}
