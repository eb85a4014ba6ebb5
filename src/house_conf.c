/* The house: its configuration, checked, loaded, loaded anew. */
/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "house_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/log.h"
#include "base/os.h"
#include "core/apply.h"
#include "core/batch.h"
#include "core/breakers.h"
#include "core/doctor.h"
#include "core/gather.h"
#include "core/ledger.h"
#include "core/notify_kind.h"
#include "core/queue.h"
#include "core/source.h"
#include "core/telemetry.h"
#include "core/vigil.h"
#include "io/jail.h"
#include "io/worktree.h"
#include "plugins/kinds.h"
#include "systemd.h"
#include "triggers/kinds.h"

void
house_schema(struct conf_schema *schema)
{
	registry_set_kinds(trigger_kinds, plugin_agents, plugin_targets);
	notify_set_kinds(plugin_notifies);
	entities_set_kinds(plugin_entities);
	registry_schema(schema);
}

char *
house_helper(const char *name)
{
	AUTO(auto_free) char *dir = os_program_dir();
	struct buf path = BUF_INIT;

	/* In the build folder all programs stand side by side; installed, helpers are in libexec.
	 */
	buf_printf(&path, "%s/%s", dir, name);
	if (access(buf_cstr(&path), X_OK)) {
		buf_clear(&path);
		buf_printf(&path, "%s/%s", !strcmp(name, "rouse-shim") ? BINDIR : LIBEXECDIR, name);
	}
	return buf_take(&path);
}

static void
report_print(const struct conf_report *report)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	conf_report_print(report, &text);
	fwrite(buf_cstr(&text), 1, text.len, stderr);
}

bool
house_check(const char *config, const char *const *extra, size_t extra_count)
{
	struct conf_schema schema = {.count = 0};
	struct conf_report *report = conf_report_new();
	struct event_base *base = event_base_new();
	AUTO(auto_free) char *jq = house_helper("rouse-jq");
	struct jail *jail = jail_new(base, jq);
	struct registry *registry = NULL;
	struct conf *conf;
	bool ok;

	house_schema(&schema);
	conf = conf_load(&schema, config, extra, extra_count, report);
	if (conf)
		registry = registry_new(conf, jail, report);
	report_print(report);
	ok = registry && !conf_report_errors(report);
	registry_unref(registry);
	conf_unref(conf);
	jail_free(jail);
	event_base_free(base);
	conf_report_free(report);
	return ok;
}

void
house_doctor(const char *config)
{
	struct conf_schema schema = {.count = 0};
	struct conf_report *report = conf_report_new();
	AUTO(json_auto_decref) json_t *rows = json_array();
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct conf *conf;
	json_t *row;
	size_t i;

	house_schema(&schema);
	conf = conf_load(&schema, config, NULL, 0, report);
	if (!conf) {
		doctor_say(rows, "configuration", DOCTOR_FAIL, "rouse check shows them",
			   "%s has %zu errors", config, conf_report_errors(report));
	} else {
		doctor_say(rows, "configuration", DOCTOR_OK, NULL, "%s can be read", config);
		doctor_secrets(conf, rows);
		doctor_machine(conf, conf_str(conf_section(conf, "daemon", ""), "state_dir"), rows);
	}
	json_array_foreach (rows, i, row) {
		json_write(&text, row);
		buf_putc(&text, '\n');
	}
	fwrite(buf_cstr(&text), 1, text.len, stdout);
	conf_unref(conf);
	conf_report_free(report);
}

void
house_log_setup(const struct conf *conf)
{
	static const char *const formats[] = {"auto", "text", "json", "journal"};
	const struct conf_section *daemon = conf_section(conf, "daemon", "");
	enum log_level level = LOG_INFO;
	int format = LOG_AUTO;

	log_level_parse(conf_str(daemon, "log_level"), &level);
	for (int i = 0; i < (int)ARRAY_LEN(formats); i++)
		if (!strcmp(formats[i], conf_str(daemon, "log_format")))
			format = i;
	log_setup(level, (enum log_format)format);
}

/* Half of the descriptors stay for runs, files and the operator's own socket, whoever holds the
 * others. */
static unsigned
connections_max(int64_t wanted)
{
	struct rlimit files;
	char had[24], left[24];
	int64_t most;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur / 2 >= (rlim_t)wanted)
		return (unsigned)wanted;
	most = files.rlim_cur >= 4 ? (int64_t)files.rlim_cur / 2 : 1;
	snprintf(had, sizeof(had), "%" PRId64, (int64_t)files.rlim_cur);
	snprintf(left, sizeof(left), "%" PRId64, most);
	log_warning("fewer connections than http.max_connections, for descriptors are short "
		    "(ulimit -n, LimitNOFILE=)",
		    "descriptors", had, "connections", left);
	return (unsigned)most;
}

struct http_limits
house_http_limits(const struct conf *conf)
{
	const struct conf_section *http = conf_section(conf, "http", "");

	return (struct http_limits){.max_header = (size_t)conf_int(http, "max_header"),
				    .max_body = (size_t)conf_int(http, "max_body"),
				    .header_timeout_ms = conf_ms(http, "header_timeout"),
				    .body_timeout_ms = conf_ms(http, "body_timeout"),
				    .idle_timeout_ms = conf_ms(http, "idle_timeout"),
				    .max_connections =
					    connections_max(conf_int(http, "max_connections"))};
}

