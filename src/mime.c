/* rouse-mime: reads mail that strangers sent, in a process that can do nothing else. */
/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "cell.h"
#include "mime_parts.h"

static enum { UNKNOWN, SAVE, SKIP } programs[JAIL_SLOTS];

static void
on_program(uint32_t slot, struct str text)
{
	programs[slot] = str_eq(text, STR("save")) ? SAVE : SKIP;
}

static bool
on_run(uint32_t slot, struct str input, struct buf *outputs, struct err *err)
{
	if (programs[slot] == UNKNOWN)
		_exit(JAIL_EXIT_PROTOCOL);
	cell_meter(true);
	if (!mime_message(input, programs[slot] == SAVE, outputs, err))
		return false;
	if (outputs->len <= jail_mime.bytes_max)
		return true;
	buf_clear(outputs);
	return err_set(err, E_TOO_LARGE, "the message has more than %zu MiB in it",
		       jail_mime.bytes_max >> 20);
}

int
main(int argc, char **argv UNUSED)
{
	static const struct cell_kind kind = {.name = "rouse-mime",
					      .instead = "there is nothing for people in it",
					      .spec = &jail_mime,
					      .prepare = mime_prepare,
					      .program = on_program,
					      .run = on_run};
	return cell_main(&kind, argc);
}
