/* Expectations: whether a run did what was asked for, not only ended well. SPEC 8, expect. */
/* SPDX-License-Identifier: MIT */
#include "core/expect.h"

#include "base/json.h"
#include "base/list.h"
#include "core/change.h"
#include "core/agent.h"
#include "io/files.h"
#include "io/jail.h"
#include "io/work.h"
#include "store/changes.h"

/* The helper is asked so often, each time half a second later than the time before. */
#define ASKED_MAX 12
#define ASK_AGAIN_MS 500
/* What the helper takes is 16 MiB; beyond this, changes are given without what they change. */
#define CHANGES_BYTES (8 << 20)
#define INPUT_BYTES (16 << 20)
/* What it gave is kept up to here. */
#define GAVE_BYTES 4096

/* Files of a run that are named. */
#define FILES_MAX 1000
/* Clocks of file systems are coarse. */
#define COARSE_MS 20

/* On a thread, or waiting for one. */
struct search {
	struct expect *expect; /* NULL: it has gone */
	char *folder;
	struct wall since;
	struct buf found;
	LIST_ENTRY(search) entry;
};

/* What the pool forgets at its end stays reachable. */
static LIST_HEAD(, search) searches = LIST_HEAD_INITIALIZER(searches);

struct expect {
	struct attempt *attempt; /* which owns it */
	const struct program *program;
	int exit_code, tries;
	expect_on_told *fn;
	struct core_timer *timer;
	struct search *search;
	char *files;	 /* JSON; NULL: not looked for */
	struct buf gave; /* of a plain program */
	struct err err;
};

void
expectation_free(struct expectation *expectation)
{
	if (!expectation)
		return;
	free(expectation->json);
	free(expectation->text);
	free(expectation);
}

static const struct program *
program_of(const struct attempt *attempt)
{
	const struct trigger *trigger = registry_trigger(attempt->registry, attempt->run.trigger);

	return trigger && trigger->expect.text ? &trigger->expect : NULL;
}

bool
expect_wants(const struct attempt *attempt)
{
	return attempt->run.trigger && program_of(attempt);
}

void
expect_free(struct expect *expect)
{
	if (!expect)
		return;
	core_timer_free(expect->timer);
	if (expect->search)
		expect->search->expect = NULL;
	free(expect->files);
	buf_fini(&expect->gave);
	err_fini(&expect->err);
	free(expect);
}

/* --- what it is asked over ----------------------------------------------------------------- */

struct listing {
	struct buf *out;
	bool slim; /* without before, after and patch */
};

static bool
object_add(const struct listing *listing, json_t *object)
{
	static const char *const wide[] = {"before", "after", "patch", "current", "receipt"};

	for (size_t i = 0; listing->slim && i < ARRAY_LEN(wide); i++)
		json_object_del(object, wide[i]);
	if (listing->out->data[listing->out->len - 1] != '[')
		buf_putc(listing->out, ',');
	json_write(listing->out, object);
	return listing->out->len <= (listing->slim ? INPUT_BYTES : CHANGES_BYTES);
}

static bool
change_add(void *arg, const struct change_row *row)
{
	AUTO(json_auto_decref) json_t *object = change_object(row);

	return object_add(arg, object);
}

/* What it left is staged when the run ends, and that is asked now. */
static bool
left_add(const struct attempt *attempt, const struct listing *listing)
{
	size_t i;
	json_t *line;

	json_array_foreach (attempt->left, i, line) {
		AUTO(json_auto_decref) json_t *object = json_copy(line);

		if (strcmp(json_str(line, "type"), "change"))
			continue;
		json_object_del(object, "type");
		json_put_str(object, "run", attempt->run.id);
		json_put_str(object, "status", "proposed");
		if (!object_add(listing, object))
			return false;
	}
	return true;
}

static bool
changes_build(const struct attempt *attempt, struct buf *out, struct err *err)
{
	struct listing listing = {.out = out};

	for (int slim = 0; slim <= 1; slim++) {
		listing.slim = slim;
		buf_clear(out);
		buf_putc(out, '[');
		if (!changes_of_run(attempt->core->store, attempt->run.seq, change_add, &listing,
				    err))
			return false;
		left_add(attempt, &listing);
		if (out->len <= CHANGES_BYTES)
			break;
	}
	buf_putc(out, ']');
	return true;
}

static bool
input_build(const struct expect *expect, struct buf *out, struct err *err)
{
	const struct attempt *attempt = expect->attempt;
	AUTO(buf_fini) struct buf changes = BUF_INIT;

	if (!changes_build(attempt, &changes, err))
		return false;
	buf_cat(out, "{\"result\":", attempt->result ? attempt->result : "null",
		",\"changes\":", buf_cstr(&changes),
		",\"files\":", expect->files ? expect->files : "[]", ",\"exit\":");
	if (expect->exit_code >= 0)
		buf_printf(out, "%d}", expect->exit_code);
	else
		buf_puts(out, "null}");
	return true;
}

/* --- what it gave -------------------------------------------------------------------------- */

