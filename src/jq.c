/* rouse-jq: runs jq programs over what strangers sent, in a process that can do nothing else. */
/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "cell.h"
#include "jq_parts.h"

static struct program *programs[JAIL_SLOTS];
static bool grown; /* more memory is in use than was measured */

static void
on_program(uint32_t slot, struct str text)
{
	program_free(programs[slot]);
	programs[slot] = program_new(text);
}

static bool
on_run(uint32_t slot, struct str input, struct buf *outputs, struct err *err)
{
	struct program *program = programs[slot];
	if (!program)
		_exit(JAIL_EXIT_PROTOCOL);
	/* A program may take its own second and memory to compile, then an input to run. */
	if (!program_is_compiled(program)) {
		cell_meter(true);
		program_compile(program, NULL);
		grown = true;
	}
	cell_meter(grown);
	grown = false;
	return input.len ? program_run(program, input, outputs, err)
			 : program_compile(program, err);
}

int
main(int argc, char **argv UNUSED)
{
	static const struct cell_kind kind = {.name = "rouse-jq",
					      .instead = "run jq for yourself instead",
					      .spec = &jail_jq,
					      .program = on_program,
					      .run = on_run};
	return cell_main(&kind, argc);
}
