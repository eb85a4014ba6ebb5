/* Keeping: what is old enough goes, in small steps beside the loop. SPEC 3, [retention]. */
/* SPDX-License-Identifier: MIT */
#include "core/keep.h"

#include <assert.h>
#include <dirent.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/os.h"
#include "base/uuid.h"
#include "core/ledger_day.h"
#include "core/registry.h"
#include "store/audit.h"
#include "store/batches.h"
#include "store/budgets.h"
#include "store/events.h"
#include "store/keys.h"
#include "store/retention.h"
#include "store/sessions.h"

#define SWEEP_MS 3600000
/* Also when the database is full. */
#define HURRY_MS 10000
#define STEP_MS 100
/* Rows that one step looks at: some milliseconds. */
#define STEP_ROWS 200
/* Folders of attachments that one step looks at, and how many it removes. */
#define STEP_FOLDERS 100
#define STEP_REMOVALS 5
/* A folder is older than its event: until then it may come. */
#define FOLDER_YOUNG_MS 3600000

/* In this order: a run lets go of its event only when its changes are gone. */
static const struct {
	enum retention what;
	const char *key;
} kinds[] = {{RETAIN_CHANGES, "changes"},
	     {RETAIN_LOGS, "logs"},
	     {RETAIN_RUNS, "runs"},
	     {RETAIN_EVENTS, "events"}};

struct keep {
	struct core *core;
	struct core_timer *timer;
	struct mono began;
	bool began_once, sweeping;
	size_t at;    /* of kinds; behind them, of ages */
	DIR *folders; /* of attachments, while they are looked at; NULL */
	uint64_t gone;
};

struct keep *
keep_new(struct core *core)
{
	struct keep *keep = mem_alloc(sizeof(*keep));

	keep->core = core;
	return keep;
}

void
keep_free(struct keep *keep)
{
	if (!keep)
		return;
	core_timer_free(keep->timer);
	if (keep->folders)
		closedir(keep->folders);
	free(keep);
}

/* --- attachments: STATE_DIR/attachments/EVENT goes when its event does --- */

static bool
folder_is_orphan(struct keep *keep, const char *name)
{
	AUTO(event_row_fini) struct event_row row = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct stat st;

	if (!uuid_is_valid(str_of(name)) || fstatat(dirfd(keep->folders), name, &st, 0) ||
	    core_wall(keep->core).ms - (int64_t)st.st_mtime * 1000 < FOLDER_YOUNG_MS)
		return false;
	return !events_get(keep->core->store, name, &row, &err) && err.code == E_NOT_FOUND;
}

static bool
folders_slice(struct keep *keep, bool *ret_through, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct dirent *entry;
	int removed = 0;

	buf_cat(&path, keep->core->state_dir ? keep->core->state_dir : "", "/attachments");
	if (!keep->folders)
		keep->folders = opendir(buf_cstr(&path));
	*ret_through = !keep->folders;
	for (int i = 0; keep->folders && i < STEP_FOLDERS && removed < STEP_REMOVALS; i++) {
		AUTO(buf_fini) struct buf folder = BUF_INIT;

		entry = readdir(keep->folders);
		if (!entry) {
			closedir(keep->folders);
			keep->folders = NULL;
			*ret_through = true;
			break;
		}
		if (!folder_is_orphan(keep, entry->d_name))
			continue;
		buf_cat(&folder, buf_cstr(&path), "/", entry->d_name);
		if (!os_remove_tree(buf_cstr(&folder), err))
			return false;
		keep->gone++;
		removed++;
	}
	return true;
}

/* What is forgotten by its age alone, a slice at a time. */
typedef bool expire_fn(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
		       struct err *err);
static const struct {
	const char *key;
	expire_fn *expire; /* NULL: attachments */
	unsigned more;	   /* with so many gone there may be more */
} ages[] = {{"idempotency", keys_expire, STEP_ROWS},
	    {NULL, NULL, 0},
	    {"sessions", sessions_expire, STEP_ROWS},
	    {"batches", batches_expire, STEP_ROWS},
	    {"runs", replays_expire, 1},
	    {"audit", audit_expire, STEP_ROWS}};

/* One slice. *ret_through: nothing of this kind is left. */
static bool
keep_slice(struct keep *keep, bool *ret_through, struct err *err)
{
	const struct conf_section *section =
		conf_section(registry_conf(keep->core->registry), "retention", "");
	struct wall before = core_wall(keep->core);
	size_t age = keep->at - ARRAY_LEN(kinds);
	unsigned gone = 0;
	bool ok;

	if (keep->at < ARRAY_LEN(kinds)) {
		before.ms -= conf_ms(section, kinds[keep->at].key);
		ok = retention_apply(keep->core->store, kinds[keep->at].what, before, STEP_ROWS,
				     &gone, ret_through, err);
	} else if (!ages[age].expire) {
		return folders_slice(keep, ret_through, err);
	} else {
		before.ms -= conf_ms(section, ages[age].key);
		ok = ages[age].expire(keep->core->store, before, STEP_ROWS, &gone, err);
		*ret_through = gone < ages[age].more;
	}
	keep->gone += gone;
	return ok;
}

/* Days of the ledger are kept as long as decided changes. */
static bool
keep_days(struct keep *keep, struct err *err)
{
	const struct conf_section *section =
		conf_section(registry_conf(keep->core->registry), "retention", "");
	struct wall before = {core_wall(keep->core).ms - conf_ms(section, "changes")};
	char day[DAY_LEN];

	day_of(NULL, before, day, NULL);
	return budgets_forget(keep->core->store, day, err);
}

static void
keep_step(void *arg)
{
	struct keep *keep = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf gone = BUF_INIT;
	bool through = true;

	if ((!keep->at && !keep_days(keep, &err)) || !keep_slice(keep, &through, &err)) {
		log_warning("old rows are not let go of now", "error", err_text(&err));
		keep->sweeping = false;
		return;
	}
	if (through && ++keep->at == ARRAY_LEN(kinds) + ARRAY_LEN(ages)) {
		keep->sweeping = false;
		buf_printf(&gone, "%llu", (unsigned long long)keep->gone);
		if (keep->gone)
			log_info("what was old is gone", "count", buf_cstr(&gone));
		return;
	}
	core_timer_arm(keep->core, &keep->timer, STEP_MS, keep_step, keep);
}

static void
keep_begin(struct keep *keep, int64_t apart_ms)
{
	struct mono now = clock_mono(keep->core->clock);

	if (keep->sweeping || (keep->began_once && now.ms - keep->began.ms < apart_ms))
		return;
	keep->sweeping = keep->began_once = true;
	keep->began = now;
	keep->at = 0;
	keep->gone = 0;
	core_timer_arm(keep->core, &keep->timer, STEP_MS, keep_step, keep);
}

void
keep_wake(struct keep *keep)
{
	keep_begin(keep, SWEEP_MS);
}

void
keep_hurry(struct keep *keep)
{
	keep_begin(keep, HURRY_MS);
}

void
keep_now(struct keep *keep)
{
	keep->began_once = false;
	keep_wake(keep);
}
