/* Fair: shares of tenants over many rounds, with rows that are numbers. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#include "core/fair.h"

#include <limits.h>

#include "base/mem.h"
#include "tests/unit/tap.h"

#define TENANTS 8

/* Agents are letters; a tenant's name is "0" to "7". */
static struct world {
	struct fair *fair;
	struct fair_terms terms[TENANTS];
	int64_t heads[TENANTS][2]; /* by agent 'x', 'y': seq of the first */
	int left[TENANTS][2];
	int priority[TENANTS][2];
	bool closed[2], broken;
	int lines, looks;
} world;
static char agents[] = "xy";

static int
number(const char *tenant)
{
	return *tenant - '0';
}

static void
on_terms(void *arg, const char *tenant, struct fair_terms *ret)
{
	(void)arg;
	*ret = world.terms[number(tenant)];
}

static bool
on_is_open(void *arg, const void *agent)
{
	(void)arg;
	return !world.closed[*(const char *)agent - 'x'];
}

static enum fair_look
on_look(void *arg, struct fair_line *line, struct fair_head *ret)
{
	int t = number(fair_tenant_name(line)), a = *(char *)line->agent - 'x';

	(void)arg;
	world.looks++;
	if (world.broken)
		return FAIR_LATER;
	*ret = (struct fair_head){world.priority[t][a], world.heads[t][a]};
	return world.left[t][a] ? FAIR_HEAD : FAIR_EMPTY;
}

static void
on_gone(void *arg, void *agent)
{
	(void)arg;
	(void)agent;
	world.lines--;
}

static void
world_init(void)
{
	const struct fair_view view = {on_terms, on_is_open, on_look, on_gone, NULL};

	fair_free(world.fair);
	world = (struct world){.fair = fair_new(&view)};
	for (int i = 0; i < TENANTS; i++)
		world.terms[i] = (struct fair_terms){1, INT_MAX, false};
}

static void
gives(int tenant, char agent, int runs, int64_t first)
{
	char name[] = {(char)('0' + tenant), '\0'};
	void *a = &agents[agent - 'x'];

	world.left[tenant][agent - 'x'] = runs;
	world.heads[tenant][agent - 'x'] = first;
	if (!fair_find(world.fair, name, a)) {
		fair_add(world.fair, name, a);
		world.lines++;
	}
}

/* Starts up to n; a digit each, or (agents) a letter. */
static const char *
starts(int n, bool by_agent)
{
	static char text[400];
	int i = 0;
	struct fair_line *line;

	for (; i < n && (line = fair_next(world.fair)); i++) {
		int t = number(fair_tenant_name(line)), a = *(char *)line->agent - 'x';

		text[i] = by_agent ? *(char *)line->agent : (char)('0' + t);
		world.left[t][a]--;
		world.heads[t][a]++;
		fair_took(world.fair, line);
	}
	text[i] = '\0';
	return text;
}

static int
share(const char *text, char tenant)
{
	int n = 0;

	for (; *text; text++)
		n += *text == tenant;
	return n;
}

static void
test_shares(void)
{
	const char *text;

	world_init();
	gives(0, 'x', 1000, 0);
	IT ("one tenant alone has it all") {
		CHECK_STR(starts(5, false), "00000");
	}
	gives(1, 'x', 1, 5000);
	IT ("a single run of another is at most one behind") {
		CHECK_STR(starts(4, false), "1000");
	}
	IT ("as often as it comes, it has no more than its share") {
		char all[101] = "";

		for (int i = 0; i < 50; i++) {
			gives(1, 'x', 1, 6000 + i);
			fair_note_running(world.fair, "1", 1);
			strcat(all, starts(2, false));
			fair_note_running(world.fair, "1", -1);
		}
		CHECK_INT(share(all, '1'), 50);
	}
	world_init();
	world.terms[0].weight = 5;
	world.terms[1].weight = 3;
	for (int i = 0; i < 3; i++)
		gives(i, 'x', 1000, 1000 * i);
	text = starts(90, false);
	IT ("weights are shares, in every round") {
		CHECK_INT(share(text, '0'), 50);
		CHECK_INT(share(text, '1'), 30);
		CHECK_INT(share(text, '2'), 10);
	}
	IT ("and none of them waits longer than a round") {
		int since = 0;

		for (const char *p = text; *p; p++) {
			since = *p == '2' ? 0 : since + 1;
			CHECK(since <= 16);
		}
	}
	world.terms[0].weight = 1;
	fair_forget(world.fair);
	IT ("a new weight counts at once") {
		CHECK(share(starts(50, false), '0') <= 11);
	}
	world_init();
	world.terms[0].weight = 1000;
	gives(0, 'x', 5000, 0);
	starts(1, false);
	gives(1, 'x', 1, 9000);
	IT ("a heavy one does not finish its round before a new one starts") {
		CHECK_STR(starts(2, false), "01");
	}
}

