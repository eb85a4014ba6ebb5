/* The house: every room of the daemon, built in order, taken down in reverse. */
/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "house_parts.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"
#include "base/os.h"
#include "core/apply.h"
#include "core/attempt.h"
#include "core/audit.h"
#include "core/batch.h"
#include "core/rollout.h"
#include "core/bound.h"
#include "core/breakers.h"
#include "core/gather.h"
#include "core/halt.h"
#include "core/keep.h"
#include "core/look.h"
#include "core/ruling.h"
#include "core/vet.h"
#include "core/ledger.h"
#include "core/metrics.h"
#include "core/notify.h"
#include "core/queue.h"
#include "core/rate.h"
#include "core/source.h"
#include "core/stream.h"
#include "core/telemetry.h"
#include "core/vigil.h"
#include "http/passed.h"
#include "io/fetch.h"
#include "io/jail.h"
#include "io/proc.h"
#include "io/work.h"
#include "listening.h"
#include "plugins/kinds.h"
#include "systemd.h"
#include "takeover.h"
#include "triggers/kinds.h"
#include "plugins/agents/exec_confine.h"

#define WORK_THREADS 4
#define WORK_WAITING 100000
/* How long after the last commit the store may tidy up. */
#define IDLE_MS 500
#define DRAIN_LOOK_MS 50
/* A collector that is slow holds up the end so long. */
#define DRAIN_TELEMETRY_MS 2000
#define LOCK_PAUSE_MS 50
#define LOCK_TRIES 200

/* --- building ------------------------------------------------------------------------------ */

static char *
rehearsal_socket(const char *folder)
{
	struct buf path = BUF_INIT;

	buf_cat(&path, folder, "/rouse.sock");
	return buf_take(&path);
}

static bool
state_prepare(struct house *house, struct err *err)
{
	const struct conf_section *daemon =
		conf_section(registry_conf(house->core.registry), "daemon", "");
	struct buf spool = BUF_INIT;

	house->state_dir =
		mem_strdup(house->rehearsal ? house->rehearsal : conf_str(daemon, "state_dir"));
	if (house->rehearsal)
		house->socket = rehearsal_socket(house->rehearsal);
	else
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
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
	AUTO(buf_fini) struct buf url = BUF_INIT;

	if (conf_str(section, "url") && !house->rehearsal)
		buf_puts(&url, conf_str(section, "url"));
	else
		buf_printf(&url, "sqlite:%s/rouse.db", house->state_dir);
	/* Who goes on because another did not come up: that one may be about to end still. */
	for (int i = 0; !store_open(buf_cstr(&url), &house->core.store, err); i++) {
		if (!house->heirloom || house->old >= 0 || err->code != E_EXISTS || i == LOCK_TRIES)
			return false;
		err_fini(err);
		nanosleep(&pause, NULL);
	}
	return true;
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
	core->gather = gather_new(core);
	core->batches = batches_new(core);
	core->rollouts = rollouts_new(core);
	core->keep = keep_new(core);
	core->looks = looks_new(core);
	core->rulings = rulings_new(core);
	core->vets = vets_new(core);
	core->ledger = ledger_new(core);
	core->breakers = breakers_new(core);
	core->vigil = vigil_new(core);
	core->notify = notify_new(core);
	core->telemetry = telemetry_new(core);
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

	if ((!apply_in_flight(house->core.apply) && !model_in_flight(house->model) &&
	     http_server_is_drained(api_server(house->api)) &&
	     !(telemetry_is_busy(&house->core) && waited < DRAIN_TELEMETRY_MS)) ||
	    waited >= conf_ms(daemon, "drain_timeout")) {
		house->stop = true;
		return;
	}
	core_timer_arm(&house->core, &house->drain, DRAIN_LOOK_MS, drain_look, house);
}

/* Nothing new; who is connected already gets an answer, what is being applied, and what models say,
 * is waited for; running agents go on in their shims. */
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
	audit_note(&house->core,
		   &(struct audit_act){.who = "signal", .via = "kill", .act = "SIGTERM"}, 200,
		   NULL);
	systemd_notify("STOPPING=1");
	house->core.draining = true;
	house->drain_since = clock_mono(house->core.clock);
	http_server_stop_listening(api_server(house->api));
	api_hurry(house->api);
	telemetry_drain(&house->core, true);
	drain_look(house);
}

