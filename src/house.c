/* The house: every room of the daemon, built in order, taken down in reverse. */
/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "house.h"

#include <assert.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"
#include "base/os.h"
#include "core/apply.h"
#include "core/attempt.h"
#include "core/halt.h"
#include "core/keep.h"
#include "core/metrics.h"
#include "core/queue.h"
#include "core/rate.h"
#include "core/source.h"
#include "core/stream.h"
#include "io/fetch.h"
#include "io/jail.h"
#include "io/proc.h"
#include "io/work.h"
#include "io/worktree.h"
#include "listening.h"
#include "plugins/kinds.h"
#include "systemd.h"
#include "triggers/kinds.h"

#define WORK_THREADS 4
#define WORK_WAITING 100000
/* How long after the last commit the store may tidy up. */
#define IDLE_MS 500
#define DRAIN_LOOK_MS 50

struct house {
	struct core core;
	struct conf_schema schema;
	char *config, *state_dir, *spool_root, *shim_path, *socket;
	struct api *api;
	struct api_host host;
	json_t *listening;
	struct event *signals[4], *interrupt;
	struct core_timer *idle, *watchdog, *drain;
	uint64_t idle_commits;
	struct mono drain_since;
	bool stop, idling;
	int status;
};

void
house_schema(struct conf_schema *schema)
{
	registry_set_kinds(trigger_kinds, plugin_agents, plugin_targets);
	registry_schema(schema);
}

static char *
helper_path(const char *name)
{
	AUTO(auto_free) char *dir = os_program_dir();
	struct buf path = BUF_INIT;

	/* In the build folder all programs stand side by side; installed, helpers are in libexec.
	 */
	buf_printf(&path, "%s/%s", dir, name);
	if (access(buf_cstr(&path), X_OK)) {
		buf_clear(&path);
		buf_printf(&path, "%s/%s", !strcmp(name, "rouse-jq") ? LIBEXECDIR : BINDIR, name);
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
	AUTO(auto_free) char *jq = helper_path("rouse-jq");
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

/* --- configuration ------------------------------------------------------------------------ */

static void
log_configure(const struct conf *conf)
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

static struct http_limits
http_limits_of(const struct conf *conf)
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

/* Loads a generation; what is wrong is printed, and in err the first line of it. */
static struct registry *
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

static bool
on_reload(void *arg, json_t *ret_answer, struct err *err)
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

	systemd_notify("RELOADING=1");
	fresh = house_load(house, &report, err);
	for (rest = buf_str(&report); rest.p && rest.len;) {
		rest = str_split(rest, '\n', &line);
		if (line.len)
			json_array_append_new(errors, json_stringn(line.p, line.len));
	}
	json_object_set_new(answer, fresh ? "warnings" : "errors", errors);
	systemd_notify("READY=1");
	if (!fresh) {
		json_decref(added);
		json_decref(changed);
		json_decref(removed);
		log_error("reload refused; the old configuration goes on", "error", err_text(err));
		return false;
	}
	core->registry = fresh;
	log_configure(registry_conf(fresh));
	sources_reload(core->sources, old, added, changed, removed);
	registry_unref(old);
	limits = http_limits_of(registry_conf(fresh));
	http_server_set_limits(api_server(house->api), &limits);
	api_configured(house->api);
	queue_wake(core->queue, NULL);
	apply_wake(core->apply, NULL);
	json_object_set_new(answer, "generation",
			    json_integer((json_int_t)conf_generation(registry_conf(fresh))));
	json_object_set_new(answer, "added", added);
	json_object_set_new(answer, "changed", changed);
	json_object_set_new(answer, "removed", removed);
	log_info("configuration reloaded", "config", house->config);
	return true;
}

/* --- building ------------------------------------------------------------------------------ */

static bool
state_prepare(struct house *house, struct err *err)
{
	const struct conf_section *daemon =
		conf_section(registry_conf(house->core.registry), "daemon", "");
	struct buf spool = BUF_INIT;

	house->state_dir = mem_strdup(conf_str(daemon, "state_dir"));
	house->socket = mem_strdup(conf_str(daemon, "socket"));
	buf_printf(&spool, "%s/spool", house->state_dir);
	house->spool_root = buf_take(&spool);
	house->core.state_dir = house->state_dir;
	house->core.spool_root = house->spool_root;
	if (!os_mkdirs(house->state_dir, 0700, err) || !os_mkdirs(house->spool_root, 0700, err))
		return err_prefix(err, "state folder %s (daemon.state_dir)", house->state_dir);
	if (access(house->state_dir, W_OK | X_OK))
		return err_set(err, E_DENIED,
			       "state folder %s is not writable by user %u; chown it, or set "
			       "daemon.state_dir",
			       house->state_dir, (unsigned)geteuid());
	return true;
}

static bool
store_start(struct house *house, struct err *err)
{
	const struct conf_section *section =
		conf_section(registry_conf(house->core.registry), "store", "");
	AUTO(buf_fini) struct buf url = BUF_INIT;

	if (conf_str(section, "url"))
		buf_puts(&url, conf_str(section, "url"));
	else
		buf_printf(&url, "sqlite:%s/rouse.db", house->state_dir);
	return store_open(buf_cstr(&url), &house->core.store, err);
}

static bool
rooms_build(struct house *house, struct err *err)
{
	struct core *core = &house->core;

	core->stream = stream_new(core);
	core->metrics = metrics_new();
	core->queue = queue_new(core);
	core->attempts = attempts_new(core);
	core->apply = apply_new(core);
	core->sources = sources_new(core);
	core->keep = keep_new(core);
	core->switches = switches_new(core, err);
	return core->switches != NULL;
}

/* --- signals ------------------------------------------------------------------------------- */

static void
drain_look(void *arg)
{
	struct house *house = arg;
	const struct conf_section *daemon =
		conf_section(registry_conf(house->core.registry), "daemon", "");
	int64_t waited = clock_mono(house->core.clock).ms - house->drain_since.ms;

	if (!apply_in_flight(house->core.apply) || waited >= conf_ms(daemon, "drain_timeout")) {
		house->stop = true;
		return;
	}
	core_timer_arm(&house->core, &house->drain, DRAIN_LOOK_MS, drain_look, house);
}

/* Nothing new; what is being applied is waited for; running agents go on in their shims. */
static void
on_term(evutil_socket_t sig, short what, void *arg)
{
	struct house *house = arg;

	(void)sig;
	(void)what;
	if (house->core.draining) {
		house->stop = true;
		return;
	}
	log_info("stopping; running agents go on, and the next roused takes them up");
	systemd_notify("STOPPING=1");
	house->core.draining = true;
	house->drain_since = clock_mono(house->core.clock);
	http_server_stop_listening(api_server(house->api));
	drain_look(house);
}

static void
on_hup(evutil_socket_t sig, short what, void *arg)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	(void)sig;
	(void)what;
	on_reload(arg, NULL, &err);
}

