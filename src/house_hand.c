/* The house: how it hands over to another roused, and goes on when that one does not come up. */
/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "house_parts.h"

#include <signal.h>

#include "api/api.h"
#include "base/log.h"
#include "base/os.h"
#include "core/apply.h"
#include "core/queue.h"
#include "core/registry.h"
#include "core/telemetry.h"
#include "http/server.h"
#include "systemd.h"
#include "takeover.h"

#define HAND_LOOK_MS 2
/* A collector that is slow hardly holds up one that takes over. */
#define HAND_TELEMETRY_MS 500

static void
hand_end(struct house *house, const char *why)
{
	struct core *core = &house->core;

	takeover_refuse(house->takeover, why);
	core->handing = false;
	telemetry_drain(core, false);
	http_server_hold(api_server(house->api), false);
	queue_wake(core->queue, NULL);
	apply_wake(core->apply, NULL);
	log_warning("not handed over; this one goes on", "why", why);
}

/* At the moment when nobody is owed an answer and nothing is being applied. */
static void
hand_look(void *arg)
{
	struct house *house = arg;
	struct core *core = &house->core;
	const struct conf_section *daemon =
		conf_section(registry_conf(core->registry), "daemon", "");
	int64_t waited = clock_mono(core->clock).ms - house->hand_since.ms;

	if (core->draining) {
		takeover_refuse(house->takeover, "it is being stopped");
	} else if (http_server_is_quiet(api_server(house->api)) && !apply_in_flight(core->apply) &&
		   !model_in_flight(house->model) &&
		   !(telemetry_is_busy(core) && waited < HAND_TELEMETRY_MS)) {
		house->hands_over = house->stop = true;
	} else if (waited >= conf_ms(daemon, "drain_timeout")) {
		hand_end(house, "it owes answers, or applies changes, longer than drain_timeout");
	} else {
		core_timer_arm(core, &house->hand, HAND_LOOK_MS, hand_look, house);
	}
}

static void
on_asked(void *arg, const char *version)
{
	struct house *house = arg;

	pid_t pid = takeover_asker_pid(house->takeover);

	if (house->core.draining) {
		takeover_refuse(house->takeover, "it is being stopped");
		return;
	}
	/* It would take our end for the service's, and start another one beside the new one. */
	if (systemd_keeps_us() && !systemd_keeps_too(pid)) {
		takeover_refuse(house->takeover,
				"a service manager keeps it, and would not know the new one; "
				"restart the service (systemctl restart roused): with "
				"roused.socket that refuses no connection either");
		return;
	}
	house->successor = pid;
	log_info("another roused takes over; nothing new begins here", "version", version);
	house->core.handing = true;
	house->hand_since = clock_mono(house->core.clock);
	http_server_hold(api_server(house->api), true);
	api_hurry(house->api);
	telemetry_drain(&house->core, true);
	core_timer_arm(&house->core, &house->hand, HAND_LOOK_MS, hand_look, house);
}

void
house_hand_listen(struct house *house)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (house->rehearsal)
		return;
	house->takeover = takeover_new(&house->core, house->state_dir, on_asked, house, &err);
	if (!house->takeover)
		log_warning("no other roused can take over from this one", "error", err_text(&err));
}

bool
house_hands_over(const struct house *house)
{
	return house->hands_over;
}

bool
house_give(struct house *take_house, struct house_from *ret_from, struct err *err)
{
	struct heirloom *heirloom = heirloom_of(api_server(take_house->api));
	struct registry *registry = registry_ref(take_house->core.registry);
	int asker = takeover_asker(take_house->takeover);
	pid_t successor = take_house->successor;
	sigset_t all;

	house_free(take_house);
	crash_point("hands-over");
	if (takeover_give(asker, heirloom, err)) {
		systemd_notify_main(successor);
		registry_unref(registry);
		heirloom_free(heirloom);
		return true;
	}
	*ret_from = (struct house_from){.registry = registry, .heirloom = heirloom};
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	return false;
}
