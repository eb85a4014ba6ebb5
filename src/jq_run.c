/* rouse-jq: jq programs, compiled once, run over one input after another. */
/* SPDX-License-Identifier: MIT */
#include <jq.h>
#include <jv.h>

#include <stdlib.h>
#include <unistd.h>

#include "io/jail_wire.h"
#include "jq_parts.h"

struct program {
	char *text;
	jq_state *jq; /* NULL: not compiled yet, or in vain */
	bool tried;
	struct buf said; /* jq's words about the program */
};

/* jq would abort; so the parent learns why. */
static void
on_no_memory(void *arg UNUSED)
{
	_exit(JAIL_EXIT_NOMEM);
}

/* "jq: error: WHAT at <top-level>, line 1:" + the program; the count that ends them says nothing.
 */
static void
on_compile_message(void *arg, jv message)
{
	struct program *program = arg;
	jv text = jq_format_error(message);
	struct str line, rest = jv_get_kind(text) == JV_KIND_STRING ? str_of(jv_string_value(text))
								    : STR_NONE;
	while (rest.p && rest.len) {
		rest = str_split(rest, '\n', &line);
		if (str_starts(line, STR("jq: error: ")))
			line = str_make(line.p + 11, line.len - 11);
		line = str_trim(line);
		if (!line.len || str_ends(line, STR("compile error")) ||
		    str_ends(line, STR("compile errors")) || program->said.len > 1000)
			continue;
		if (program->said.len)
			buf_puts(&program->said, " ");
		buf_add_str(&program->said, line);
	}
	jv_free(text);
}

/* jq 1.6 calls what was never set. */
static void
on_debug(void *arg UNUSED, jv message)
{
	jv_free(message);
}

static jv
on_input(jq_state *jq UNUSED, void *arg UNUSED)
{
	return jv_invalid();
}

struct program *
program_new(struct str text)
{
	struct program *program = mem_alloc(sizeof(*program));
	program->text = str_dup(text);
	return program;
}

void
program_free(struct program *program)
{
	if (!program)
		return;
	if (program->jq)
		jq_teardown(&program->jq);
	buf_fini(&program->said);
	free(program->text);
	free(program);
}

bool
program_compile(struct program *program, struct err *err)
{
	if (!program->tried) {
		program->tried = true;
		program->jq = jq_init();
		if (!program->jq)
			return err_set(err, E_FULL, "no memory for jq");
		jq_set_nomem_handler(program->jq, on_no_memory, NULL);
		jq_set_error_cb(program->jq, on_compile_message, program);
		jq_set_debug_cb(program->jq, on_debug, NULL);
		jq_set_input_cb(program->jq, on_input, NULL);
		jq_set_attr(program->jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
		if (!jq_compile(program->jq, program->text))
			jq_teardown(&program->jq);
	}
	if (program->jq)
		return true;
	return err_set(err, E_INVALID, "the jq program does not compile: %s",
		       program->said.len ? buf_cstr(&program->said) : "jq gives no reason");
}

bool
program_is_compiled(const struct program *program)
{
	return program->tried;
}

/* --- running --- */

/* No deeper than our own reader takes; looked at before anything that recurses over it. */
static bool
is_shallow(jv value, int depth)
{
	bool ok = true;
	if (jv_get_kind(value) == JV_KIND_ARRAY) {
		int count = jv_array_length(jv_copy(value));
		for (int i = 0; ok && depth && i < count; i++) {
			jv item = jv_array_get(jv_copy(value), i);
			ok = is_shallow(item, depth - 1);
			jv_free(item);
		}
		return ok && depth;
	}
	if (jv_get_kind(value) != JV_KIND_OBJECT)
		return true;
	for (int i = jv_object_iter(value); ok && depth && jv_object_iter_valid(value, i);
	     i = jv_object_iter_next(value, i)) {
		jv item = jv_object_iter_value(value, i);
		ok = is_shallow(item, depth - 1);
		jv_free(item);
	}
	return ok && depth;
}

/* Consumes value. */
static bool
output_add(jv value, struct buf *out, struct err *err)
{
	if (!is_shallow(value, JAIL_DEPTH_MAX)) {
		jv_free(value);
		return err_set(err, E_MAPPING,
			       "the jq program gives a value nested more than %d deep",
			       JAIL_DEPTH_MAX);
	}
	jv text = jv_dump_string(value, 0);
	uint32_t len = (uint32_t)jv_string_length_bytes(jv_copy(text));
	bool ok = out->len + len <= jail_jq.bytes_max;
	if (ok) {
		buf_add(out, &len, sizeof(len));
		buf_add(out, jv_string_value(text), len);
	} else {
		err_set(err, E_TOO_LARGE, "the jq program gives more than %zu MiB",
			jail_jq.bytes_max >> 20);
	}
	jv_free(text);
	return ok;
}

/* Consumes message. */
static bool
run_failed(jv message, struct err *err)
{
	const int shown = 500;
	jv text = jq_format_error(message);
	if (jv_get_kind(text) == JV_KIND_STRING) {
		struct str says = str_of(jv_string_value(text));
		if (str_starts(says, STR("jq: error: ")))
			says = str_make(says.p + 11, says.len - 11);
		err_set(err, E_MAPPING, "the jq program fails: %.*s",
			says.len < (size_t)shown ? (int)says.len : shown, says.p);
	} else {
		err_set(err, E_MAPPING, "the jq program fails without a reason");
	}
	jv_free(text);
	return false;
}

static bool
outputs_add(jq_state *jq, struct buf *out, struct err *err)
{
	jv value;
	int count = 0;
	while (jv_is_valid(value = jq_next(jq))) {
		if (++count > JAIL_OUTPUTS_MAX) {
			jv_free(value);
			return err_set(err, E_TOO_LARGE,
				       "the jq program gives more than %d outputs",
				       JAIL_OUTPUTS_MAX);
		}
		if (!output_add(value, out, err))
			return false;
	}
	if (jq_halted(jq)) {
		jv_free(value);
		return err_set(err, E_MAPPING,
			       "the jq program calls halt; expected one that gives values");
	}
	if (jv_invalid_has_msg(jv_copy(value)))
		return run_failed(jv_invalid_get_msg(value), err);
	jv_free(value);
	return true;
}

bool
program_run(struct program *program, struct str input, struct buf *out, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	if (!program_compile(program, err) || !input_guard(input, &text, err))
		return false;
	jv value = jv_parse_sized(buf_cstr(&text), (int)text.len);
	if (!jv_is_valid(value)) {
		bool says = jv_invalid_has_msg(jv_copy(value));
		jv why = says ? jv_invalid_get_msg(value)
			      : (jv_free(value), jv_string("it is empty"));
		err_set(err, E_MAPPING, "the input is no JSON: %.200s", jv_string_value(why));
		jv_free(why);
		return false;
	}
	buf_fini(&text);
	jq_start(program->jq, value, 0);
	bool ok = outputs_add(program->jq, out, err);
	if (jq_halted(program->jq)) {
		/* jq 1.6 frees its constants twice after a halt: let it go as it is, compile anew.
		 */
		program->jq = NULL;
		program->tried = false;
	} else {
		/* Lets go of what the run still holds, now rather than when the program is next
		 * used. */
		jq_start(program->jq, jv_null(), 0);
	}
	return ok;
}