static void
on_hup(evutil_socket_t sig, short what, void *arg)
{
	struct house *house = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	(void)sig;
	(void)what;
	bool done = house_reload(house, NULL, &err);

	audit_note(&house->core,
		   &(struct audit_act){.who = "signal", .via = "kill", .act = "SIGHUP"},
		   done ? 200 : 400, done ? NULL : err_text(&err));
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

/* That the loop comes round is seen by our being here; the rest of what is needed to take an event:
 * the database, and the sockets. */
static bool
is_well(struct house *house, struct err *err)
{
	return store_answers(house->core.store, err) &&
	       (house->core.draining || http_server_listens(api_server(house->api)) ||
		err_set(err, E_INTERNAL, "a socket is not listened at any more"));
}

static void
on_watchdog(void *arg)
{
	struct house *house = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (is_well(house, &err))
		systemd_notify("WATCHDOG=1");
	else
		log_error("the daemon is not well; unless that passes, its manager begins it anew",
			  "error", err_text(&err));
	core_timer_arm(&house->core, &house->watchdog, systemd_watchdog_ms() / 2, on_watchdog,
		       house);
}

/* What was going on when the last daemon ended: its runs, its changes, its queue; then the sources.
 */
static bool
house_resume(struct house *house, struct err *err)
{
	struct core *core = &house->core;

	if (!core->rehearsal)
		notify_reload(core);
	telemetry_reload(core);
	if (!ledger_load(core, err) || !breakers_load(core, err) || !queue_load(core->queue, err) ||
	    !attempts_adopt_all(core, err) || !apply_load(core->apply, err) ||
	    !gather_load(core, err) || !batches_load(core, err) || !rollouts_load(core, err) ||
	    !vets_load(core, err))
		return false;
	rulings_load(core);
	halt_enforce(core);
	sources_reload(core->sources, NULL, NULL, NULL, NULL);
	triggers_add_routes(core, api_router(house->api));
	return true;
}

static bool
house_build(struct house *house, const struct house_from *from, struct err *err)
{
	struct core *core = &house->core;
	AUTO(auto_free) char *jq = house_helper("rouse-jq");
	AUTO(buf_fini) struct buf report = BUF_INIT;
	AUTO(passed_fini) struct passed none = {.count = 0};
	struct http_limits limits;

	core->base = event_base_new();
	core->clock = clock_system();
	core->version = PACKAGE_VERSION;
	core->started = core_wall(core);
	core->boot = clock_boot();
	house->shim_path = house_helper("rouse-shim");
	core->shim_path = house->shim_path;
	core->rehearsal = core->draining = house->rehearsal != NULL;
	house->mime_path = house_helper("rouse-mime");
	core->mime_path = house->mime_path;
	house->git_path = house_helper("rouse-git");
	core->git_path = house->git_path;
	core->jail = jail_new(core->base, jq);
	core->fetch = fetch_pool_new(core->base);
	core->work = work_pool_new(core->base, WORK_THREADS, WORK_WAITING);
	house_schema(&house->schema);
	core->registry =
		from->registry ? registry_ref(from->registry) : house_load(house, &report, err);
	fwrite(buf_cstr(&report), 1, report.len, stderr);
	if (!core->registry)
		return false;
	house_log_setup(registry_conf(core->registry));
	if (!state_prepare(house, err))
		return false;
	if (from->take_over &&
	    !takeover_ask(house->state_dir, PACKAGE_VERSION, &house->old, &house->heirloom, err))
		return false;
	if (!store_start(house, err) || !rooms_build(house, err))
		return false;
	limits = house_http_limits(registry_conf(core->registry));
	house->listening = json_array();
	house->host = (struct api_host){.reload = house_reload,
					.arg = house,
					.config = house->config,
					.schema = &house->schema,
					.socket = house->socket,
					.listen = house->listening};
	house->api = api_new(core, &limits, &house->host);
	/* Before runs are taken up: their agents ask on. */
	house->model = model_new(core);
	model_configured(house->model);
	signals_start(house);
	if (!house_resume(house, err) ||
	    !listening_start(core, api_server(house->api), house->socket, house->heirloom,
			     from->passed ? from->passed : &none, house->listening, err))
		return false;
	house_hand_listen(house);
	return true;
}

bool
house_new(const char *config, struct house **ret, struct err *err)
{
	return house_new_rehearsal(config, NULL, ret, err);
}

bool
house_new_rehearsal(const char *config, const char *folder, struct house **ret, struct err *err)
{
	return house_new_from(config, &(struct house_from){.rehearsal = folder}, ret, err);
}

bool
house_new_from(const char *config, const struct house_from *from, struct house **ret,
	       struct err *err)
{
	struct house *house = mem_alloc(sizeof(*house));

	house->config = mem_strdup(config);
	house->rehearsal = mem_strdup(from->rehearsal);
	house->heirloom = from->heirloom;
	house->old = -1;
	if (house_build(house, from, err)) {
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
	takeover_free(house->takeover);
	heirloom_free(house->heirloom);
	/* Whoever reads entities in a thread gives up early. */
	batches_free(core->batches);
	core->batches = NULL;
	/* Then: a job may read what these rooms are about to free. */
	if (core->work)
		work_pool_stop(core->work);
	/* One that did not come up: the sockets are still those of the one before it. */
	if (house->api && house->old >= 0)
		http_server_leave_files(api_server(house->api));
	if (house->api)
		api_free(house->api);
	model_free(house->model);
	sources_free(core->sources);
	attempts_free(core->attempts);
	apply_free(core->apply);
	queue_free(core->queue);
	gather_free(core->gather);
	rollouts_free(core->rollouts);
	keep_free(core->keep);
	looks_free(core->looks);
	rulings_free(core->rulings);
	vets_free(core->vets);
	ledger_free(core->ledger);
	breakers_free(core->breakers);
	vigil_free(core->vigil);
	work_pool_free(core->work);
	telemetry_free(core->telemetry);
	core->telemetry = NULL;
	plugins_fini(core);
	fetch_pool_free(core->fetch);
	notify_free(core->notify);
	jail_free(core->jail);
	switches_free(core->switches);
	stream_free(core->stream);
	metrics_free(core->metrics);
	rate_free_all(core);
	registry_unref(core->registry);
	if (core->store)
		store_close(core->store);
	/* Who waits to hear that this one is up may open the database now. */
	if (house->old >= 0)
		close(house->old);
	core_timer_free(house->idle);
	core_timer_free(house->watchdog);
	core_timer_free(house->drain);
	core_timer_free(house->repeats);
	core_timer_free(house->hand);
	for (size_t i = 0; i < ARRAY_LEN(house->signals); i++)
		if (house->signals[i])
			event_free(house->signals[i]);
	if (house->interrupt)
		event_free(house->interrupt);
	event_base_free(core->base);
	json_decref(house->listening);
	free(core->public_url);
	free(house->config);
	free(house->rehearsal);
	free(house->state_dir);
	free(house->spool_root);
	free(house->shim_path);
	free(house->mime_path);
	free(house->git_path);
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
	bound_look(&house->core);
	keep_wake(house->core.keep);
}

/* What came again and again in the log is told as a count. */
static void
on_repeats(void *arg)
{
	struct house *house = arg;
	int64_t next = log_settle(false);

	house->repeating = next >= 0;
	if (next >= 0)
		core_timer_arm(&house->core, &house->repeats, next + 1, on_repeats, house);
}

/* Asking for it chooses it, before the first run. */
static void
means_say(struct core *core)
{
	json_t *means = registry_means(core);
	const char *executor = means ? json_str(means, "executor") : NULL;

	if (executor)
		log_info("who starts runs of programs", "executor", executor);
	json_decref(means);
}

int
house_run(struct house *house)
{
	struct core *core = &house->core;
	AUTO(buf_fini) struct buf ready = BUF_INIT, means = BUF_INIT;

	house->host.ready = true;
	takeover_say_up(house->old);
	house->old = -1;
	heirloom_adopt(house->heirloom, api_server(house->api));
	heirloom_free(house->heirloom);
	house->heirloom = NULL;
	buf_printf(&ready, "READY=1\nSTATUS=ready, version %s", PACKAGE_VERSION);
	systemd_notify(buf_cstr(&ready));
	if (systemd_watchdog_ms())
		on_watchdog(house);
	means_say(core);
	exec_confine_describe(registry_conf(core->registry), &means);
	log_info("what agents can be held to", "means", buf_cstr(&means));
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
		telemetry_look(core);
		if (log_is_repeating() && !house->repeating)
			on_repeats(house);
		if (store_has_failed(core->store)) {
			log_error("the disk no longer keeps what it is told; stopping, so that "
				  "nothing is acknowledged in vain");
			house->status = 1;
			break;
		}
	}
	model_stop(house->model);
	turn_end(core->store);
	log_settle(true);
	log_info("stopped");
	return house->status;
}
