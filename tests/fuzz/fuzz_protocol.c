/* Fuzzer: payloads of events, and the lines that agents print: what they do to a run and its
 * envelope. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/core_rig.h"

#define CONF                                                                                       \
	"[agent a]\nkind = fake\ntargets = crm\nretry.attempts = 1\n"                              \
	"[target crm]\nkind = fake\n[trigger hook]\nsource = fake\nagent = a\nmode = stage\n"
/* Runs of one database. */
#define RUNS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
	"status",   "token", "step", "tool_start", "tool_end", "usage", "checkpoint", "change",
	"approval", "ask",   "emit", "log",	   "suspend",  "error", "result",     "what"};

/* A line that begins with a small byte is a message of one of the types, else it is what it is. */
static void
lines_make(struct str rest, struct buf *out)
{
	struct str line;

	while (rest.p && rest.len) {
		rest = str_split(rest, '\n', &line);
		if (line.len && (unsigned char)line.p[0] < ARRAY_LEN(types)) {
			buf_cat(out, "{\"type\":\"", types[(unsigned char)line.p[0]], "\"");
			buf_puts(out, line.len > 1 ? "," : "");
			buf_add(out, line.p + 1, line.len - 1);
			buf_putc(out, '}');
		} else {
			buf_add_str(out, line);
		}
		buf_putc(out, '\n');
	}
}

/* The first line is the payload, where it is JSON. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int runs;
	AUTO(buf_fini) struct buf payload = BUF_INIT;
	AUTO(buf_fini) struct buf lines = BUF_INIT;
	struct rig_agent *agent;
	struct str rest = str_make(data, size), first;
	json_t *envelope, *given;

	if (size > 65536)
		return 0;
	if (!(runs++ % RUNS)) {
		if (runs > 1)
			rig_fini();
		rig_init(CONF);
	}
	rest = str_split(rest, '\n', &first);
	given = first.len ? json_loadb(first.p, first.len, JSON_DECODE_ANY, NULL) : NULL;
	if (given && !memchr(first.p, 0, first.len))
		buf_add_str(&payload, first);
	else
		buf_puts(&payload, "{}");
	json_decref(given);
	lines_make(rest, &lines);
	rig_event("hook", buf_cstr(&payload), NULL);
	agent = rig_agents() ? rig_agent(rig_agents() - 1) : NULL;
	if (!agent || !agent->attempt)
		return 0;
	envelope = json_loads(agent->envelope, 0, NULL);
	assert(envelope && json_object_get(envelope, "payload"));
	json_decref(envelope);
	if (lines.len)
		rig_says(agent, buf_cstr(&lines));
	if (agent->attempt)
		rig_exits(agent, 0);
	return 0;
}
