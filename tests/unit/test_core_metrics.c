/* Metrics: series that are bounded, and lines that nobody can forge. */
/* SPDX-License-Identifier: MIT */
#include "core/metrics.h"

#include "tests/unit/core_rig.h"

static struct buf printed = BUF_INIT;

static const char *
say(void)
{
	buf_clear(&printed);
	metrics_print(&rig.core, &printed);
	return buf_cstr(&printed);
}

static int
lines(const char *beginning)
{
	int n = 0;

	for (const char *at = say(); (at = strstr(at, beginning)); at++)
		n++;
	return n;
}

int
main(void)
{
	rig_init(rig_conf);
	IT ("what a label says stands between its quotes, whatever it is") {
		metrics_count(rig.core.metrics, "rouse_events_total", "trigger", "a\"b\\c\nd",
			      "outcome", "ran", 2);
		CHECK(strstr(say(), "\nrouse_events_total{trigger=\"a\\\"b\\\\c\\nd\","
				    "outcome=\"ran\"} 2\n"));
	}
	IT ("a count of nothing makes no series") {
		metrics_count(rig.core.metrics, "rouse_events_total", "trigger", "none", "outcome",
			      "ran", 0);
		CHECK(!strstr(say(), "trigger=\"none\""));
	}
	IT ("ends of runs say why") {
		metrics_ended(rig.core.metrics, "a", "failed", "lost");
		metrics_ended(rig.core.metrics, "a", "failed", "lost");
		metrics_ended(rig.core.metrics, "a", "succeeded", NULL);
		CHECK(strstr(
			say(),
			"\nrouse_runs_total{agent=\"a\",status=\"failed\",reason=\"lost\"} 2\n"));
		CHECK(strstr(
			say(),
			"\nrouse_runs_total{agent=\"a\",status=\"succeeded\",reason=\"\"} 1\n"));
	}
	IT ("tenants beyond a thousand are added up, and crowd out nothing else") {
		for (int i = 0; i < 5000; i++) {
			char tenant[16];

			snprintf(tenant, sizeof(tenant), "t%d", i);
			metrics_count(rig.core.metrics, "rouse_cost_usd_total", "agent", "a",
				      "tenant", tenant, 1);
		}
		CHECK_INT(lines("\nrouse_cost_usd_total{"), 1001);
		CHECK(strstr(say(),
			     "\nrouse_cost_usd_total{agent=\"other\",tenant=\"other\"} 4000\n"));
		metrics_count(rig.core.metrics, "rouse_cost_usd_total", "agent", "a", "tenant",
			      "t7", 1);
		CHECK(strstr(say(), "\nrouse_cost_usd_total{agent=\"a\",tenant=\"t7\"} 2\n"));
		metrics_count(rig.core.metrics, "rouse_events_total", "trigger", "later", "outcome",
			      "ran", 1);
		CHECK(strstr(say(), "trigger=\"later\",outcome=\"ran\"} 1\n"));
	}
	IT ("buckets of a histogram grow towards the last, which is its count") {
		metrics_observe(rig.core.metrics, "rouse_run_duration_seconds", "agent", "a", 0.02);
		metrics_observe(rig.core.metrics, "rouse_run_duration_seconds", "agent", "a", 5000);
		CHECK(strstr(say(),
			     "rouse_run_duration_seconds_bucket{agent=\"a\",le=\"0.01\"} 0\n"));
		CHECK(strstr(say(),
			     "rouse_run_duration_seconds_bucket{agent=\"a\",le=\"0.025\"} 1\n"));
		CHECK(strstr(say(),
			     "rouse_run_duration_seconds_bucket{agent=\"a\",le=\"+Inf\"} 2\n"));
		CHECK(strstr(say(), "rouse_run_duration_seconds_count{agent=\"a\"} 2\n"));
	}
	buf_fini(&printed);
	rig_fini();
	return tap_done();
}
