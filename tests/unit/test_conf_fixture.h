/* A small schema with one of everything, and a folder that files are written to and loaded from. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TESTS_CONF_FIXTURE_H
#define ROUSE_TESTS_CONF_FIXTURE_H

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "conf/conf.h"

static const struct conf_key daemon_keys[] = {
	{"state_dir", CONF_PATH, "/var/lib/rouse", NULL, 0, 0, 0, "Folder of the database"},
	{"log_level", CONF_ENUM, "info", "error|warning|info|debug", 0, 0, 0, "How much is logged"},
	{"drain_timeout", CONF_DURATION, "30s", NULL, 0, 3600000, 0, "How long a stop waits"},
	{"max_body", CONF_SIZE, "1M", NULL, 1024, 1073741824, 0, "Largest body"},
	{"port", CONF_INT, "80", NULL, 1, 65535, 0, "A port"},
	{"listen", CONF_HOST_PORT, "127.0.0.1:8080", NULL, 0, 0, 0, "Where to listen"},
	{"public_url", CONF_STRING, NULL, NULL, 0, 0, 0, "How others reach it"},
	{"on", CONF_ENUM_LIST, "gate, failed", "gate|failed|lost", 0, 0, 0, "What is told"},
};
static const struct conf_table daemon_table = {
	"daemon", false, NULL, NULL, daemon_keys, ARRAY_LEN(daemon_keys), NULL, "the daemon"};

static const struct conf_key agent_keys[] = {
	{"kind", CONF_STRING, NULL, NULL, 0, 0, CONF_REQUIRED, "Its kind"},
	{"cost", CONF_MONEY, "1.00", NULL, 0, 0, 0, "Dollars a run"},
	{"threshold", CONF_RATIO, "50%", NULL, 0, 0, 0, "Share of failures"},
	{"fallback", CONF_NAME, NULL, "agent", 0, 0, 0, "Who takes over"},
	{"env", CONF_LIST, NULL, NULL, 0, 0, 0, "Environment"},
	{"retries", CONF_INT, "3", NULL, 1, INT64_MAX, 0, "Attempts"},
};
static const struct conf_table agent_table = {
	"agent", true, NULL, NULL, agent_keys, ARRAY_LEN(agent_keys), NULL, "an executor"};
static const struct conf_key exec_keys[] = {
	{"command", CONF_STRING, NULL, NULL, 0, 0, CONF_REQUIRED, "What is run"},
	{"workdir", CONF_PATH, "work", NULL, 0, 0, 0, "Where it runs"},
};
static const struct conf_table exec_table = {
	"agent", true, "kind", "exec", exec_keys, ARRAY_LEN(exec_keys), NULL, "a program"};
static const struct conf_key http_keys[] = {
	{"url", CONF_STRING, NULL, NULL, 0, 0, CONF_REQUIRED, "Where it is"},
	{"header.", CONF_STRING, NULL, NULL, 0, 0, CONF_PREFIX, "Headers to send"},
};
static const struct conf_table http_table = {
	"agent", true, "kind", "http", http_keys, ARRAY_LEN(http_keys), NULL, "a server"};

static const struct conf_key trigger_keys[] = {
	{"source", CONF_ENUM, NULL, "webhook|cron|manual", 0, 0, CONF_REQUIRED, "What wakes it"},
	{"agent", CONF_NAME, NULL, "agent", 0, 0, CONF_REQUIRED, "Who is woken"},
	{"enabled", CONF_BOOL, "yes", NULL, 0, 0, 0, "Whether it is"},
	{"rate", CONF_RATE, NULL, NULL, 0, 0, 0, "At most so often"},
	{"filter", CONF_JQ, NULL, NULL, 0, 0, 0, "Which events run"},
	{"overlap", CONF_ENUM, "queue", "queue|skip|allow", 0, 0, 0, "When one runs already"},
	{"notify", CONF_NAME_LIST, NULL, "agent", 0, 0, 0, "Who is told"},
};
static void
trigger_check(const struct conf_section *section, struct conf_report *report)
{
	if (conf_is_set(section, "filter") && !strcmp(conf_str(section, "filter"), "("))
		conf_complain(report, section, "filter", "this is no jq program");
	if (conf_is_set(section, "rate") && !conf_bool(section, "enabled"))
		conf_complain(report, section, "enabled", "no rate without it");
}
static const struct conf_table trigger_table = {"trigger",     true,
						NULL,	       NULL,
						trigger_keys,  ARRAY_LEN(trigger_keys),
						trigger_check, "what wakes an agent"};
static const struct conf_key webhook_keys[] = {
	{"verify", CONF_ENUM, "none", "none|hmac|github", 0, 0, 0, "Scheme"},
	{"secret", CONF_SECRET, NULL, NULL, 0, 0, CONF_MANY, "Shared secrets"},
};
static void
webhook_check(const struct conf_section *section, struct conf_report *report)
{
	if (strcmp(conf_str(section, "verify"), "none") && !conf_is_set(section, "secret"))
		conf_complain(report, section, "secret", "is missing; verify = %s needs it",
			      conf_str(section, "verify"));
	conf_section(conf_section_conf(section), "agent", conf_str(section, "agent"));
}
static const struct conf_table webhook_table = {
	"trigger",     true,	      "source", "webhook", webhook_keys, ARRAY_LEN(webhook_keys),
	webhook_check, "an HTTP call"};
static const struct conf_key hmac_keys[] = {
	{"algorithm", CONF_ENUM, "sha256", "sha1|sha256", 0, 0, 0, "Hash"},
};
static const struct conf_table hmac_table = {
	"trigger", true, "verify", "hmac", hmac_keys, ARRAY_LEN(hmac_keys), NULL, "any HMAC"};
static const struct conf_key cron_keys[] = {
	{"schedule", CONF_STRING, NULL, NULL, 0, 0, CONF_REQUIRED, "When"},
	{"grace", CONF_DURATION, "60s", NULL, 0, 0, 0, "How late is late"},
	{"overlap", CONF_ENUM, "skip", "queue|skip|allow", 0, 0, 0, "When one runs already"},
};
static const struct conf_table cron_table = {
	"trigger", true, "source", "cron", cron_keys, ARRAY_LEN(cron_keys), NULL, "a clock"};

static UNUSED const struct conf_schema *
fixture_schema(void)
{
	static struct conf_schema schema;
	static const struct conf_table *const tables[] = {
		&daemon_table,	&agent_table,	&exec_table, &http_table,
		&trigger_table, &webhook_table, &cron_table, &hmac_table,
	};

	if (!schema.count)
		for (size_t i = 0; i < ARRAY_LEN(tables); i++)
			conf_schema_add(&schema, tables[i]);
	return &schema;
}

struct fixture {
	char dir[64];
	struct conf_report *report;
	struct conf *conf;
	struct buf messages; /* the last load's, without the folder's name */
};

