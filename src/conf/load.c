/* Loading: files into sections, sections into values, and all of it checked as a whole. */
/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <assert.h>

#include "base/os.h"
#include "conf/inside.h"
#include "conf/read.h"
#include "conf/write.h"

enum { FILE_MAX = 32 << 20, SECTIONS_MAX = 250000, FOLDERS = 4 };

static const char *const folders[FOLDERS] = {"agents.d", "triggers.d", "batches.d", "targets.d"};

struct loader {
	struct conf *conf;
	struct conf_report *report;
	int file;
	struct conf_section *section; /* NULL: what comes belongs nowhere */
	struct raw *raw;	      /* the key that may be continued */
	struct buf text;	      /* its value so far */
	struct arena scratch;	      /* what is not needed once values are typed */
	const char *keys[64];	      /* names of keys: most sections have the same */
	bool full;
};

static void
kinds_collect(struct conf *conf)
{
	for (size_t t = 0; t < conf->schema.count; t++) {
		const struct conf_table *table = conf->schema.tables[t];
		struct kind *kind = kind_find(conf, table->section);

		if (!kind) {
			kind = &conf->kinds[conf->kind_count++];
			kind->name = table->section;
			kind->named = table->named;
			kind->conf = conf;
		}
		assert(kind->named == table->named);
		kind->tables |= UINT64_C(1) << t;
		if (!table->selector)
			kind->base |= UINT64_C(1) << t;
	}
}

/* The folder that path lies in, from the root. */
static const char *
dir_of(struct conf *conf, const char *path)
{
	AUTO(buf_fini) struct buf dir = BUF_INIT;
	const char *slash = strrchr(path, '/');

	if (path[0] != '/') {
		AUTO(auto_free) char *cwd = getcwd(NULL, 0);

		buf_puts(&dir, cwd ? cwd : ".");
		if (slash && !(dir.len == 1 && dir.data[0] == '/'))
			buf_putc(&dir, '/');
	}
	if (slash)
		buf_add(&dir, path, slash == path ? 1 : (size_t)(slash - path));
	return arena_dup(&conf->arena, buf_str(&dir));
}

static int
file_add(struct conf *conf, const char *path)
{
	if (conf->file_count == conf->file_cap) {
		conf->file_cap = conf->file_cap ? conf->file_cap * 2 : 16;
		conf->files = mem_realloc(conf->files, conf->file_cap * sizeof(*conf->files));
	}
	conf->files[conf->file_count] = (struct conf_file){
		.path = arena_dup(&conf->arena, str_of(path)),
		.dir = dir_of(conf, path),
	};
	return (int)conf->file_count++;
}

static struct conf_section *
section_new(struct loader *l, struct kind *kind, struct str name, int line)
{
	struct conf *conf = l->conf;
	struct conf_section *section = arena_alloc(&conf->arena, sizeof(*section));

	section->kind = kind;
	section->name = arena_dup(&conf->arena, name);
	section->file = l->file;
	section->line = line;
	section->raw_end = &section->raws;
	section->index = conf->section_count;
	if (conf->section_count == conf->section_cap) {
		conf->section_cap = conf->section_cap ? conf->section_cap * 2 : 64;
		conf->sections = mem_realloc(conf->sections,
					     conf->section_cap * sizeof(struct conf_section *));
	}
	conf->sections[conf->section_count++] = section;
	return section;
}

static struct conf_section *
section_find(struct kind *kind, const char *name)
{
	struct conf_section *section;

	HASH_FIND_STR(kind->by_name, name, section);
	return section;
}

static void
section_index(struct conf_section *section)
{
	HASH_ADD_KEYPTR(hh, section->kind->by_name, section->name, strlen(section->name), section);
}

static void
value_end(struct loader *l)
{
	struct raw *raw = l->raw;

	l->raw = NULL;
	if (!raw)
		return;
	if (!raw->bad && l->text.len && l->text.data[l->text.len - 1] == '\\') {
		report_key(l->report, l->section, raw->key, raw->file, raw->line,
			   "the value ends in '\\', but no indented line follows that it could be "
			   "joined with; indent the next line or remove the '\\'");
		raw->bad = true;
	}
	raw->text = arena_dup(&l->conf->arena, buf_str(&l->text));
}

static void
on_no_section(void *ctx, int line UNUSED)
{
	struct loader *l = ctx;

	value_end(l);
	l->section = NULL;
}

