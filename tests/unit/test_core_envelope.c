/* The envelope and its trace: what every agent gets. */
/* SPDX-License-Identifier: MIT */
#include "core/envelope.h"
#include "core/event.h"
#include "base/json.h"
#include "tests/unit/tap.h"

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static bool
continues(const char *incoming)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;

	envelope_traceparent(&(struct core){.base = NULL}, str_of(incoming), NULL, &out);
	CHECK_INT(out.len, 55);
	return str_starts(buf_str(&out), STR("00-4bf92f3577b34da6a3ce929d0e0e4736-")) &&
	       !str_eq_cstr(buf_str(&out), incoming);
}

static void
traces(void)
{
	IT ("a valid traceparent is continued with a span of our own") {
		CHECK(continues(TRACE));
	}
	IT ("a later version may be longer") {
		CHECK(continues("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"));
	}
	IT ("what is no traceparent starts a new trace") {
		CHECK(!continues(""));
		CHECK(!continues("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x"));
		CHECK(!continues("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
		CHECK(!continues("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
		CHECK(!continues("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
	}
}

static void
turns(void)
{
	struct run_row run = {.id = (char *)"r1",
			      .event_id = (char *)"e1",
			      .session = (char *)"s1",
			      .session_name = (char *)"a \"quoted\" <name@x>",
			      .turn = 3};
	AUTO(buf_fini) struct buf out = BUF_INIT;
	AUTO(json_auto_decref) json_t *json = NULL;
	const json_t *session;

	envelope_build(&run, 1, STR("1"), &out);
	IT ("a turn says of which session it is, and which one") {
		CHECK(json_read(buf_str(&out), &json, NULL));
		session = json_object_get(json, "session");
		CHECK_STR(json_str(session, "id"), "s1");
		CHECK_STR(json_str(session, "name"), "a \"quoted\" <name@x>");
		CHECK_INT(json_int(session, "turn", 0), 3);
	}
}

static void
envelopes(void)
{
	struct run_row run = {.id = (char *)"r1",
			      .event_id = (char *)"e1",
			      .agent = (char *)"triage",
			      .mode = (char *)"stage",
			      .trigger = (char *)"t",
			      .source = (char *)"webhook",
			      .intent = (char *)"do",
			      .trust = (char *)"authenticated",
			      .event_time = {0},
			      .limits = {.deadline_ms = 1000, .cost_uusd = 250000}};
	AUTO(buf_fini) struct buf out = BUF_INIT;
	AUTO(json_auto_decref) json_t *json = NULL;

	envelope_build(&run, 2, STR("{\"id\":12345678901234567890123}"), &out);
	IT ("it is one line of JSON with the names of the contract") {
		CHECK(json_read(buf_str(&out), &json, NULL));
		CHECK(!strchr(buf_cstr(&out), '\n'));
		CHECK_INT(json_int(json, "version", 0), 1);
		CHECK_STR(json_str(json, "run_id"), "r1");
		CHECK_STR(json_str(json_object_get(json, "cause"), "root"), "e1");
		CHECK_INT(json_int(json, "attempt", 0), 2);
		CHECK(json_num(json_object_get(json, "budget"), "max_cost_usd", 0) == 0.25);
	}
	IT ("a number keeps all its digits on the way") {
		CHECK(strstr(buf_cstr(&out), "{\"id\":12345678901234567890123}") != NULL);
	}
	IT ("what is not known is null, not left out") {
		CHECK(json_is_null(json_object_get(json, "entity")));
		CHECK(json_is_null(json_object_get(json, "checkpoint")));
		CHECK(json_is_null(json_object_get(json, "session")));
		CHECK(json_is_object(json_object_get(json, "completed_steps")));
	}
}

static void
causes(void)
{
	struct cause cause = cause_parse(STR("root=abc; parent=def; hops=3"));
	AUTO(buf_fini) struct buf out = BUF_INIT;

	IT ("a cause is read as it is written") {
		CHECK_STR(cause.root, "abc");
		CHECK_STR(cause.parent, "def");
		CHECK_INT(cause.hops, 3);
		cause_format(&cause, &out);
		CHECK_STR(buf_cstr(&out), "root=abc;parent=def;hops=3");
	}
	IT ("a hostile cause is no cause") {
		cause = cause_parse(STR(
			"hops=-1;root=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;;;="
			";parent=a b"));
		CHECK_INT(cause.hops, 0);
		CHECK_STR(cause.root, "");
		CHECK_STR(cause.parent, "");
	}
}

int
main(void)
{
	traces();
	turns();
	envelopes();
	causes();
	return tap_done();
}