static void
test_blocked(void)
{
	char all[200] = "";

	world_init();
	world.terms[0].weight = 3;
	gives(0, 'x', 1000, 0);
	gives(1, 'x', 1000, 2000);
	gives(2, 'y', 1000, 4000);
	/* One place of each agent frees in turn. */
	for (int i = 0; i < 160; i++) {
		const char *one;

		world.closed[0] = i % 2;
		world.closed[1] = !(i % 2);
		one = starts(1, false);
		if (i % 2 == 0)
			strcat(all, one);
		else
			CHECK_STR(one, "2");
	}
	IT ("who waits for another agent does not shift the shares of this one") {
		CHECK_INT(share(all, '0'), 60);
		CHECK_INT(share(all, '1'), 20);
	}
	world_init();
	world.terms[0].max_running = 2;
	gives(0, 'x', 10, 0);
	gives(1, 'x', 10, 100);
	fair_note_running(world.fair, "0", 2);
	IT ("a tenant at its cap is passed over, and is there again below it") {
		CHECK_STR(starts(2, false), "11");
		fair_note_running(world.fair, "0", -1);
		CHECK_INT(fair_running(world.fair, "0"), 1);
		CHECK_STR(starts(2, false), "01");
	}
	world.terms[1].paused = true;
	fair_forget(world.fair);
	IT ("what a paused one has is dropped") {
		CHECK_STR(starts(2, false), "00");
		CHECK_INT(world.lines, 1);
		CHECK_INT((int)fair_tenants(world.fair), 1);
	}
	world.closed[0] = true;
	world.looks = 0;
	IT ("where nothing is open, no row is looked at") {
		CHECK(!fair_next(world.fair));
		CHECK_INT(world.looks, 0);
	}
}

static void
test_within(void)
{
	world_init();
	gives(0, 'y', 2, 20);
	gives(0, 'x', 3, 10);
	IT ("within a tenant the oldest of all agents goes first") {
		CHECK_STR(starts(4, true), "xxxy");
	}
	world_init();
	gives(0, 'x', 2, 10);
	gives(0, 'y', 2, 20);
	world.priority[0][0] = 1;
	IT ("and a higher priority before age") {
		CHECK_STR(starts(9, true), "yyxx");
	}
	IT ("a line that is empty goes, and a tenant without lines") {
		CHECK_INT(world.lines, 0);
		CHECK_INT((int)fair_tenants(world.fair), 0);
	}
	gives(0, 'x', 1, 1);
	world.broken = true;
	IT ("one whose rows cannot be read now stays") {
		CHECK(!fair_next(world.fair));
		CHECK_INT(world.lines, 1);
		world.broken = false;
		CHECK_STR(starts(1, false), "0");
	}
	world_init();
	gives(0, 'x', 2, 1);
	gives(1, 'x', 2, 3);
	IT ("one that is put aside lets others pass, and pays nothing") {
		struct fair_line *line = fair_next(world.fair);

		CHECK_STR(fair_tenant_name(line), "0");
		fair_pass(world.fair, line);
		CHECK_STR(starts(2, false), "10");
	}
}

int
main(void)
{
	test_shares();
	test_blocked();
	test_within();
	fair_free(world.fair);
	return tap_done();
}
