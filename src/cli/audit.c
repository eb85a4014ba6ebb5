/* rouse audit list. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

static const struct column columns[] = {
	{"TIME", "at", CELL_TIME},	 {"BY", "by", CELL_TEXT},
	{"FROM", "from", CELL_TEXT},	 {"ACT", "act", CELL_TEXT},
	{"OBJECT", "object", CELL_TEXT}, {"ANSWER", "status", CELL_COUNT},
	{"ERROR", "error", CELL_TEXT},
};

bool
verb_audit_list(struct cli *cli, struct err *err)
{
	return cli_list(cli,
			&(struct cli_list){"/v1/audit", columns, ARRAY_LEN(columns),
					   "Nobody did such a thing."},
			err);
}