static void
unknown_kind(struct loader *l, const char *word, int line)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct suggest suggest = suggest_for(word);

	for (size_t i = 0; i < l->conf->kind_count; i++)
		suggest_offer(&suggest, l->conf->kinds[i].name);
	suggest_print(&suggest, &text);
	if (!suggest.best) {
		buf_puts(&text, "; expected one of");
		for (size_t i = 0; i < l->conf->kind_count; i++)
			buf_printf(&text, "%s %s", i ? "," : "", l->conf->kinds[i].name);
	}
	report_at(l->report, l->conf, l->file, line, false, "[%s]: unknown section%s", word,
		  buf_cstr(&text));
}

static struct conf_section *
named_section(struct loader *l, struct kind *kind, const char *name, int line)
{
	struct conf_section *other, *section;

	if (!*name) {
		report_at(l->report, l->conf, l->file, line, false,
			  "[%s]: the name is missing; expected [%s NAME]", kind->name, kind->name);
		return NULL;
	}
	other = section_find(kind, name);
	section = section_new(l, kind, str_of(name), line);
	if (!conf_name_is_valid(str_of(name)))
		report_key(l->report, section, NULL, l->file, line,
			   "the name is not valid; expected at most 40 of a-z, 0-9, '.', '_' and "
			   "'-', the first a letter or digit");
	if (other)
		report_key(l->report, section, NULL, l->file, line,
			   "this section stands twice, first at %s:%d; remove or rename one",
			   conf_section_file(other), other->line);
	else
		section_index(section);
	return section;
}

static struct conf_section *
unnamed_section(struct loader *l, struct kind *kind, const char *name, int line)
{
	struct conf_section *section = section_find(kind, "");

	if (*name) {
		report_at(l->report, l->conf, l->file, line, false,
			  "[%s %s]: this section has no name; expected [%s]", kind->name, name,
			  kind->name);
		return NULL;
	}
	if (!section) {
		section = section_new(l, kind, STR(""), line);
		section_index(section);
	}
	return section;
}

static void
on_section(void *ctx, struct str header, int line)
{
	struct loader *l = ctx;
	struct str word = header;
	AUTO(auto_free) char *kind_name = NULL, *name = NULL;
	struct kind *kind;

	on_no_section(l, line);
	if (l->conf->section_count >= SECTIONS_MAX) {
		if (!l->full)
			report_at(l->report, l->conf, l->file, line, false,
				  "more than %d sections; what follows was not read", SECTIONS_MAX);
		l->full = true;
		return;
	}
	for (word.len = 0; word.len < header.len && !memchr(" \t", header.p[word.len], 2);)
		word.len++;
	kind_name = str_dup(word);
	name = str_dup(str_trim(str_make(header.p + word.len, header.len - word.len)));
	kind = kind_find(l->conf, kind_name);
	if (!kind)
		unknown_kind(l, kind_name, line);
	else
		l->section = kind->named ? named_section(l, kind, name, line)
					 : unnamed_section(l, kind, name, line);
}

/* One copy for many. */
static const char *
key_name(struct loader *l, struct str key)
{
	size_t place =
		(key.len * 7 + (unsigned char)key.p[0] * 3 + (unsigned char)key.p[key.len - 1]) %
		ARRAY_LEN(l->keys);

	if (!l->keys[place] || !str_eq_cstr(key, l->keys[place]))
		l->keys[place] = arena_dup(&l->conf->arena, key);
	return l->keys[place];
}

static void
on_key(void *ctx, const char *key, const char *value, int line)
{
	struct loader *l = ctx;
	struct raw *raw;

	value_end(l);
	if (!l->section)
		return;
	raw = arena_alloc(&l->scratch, sizeof(*raw));
	raw->key = key_name(l, str_of(key));
	raw->file = l->file;
	raw->line = line;
	raw->bad = !value;
	*l->section->raw_end = raw;
	l->section->raw_end = &raw->next;
	l->section->raw_count++;
	l->raw = raw;
	buf_clear(&l->text);
	buf_puts(&l->text, value ? value : "");
}

static bool
is_header(struct conf *conf, struct str header)
{
	struct str word, rest = str_split(header, ' ', &word);
	AUTO(auto_free) char *name = str_dup(word);
	const struct kind *kind = kind_find(conf, name);

	return kind && (kind->named ? rest.p && conf_name_is_valid(str_trim(rest)) : !rest.p);
}

/* inih takes every indented line for more of the value above: a key or a section that someone
 * indented would vanish in it. */
static bool
looks_meant_otherwise(struct loader *l, const char *text)
{
	struct str line = str_of(text), key, rest;
	AUTO(auto_free) char *name = NULL;

	if (line.p[0] == '[' && line.p[line.len - 1] == ']')
		return is_header(l->conf, str_trim(str_make(line.p + 1, line.len - 2)));
	rest = str_split(line, '=', &key);
	if (!rest.p || (rest.len && rest.p[0] == '='))
		return false;
	name = str_dup(str_trim(key));
	return tables_find(&l->conf->schema, l->section->kind->tables, name);
}

