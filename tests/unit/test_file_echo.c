/* Own writes: what Rouse wrote is known by its content, and wakes not who caused it. */
/* SPDX-License-Identifier: MIT */
#include "core/echo.h"
#include "tests/unit/core_rig.h"

#define DAY 86400000LL

static const struct str ours = {"0123456789abcdef0123456789abcdef", 32};
static const struct str theirs = {"0123456789abcdef0123456789abcdeF", 32};

static const char *
cause_of(const char *path, struct str hash)
{
	static struct buf cause;

	buf_clear(&cause);
	return echo_find(&rig.core, str_of(path), hash, &cause) ? buf_cstr(&cause) : "-";
}

int
main(void)
{
	struct rig_answer first, echo;
	AUTO(buf_fini) struct buf cause = BUF_INIT;

	rig_init(NULL);
	IT ("knows what was written to a path by its content") {
		CHECK(echo_note(&rig.core, "/w/f", ours, STR("root=a;parent=b;hops=1"), NULL));
		rig_run();
		CHECK(echo_is_noted(&rig.core, STR("/w/f")));
		CHECK(!echo_is_noted(&rig.core, STR("/w/g")));
		CHECK_STR(cause_of("/w/f", ours), "root=a;parent=b;hops=1");
		CHECK_STR(cause_of("/w/f", theirs), "-");
		CHECK_STR(cause_of("/w/g", ours), "-");
	}
	IT ("knows it after a restart, and the last note of a path alone") {
		rig_restart(NULL);
		CHECK_STR(cause_of("/w/f", ours), "root=a;parent=b;hops=1");
		CHECK(echo_note(&rig.core, "/w/f", theirs, STR("hops=2"), NULL));
		rig_run();
		CHECK_STR(cause_of("/w/f", ours), "-");
		CHECK_STR(cause_of("/w/f", theirs), "hops=2");
	}
	IT ("forgets after a day, and the row with the next note") {
		rig_pass(DAY + 1);
		CHECK_STR(cause_of("/w/f", theirs), "-");
		CHECK(echo_note(&rig.core, "/w/h", ours, STR("hops=3"), NULL));
		rig_run();
		CHECK_INT(rig_int("SELECT count(*) FROM facts WHERE trigger = '(echo)'"), 1);
	}
	IT ("records a trigger that its own run's change would wake as looped") {
		first = rig_event("hook", "{}", NULL);
		buf_printf(&cause, "root=%s;parent=%s;hops=1", first.event_id, first.run_id);
		CHECK(echo_note(&rig.core, "/w/f", ours, buf_str(&cause), NULL));
		rig_run();
		echo = rig_admit((struct happening){.trigger = rig_trigger("hook"),
						    .data = STR("{}"),
						    .cause = str_of(cause_of("/w/f", ours)),
						    .by_change = true});
		CHECK_STR(echo.outcome, "looped");
		CHECK_STR(echo.run_id, "");
	}
	rig_fini();
	return tap_done();
}
