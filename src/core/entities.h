/* Where the entities of a batch come from: the vtable of plugins/entities/. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_ENTITIES_H
#define ROUSE_CORE_ENTITIES_H

#include "core/core.h"

/* What one read gives at most: some milliseconds of the loop. One entity may be larger. */
#define ENTITIES_A_PAGE 512
#define ENTITY_PAGE_BYTES (1 << 20)
/* Of one entity: its data, and its key. */
#define ENTITY_BYTES_MAX (4 << 20)
#define ENTITY_KEY_MAX 500

/* The value of `entities`, and what else its section says of it. Lives as long as the section. */
struct entities_place {
	const struct conf_section *section;
	const char *rest; /* behind "csv:" */
	const char *key;  /* entity_key; NULL */
};

struct entity {
	size_t key, key_len, data, data_len; /* in the page's bytes; data: JSON text */
	uint64_t place;			     /* line, row or number, for people */
};

/* What one read gave. Filled by the kind, perhaps in a thread; nobody else looks meanwhile. */
struct entity_page {
	struct buf bytes;
	struct entity *items;
	size_t count, room;
	struct buf cursor; /* behind the last of items, in the source's own words */
	bool end;	   /* nothing follows, for now */
	bool again;	   /* the source begins anew: what is known is passed over. note says why */
	char *note;	   /* what is remarkable, in words; NULL */
	/* What is wrong behind the last item: one sentence, that says what, where, what was
	 * expected and what to do. Reading may be taken up at cursor once that is mended. */
	struct err err;
};
void entity_page_init(struct entity_page *page);
void entity_page_fini(struct entity_page *page);
/* True: it is full. place: as in struct entity. E_INVALID in page->err where key is none. */
bool entity_page_add(struct entity_page *page, struct str key, struct str data, uint64_t place);
static inline struct str
entity_key(const struct entity_page *page, size_t i)
{
	return str_make(page->bytes.data + page->items[i].key, page->items[i].key_len);
}
static inline struct str
entity_data(const struct entity_page *page, size_t i)
{
	return str_make(page->bytes.data + page->items[i].data, page->items[i].data_len);
}

/* Exactly once a read, in the loop, never from within it; the page is the receiver's until it
 * returns. */
typedef void entities_on_page(void *arg, struct entity_page *page);

struct entity_reader; /* of the kind */

struct entity_kind {
	const char *name; /* "csv": what stands before the colon */
	const char *unit; /* "line", "row": what struct entity's place counts */
	bool rounds;	  /* a page of nothing but what came before means that it goes round */
	bool grows;	  /* may have more at its end later: it is looked at again */
	bool resumes;	  /* a reader may begin at a cursor; otherwise it begins anew */
	/* May it be read only to be counted: is it at hand, and does reading it do nothing else?
	 * NULL: never. */
	bool (*is_cheap)(const struct entities_place *place);
	/* Without touching the world: complains about the section's key `entities`. */
	void (*check)(const struct entities_place *place, struct conf_report *report);
	/* cursor p NULL: from the start. */
	bool (*open)(struct core *core, const struct entities_place *place, struct str cursor,
		     struct entity_reader **ret, struct err *err);
	/* The next page. One at a time. */
	void (*read)(struct entity_reader *reader, entities_on_page *on_page, void *arg);
	/* Also while it reads: on_page is not called any more. */
	void (*close)(struct entity_reader *reader);
};

/* Kinds hand themselves down before the first configuration is read. NULL-terminated. */
void entities_set_kinds(const struct entity_kind *const *kinds);
/* The kind of the section's `entities`. E_CONFIG: there is none of that name. */
bool entities_find(const struct conf_section *section, const struct entity_kind **ret_kind,
		   struct entities_place *ret_place, struct err *err);

/* --- what kinds share --- */

/* entity_key over JSON data: a name, or a plain jq path. NULL key: `id`. */
struct entity_namer;
bool entity_namer_new(const char *key, struct entity_namer **ret, struct err *err);
void entity_namer_free(struct entity_namer *namer);
/* Appends the key that data gives. E_INVALID with a sentence without place. */
bool entity_name(const struct entity_namer *namer, struct str data, struct buf *out,
		 struct err *err);
/* A path of the section, relative ones below the folder of its file; owned. */
char *entities_path(const struct conf_section *section, struct str path);

#endif