static void
on_more(void *ctx, const char *text, size_t blanks, int line)
{
	struct loader *l = ctx;
	bool joined;

	if (!l->raw)
		return;
	joined = l->text.len && l->text.data[l->text.len - 1] == '\\';
	if (joined) {
		buf_truncate(&l->text, l->text.len - 1);
	} else if (looks_meant_otherwise(l, text)) {
		report_key(l->report, l->section, l->raw->key, l->file, line,
			   "this indented line would become a part of the value above; begin it in "
			   "the first column, or word it otherwise");
		l->raw->bad = true;
		return;
	} else if (l->text.len) {
		for (size_t i = 0; i <= blanks; i++)
			buf_putc(&l->text, '\n');
	}
	buf_puts(&l->text, text);
}

static void
on_error(void *ctx, int line, bool in_key, const char *text)
{
	struct loader *l = ctx;

	if (in_key && l->raw) {
		l->raw->bad = true;
		report_key(l->report, l->section, l->raw->key, l->file, line, "%s", text);
		return;
	}
	report_at(l->report, l->conf, l->file, line, false, "%s", text);
}

static const struct read_sink sink = {on_section, on_no_section, on_key, on_more, on_error};

static bool
seen_before(struct conf *conf, const struct stat *st)
{
	for (size_t i = 0; i < conf->file_count; i++)
		if (conf->files[i].ino == st->st_ino && conf->files[i].dev == st->st_dev)
			return true;
	return false;
}

static void
file_complain(struct loader *l, const char *path, const char *what)
{
	report_at(l->report, l->conf, file_add(l->conf, path), 0, false, "%s", what);
}

/* once: leave out what was read already under whatever name. */
static void
file_load(struct loader *l, const char *path, bool once)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct buf text = BUF_INIT;
	struct stat st;

	if (stat(path, &st)) {
		AUTO(buf_fini) struct buf what = BUF_INIT;

		buf_printf(&what, "cannot be read: %s", strerror(errno));
		file_complain(l, path, buf_cstr(&what));
		return;
	}
	/* A pipe would be waited for until someone writes. */
	if (!S_ISREG(st.st_mode)) {
		file_complain(l, path, "is no regular file; expected a configuration file");
		return;
	}
	if (once && seen_before(l->conf, &st))
		return;
	l->file = file_add(l->conf, path);
	l->conf->files[l->file].dev = st.st_dev;
	l->conf->files[l->file].ino = st.st_ino;
	buf_reserve(&text, (st.st_size < FILE_MAX ? (size_t)st.st_size : FILE_MAX) + 1);
	if (os_read_file(path, FILE_MAX, &text, &err)) {
		read_ini(buf_str(&text), &sink, l);
		on_no_section(l, 0);
	} else if (err.code == E_TOO_LARGE) {
		report_at(l->report, l->conf, l->file, 0, false,
			  "is larger than 32 MiB and was not read; split it into several files");
	} else {
		report_at(l->report, l->conf, l->file, 0, false, "%s", err_text(&err));
	}
	if (text.data)
		mem_zero(text.data, text.cap);
	buf_fini(&text);
}

static int
is_conf_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && str_ends(str_of(entry->d_name), STR(".conf")) &&
	       strlen(entry->d_name) > 5;
}

