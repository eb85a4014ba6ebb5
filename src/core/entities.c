/* Where the entities of a batch come from: kinds, pages, keys. */
/* SPDX-License-Identifier: MIT */
#include "core/entities.h"

#include "conf/conf.h"
#include "pure/path.h"

static const struct entity_kind *const *kinds;

void
entities_set_kinds(const struct entity_kind *const *list)
{
	kinds = list;
}

bool
entities_find(const struct conf_section *section, const struct entity_kind **ret_kind,
	      struct entities_place *ret_place, struct err *err)
{
	AUTO(buf_fini) struct buf names = BUF_INIT;
	struct str name, rest = str_split(str_of(conf_str(section, "entities")), ':', &name);

	for (size_t i = 0; kinds && kinds[i]; i++) {
		buf_cat(&names, names.len ? ", " : "", kinds[i]->name, ":");
		if (!rest.p || !str_eq_cstr(str_trim(name), kinds[i]->name))
			continue;
		while (rest.len && (*rest.p == ' ' || *rest.p == '\t' || *rest.p == '\n')) {
			rest.p++;
			rest.len--;
		}
		*ret_kind = kinds[i];
		*ret_place = (struct entities_place){
			.section = section, .rest = rest.p, .key = conf_str(section, "entity_key")};
		return true;
	}
	return err_set(err, E_CONFIG,
		       "%.60s names no source of entities; expected one of %s and what follows it, "
		       "as csv:accounts.csv",
		       conf_str(section, "entities"), buf_cstr(&names));
}

char *
entities_path(const struct conf_section *section, struct str path)
{
	struct buf whole = BUF_INIT;
	const char *file = conf_section_file(section), *slash = file ? strrchr(file, '/') : NULL;

	path = str_trim(path);
	if (slash && (!path.len || path.p[0] != '/'))
		buf_add(&whole, file, (size_t)(slash - file) + 1);
	buf_add_str(&whole, path);
	return buf_take(&whole);
}

/* --- pages --------------------------------------------------------------------------------- */

void
entity_page_init(struct entity_page *page)
{
	*page = (struct entity_page){.bytes = BUF_INIT, .cursor = BUF_INIT, .err = ERR_INIT};
}

void
entity_page_fini(struct entity_page *page)
{
	buf_fini(&page->bytes);
	buf_fini(&page->cursor);
	free(page->items);
	free(page->note);
	err_fini(&page->err);
}

static bool
key_check(struct str key, struct err *err)
{
	if (!key.len)
		return err_set(err, E_INVALID, "its key (entity_key) is empty; expected a name");
	if (key.len > ENTITY_KEY_MAX)
		return err_set(err, E_INVALID,
			       "its key (entity_key) has %zu bytes; expected at most %d", key.len,
			       ENTITY_KEY_MAX);
	for (size_t i = 0; i < key.len; i++)
		if ((unsigned char)key.p[i] < 0x20)
			return err_set(err, E_INVALID,
				       "its key (entity_key) has a control character; expected a "
				       "name on one line");
	return true;
}

bool
entity_page_add(struct entity_page *page, struct str key, struct str data, uint64_t place)
{
	struct entity *item;

	if (!key_check(key, &page->err))
		return true;
	if (page->count == page->room) {
		page->room = page->room ? page->room * 2 : 64;
		page->items = mem_realloc(page->items, page->room * sizeof(*page->items));
	}
	item = &page->items[page->count++];
	*item = (struct entity){.key = page->bytes.len, .key_len = key.len, .place = place};
	buf_add_str(&page->bytes, key);
	item->data = page->bytes.len;
	item->data_len = data.len;
	buf_add_str(&page->bytes, data);
	return page->count >= ENTITIES_A_PAGE || page->bytes.len >= ENTITY_PAGE_BYTES;
}

/* --- keys ---------------------------------------------------------------------------------- */

struct entity_namer {
	struct path *path;
	char *key; /* as it was written */
};

bool
entity_namer_new(const char *key, struct entity_namer **ret, struct err *err)
{
	AUTO(buf_fini) struct buf program = BUF_INIT;
	struct entity_namer *namer;
	struct path *path = NULL;

	key = key ? key : "id";
	if (*key == '.' || *key == '"') {
		buf_puts(&program, key);
	} else {
		buf_puts(&program, ".[");
		buf_json_cstr(&program, key);
		buf_putc(&program, ']');
	}
	if (!path_compile(buf_str(&program), &path))
		return err_set(err, E_CONFIG,
			       "%s is no plain path; expected the name of a member, as id, or a "
			       "path, as .account.id or \"account-\\(.id)\"",
			       key);
	namer = mem_alloc(sizeof(*namer));
	*namer = (struct entity_namer){.path = path, .key = mem_strdup(key)};
	*ret = namer;
	return true;
}

void
entity_namer_free(struct entity_namer *namer)
{
	if (!namer)
		return;
	path_free(namer->path);
	free(namer->key);
	free(namer);
}

bool
entity_name(const struct entity_namer *namer, struct str data, struct buf *out, struct err *err)
{
	AUTO(buf_fini) struct buf value = BUF_INIT;
	AUTO(err_fini) struct err why = ERR_INIT;

	if (!path_eval_text(namer->path, data, &value, &why))
		return err_set(err, E_INVALID, "%s of it gives no key: %s", namer->key,
			       err_text(&why));
	if (str_eq_cstr(buf_str(&value), "null"))
		return err_set(err, E_INVALID,
			       "it has no %s, which is its key; expected a text or a number "
			       "(entity_key says which member is meant)",
			       namer->key);
	if (value.len && (value.data[0] == '{' || value.data[0] == '['))
		return err_set(err, E_INVALID,
			       "%s of it is no text and no number, so it cannot be its key",
			       namer->key);
	buf_add_str(out, buf_str(&value));
	return true;
}
