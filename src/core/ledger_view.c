/* What the ledger shows: spent, reserved and left of a day. */
/* SPDX-License-Identifier: MIT */
#include "core/ledger_inside.h"

/* A line in the making: rows, reservations and held runs come from three places. */
struct line {
	char *key, *tenant;
	char day[DAY_LEN];
	int64_t spent_uusd, tokens, reserved_uusd, reserved_tokens, held;
	UT_hash_handle hh;
};

struct view {
	struct core *core;
	const char *day; /* NULL: today */
	struct line *lines;
	int count;
};
/* Lines beyond this are left out: whoever has more users asks the database. */
#define LINES_MAX 10000

/* Whose days a key's are: of a user, what stands before the slash of his name. */
static char *
key_tenant(const char *key)
{
	const char *name = strchr(key, '/') + 1, *slash = strchr(name, '/');
	enum payer payer = payer_of_key(key);

	if (payer == PAYER_TENANT)
		return mem_strdup(name);
	return payer == PAYER_USER && slash ? str_dup(str_make(name, (size_t)(slash - name)))
					    : NULL;
}

/* NULL: it is not of the day that is asked for. */
static struct line *
line_of(struct view *view, const char *key, const char *day)
{
	AUTO(auto_free) char *tenant = key_tenant(key);
	enum payer payer = payer_of_key(key);
	char wanted[DAY_LEN];
	struct line *line;

	if (payer == PAYERS)
		return NULL;
	if (view->day)
		snprintf(wanted, sizeof(wanted), "%s", view->day);
	else
		payer_day(view->core->ledger, payer, tenant, strchr(key, '/') + 1,
			  core_wall(view->core), wanted, NULL);
	if (day && strcmp(day, wanted))
		return NULL;
	HASH_FIND_STR(view->lines, key, line);
	if (line || view->count >= LINES_MAX)
		return line;
	line = mem_alloc(sizeof(*line));
	line->key = mem_strdup(key);
	line->tenant = TAKE(tenant);
	memcpy(line->day, wanted, sizeof(line->day));
	HASH_ADD_KEYPTR(hh, view->lines, line->key, strlen(line->key), line);
	view->count++;
	return line;
}

static bool
on_row(void *arg, const struct budget_row *row)
{
	AUTO(buf_fini) struct buf key = BUF_INIT;
	struct line *line;

	buf_cat(&key, row->scope, "/", row->name);
	line = line_of(arg, buf_cstr(&key), row->day);
	if (line) {
		line->spent_uusd = row->spent_uusd;
		line->tokens = row->tokens;
	}
	return true;
}

static bool
on_held(void *arg, const char *scope, int64_t count)
{
	struct line *line = line_of(arg, scope, NULL);

	if (line)
		line->held = count;
	return true;
}

static void
view_reservations(struct view *view)
{
	struct reservation *reservation, *next;

	HASH_ITER (hh, view->core->ledger->reservations, reservation, next) {
		for (int i = 0; i < PAYERS; i++) {
			struct line *line =
				reservation->keys[i]
					? line_of(view, reservation->keys[i], reservation->days[i])
					: NULL;

			if (!line)
				continue;
			line->reserved_uusd += reservation->uusd;
			line->reserved_tokens += reservation->tokens;
		}
	}
}

/* Today is one of three dates, somewhere on earth. */
static bool
view_rows(struct view *view, struct err *err)
{
	struct wall now = core_wall(view->core);
	char day[DAY_LEN];

	if (view->day)
		return budgets_list(view->core->store, view->day, on_row, view, err);
	for (int i = -1; i <= 1; i++) {
		day_of(NULL, (struct wall){now.ms + i * 86400000LL}, day, NULL);
		if (!budgets_list(view->core->store, day, on_row, view, err))
			return false;
	}
	return true;
}

static int64_t
shown(int64_t limit)
{
	return limit == INT64_MAX ? -1 : limit;
}

/* Tenants and all that have a limit are worth a line before the first cent is spent. */
static void
view_limits(struct view *view)
{
	const struct conf *conf = registry_conf(view->core->registry);
	int64_t uusd, tokens;

	payer_limits(view->core, PAYER_ALL, NULL, NULL, &uusd, &tokens);
	if (uusd != INT64_MAX || tokens != INT64_MAX)
		line_of(view, "all/", NULL);
	for (const struct conf_section *s = conf_next(conf, "tenant", NULL); s;
	     s = conf_next(conf, "tenant", s)) {
		AUTO(buf_fini) struct buf key = BUF_INIT;

		buf_cat(&key, "tenant/", conf_section_name(s));
		line_of(view, buf_cstr(&key), NULL);
	}
}

static void
line_give(struct view *view, const struct line *line,
	  void (*fn)(void *arg, const struct ledger_line *line), void *arg)
{
	enum payer payer = payer_of_key(line->key);
	const char *name = strchr(line->key, '/') + 1;
	int64_t uusd, tokens;

	payer_limits(view->core, payer, line->tenant, name, &uusd, &tokens);
	if (payer == PAYER_USER && line->tenant)
		name += strlen(line->tenant) + 1;
	fn(arg, &(struct ledger_line){.scope = payer_name(payer),
				      .name = name,
				      .tenant = payer == PAYER_USER ? line->tenant : NULL,
				      .day = line->day,
				      .spent_uusd = line->spent_uusd,
				      .reserved_uusd = line->reserved_uusd,
				      .limit_uusd = shown(uusd),
				      .tokens = line->tokens,
				      .reserved_tokens = line->reserved_tokens,
				      .limit_tokens = shown(tokens),
				      .held = line->held});
}

static int
by_key(struct line *a, struct line *b)
{
	return strcmp(a->key, b->key);
}

bool
ledger_each(struct core *core, const char *day,
	    void (*fn)(void *arg, const struct ledger_line *line), void *arg, struct err *err)
{
	struct view view = {.core = core, .day = day};
	struct line *line, *next;
	bool ok = view_rows(&view, err) && runs_held(core->store, on_held, &view, err);

	if (ok) {
		view_reservations(&view);
		view_limits(&view);
		HASH_SORT(view.lines, by_key);
	}
	HASH_ITER (hh, view.lines, line, next) {
		if (ok)
			line_give(&view, line, fn, arg);
		HASH_DEL(view.lines, line);
		free(line->key);
		free(line->tenant);
		free(line);
	}
	return ok;
}