/* Envelopes say which commit of the configuration they come from, where it is kept in git. */
static void
commit_note(const struct house *house, struct conf *conf)
{
	AUTO(buf_fini) struct buf dir = BUF_INIT, commit = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	const char *slash = strrchr(house->config, '/');

	buf_puts(&dir, slash ? "" : ".");
	buf_add(&dir, house->config, slash ? (size_t)(slash - house->config) + 1 : 0);
	if (!worktree_describe(buf_cstr(&dir), &commit, &err))
		log_warning("runs will not say the commit of their configuration", "error",
			    err_text(&err));
	conf_set_commit(conf, buf_cstr(&commit));
}

struct registry *
house_load(struct house *house, struct buf *ret_report, struct err *err)
{
	struct conf_report *report = conf_report_new();
	struct conf *conf = conf_load(&house->schema, house->config, NULL, 0, report);
	struct registry *registry;

	if (conf)
		commit_note(house, conf);
	registry = conf ? registry_new(conf, house->core.jail, report) : NULL;
	conf_report_print(report, ret_report);
	if (!registry)
		err_set(err, E_CONFIG, "%s does not load (%zu errors; rouse check shows them)",
			house->config, conf_report_errors(report));
	conf_unref(conf);
	conf_report_free(report);
	return registry;
}

bool
house_reload(void *arg, json_t *ret_answer, struct err *err)
{
	struct house *house = arg;
	struct core *core = &house->core;
	struct registry *old = core->registry, *fresh;
	AUTO(buf_fini) struct buf report = BUF_INIT;
	AUTO(json_auto_decref)
	json_t *answer = ret_answer ? json_incref(ret_answer) : json_object();
	json_t *added = json_array(), *changed = json_array(), *removed = json_array(),
	       *errors = json_array();
	struct str rest, line;
	struct http_limits limits;

	systemd_notify_reloading();
	fresh = house_load(house, &report, err);
	for (rest = buf_str(&report); rest.p && rest.len;) {
		rest = str_split(rest, '\n', &line);
		if (line.len)
			json_array_append_new(errors, json_stringn(line.p, line.len));
	}
	/* Certificates are renewed without a change of the configuration. */
	if (fresh && !http_server_reload_tls(api_server(house->api), err)) {
		json_array_append_new(errors, json_string(err_text(err)));
		registry_unref(fresh);
		fresh = NULL;
	}
	json_object_set_new(answer, fresh ? "warnings" : "errors", errors);
	if (!fresh) {
		systemd_notify(
			"READY=1\nSTATUS=the configuration was not taken up; the one before goes "
			"on");
		json_decref(added);
		json_decref(changed);
		json_decref(removed);
		log_error("reload refused; the old configuration goes on", "error", err_text(err));
		return false;
	}
	core->registry = fresh;
	house_log_setup(registry_conf(fresh));
	sources_reload(core->sources, old, added, changed, removed);
	ledger_reload(core);
	breakers_reload(core);
	vigil_reload(core);
	notify_reload(core);
	telemetry_reload(core);
	gather_reload(core);
	batches_reload(core);
	registry_unref(old);
	limits = house_http_limits(registry_conf(fresh));
	http_server_set_limits(api_server(house->api), &limits);
	api_configured(house->api);
	model_configured(house->model);
	queue_wake(core->queue, NULL);
	apply_wake(core->apply, NULL);
	json_object_set_new(answer, "generation",
			    json_integer((json_int_t)conf_generation(registry_conf(fresh))));
	json_object_set_new(answer, "added", added);
	json_object_set_new(answer, "changed", changed);
	json_object_set_new(answer, "removed", removed);
	systemd_notify("READY=1\nSTATUS=ready, version " PACKAGE_VERSION);
	log_info("configuration reloaded", "config", house->config);
	return true;
}

int
house_restore(const char *config, const char *backup)
{
	struct conf_schema schema = {.count = 0};
	struct conf_report *report = conf_report_new();
	AUTO(buf_fini) struct buf url = BUF_INIT, aside = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	const char *known;
	struct conf *conf;

	house_schema(&schema);
	conf = conf_load(&schema, config, NULL, 0, report);
	if (conf) {
		known = conf_str(conf_section(conf, "store", ""), "url");
		if (known)
			buf_puts(&url, known);
		else
			buf_cat(&url,
				"sqlite:", conf_str(conf_section(conf, "daemon", ""), "state_dir"),
				"/rouse.db");
	} else {
		report_print(report);
		err_set(&err, E_CONFIG, "%s does not load", config);
	}
	conf_unref(conf);
	conf_report_free(report);
	if (!url.len || !store_restore(buf_cstr(&url), backup, &aside, &err)) {
		fprintf(stderr, "roused: %s\n", err_text(&err));
		return err_exit(err.code);
	}
	printf("%s is in place of %s", backup, buf_cstr(&url));
	if (aside.len)
		printf("; what was there is %s", buf_cstr(&aside));
	puts("");
	return 0;
}
