/* Another inih than the one that was tested: whatever it does to a line, no cut value is acted on.
 */
/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include <ini.h>

#include "tap.h"
#include "test_conf_fixture.h"

static enum { HONEST, CUTS, SKIPS, TWICE, RENAMES, NARROW, FAILS } manner;

/* Stands before the library's when the program is linked. It knows one section, "daemon", and
 * lines of "key = value". */
int
ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user)
{
	char line[200], *value;

	while (reader(line, manner == NARROW ? 16 : (int)sizeof(line), stream)) {
		value = strstr(line, " = ");
		if (!value || manner == SKIPS)
			continue;
		*value = '\0';
		value += 3;
		if (manner == CUTS && strlen(value) > 4)
			value[4] = '\0';
		handler(user, "daemon", manner == RENAMES ? "port" : line, value);
		if (manner == TWICE)
			handler(user, "daemon", line, value);
	}
	return manner == FAILS ? 1 : 0;
}

static const char *
load(struct fixture *f, int as)
{
	manner = as;
	fixture_load_text(f, "[daemon]\npublic_url = https://example.net/\n");
	return buf_cstr(&f->messages);
}

int
main(void)
{
	AUTO(fixture_fini) struct fixture f;

	fixture_init(&f);
	IT ("one that gives every line as it is, is fine") {
		CHECK_STR(load(&f, HONEST), "");
		CHECK(f.conf &&
		      !strcmp(conf_str(conf_section(f.conf, "daemon", NULL), "public_url"),
			      "https://example.net/"));
	}
	IT ("one that cuts a value is caught") {
		CHECK_STR(load(&f, CUTS), "rouse.conf:2: [daemon] public_url: inih would cut this "
					  "line; shorten or split it\n");
	}
	IT ("one that leaves a line out is caught") {
		CHECK_STR(load(&f, SKIPS), "rouse.conf:2: [daemon] public_url: inih did not read "
					   "this line; write it otherwise\n");
	}
	IT ("one that gives a line to another key is caught") {
		CHECK_STR(load(&f, RENAMES), "rouse.conf:2: [daemon] public_url: inih would cut "
					     "this line; shorten or split it\n");
	}
	IT ("one that gives more than there was is caught") {
		CHECK_STR(load(&f, TWICE), "rouse.conf:2: [daemon] public_url: inih took this line "
					   "for a value; write it otherwise\n");
	}
	IT ("one whose lines are shorter is caught") {
		CHECK_STR(load(&f, NARROW), "rouse.conf:2: [daemon] public_url: this line is "
					    "longer than inih was built for; split it\n");
	}
	IT ("one that says it failed is believed") {
		CHECK_STR(load(&f, FAILS), "rouse.conf:1: inih cannot read this file\n");
	}
	return tap_done();
}
