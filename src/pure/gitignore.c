/* Files that git does not look at: the rules of one .gitignore. */
/* SPDX-License-Identifier: MIT */
#include "pure/gitignore.h"

#include "pure/glob.h"

/* Blanks at the end count only behind a backslash; the '\r' of foreign editors never does. */
static struct str
line_trim(struct str line)
{
	if (line.len && line.p[line.len - 1] == '\r')
		line.len--;
	while (line.len && line.p[line.len - 1] == ' ') {
		size_t slashes = 0;

		while (slashes + 1 < line.len && line.p[line.len - 2 - slashes] == '\\')
			slashes++;
		if (slashes % 2)
			break;
		line.len--;
	}
	return line;
}

static bool
rule_match(struct str pattern, struct str path, bool is_folder)
{
	if (pattern.len && pattern.p[pattern.len - 1] == '/') {
		if (!is_folder)
			return false;
		pattern.len--;
	}
	return pattern.len && glob_match_path(pattern, path);
}

enum gitignore
gitignore_match(struct str rules, struct str path, bool is_folder)
{
	enum gitignore says = GITIGNORE_SILENT;
	struct str line;

	if (str_starts(rules, STR("\xef\xbb\xbf")))
		rules = str_make(rules.p + 3, rules.len - 3);
	while (rules.p) {
		bool keeps;

		rules = str_split(rules, '\n', &line);
		line = line_trim(line);
		if (!line.len || *line.p == '#')
			continue;
		keeps = *line.p == '!';
		if (keeps)
			line = str_make(line.p + 1, line.len - 1);
		if (rule_match(line, path, is_folder))
			says = keeps ? GITIGNORE_KEPT : GITIGNORE_IGNORED;
	}
	return says;
}
