/* Drift: when what is there is not what a proposal was made from. */
/* SPDX-License-Identifier: MIT */
#include "core/target.h"
#include "tests/unit/tap.h"

static bool
ground_is(const char *before, const char *current, const char *want)
{
	AUTO(auto_free) char *ground = change_ground(before, current);

	return ground && want ? !strcmp(ground, want) : ground == want;
}

int
main(void)
{
	IT ("no before-image matches anything") {
		CHECK(!change_drifted(NULL, "{\"a\":1}") && !change_drifted(NULL, NULL));
	}
	IT ("before null matches only nothing") {
		CHECK(!change_drifted("null", NULL));
		CHECK(!change_drifted("null", "null"));
		CHECK(change_drifted("null", "{\"a\":1}"));
	}
	IT ("an object that is gone has drifted") {
		CHECK(change_drifted("{\"a\":1}", NULL));
	}
	IT ("members that before does not name are not looked at") {
		CHECK(!change_drifted("{\"a\":1}", "{\"a\":1,\"b\":2}"));
	}
	IT ("a member that changed has drifted") {
		CHECK(change_drifted("{\"a\":1}", "{\"a\":2}"));
	}
	IT ("a member that is missing is like null") {
		CHECK(!change_drifted("{\"a\":null}", "{}"));
		CHECK(change_drifted("{\"a\":1}", "{}"));
	}
	IT ("numbers compare by value") {
		CHECK(!change_drifted("{\"a\":1}", "{\"a\":1.0}") &&
		      change_drifted("{\"a\":1}", "{\"a\":1.5}"));
	}
	IT ("a boolean is 0 or 1 where columns have no booleans") {
		CHECK(!change_drifted("{\"a\":true}", "{\"a\":1}"));
		CHECK(change_drifted("{\"a\":true}", "{\"a\":0}"));
	}
	IT ("a number is not its text") {
		CHECK(change_drifted("{\"a\":1}", "{\"a\":\"1\"}"));
	}
	IT ("arrays must be equal as they are") {
		CHECK(!change_drifted("[1,2]", "[1,2]") && change_drifted("[1,2]", "[2,1]"));
	}
	IT ("a before-image that is no JSON counts as drifted") {
		CHECK(change_drifted("{", "{}"));
	}
	IT ("the ground of a change is what was found of what before names") {
		CHECK(ground_is("{\"a\":1,\"b\":2}", "{\"a\":3,\"c\":4}", "{\"a\":3,\"b\":null}"));
		CHECK(ground_is(NULL, "{\"a\":3}", "{\"a\":3}") && ground_is("[1]", "[2]", "[2]"));
		CHECK(ground_is("null", "{\"a\":3}", "{\"a\":3}") &&
		      ground_is("{\"a\":1}", "7", "7"));
	}
	IT ("there is none where nobody said what is there") {
		CHECK(ground_is("{}", NULL, NULL) && ground_is("{}", "null", NULL) &&
		      ground_is("{}", "{", NULL));
	}
	IT ("nothing has drifted from it") {
		AUTO(auto_free)
		char *ground = change_ground("{\"a\":1,\"b\":2}", "{\"a\":{\"x\":[1]},\"c\":4}");

		CHECK(!change_drifted(ground, "{\"a\":{\"x\":[1]},\"c\":4}"));
	}
	return tap_done();
}
