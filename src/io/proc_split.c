/* Commands: split into words as a shell splits them, with no shell and nothing expanded. */
/* SPDX-License-Identifier: MIT */
#include "io/proc.h"

#include <ctype.h>
#include <stdlib.h>

struct split {
	const char *p; /* what is left */
	struct buf word;
	bool in_word; /* also for "" */
	char **words;
	size_t count;
	struct err *err;
};

/* What a shell would act upon. A reader who meets one wants a shell, or forgot to quote. */
static bool
split_refuse(struct split *s, const char *where)
{
	return err_set(s->err, E_INVALID,
		       "the command has %c %s, which a shell would act upon, but no shell runs it; "
		       "put it in "
		       "single quotes, or write: sh -c 'COMMAND'",
		       *s->p, where);
}

static bool
split_unclosed(struct split *s, char quote)
{
	return err_set(s->err, E_INVALID, "the command has a %c that is never closed", quote);
}

static void
split_end_word(struct split *s)
{
	if (!s->in_word)
		return;
	s->words = mem_realloc(s->words, (s->count + 2) * sizeof(*s->words));
	s->words[s->count++] = mem_memdup(buf_cstr(&s->word), s->word.len);
	s->words[s->count] = NULL;
	buf_clear(&s->word);
	s->in_word = false;
}

static bool
split_single(struct split *s)
{
	const char *end = strchr(++s->p, '\'');
	if (!end)
		return split_unclosed(s, '\'');
	buf_add(&s->word, s->p, (size_t)(end - s->p));
	s->p = end + 1;
	return true;
}

/* POSIX 2.2.3: within double quotes a backslash stands for itself except before $ ` " \ newline. */
static bool
split_double(struct split *s)
{
	for (s->p++; *s->p && *s->p != '"'; s->p++) {
		if (*s->p == '$' || *s->p == '`')
			return split_refuse(s, "within double quotes");
		if (*s->p == '\\' && s->p[1] && strchr("$`\"\\\n", s->p[1])) {
			s->p++;
			if (*s->p == '\n')
				continue;
		}
		buf_putc(&s->word, *s->p);
	}
	if (!*s->p)
		return split_unclosed(s, '"');
	s->p++;
	return true;
}

static bool
split_backslash(struct split *s)
{
	if (!s->p[1])
		return err_set(s->err, E_INVALID,
			       "the command ends in a backslash, which quotes nothing");
	if (s->p[1] != '\n') {
		s->in_word = true;
		buf_putc(&s->word, s->p[1]);
	}
	s->p += 2;
	return true;
}

static bool
split_next(struct split *s)
{
	if (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r') {
		split_end_word(s);
		s->p++;
		return true;
	}
	if (strchr("|;&<>()$`", *s->p))
		return split_refuse(s, "outside of quotes");
	if (*s->p == '#' && !s->in_word)
		return split_refuse(s, "at the start of a word");
	if (*s->p == '\\')
		return split_backslash(s);
	s->in_word = true;
	if (*s->p == '\'')
		return split_single(s);
	if (*s->p == '"')
		return split_double(s);
	buf_putc(&s->word, *s->p++);
	return true;
}

/* NAME=VALUE in front of a command is a shell's as well. */
static bool
split_check_first(struct split *s)
{
	const char *p = s->words[0];
	if (isalpha((unsigned char)*p) || *p == '_')
		while (isalnum((unsigned char)*p) || *p == '_')
			p++;
	if (!*s->words[0])
		return err_set(s->err, E_INVALID,
			       "the command begins with an empty word; expected a program");
	if (p > s->words[0] && *p == '=')
		return err_set(s->err, E_INVALID,
			       "the command begins with %s, but no shell runs it; use the key env, "
			       "or write: env %s ...",
			       s->words[0], s->words[0]);
	return true;
}

static bool
split_all(struct split *s)
{
	while (*s->p)
		if (!split_next(s))
			return false;
	split_end_word(s);
	if (!s->count)
		return err_set(s->err, E_INVALID,
			       "the command is empty; expected a program and its arguments");
	return split_check_first(s);
}

bool
proc_split(const char *command, char ***ret, struct err *err)
{
	struct split s = {.p = command, .word = BUF_INIT, .err = err};
	bool ok = split_all(&s);
	buf_fini(&s.word);
	if (ok)
		*ret = s.words;
	else
		proc_words_free(s.words);
	return ok;
}

void
proc_words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}