static UNUSED void
fixture_init(struct fixture *f)
{
	*f = (struct fixture){.dir = "/tmp/rouse-conf-XXXXXX"};
	if (!mkdtemp(f->dir))
		abort();
}

static UNUSED void
fixture_fini(struct fixture *f)
{
	conf_unref(f->conf);
	conf_report_free(f->report);
	buf_fini(&f->messages);
	os_remove_tree(f->dir, NULL);
}

static UNUSED const char *
fixture_path(const struct fixture *f, const char *name)
{
	static struct buf path;

	buf_clear(&path);
	buf_printf(&path, "%s/%s", f->dir, name);
	return buf_cstr(&path);
}

static UNUSED void
fixture_write_str(const struct fixture *f, const char *name, struct str text)
{
	struct buf path = BUF_INIT;
	char *slash;

	buf_puts(&path, fixture_path(f, name));
	slash = strrchr(path.data, '/');
	*slash = '\0';
	mkdir(path.data, 0700);
	*slash = '/';
	if (!os_write_file(path.data, text, 0600, NULL))
		abort();
	buf_fini(&path);
}

static UNUSED void
fixture_write(const struct fixture *f, const char *name, const char *text)
{
	fixture_write_str(f, name, str_of(text));
}

/* Loads rouse.conf; the messages, with the folder's name taken out, are in f->messages. */
static UNUSED const struct conf *
fixture_load(struct fixture *f, const char *const *extra, size_t count)
{
	struct buf text = BUF_INIT;
	struct conf *conf;
	size_t dir = strlen(f->dir) + 1;

	conf_report_free(f->report);
	f->report = conf_report_new();
	conf = conf_load(fixture_schema(), fixture_path(f, "rouse.conf"), extra, count, f->report);
	conf_unref(f->conf);
	f->conf = conf;
	buf_clear(&f->messages);
	conf_report_print(f->report, &text);
	for (const char *p = buf_cstr(&text), *at; *p; p = at) {
		at = strstr(p, f->dir);
		buf_add(&f->messages, p, at ? (size_t)(at - p) : strlen(p));
		at = at ? at + dir : p + strlen(p);
	}
	buf_fini(&text);
	return conf;
}

static UNUSED const struct conf *
fixture_load_text(struct fixture *f, const char *text)
{
	fixture_write(f, "rouse.conf", text);
	return fixture_load(f, NULL, 0);
}

#endif
