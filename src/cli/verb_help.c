/* Help and manual page, printed from the table of verbs. */
/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cli/verb.h"

#define HELP_COLUMN 34

static void
put_verb_name(struct buf *out, const struct verb *verb)
{
	buf_printf(out, "%s%s%s", verb->noun ? verb->noun : "", verb->noun ? " " : "", verb->name);
}

static void
put_line(struct buf *out, const struct verb *verb)
{
	size_t start = out->len, used;

	buf_puts(out, "  rouse ");
	put_verb_name(out, verb);
	if (*verb->args)
		buf_printf(out, " %s", verb->args);
	used = out->len - start;
	if (used < HELP_COLUMN)
		buf_printf(out, "%*s", (int)(HELP_COLUMN - used), "");
	else
		buf_puts(out, "  ");
	buf_printf(out, "%s\n", verb->help);
}

static void
put_option(struct buf *out, const struct verb_option *option)
{
	size_t start = out->len, used;

	if (option->letter)
		buf_printf(out, "  -%c, --%s", option->letter, option->name);
	else
		buf_printf(out, "      --%s", option->name);
	if (option->value)
		buf_printf(out, " %s", option->value);
	used = out->len - start;
	if (used < HELP_COLUMN)
		buf_printf(out, "%*s", (int)(HELP_COLUMN - used), "");
	else
		buf_puts(out, "  ");
	buf_printf(out, "%s\n", option->help);
}

static void
put_common(struct buf *out)
{
	const struct verb_option *option;
	struct verb_option_space space;

	buf_puts(out, "\nOptions of all verbs:\n");
	for (size_t i = 0; (option = verb_option_at(NULL, i, &space)); i++)
		put_option(out, option);
}

void
verb_print_overview(struct buf *out)
{
	buf_puts(out, "rouse asks and tells the daemon roused. Usage: rouse VERB [ARGUMENT...] "
		      "[OPTION...]\n\n");
	for (size_t i = 0; i < verb_count; i++)
		if (!(verb_table[i].flags & VERB_HIDDEN))
			put_line(out, &verb_table[i]);
	put_common(out);
	buf_puts(out, "\nrouse VERB --help says more. Ends with 0 done, 1 failed, 2 wrong usage, 3 "
		      "not found,\n"
		      "4 refused (state, permission, budget), 5 the daemon cannot be reached.\n");
}

void
verb_print_noun(const char *noun, struct buf *out)
{
	for (size_t i = 0; i < verb_count; i++)
		if (verb_table[i].noun && !strcmp(verb_table[i].noun, noun))
			put_line(out, &verb_table[i]);
	buf_printf(out, "\nrouse %s VERB --help says more.\n", noun);
}

void
verb_print_help(const struct verb *verb, struct buf *out)
{
	const struct verb_option *option;
	struct verb_option_space space;

	buf_puts(out, "Usage: rouse ");
	put_verb_name(out, verb);
	buf_printf(out, "%s%s [OPTION...]\n\n%c%s.\n", *verb->args ? " " : "", verb->args,
		   verb->help[0] >= 'a' && verb->help[0] <= 'z' ? verb->help[0] - 32
								: verb->help[0],
		   verb->help + 1);
	if (verb->more)
		buf_printf(out, "%s\n", verb->more);
	buf_puts(out, "\nOptions:\n");
	for (size_t i = 0; (option = verb_option_at(verb, i, &space)); i++)
		put_option(out, option);
}

/* roff: a dash that may be copied, no line that begins with a request. */
static void
man_text(struct buf *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		buf_puts(out, "\\&");
	for (; *text; text++) {
		if (*text == '-')
			buf_puts(out, "\\-");
		else if (*text == '\\')
			buf_puts(out, "\\e");
		else if (*text == '\'')
			buf_puts(out, "\\(aq");
		else
			buf_putc(out, *text);
	}
}

static void
man_option(struct buf *out, const struct verb_option *option)
{
	buf_puts(out, ".TP\n");
	if (option->letter)
		buf_printf(out, "\\fB\\-%c\\fR, ", option->letter);
	buf_puts(out, "\\fB\\-\\-");
	man_text(out, option->name);
	buf_puts(out, "\\fR");
	if (option->value) {
		buf_puts(out, " \\fI");
		man_text(out, option->value);
		buf_puts(out, "\\fR");
	}
	buf_putc(out, '\n');
	man_text(out, option->help);
	buf_putc(out, '\n');
}

static void
man_verb(struct buf *out, const struct verb *verb)
{
	const struct verb_option *option;
	struct verb_option_space space;

	buf_puts(out, ".SS \"rouse ");
	put_verb_name(out, verb);
	if (*verb->args)
		buf_putc(out, ' ');
	man_text(out, verb->args);
	buf_puts(out, "\"\n");
	man_text(out, verb->help);
	buf_puts(out, ".\n");
	if (verb->more) {
		man_text(out, verb->more);
		buf_putc(out, '\n');
	}
	for (size_t i = 0; (option = verb_option_at(verb, i, &space)); i++) {
		if (option == &verb_shared[0])
			break; /* from here on they are everyone's */
		man_option(out, option);
	}
}

void
verb_print_man(struct buf *out)
{
	const struct verb_option *option;
	struct verb_option_space space;

	buf_puts(
		out,
		".TH ROUSE 1 \"\" \"rouse " PACKAGE_VERSION "\" \"Rouse\"\n"
		".SH NAME\nrouse \\- ask and tell the daemon that wakes agents\n"
		".SH SYNOPSIS\n\\fBrouse\\fR \\fIVERB\\fR [\\fIARGUMENT\\fR...] "
		"[\\fIOPTION\\fR...]\n"
		".SH DESCRIPTION\n"
		"rouse talks to roused(8) over its Unix socket, or with \\fB\\-\\-url\\fR over "
		"TCP. "
		"It prints tables for people and, with \\fB\\-\\-json\\fR, JSON for programs: one "
		"object, or one a line for lists. An identifier may be cut to its first characters "
		"(at least 8) where only one begins so.\n"
		".SH OPTIONS\n");
	for (size_t i = 0; (option = verb_option_at(NULL, i, &space)); i++)
		man_option(out, option);
	buf_puts(out, ".SH VERBS\n");
	for (size_t i = 0; i < verb_count; i++)
		if (!(verb_table[i].flags & VERB_HIDDEN))
			man_verb(out, &verb_table[i]);
	buf_puts(out, ".SH EXIT STATUS\n"
		      ".TP\n0\ndone\n.TP\n1\nfailed\n.TP\n2\nwrong usage\n.TP\n3\nnot found\n"
		      ".TP\n4\nrefused: state, permission or budget\n"
		      ".TP\n5\nthe daemon cannot be reached\n"
		      ".SH ENVIRONMENT\n"
		      ".TP\nROUSE_SOCKET\nsocket of the daemon\n.TP\nROUSE_URL\nits URL, where no "
		      "socket is named\n"
		      ".TP\nROUSE_TOKEN\nbearer token\n.TP\nNO_COLOR\nno colours\n"
		      ".TP\nEDITOR, VISUAL\nfor rouse edit\n"
		      ".SH SEE ALSO\nroused(8), rouse.conf(5)\n");
}
