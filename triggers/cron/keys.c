/* Source cron: its keys, checked, and what they make of a schedule. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/inside.h"

#include "base/digest.h"
#include "pure/cron_explain.h"

static const struct conf_key keys[] = {
	{"schedule", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "five, six (seconds first) or seven fields (year last), @daily, @every 90s, or "
		 "calendar:Mon..Fri 07:30 as systemd writes it"},
	{"timezone", CONF_STRING, .help = "IANA zone of the schedule; default UTC"},
	{"catchup", CONF_ENUM, "one", "one|none|all",
	 .help = "what happens to times that were missed"},
	{"catchup_window", CONF_DURATION, "24h", .min = 0, .max = 366LL * 86400000,
	 .help = "missed times older than this are dropped"},
	{"catchup_max", CONF_INT, "100", .min = 1, .max = 1000,
	 .help = "of catchup = all: so many are run, the newest; the rest is counted"},
	{"grace", CONF_DURATION, "60s", .min = 0, .max = 86400000,
	 .help = "a start later than this counts as missed"},
	{"overlap", CONF_ENUM, "skip", "queue|queue_one|skip|cancel_other|allow",
	 .help = "what happens while an earlier run is not done"},
	{"jitter", CONF_DURATION, "0s", .min = 0, .max = 86400000,
	 .help = "each tick is delayed by up to this, always the same for one tick"},
	{"start", CONF_STRING, .help = "no tick before this time (RFC 3339)"},
	{"end", CONF_STRING, .help = "no tick at or after this time (RFC 3339)"},
	{"max_runs", CONF_INT, .min = 1, .max = 1000000000,
	 .help = "runs in all; ticks that were skipped do not count"},
	{"pause_after_failures", CONF_INT, .min = 1, .max = 1000,
	 .help = "so many runs that failed in a row pause the trigger"},
	{"strict", CONF_BOOL, "no", .help = "refuse a schedule that crons read differently"},
	{"allow_never", CONF_BOOL, "no", .help = "load also a schedule that never fires"},
};

static void cron_check(const struct conf_section *section, struct conf_report *report);

static const struct conf_table table = {.section = "trigger",
					.named = true,
					.selector = "source",
					.value = "cron",
					.keys = keys,
					.count = ARRAY_LEN(keys),
					.check = cron_check,
					.help = "a schedule",
					.hint = "rouse trigger next {name} shows when it "
						"fires, rouse trigger fire {name} does it now."};
const struct conf_table *const cron_tables[] = {&table, NULL};

static bool
time_of(const struct conf_section *section, const char *key, struct wall *ret, struct err *err)
{
	const char *text = conf_str(section, key);

	*ret = WALL_NONE;
	if (!text || wall_parse(str_of(text), ret))
		return true;
	return err_set(err, E_CONFIG, "%s; expected a time as 2026-11-20T09:30:00Z", text);
}

static bool
schedule_of(const struct conf_section *section, struct cron **ret, struct err *err)
{
	return cron_new(str_of(conf_str(section, "schedule")),
			str_of(conf_str(section, "timezone")), str_of(conf_section_name(section)),
			ret, err);
}

/* Never at all is a mistake; over by now is what becomes of schedules that end. */
static void
never_check(const struct conf_section *section, struct cron *cron, struct conf_report *report)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct wall at;

	if (cron_check_fires(cron, clock_wall(clock_system()), &err))
		return;
	if (cron_prev(cron, clock_wall(clock_system()), &at))
		conf_warn(report, section, "schedule", "%s", err_text(&err));
	else if (!conf_bool(section, "allow_never"))
		conf_complain(report, section, "schedule", "%s", err_text(&err));
}

struct linted {
	const struct conf_section *section;
	struct conf_report *report;
};

static void
on_lint(void *arg, const char *text)
{
	const struct linted *linted = arg;

	conf_warn(linted->report, linted->section, "schedule", "%s", text);
}

/* What is valid, and may not be meant. */
static void
lint_check(const struct conf_section *section, struct cron *cron, struct conf_report *report)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct linted linted = {section, report};

	if (conf_bool(section, "strict") && !cron_check_strict(cron_expr(cron), &err))
		conf_complain(report, section, "schedule", "%s", err_text(&err));
	else
		cron_lint(cron, clock_wall(clock_system()), on_lint, &linted);
}

static void
cron_check(const struct conf_section *section, struct conf_report *report)
{
	AUTO(cron_auto_free) struct cron *cron = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	static const char *const names[] = {"start", "end"};
	struct wall times[ARRAY_LEN(names)];

	if (!schedule_of(section, &cron, &err)) {
		conf_complain(report, section, "schedule", "%s", err_text(&err));
	} else {
		never_check(section, cron, report);
		lint_check(section, cron, report);
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(err_fini) struct err bad = ERR_INIT;

		if (!time_of(section, names[i], &times[i], &bad))
			conf_complain(report, section, names[i], "%s", err_text(&bad));
	}
	if (wall_is_set(times[0]) && wall_is_set(times[1]) && times[1].ms <= times[0].ms)
		conf_complain(report, section, "end", "it is not after start; nothing would fire");
}

static enum catchup
catchup_of(const char *name)
{
	return !strcmp(name, "all")    ? CATCHUP_ALL
	       : !strcmp(name, "none") ? CATCHUP_NONE
				       : CATCHUP_ONE;
}

bool
tick_configure(struct tick *tick, const struct conf_section *section, struct err *err)
{
	tick->policy = (struct ticks_policy){
		.catchup = catchup_of(conf_str(section, "catchup")),
		.window_ms = conf_ms(section, "catchup_window"),
		.grace_ms = conf_ms(section, "grace"),
		.catchup_max = (unsigned)conf_int(section, "catchup_max"),
		.jitter_ms = conf_ms(section, "jitter"),
		.seed = str_of(tick->source.name),
		.done = TICKS_RANGE_NONE,
	};
	if (conf_is_set(section, "max_runs"))
		tick->max_runs = conf_int(section, "max_runs");
	if (conf_is_set(section, "pause_after_failures"))
		tick->pause_after = conf_int(section, "pause_after_failures");
	return schedule_of(section, &tick->cron, err) &&
	       time_of(section, "start", &tick->policy.start, err) &&
	       time_of(section, "end", &tick->policy.end, err);
}

void
schedule_print(const struct conf_section *section, char *ret)
{
	static const char *const names[] = {"schedule", "timezone", "start", "end"};
	AUTO(buf_fini) struct buf text = BUF_INIT, hex = BUF_INIT;
	struct digest digest;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = conf_str(section, names[i]);

		buf_puts(&text, value ? value : "");
		buf_putc(&text, '\n');
	}
	digest = digest_of(DIGEST_SHA256, buf_str(&text));
	hex_encode(&hex, str_make(digest.bytes, 8));
	memcpy(ret, buf_cstr(&hex), 17);
}
