/* Marked paths: when they are due, what renames do, what marks do meanwhile. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"
#include "triggers/file/pending.h"

static struct pendings set = {.max = 4, .settle_ms = 1000, .longest_ms = 5000};

static const char *
taken(int64_t now)
{
	struct pending *pending = pendings_take(&set, now);

	return pending ? pending->path : "-";
}

static struct pending *
find(const char *path)
{
	return pendings_find(&set, str_of(path));
}

static void
done(const char *path, int64_t now)
{
	pendings_done(&set, find(path), now);
}

int
main(void)
{
	IT ("is due when nothing has happened for the settling time") {
		pendings_mark(&set, STR("a"), MARK_WRITTEN, 0);
		pendings_mark(&set, STR("a"), MARK_WRITTEN, 900);
		CHECK_STR(taken(1899), "-");
		CHECK_STR(taken(1900), "a");
		done("a", 1900);
		CHECK_INT(pendings_next(&set), -1);
	}
	IT ("is due after the longest wait, however often it is marked") {
		for (int64_t t = 0; t < 5000; t += 500)
			pendings_mark(&set, STR("a"), MARK_WRITTEN, t);
		CHECK_INT(pendings_next(&set), 5000);
		CHECK_STR(taken(5000), "a");
		done("a", 5000);
	}
	IT ("holds a name that has gone even where nothing settles") {
		set.settle_ms = 0;
		pendings_mark(&set, STR("a"), MARK_GONE, 0);
		CHECK_INT(pendings_next(&set), HOLD_MS);
		pendings_mark(&set, STR("a"), MARK_WRITTEN, 10);
		CHECK_INT(pendings_next(&set), 10);
		CHECK_STR(taken(10), "a");
		done("a", 10);
		set.settle_ms = 1000;
	}
	IT ("begins anew with what is marked while it is busy") {
		pendings_mark(&set, STR("a"), MARK_WRITTEN, 0);
		CHECK_STR(taken(1000), "a");
		pendings_mark(&set, STR("a"), MARK_WRITTEN, 1100);
		CHECK_STR(taken(9000), "-");
		done("a", 1200);
		CHECK_STR(taken(2200), "a");
		done("a", 2200);
		CHECK(!find("a"));
	}
	IT ("lets the new name of a renamed file decide before the old") {
		CHECK(pendings_move(&set, STR("old"), STR("new"), 0));
		CHECK_STR(taken(1000), "new");
		CHECK_STR(find("new")->from, "old");
		CHECK_STR(taken(9000), "-");
		done("new", 1000);
		CHECK_STR(taken(1000), "old");
		done("old", 1000);
	}
	IT ("takes two renames for one, from the first name to the last") {
		CHECK(pendings_move(&set, STR("a"), STR("b"), 0));
		CHECK(pendings_move(&set, STR("b"), STR("c"), 1));
		CHECK_STR(find("c")->from, "a");
		CHECK(!find("b")->from);
		/* Both are due; in which order is not said. */
		CHECK(strcmp(taken(1001), "a") != 0 && strcmp(taken(1001), "a") != 0);
		done("b", 1001);
		done("c", 1001);
		CHECK_STR(taken(1001), "a");
		done("a", 1001);
	}
	IT ("forgets a rename that came back") {
		CHECK(pendings_move(&set, STR("a"), STR("b"), 0));
		CHECK(pendings_move(&set, STR("b"), STR("a"), 1));
		CHECK(!find("a")->from && !find("b")->from);
		while (strcmp(taken(5000), "-") != 0)
			;
		done("a", 5000);
		done("b", 5000);
	}
	IT ("lets go of who was thought to be there, when another takes the name") {
		CHECK(pendings_move(&set, STR("a"), STR("c"), 0));
		CHECK(!strcmp(taken(1000), "c"));
		pendings_again(&set, find("c"), 8000);
		CHECK_STR(taken(1000), "-");
		CHECK(pendings_move(&set, STR("b"), STR("c"), 1500));
		CHECK_STR(taken(1500), "a");
		done("a", 1500);
		CHECK_STR(taken(9000), "c");
		done("c", 9000);
		CHECK_STR(taken(9000), "b");
		done("b", 9000);
	}
	IT ("takes no more than there is room for, and says so") {
		CHECK(pendings_mark(&set, STR("1"), MARK_SEEN, 0));
		CHECK(pendings_mark(&set, STR("2"), MARK_SEEN, 0));
		CHECK(pendings_mark(&set, STR("3"), MARK_SEEN, 0));
		CHECK(pendings_mark(&set, STR("4"), MARK_SEEN, 0));
		CHECK(!pendings_mark(&set, STR("5"), MARK_SEEN, 0));
		CHECK(pendings_mark(&set, STR("4"), MARK_SEEN, 0));
		pendings_drop(&set);
		CHECK_INT(set.count, 0);
	}
	pendings_fini(&set);
	return tap_done();
}
