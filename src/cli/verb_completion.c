/* Completions for bash, fish and zsh, printed from the table of verbs. */
/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "base/mem.h"
#include "cli/verb.h"

/* --- what all shells need -------------------------------------------------------------------- */

static bool
is_shown(size_t i)
{
	return !(verb_table[i].flags & VERB_HIDDEN);
}

/* The first verb of its noun, or one without a noun. */
static bool
is_first(size_t i)
{
	return !i || !verb_table[i].noun || !verb_table[i - 1].noun ||
	       strcmp(verb_table[i - 1].noun, verb_table[i].noun) != 0;
}

static const char *
first_word(size_t i)
{
	return verb_table[i].noun ? verb_table[i].noun : verb_table[i].name;
}

/* --- bash ------------------------------------------------------------------------------------ */

static void
completion_words(struct buf *out, const struct verb *verb)
{
	const struct verb_option *option;
	struct verb_option_space space;

	for (size_t i = 0; (option = verb_option_at(verb, i, &space)); i++)
		buf_printf(out, "%s--%s", i ? " " : "", option->name);
}

static void
completion_nouns(struct buf *out)
{
	const char *last = "";

	for (size_t i = 0; i < verb_count; i++) {
		const struct verb *verb = &verb_table[i];

		if (verb->flags & VERB_HIDDEN || (verb->noun && !strcmp(verb->noun, last)))
			continue;
		buf_printf(out, "%s%s", i ? " " : "", verb->noun ? verb->noun : verb->name);
		last = verb->noun ? verb->noun : "";
	}
}

static void
completion_verbs_of(struct buf *out, size_t first)
{
	const char *noun = verb_table[first].noun;

	buf_printf(out, "\t\t%s) words='", noun);
	for (size_t i = first;
	     i < verb_count && verb_table[i].noun && !strcmp(verb_table[i].noun, noun); i++)
		buf_printf(out, "%s%s", i == first ? "" : " ", verb_table[i].name);
	buf_puts(out, "' ;;\n");
}

static void
print_bash(struct buf *out)
{
	buf_puts(out, "# bash completion of rouse; printed by rouse help --completion bash.\n"
		      "_rouse()\n{\n"
		      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words= first= second= i\n"
		      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		      "\t\tcase ${COMP_WORDS[i]} in\n"
		      "\t\t-*) ;;\n"
		      "\t\t*) if [[ -z $first ]]; then first=${COMP_WORDS[i]}; "
		      "elif [[ -z $second ]]; then second=${COMP_WORDS[i]}; fi ;;\n"
		      "\t\tesac\n\tdone\n"
		      "\tif [[ $cur == -* ]]; then\n\t\tcase \"$first $second\" in\n");
	for (size_t i = 0; i < verb_count; i++) {
		const struct verb *verb = &verb_table[i];

		if (verb->flags & VERB_HIDDEN)
			continue;
		if (verb->noun)
			buf_printf(out, "\t\t'%s %s') words='", verb->noun, verb->name);
		else
			buf_printf(out, "\t\t'%s '*) words='", verb->name);
		completion_words(out, verb);
		buf_puts(out, "' ;;\n");
	}
	buf_puts(out, "\t\t*) words='");
	completion_words(out, NULL);
	buf_puts(out, "' ;;\n\t\tesac\n\telif [[ -z $first ]]; then\n\t\twords='");
	completion_nouns(out);
	buf_puts(out, "'\n\telif [[ -z $second ]]; then\n\t\tcase $first in\n");
	for (size_t i = 0; i < verb_count; i++)
		if (verb_table[i].noun && (!i || !verb_table[i - 1].noun ||
					   strcmp(verb_table[i - 1].noun, verb_table[i].noun)))
			completion_verbs_of(out, i);
	buf_puts(out, "\t\tesac\n\tfi\n"
		      "\tif [[ -n $words ]]; then\n"
		      "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		      "\telse\n\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n\tfi\n}\n"
		      "complete -o filenames -F _rouse rouse\n");
}

/* --- fish ------------------------------------------------------------------------------------ */

static void
fish_options(struct buf *out, const struct verb *verb)
{
	const struct verb_option *option;
	struct verb_option_space space;

	for (size_t i = 0; (option = verb_option_at(verb, i, &space)); i++) {
		buf_printf(out, "complete -c rouse -n '__rouse_at %s %s' -l %s",
			   verb->noun ? verb->noun : verb->name, verb->noun ? verb->name : "",
			   option->name);
		if (option->letter)
			buf_printf(out, " -s %c", option->letter);
		buf_printf(out, "%s -d ", option->value ? " -r" : "");
		buf_shell_word(out, str_of(option->help));
		buf_putc(out, '\n');
	}
}