/* gave.p NULL: nothing, or an error. */
static struct expectation *
expectation_make(const struct program *program, struct str gave, const struct err *err)
{
	struct expectation *told = mem_alloc(sizeof(*told));
	struct buf json = BUF_INIT, text = BUF_INIT;

	told->met = gave.p && !str_eq_cstr(gave, "false") && !str_eq_cstr(gave, "null");
	buf_puts(&json, "{\"program\":");
	buf_json_cstr(&json, program->text);
	buf_cat(&json, ",\"met\":", told->met ? "true" : "false",
		err->code != E_OK ? ",\"error\":" : ",\"gave\":");
	if (err->code != E_OK)
		buf_json_cstr(&json, err_text(err));
	else if (!gave.p)
		buf_puts(&json, "null");
	else if (gave.len > GAVE_BYTES)
		buf_printf(&json, "\"(%zu bytes)\"", gave.len);
	else
		buf_add_str(&json, gave);
	buf_putc(&json, '}');
	if (err->code != E_OK)
		buf_printf(&text, "expect could not be met: %s: %s", program->text, err_text(err));
	else
		buf_printf(&text, "expect gave %.*s: %s", STR_ARG(gave.p ? gave : STR("nothing")),
			   program->text);
	told->json = buf_take(&json);
	told->text = told->met ? NULL : buf_take(&text);
	if (told->met)
		buf_fini(&text);
	return told;
}

static void
expect_tell(struct expect *expect, struct str gave, const struct err *err)
{
	expect->fn(expect->attempt, expectation_make(expect->program, gave, err));
}

static void expect_go(void *arg);

/* Nothing is said about the run yet. */
static void
expect_again(struct expect *expect)
{
	expect->tries++;
	core_timer_arm(expect->attempt->core, &expect->timer, (int64_t)expect->tries * ASK_AGAIN_MS,
		       expect_go, expect);
}

static void
on_answer(void *arg, const struct str *outputs, size_t count, struct err *err)
{
	struct expect *expect = arg;

	if (err->code == E_UNAVAILABLE && expect->tries < ASKED_MAX)
		expect_again(expect);
	else
		expect_tell(expect, count ? outputs[0] : STR_NONE, err);
}

/* A plain program has its answer at once; it is told with the end of the turn. */
static void
on_plain(void *arg, const struct err *failed)
{
	struct expect *expect = arg;

	(void)failed;
	expect_tell(expect, expect->err.code == E_OK ? buf_str(&expect->gave) : STR_NONE,
		    &expect->err);
}

/* --- files that it left --------------------------------------------------------------------- */

static void
search_run(void *arg)
{
	struct search *search = arg;

	if (!files_since(search->folder, search->since, FILES_MAX, &search->found, NULL))
		buf_clear(&search->found);
}

static void
search_done(void *arg)
{
	struct search *search = arg;
	struct expect *expect = search->expect;

	if (expect) {
		expect->search = NULL;
		expect->files = search->found.len ? buf_take(&search->found) : mem_strdup("[]");
		core_timer_arm(expect->attempt->core, &expect->timer, 0, expect_go, expect);
	}
	LIST_REMOVE(search, entry);
	buf_fini(&search->found);
	free(search->folder);
	free(search);
}

/* By the clock of the machine now, as files are stamped. */
static struct wall
began(const struct attempt *attempt)
{
	struct wall at = core_wall(attempt->core);

	at.ms -= clock_mono(attempt->core->clock).ms - attempt->started.ms + COARSE_MS;
	return at;
}

/* True: it goes on when they were found. Only for a program that speaks of them. */
static bool
files_search(struct expect *expect, struct err *err)
{
	const struct attempt *attempt = expect->attempt;
	const struct agent *agent = attempt->agent;
	const char *folder = agent && agent->kind->folder ? agent->kind->folder(agent) : NULL;
	struct search *search;

	if (expect->files || !folder || !strstr(expect->program->text, "files"))
		return false;
	search = mem_alloc(sizeof(*search));
	*search = (struct search){.expect = expect,
				  .folder = mem_strdup(folder),
				  .since = began(attempt),
				  .found = BUF_INIT};
	LIST_INSERT_HEAD(&searches, search, entry);
	if (work_submit(attempt->core->work, search_run, search_done, search, err)) {
		expect->search = search;
		return true;
	}
	search->expect = NULL;
	search_done(search);
	return false;
}

static void
expect_go(void *arg)
{
	struct expect *expect = arg;
	struct core *core = expect->attempt->core;
	AUTO(buf_fini) struct buf input = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (files_search(expect, &err))
		return;
	if (err.code == E_OK && input_build(expect, &input, &err)) {
		if (expect->program->path) {
			path_eval(expect->program->path, buf_str(&input), &expect->gave,
				  &expect->err);
			turn_after(core->store, on_plain, expect);
			return;
		}
		if (jail_run(core->jail, expect->program->text, buf_str(&input), on_answer, expect,
			     &err))
			return;
	}
	if (expect->tries < ASKED_MAX && (err.code == E_UNAVAILABLE || err.code == E_FULL))
		expect_again(expect);
	else
		expect_tell(expect, STR_NONE, &err);
}

struct expect *
expect_ask(struct attempt *attempt, int exit_code, expect_on_told *fn)
{
	struct expect *expect = mem_alloc(sizeof(*expect));

	expect->attempt = attempt;
	expect->program = program_of(attempt);
	expect->exit_code = exit_code;
	expect->fn = fn;
	core_timer_arm(attempt->core, &expect->timer, 0, expect_go, expect);
	return expect;
}