/* In the order of the bytes: alphasort() would follow the locale. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
folder_load(struct loader *l, const char *dir, const char *name)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct dirent **entries = NULL;
	size_t prefix;
	int n;

	buf_printf(&path, "%s%s", dir, name);
	prefix = path.len;
	n = scandir(buf_cstr(&path), &entries, is_conf_file, by_name);
	if (n < 0) {
		AUTO(buf_fini) struct buf what = BUF_INIT;

		if (errno == ENOENT)
			return;
		buf_printf(&what, "cannot be read: %s", strerror(errno));
		file_complain(l, buf_cstr(&path), buf_cstr(&what));
		return;
	}
	for (int i = 0; i < n; i++) {
		buf_truncate(&path, prefix);
		buf_printf(&path, "/%s", entries[i]->d_name);
		file_load(l, buf_cstr(&path), false);
		free(entries[i]);
	}
	free(entries);
}

static void
files_load(struct loader *l, const char *path, const char *const *extra, size_t extra_count)
{
	const char *slash = strrchr(path, '/');
	AUTO(auto_free)
	char *dir = slash ? str_dup(str_make(path, (size_t)(slash - path) + 1)) : mem_strdup("");

	file_load(l, path, false);
	for (size_t i = 0; i < FOLDERS; i++)
		folder_load(l, dir, folders[i]);
	for (size_t i = 0; i < extra_count; i++)
		file_load(l, extra[i], true);
	l->file = 0;
	for (size_t i = 0; i < l->conf->kind_count; i++)
		if (!l->conf->kinds[i].named && !section_find(&l->conf->kinds[i], ""))
			unnamed_section(l, &l->conf->kinds[i], "", 0);
}

static bool
name_exists(struct conf *conf, const char *kinds, const char *name)
{
	struct str rest = str_of(kinds), word;

	while (choice_next(&rest, &word))
		for (size_t i = 0; i < conf->kind_count; i++)
			if (str_eq_cstr(word, conf->kinds[i].name) &&
			    section_find(&conf->kinds[i], name))
				return true;
	return false;
}

static void
suggest_names(struct conf *conf, const char *kinds, struct suggest *suggest)
{
	for (size_t i = 0; i < conf->kind_count; i++)
		if (choice_has(kinds, str_of(conf->kinds[i].name)))
			for (struct conf_section *s = conf->kinds[i].by_name; s; s = s->hh.next)
				suggest_offer(suggest, s->name);
}

static void
name_check(struct loader *l, const struct conf_section *section, const struct conf_key *row,
	   const struct conf_value *value, const char *name)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct suggest suggest = suggest_for(name);

	if (name_exists(l->conf, row->choices, name))
		return;
	if (report_may_suggest(l->report))
		suggest_names(l->conf, row->choices, &suggest);
	suggest_print(&suggest, &text);
	report_key(l->report, section, value->name, value->file, value->line,
		   "there is no [%s %s]%s", row->choices, name,
		   suggest.best ? buf_cstr(&text) : "; write that section or correct the name");
}

/* References: that what is named exists. Defaults are for their makers to see to. */
static void
names_check(struct loader *l, const struct conf_section *section)
{
	for (struct conf_value *set = section->values; set; set = set->more) {
		const struct conf_key *row = set->key->row;

		if ((row->type != CONF_NAME && row->type != CONF_NAME_LIST) || !row->choices)
			continue;
		for (struct conf_value *value = set; value; value = value->next) {
			size_t before = conf_report_errors(l->report);

			if (value->bad)
				continue;
			if (row->type == CONF_NAME)
				name_check(l, section, row, value, value->text);
			for (size_t n = 0; n < value->item_count; n++)
				name_check(l, section, row, value, value->items[n]);
			value->bad = conf_report_errors(l->report) > before;
		}
	}
}

static void
section_check(struct loader *l, const struct conf_section *section)
{
	const struct conf_schema *schema = &l->conf->schema;

	/* A check may rely on what is required: without it, it could only stumble. */
	if (section->broken || section->unsure)
		return;
	for (size_t t = 0; t < schema->count; t++)
		if (section->shape->tables >> t & 1 && schema->tables[t]->check)
			schema->tables[t]->check(section, l->report);
}

static void
names_broken(struct conf_section *section)
{
	for (const struct conf_value *value = section->values; value; value = value->more)
		if (value->key->row->flags & CONF_REQUIRED && value->bad)
			section->broken = true;
}

static void
sections_finish(struct loader *l)
{
	struct conf *conf = l->conf;

	for (size_t i = 0; i < conf->section_count; i++) {
		section_type(conf->sections[i], l->report);
		conf->sections[i]->raws = NULL;
	}
	arena_fini(&l->scratch);
	for (size_t i = 0; i < conf->section_count; i++) {
		names_check(l, conf->sections[i]);
		names_broken(conf->sections[i]);
	}
	for (size_t i = 0; i < conf->section_count; i++)
		section_check(l, conf->sections[i]);
}

struct conf *
conf_load(const struct conf_schema *schema, const char *path, const char *const *extra,
	  size_t extra_count, struct conf_report *report)
{
	static uint64_t generations;
	struct conf *conf = mem_alloc(sizeof(*conf));
	struct loader l = {.conf = conf, .report = report};
	size_t before = conf_report_errors(report);

	report_begin(report);
	conf->refs = 1;
	conf->schema = *schema;
	conf->path = arena_dup(&conf->arena, str_of(path));
	conf->dir = dir_of(conf, path);
	kinds_collect(conf);
	files_load(&l, path, extra, extra_count);
	sections_finish(&l);
	if (l.text.data)
		mem_zero(l.text.data, l.text.cap);
	buf_fini(&l.text);
	if (conf_report_errors(report) > before) {
		conf_free(conf);
		return NULL;
	}
	for (size_t i = 0; i < conf->section_count; i++)
		section_digest(conf->sections[i]);
	conf->generation = ++generations;
	return conf;
}