static void
on_usr1(evutil_socket_t sig, short what, void *arg)
{
	struct house *house = arg;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str rest, line;

	(void)sig;
	(void)what;
	metrics_print(&house->core, &text);
	for (rest = buf_str(&text); rest.p && rest.len;) {
		AUTO(auto_free) char *copy = NULL;

		rest = str_split(rest, '\n', &line);
		if (!line.len || line.p[0] == '#')
			continue;
		copy = str_dup(line);
		log_info("state", "metric", copy);
	}
}

/* Those that a room started are known to io/proc itself. */
static bool
pid_is_known(void *arg, pid_t pid)
{
	(void)arg;
	(void)pid;
	return false;
}

/* A child that no room started is what a dead shim left to us. */
static void
on_child(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	proc_reap_strangers(pid_is_known, arg);
}

static void
signals_start(struct house *house)
{
	static const struct {
		int sig;
		void (*fn)(evutil_socket_t, short, void *);
	} table[] = {{SIGTERM, on_term}, {SIGHUP, on_hup}, {SIGUSR1, on_usr1}, {SIGCHLD, on_child}};

	static_assert(ARRAY_LEN(table) == ARRAY_LEN(house->signals), "an event for every signal");
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		house->signals[i] =
			evsignal_new(house->core.base, table[i].sig, table[i].fn, house);
		evsignal_add(house->signals[i], NULL);
	}
	house->interrupt = evsignal_new(house->core.base, SIGINT, on_term, house);
	evsignal_add(house->interrupt, NULL);
}

static void
on_watchdog(void *arg)
{
	struct house *house = arg;

	systemd_notify("WATCHDOG=1");
	core_timer_arm(&house->core, &house->watchdog, systemd_watchdog_ms() / 2, on_watchdog,
		       house);
}

/* What was going on when the last daemon ended: its runs, its changes, its queue; then the sources.
 */
static bool
house_resume(struct house *house, struct err *err)
{
	struct core *core = &house->core;

	if (!queue_load(core->queue, err) || !attempts_adopt_all(core, err) ||
	    !apply_load(core->apply, err))
		return false;
	sources_reload(core->sources, NULL, NULL, NULL, NULL);
	triggers_add_routes(core, api_router(house->api));
	return true;
}

