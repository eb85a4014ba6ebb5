/* rouse diff: of a run, a change or a batch. */
/* SPDX-License-Identifier: MIT */
#include "cli/change.h"

#include <string.h>

#include "cli/diff.h"

static const char *
digest_for_people(const struct change_set *set)
{
	return set->digest && *set->digest ? set->digest : NULL;
}

/* All changes of a batch; E_NOT_FOUND when there are none, as no batch is without. */
static bool
batch_get(struct cli *cli, const char *word, struct change_set *ret, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_puts(&path, "/v1/changes");
	cli_query(&path, "batch", word);
	cli_query(&path, "entity", cli_opt(cli, "entity"));
	if (!cli_fetch_all(cli, buf_cstr(&path), CHANGE_MOST, &ret->items, err))
		return false;
	if (json_array_size(ret->items))
		return true;
	return err_set(err, E_NOT_FOUND,
		       "there is no run, no change and no batch with changes that is called %s%s%s",
		       word, cli_opt(cli, "entity") ? ", for entity " : "",
		       cli_opt(cli, "entity") ? cli_opt(cli, "entity") : "");
}

/* What is left of the items when one entity is asked for. */
static void
keep_entity(struct change_set *set, const char *entity)
{
	for (size_t i = json_array_size(set->items); i-- > 0;) {
		const char *is = json_str(json_array_get(set->items, i), "entity");

		if (!is || strcmp(is, entity))
			json_array_remove(set->items, i);
	}
}

bool
verb_diff(struct cli *cli, struct err *err)
{
	AUTO(change_set_fini) struct change_set set = CHANGE_SET_INIT;
	const char *word = cli_arg(cli, 0), *entity = cli_opt(cli, "entity");
	const char *where = cli_opt(cli, "where");
	struct err why = ERR_INIT;
	const json_t *change;
	size_t i;

	/* A batch is NAME/START, or its name alone. */
	if (strchr(word, '/') ? !batch_get(cli, word, &set, err)
			      : !change_set_get(cli, word, &set, &why)) {
		if (why.code != E_NOT_FOUND)
			return why.code == E_OK ? false : err_move(err, &why);
		err_fini(&why);
		if (!batch_get(cli, word, &set, err))
			return false;
	}
	if (entity)
		keep_entity(&set, entity);
	if (where && !change_keep_where(set.items, where, err))
		return false;
	if (cli_has(cli, "csv")) {
		diff_print_csv(&cli->out, set.items);
		return true;
	}
	if (cli->out.json) {
		json_array_foreach (set.items, i, change) {
			AUTO(buf_fini) struct buf line = BUF_INIT;

			json_write(&line, change);
			print_json(&cli->out, buf_str(&line));
		}
		return true;
	}
	diff_print(&cli->out, set.items,
		   &(struct diff_options){.each = cli_has(cli, "all") ? 0 : 10});
	if (set.run && digest_for_people(&set) && !entity && !where && cli->out.terminal)
		print_f(&cli->out, "Approve exactly this: rouse approve %s --digest %s\n", set.run,
			digest_for_people(&set));
	return true;
}
