/* Health of triggers: what each last did, silence as an alarm, and what a restart still knows. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include "core/health.h"
#include "core/metrics.h"

#define CONF "[agent a]\nkind = fake\n"
#define HOOK "[trigger hook]\nsource = fake\nagent = a\n"
#define QUIET "[trigger quiet]\nsource = fake\nagent = a\nstale_after = 1h\n"
#define HOUR INT64_C(3600000)
#define MINUTE INT64_C(60000)

static struct trigger_state
state_of(const char *name)
{
	struct trigger_state state;

	trigger_state_get(&rig.core, rig_trigger(name), &state);
	return state;
}

static const char *
health(const char *name)
{
	return source_health_name(trigger_health(&rig.core, rig_trigger(name)));
}

static bool
turn_switch(const char *name, const char *kind, bool on)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	bool ok = switch_turn(&rig.core, "trigger", name, kind, on, "ann", &err);

	rig_run();
	return ok;
}

static bool
metric_has(const char *line)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	metrics_print(&rig.core, &text);
	return strstr(buf_cstr(&text), line);
}

static void
silence(void)
{
	struct wall began;

	rig_init(CONF HOOK QUIET);
	rig_follow();
	began = (struct wall){rig.wall_ms};
	IT ("is idle before the first event, ok after it") {
		CHECK_STR(health("quiet"), "idle");
		rig_event("quiet", "1", NULL);
		CHECK_STR(health("quiet"), "ok");
		CHECK_STR(state_of("quiet").last_outcome, "ran");
		CHECK(!wall_is_set(state_of("hook").last_event));
	}
	IT ("becomes stale when it hears nothing for stale_after, not before") {
		rig_pass(HOUR - 1);
		CHECK_STR(health("quiet"), "ok");
		buf_clear(&rig_told);
		rig_pass(1);
		CHECK_STR(health("quiet"), "stale");
		CHECK_STR(health("hook"), "idle");
		CHECK(strstr(buf_cstr(&rig_told), "trigger/stale"));
		CHECK_INT(state_of("quiet").since.ms, began.ms + HOUR);
		CHECK(metric_has("rouse_trigger_stale{trigger=\"quiet\"} 1\n"));
		CHECK(metric_has("rouse_triggers{health=\"stale\"} 1\n"));
	}
	IT ("is ok again with the next event, and waits anew from there") {
		rig_pass(MINUTE);
		buf_clear(&rig_told);
		rig_event("quiet", "2", NULL);
		CHECK_STR(health("quiet"), "ok");
		CHECK(strstr(buf_cstr(&rig_told), "trigger/ok"));
		rig_pass(HOUR - MINUTE);
		rig_event("quiet", "3", NULL);
		rig_pass(HOUR - 1);
		CHECK_STR(health("quiet"), "ok");
		rig_pass(1);
		CHECK_STR(health("quiet"), "stale");
		CHECK(metric_has("rouse_trigger_stale{trigger=\"quiet\"} 1\n"));
	}
	IT ("is failing rather than stale, and stale once it fails no more") {
		struct source *source = sources_find(rig.core.sources, "quiet");

		source_set_health(source, HEALTH_FAILING, "no route to host");
		CHECK_STR(health("quiet"), "failing");
		source_set_health(source, HEALTH_OK, NULL);
		CHECK_STR(health("quiet"), "stale");
		CHECK_STR(state_of("quiet").last_error, "no route to host");
	}
	IT ("asks no timer when nothing wants one") {
		CHECK(rig_reload(CONF HOOK));
		rig_pass(MINUTE);
		buf_clear(&rig_told);
		rig_pass(100 * HOUR);
		CHECK_STR(buf_cstr(&rig_told), "");
	}
	rig_fini();
}

static void
restarts(void)
{
	rig_init(CONF HOOK QUIET);
	IT ("counts silence over a restart, from the last event") {
		rig_event("quiet", "1", NULL);
		rig_pass(HOUR / 2);
		rig_restart(NULL);
		CHECK_STR(health("quiet"), "ok");
		rig_pass(HOUR / 2 - 1);
		CHECK_STR(health("quiet"), "ok");
		rig_pass(1);
		CHECK_STR(health("quiet"), "stale");
	}
	IT ("is stale at once when the silence began before the restart") {
		rig_restart(NULL);
		CHECK_STR(health("quiet"), "stale");
	}
	IT ("counts from when it was first known where there never was an event") {
		CHECK(rig_reload(CONF HOOK "[trigger new]\nsource = fake\nagent = a\n"
					   "stale_after = 1h\n"));
		rig_pass(HOUR / 2);
		rig_restart(NULL);
		rig_pass(HOUR / 2);
		CHECK_STR(health("new"), "stale");
	}
	IT ("knows the last event when retention has removed it") {
		int64_t at = rig.wall_ms;

		rig_event("hook", "1", NULL);
		rig_pass(MINUTE);
		rig_sql("DELETE FROM events");
		rig_restart(NULL);
		CHECK_INT(state_of("hook").last_event.ms, at);
		CHECK_STR(state_of("hook").last_outcome, "");
		CHECK_STR(health("hook"), "ok");
	}
	IT ("knows the last error after a restart, and when it was") {
		int64_t at = rig.wall_ms;

		source_set_health(sources_find(rig.core.sources, "hook"), HEALTH_FAILING, "gone");
		rig_pass(2000);
		rig_restart(NULL);
		CHECK_STR(state_of("hook").last_error, "gone");
		CHECK_INT(state_of("hook").last_error_at.ms, at);
		CHECK_STR(health("hook"), "ok");
	}
	IT ("forgets what is no longer configured") {
		CHECK(rig_reload(CONF QUIET));
		rig_run();
		CHECK_INT(rig_int("SELECT COUNT(*) FROM trigger_health WHERE trigger <> 'quiet'"),
			  0);
		CHECK(rig_reload(CONF QUIET HOOK));
		CHECK(!state_of("hook").last_error);
		rig_event("hook", "1", NULL);
		rig_pass(MINUTE);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM trigger_health WHERE trigger = 'hook'"), 1);
		rig_restart(CONF QUIET);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM trigger_health WHERE trigger = 'hook'"), 0);
	}
	IT ("a clock that went back excuses no silence for long") {
		rig_event("quiet", "1", NULL);
		rig.wall_ms -= 100 * HOUR;
		rig_restart(NULL);
		CHECK_STR(health("quiet"), "ok");
		rig_pass(HOUR);
		CHECK_STR(health("quiet"), "stale");
	}
	IT ("a disk that is full loses what is known only until there is space") {
		source_note_error(sources_find(rig.core.sources, "quiet"), "first");
		rig.fail_commits = 1;
		rig_pass(2000);
		source_note_error(sources_find(rig.core.sources, "quiet"), "second");
		rig_pass(MINUTE);
		CHECK_STR(rig_text("SELECT error FROM trigger_health"), "second");
	}
	rig_fini();
}

static void
switches(void)
{
	rig_init(CONF HOOK QUIET);
	rig_follow();
	IT ("is stopped while it is disabled or paused, and says since when") {
		int64_t at = rig.wall_ms;

		CHECK(turn_switch("quiet", "disabled", true));
		CHECK_STR(health("quiet"), "stopped");
		CHECK(strstr(buf_cstr(&rig_told), "trigger/stopped"));
		rig_pass(MINUTE);
		rig_restart(NULL);
		CHECK_STR(health("quiet"), "stopped");
		CHECK_INT(state_of("quiet").since.ms, at);
		CHECK(turn_switch("hook", "paused", true));
		CHECK_STR(health("hook"), "stopped");
		CHECK(turn_switch("hook", "paused", false));
		CHECK_STR(health("hook"), "idle");
	}
	IT ("is not stale while it is stopped, and has stale_after from when it is not") {
		rig_pass(5 * HOUR);
		CHECK_STR(health("quiet"), "stopped");
		CHECK(turn_switch("quiet", "disabled", false));
		CHECK_STR(health("quiet"), "idle");
		rig_pass(HOUR - 1);
		CHECK_STR(health("quiet"), "idle");
		rig_pass(1);
		CHECK_STR(health("quiet"), "stale");
	}
	IT ("is stopped where the file says so, and watched from the reload that says otherwise") {
		CHECK(rig_reload(CONF HOOK QUIET "enabled = no\n"));
		CHECK_STR(health("quiet"), "stopped");
		rig_pass(5 * HOUR);
		CHECK(rig_reload(CONF HOOK QUIET));
		CHECK_STR(health("quiet"), "idle");
		rig_pass(HOUR);
		CHECK_STR(health("quiet"), "stale");
	}
	IT ("is failing when it did not start, with the reason") {
		CHECK(rig_reload(CONF HOOK "[trigger no-start]\nsource = fake\nagent = a\n"));
		CHECK_STR(health("no-start"), "failing");
		CHECK_STR(state_of("no-start").last_error, "cannot be watched");
		CHECK(metric_has("rouse_triggers{health=\"failing\"} 1\n"));
	}
	IT ("a switch that the disk refuses changes nothing that is told") {
		AUTO(err_fini) struct err err = ERR_INIT;

		CHECK(switch_turn(&rig.core, "trigger", "hook", "disabled", true, "ann", &err));
		rig.fail_commits = 1;
		rig_run();
		CHECK_STR(health("hook"), "idle");
	}
	rig_fini();
}

static void
waiting(void)
{
	rig_init("[agent a]\nkind = fake\nconcurrency = 1\n" HOOK);
	IT ("says how much waits, and how long the oldest of it does") {
		rig_event("hook", "1", NULL);
		CHECK_INT(state_of("hook").backlog, 0);
		CHECK_INT(state_of("hook").lag_ms, 0);
		rig_event("hook", "2", NULL);
		rig_pass(MINUTE);
		rig_event("hook", "3", NULL);
		CHECK_INT(state_of("hook").backlog, 2);
		CHECK_INT(state_of("hook").lag_ms, MINUTE);
		CHECK(metric_has("rouse_trigger_lag_seconds{trigger=\"hook\"} 60.000\n"));
	}
	IT ("counts what the source could not hand over") {
		struct source *source = sources_find(rig.core.sources, "hook");

		source_set_backlog(source, 5, (struct wall){rig.wall_ms - HOUR});
		CHECK_INT(state_of("hook").backlog, 7);
		CHECK_INT(state_of("hook").lag_ms, HOUR);
		source_set_backlog(source, 0, WALL_NONE);
		source_set_backlog(source, 1, WALL_NONE);
		rig_pass(1000);
		source_set_backlog(source, 2, WALL_NONE);
		CHECK_INT(source->waiting_since.ms, rig.wall_ms - 1000);
	}
	IT ("an event whose mapping fails is the last error of a trigger that is well") {
		CHECK(rig_reload("[agent a]\nkind = fake\n" HOOK "key = fail\n"));
		CHECK_STR(rig_event("hook", "4", NULL).outcome, "rejected");
		CHECK_STR(state_of("hook").last_outcome, "rejected");
		CHECK(strstr(state_of("hook").last_error, "cannot index number"));
		CHECK_STR(health("hook"), "ok");
	}
	rig_fini();
}

static void
many(void)
{
	AUTO(buf_fini) struct buf conf = BUF_INIT;

	buf_puts(&conf, CONF);
	for (int i = 0; i < 500; i++)
		buf_printf(&conf, "[trigger t%d]\nsource = fake\nagent = a\nstale_after = %dm\n", i,
			   1 + (i * 7919) % 500);
	rig_init(buf_cstr(&conf));
	IT ("each of many falls silent at its own time") {
		for (int minute = 1; minute <= 500; minute++) {
			AUTO(buf_fini) struct buf line = BUF_INIT;

			rig_pass(MINUTE);
			buf_printf(&line, "rouse_triggers{health=\"stale\"} %d\n", minute);
			if (!metric_has(buf_cstr(&line)))
				CHECK_INT(minute, 0);
		}
		CHECK(metric_has("rouse_triggers{health=\"stale\"} 500\n"));
	}
	rig_fini();
}

int
main(void)
{
	silence();
	restarts();
	switches();
	waiting();
	many();
	return tap_done();
}