static bool
house_build(struct house *house, struct err *err)
{
	struct core *core = &house->core;
	AUTO(auto_free) char *jq = helper_path("rouse-jq");
	AUTO(buf_fini) struct buf report = BUF_INIT;
	struct http_limits limits;

	core->base = event_base_new();
	core->clock = clock_system();
	core->version = PACKAGE_VERSION;
	core->started = core_wall(core);
	house->shim_path = helper_path("rouse-shim");
	core->shim_path = house->shim_path;
	core->jail = jail_new(core->base, jq);
	core->fetch = fetch_pool_new(core->base);
	core->work = work_pool_new(core->base, WORK_THREADS, WORK_WAITING);
	house_schema(&house->schema);
	core->registry = house_load(house, &report, err);
	fwrite(buf_cstr(&report), 1, report.len, stderr);
	if (!core->registry)
		return false;
	log_configure(registry_conf(core->registry));
	if (!state_prepare(house, err) || !store_start(house, err) || !rooms_build(house, err))
		return false;
	limits = http_limits_of(registry_conf(core->registry));
	house->listening = json_array();
	house->host = (struct api_host){
		.reload = on_reload,
		.arg = house,
		.config = house->config,
		.socket = house->socket,
		.group = conf_str(conf_section(registry_conf(core->registry), "daemon", ""),
				  "group"),
		.listen = house->listening};
	house->api = api_new(core, &limits, &house->host);
	signals_start(house);
	return house_resume(house, err) &&
	       listening_start(core, api_server(house->api), house->socket, house->listening, err);
}

bool
house_new(const char *config, struct house **ret, struct err *err)
{
	struct house *house = mem_alloc(sizeof(*house));

	house->config = mem_strdup(config);
	if (house_build(house, err)) {
		*ret = house;
		return true;
	}
	house_free(house);
	return false;
}

/* It ends already, be it that it could not begin: a SIGTERM must not kill it halfway, once its own
 * handlers are gone. */
static void
signals_hold(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

void
house_free(struct house *house)
{
	struct core *core = &house->core;

	signals_hold();
	if (house->api)
		api_free(house->api);
	sources_free(core->sources);
	attempts_free(core->attempts);
	apply_free(core->apply);
	queue_free(core->queue);
	keep_free(core->keep);
	work_pool_free(core->work);
	plugins_fini(core);
	fetch_pool_free(core->fetch);
	jail_free(core->jail);
	switches_free(core->switches);
	stream_free(core->stream);
	metrics_free(core->metrics);
	rate_free_all(core);
	registry_unref(core->registry);
	if (core->store)
		store_close(core->store);
	core_timer_free(house->idle);
	core_timer_free(house->watchdog);
	core_timer_free(house->drain);
	for (size_t i = 0; i < ARRAY_LEN(house->signals); i++)
		if (house->signals[i])
			event_free(house->signals[i]);
	if (house->interrupt)
		event_free(house->interrupt);
	event_base_free(core->base);
	json_decref(house->listening);
	free(core->public_url);
	free(house->config);
	free(house->state_dir);
	free(house->spool_root);
	free(house->shim_path);
	free(house->socket);
	free(house);
}

/* --- the loop ------------------------------------------------------------------------------ */

/* Some time after the last commit, and only once, the store may tidy up. */
static void
on_idle(void *arg)
{
	struct house *house = arg;
	uint64_t commits = store_stats(house->core.store).commits;

	if (commits != house->idle_commits) {
		house->idle_commits = commits;
		core_timer_arm(&house->core, &house->idle, IDLE_MS, on_idle, house);
		return;
	}
	house->idling = false;
	store_idle(house->core.store);
	keep_wake(house->core.keep);
}

int
house_run(struct house *house)
{
	struct core *core = &house->core;
	AUTO(buf_fini) struct buf ready = BUF_INIT;

	house->host.ready = true;
	buf_printf(&ready, "READY=1\nSTATUS=ready, version %s", PACKAGE_VERSION);
	systemd_notify(buf_cstr(&ready));
	if (systemd_watchdog_ms())
		on_watchdog(house);
	log_info("ready", "version", PACKAGE_VERSION, "socket", house->socket, "url",
		 core->public_url, "config", house->config);
	while (!house->stop) {
		event_base_loop(core->base, turn_is_due(core->store) ? EVLOOP_ONCE | EVLOOP_NONBLOCK
								     : EVLOOP_ONCE);
		/* While these were handled others came: they share the COMMIT, the dearest part of
		 * a delivery. */
		if (turn_is_open(core->store))
			event_base_loop(core->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		if (turn_is_open(core->store) && !house->idling) {
			house->idling = true;
			core_timer_arm(core, &house->idle, IDLE_MS, on_idle, house);
		}
		turn_end(core->store);
		if (store_has_failed(core->store)) {
			log_error("the disk no longer keeps what it is told; stopping, so that "
				  "nothing is acknowledged in vain");
			house->status = 1;
			break;
		}
	}
	turn_end(core->store);
	log_info("stopped");
	return house->status;
}