static void
print_fish(struct buf *out)
{
	buf_puts(out, "# fish completion of rouse; printed by rouse help --completion fish.\n"
		      "# The words before the cursor are these, options aside.\n"
		      "function __rouse_at\n"
		      "\tset -l said (string match -v -- '-*' (commandline -opc))[2..-1]\n"
		      "\tset -l first $said[1]\n\tset -l second $said[2]\n"
		      "\ttest \"$first\" = \"$argv[1]\"; or return 1\n"
		      "\tswitch \"$argv[2]\"\n"
		      "\t\tcase ''\n\t\t\treturn 0\n"
		      "\t\tcase -\n\t\t\ttest -z \"$second\"\n"
		      "\t\tcase '*'\n\t\t\ttest \"$second\" = \"$argv[2]\"\n"
		      "\tend\nend\n");
	for (size_t i = 0; i < verb_count; i++) {
		const struct verb *verb = &verb_table[i];

		if (!is_shown(i))
			continue;
		if (is_first(i)) {
			buf_printf(out, "complete -c rouse -f -n '__rouse_at \"\"' -a %s",
				   first_word(i));
			if (!verb->noun) {
				buf_puts(out, " -d ");
				buf_shell_word(out, str_of(verb->help));
			}
			buf_putc(out, '\n');
		}
		if (verb->noun) {
			buf_printf(out, "complete -c rouse -f -n '__rouse_at %s -' -a %s -d ",
				   verb->noun, verb->name);
			buf_shell_word(out, str_of(verb->help));
			buf_putc(out, '\n');
		}
		fish_options(out, verb);
	}
}

/* --- zsh ------------------------------------------------------------------------------------- */

/* NAME:HELP, whose own colons are escaped. */
static void
zsh_item(struct buf *out, const char *dashes, const char *name, const char *help)
{
	AUTO(buf_fini) struct buf item = BUF_INIT;

	buf_printf(&item, "%s%s:", dashes, name);
	for (; *help; help++) {
		if (*help == ':' || *help == '\\')
			buf_putc(&item, '\\');
		buf_putc(&item, *help);
	}
	buf_putc(out, ' ');
	buf_shell_word(out, buf_str(&item));
}

static void
zsh_options(struct buf *out, const struct verb *verb)
{
	const struct verb_option *option;
	struct verb_option_space space;

	buf_printf(out, "\t\t'%s %s') items=(", verb->noun ? verb->noun : verb->name,
		   verb->noun ? verb->name : "");
	for (size_t i = 0; (option = verb_option_at(verb, i, &space)); i++)
		zsh_item(out, "--", option->name, option->help);
	buf_puts(out, " ) ;;\n");
}

static void
zsh_verbs_of(struct buf *out, size_t first)
{
	const char *noun = verb_table[first].noun;

	buf_printf(out, "\t\t%s) items=(", noun);
	for (size_t i = first;
	     i < verb_count && verb_table[i].noun && !strcmp(verb_table[i].noun, noun); i++)
		if (is_shown(i))
			zsh_item(out, "", verb_table[i].name, verb_table[i].help);
	buf_puts(out, " ) ;;\n");
}

static void
print_zsh(struct buf *out)
{
	buf_puts(out,
		 "#compdef rouse\n# zsh completion of rouse; printed by rouse help --completion "
		 "zsh.\n"
		 "_rouse()\n{\n"
		 "\tlocal -a said items\n"
		 "\tsaid=(${${words[2,CURRENT-1]}:#-*})\n"
		 "\tif [[ $PREFIX == -* ]]; then\n"
		 "\t\tcase \"${said[1]} ${said[2]}\" in\n");
	for (size_t i = 0; i < verb_count; i++)
		if (is_shown(i) && verb_table[i].noun)
			zsh_options(out, &verb_table[i]);
	buf_puts(out, "\t\tesac\n\t\tif (( ! $#items )); then\n\t\tcase \"${said[1]} \" in\n");
	for (size_t i = 0; i < verb_count; i++)
		if (is_shown(i) && !verb_table[i].noun)
			zsh_options(out, &verb_table[i]);
	buf_puts(out, "\t\tesac\n\t\tfi\n\t\t_describe -o option items\n"
		      "\telif (( $#said == 0 )); then\n\t\titems=(");
	for (size_t i = 0; i < verb_count; i++)
		if (is_shown(i) && is_first(i))
			zsh_item(out, "", first_word(i),
				 verb_table[i].noun ? "" : verb_table[i].help);
	buf_puts(out, " )\n\t\t_describe verb items\n"
		      "\telif (( $#said == 1 )); then\n\t\tcase ${said[1]} in\n");
	for (size_t i = 0; i < verb_count; i++)
		if (verb_table[i].noun && is_first(i))
			zsh_verbs_of(out, i);
	buf_puts(out, "\t\tesac\n\t\tif (( $#items )); then _describe verb items; else _files; fi\n"
		      "\telse\n\t\t_files\n\tfi\n}\n_rouse \"$@\"\n");
}

/* --------------------------------------------------------------------------------------------- */

bool
verb_print_completion(const char *shell, struct buf *out)
{
	static const struct {
		const char *name;
		void (*print)(struct buf *out);
	} shells[] = {{"bash", print_bash}, {"fish", print_fish}, {"zsh", print_zsh}};

	for (size_t i = 0; i < ARRAY_LEN(shells); i++)
		if (!strcmp(shells[i].name, shell)) {
			shells[i].print(out);
			return true;
		}
	return false;
}
