/* Facts: what a source knows, item by item. */
/* SPDX-License-Identifier: MIT */
#include "store/facts.h"
#include "test_store_help.h"

static bool
collect(void *arg, const struct fact *fact)
{
	struct buf *seen = arg;

	buf_printf(seen, "%.*s=%.*s ", STR_ARG(fact->item), STR_ARG(fact->value));
	return true;
}

int
main(void)
{
	struct err err = ERR_INIT;
	struct store *store = help_open("facts.db");
	AUTO(buf_fini) struct buf out = BUF_INIT;
	int64_t count = -1;
	const struct fact two[] = {{STR("b"), STR("2")}, {STR("a"), STR("1")}};

	IT ("keeps items in the order of their bytes, a NUL among them") {
		const struct fact cut = {str_make("c\0d", 3), str_make("\0\xff", 2)};

		CHECK(facts_write(store, "t", two, 2, &err));
		CHECK(facts_write(store, "t", &cut, 1, &err));
		turn_end(store);
		CHECK(facts_get(store, "t", cut.item, &out, &err));
		CHECK(out.len == 2 && !memcmp(out.data, "\0\xff", 2));
		buf_clear(&out);
		CHECK(facts_each(store, "t", STR_NONE, 2, collect, &out, &err));
		CHECK(!strcmp(buf_cstr(&out), "a=1 b=2 "));
		CHECK(facts_count(store, "t", &count, &err) && count == 3);
	}
	IT ("goes on behind an item that is no longer there") {
		buf_clear(&out);
		CHECK(facts_each(store, "t", STR("aa"), 1, collect, &out, &err));
		CHECK(!strcmp(buf_cstr(&out), "b=2 "));
	}
	IT ("writes over, and forgets what has no value") {
		const struct fact next[] = {
			{STR("a"), STR("")}, {STR("b"), STR_NONE}, {STR("never"), STR_NONE}};

		CHECK(facts_write(store, "t", next, 3, &err));
		turn_end(store);
		buf_clear(&out);
		CHECK(facts_get(store, "t", STR("a"), &out, &err) && !out.len);
		CHECK(!facts_get(store, "t", STR("b"), &out, &err) && err.code == E_NOT_FOUND);
		err_fini(&err);
		err = (struct err)ERR_INIT;
	}
	IT ("keeps the facts of one trigger from another's") {
		CHECK(!facts_get(store, "u", STR("a"), &out, &err) && err.code == E_NOT_FOUND);
		err_fini(&err);
		err = (struct err)ERR_INIT;
		CHECK(facts_forget(store, "u", &err));
		turn_end(store);
		CHECK(facts_count(store, "t", &count, &err) && count == 2);
		CHECK(facts_forget(store, "t", &err));
		turn_end(store);
		CHECK(facts_count(store, "t", &count, &err) && count == 0);
	}
	IT ("takes back what a savepoint takes back") {
		CHECK(facts_write(store, "t", two, 1, &err));
		CHECK(turn_savepoint(store, &err));
		CHECK(facts_write(store, "t", two + 1, 1, &err));
		turn_undo(store);
		turn_end(store);
		buf_clear(&out);
		CHECK(facts_each(store, "t", STR_NONE, 0, collect, &out, &err));
		CHECK(!strcmp(buf_cstr(&out), "b=2 "));
	}
	store_close(store);
	err_fini(&err);
	return tap_done();
}
