/* The index of files: what it keeps, in how many rows, and what damaged ones do. */
/* SPDX-License-Identifier: MIT */
#include "test_store_help.h"
#include "triggers/file/index.h"

static struct version
version(uint64_t inode, uint64_t size)
{
	return (struct version){.inode = inode, .size = size, .mtime_ns = -5};
}

/* "inode:size", or "-"; static. */
static const char *
known(struct index *index, const char *path)
{
	static char text[64];
	struct version v;
	bool is_known;

	if (!index_get(index, str_of(path), &v, &is_known, NULL))
		return "error";
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)v.inode,
		 (unsigned long long)v.size);
	return is_known ? text : "-";
}

static bool
put(struct index *index, const char *path, uint64_t inode)
{
	struct version v = version(inode, 1);

	return index_set(index, str_of(path), inode ? &v : NULL, NULL);
}

static size_t
count_in(struct index *index, const char *folder)
{
	struct index_names names;
	uint64_t next;
	size_t count;

	if (!index_read(index, str_of(folder), 0, UINT32_MAX, 0, &names, &next, NULL))
		return SIZE_MAX;
	count = names.count;
	for (size_t i = 1; i < names.count; i++)
		if (pack_order(&names.entries[i - 1], &names.entries[i]) >= 0)
			count = SIZE_MAX;
	index_names_fini(&names);
	return count;
}

static bool
fold(struct index *index)
{
	bool more = true;

	while (more)
		if (!index_fold(index, &more, NULL))
			return false;
	return true;
}

int
main(void)
{
	struct err err = ERR_INIT;
	struct store *store = help_open("index.db");
	struct index index = {store, "t", 0}, other = {store, "u", 0};
	int64_t rows = 0;

	IT ("takes a version apart as it was packed") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		struct version a = {UINT64_MAX, UINT64_MAX, INT64_MIN, true, {1, 2}}, b;
		struct str rest;

		version_pack(&out, &a);
		rest = buf_str(&out);
		CHECK(version_unpack(&rest, &b) && !rest.len && version_same(&a, &b));
		CHECK(b.hashed && !memcmp(a.hash, b.hash, HASH_BYTES));
		for (size_t n = 0; n < out.len; n++) {
			rest = str_make(out.data, n);
			CHECK(!version_unpack(&rest, &b));
		}
	}
	IT ("knows what it was told, note or folded, and nothing else") {
		CHECK(put(&index, "a", 1) && put(&index, "d/a", 2) && put(&index, "d/e/a", 3));
		CHECK_STR(known(&index, "a"), "1:1");
		CHECK(fold(&index));
		CHECK_STR(known(&index, "d/a"), "2:1");
		CHECK_STR(known(&index, "d/e/a"), "3:1");
		CHECK_STR(known(&index, "d/e"), "-");
		CHECK_STR(known(&other, "a"), "-");
	}
	IT ("lets the last note count, and forgets what has gone") {
		CHECK(put(&index, "a", 7));
		CHECK_STR(known(&index, "a"), "7:1");
		CHECK(put(&index, "a", 0));
		CHECK_STR(known(&index, "a"), "-");
		CHECK(fold(&index));
		CHECK_STR(known(&index, "a"), "-");
		CHECK_INT(count_in(&index, ""), 0);
	}
	IT ("ends folding one folder while others have notes") {
		CHECK(put(&index, "zz/a", 1) && put(&index, "yy/a", 1));
		CHECK_INT(count_in(&index, ""), 0);
		CHECK_INT(count_in(&index, "zz"), 1);
		CHECK(fold(&index) && !index.notes);
	}
	IT ("keeps 20,000 names of a folder in few rows, in order, and each of them") {
		char path[64];

		for (int i = 0; i < 20000; i++) {
			snprintf(path, sizeof(path), "big/file-%d", i);
			if (!put(&index, path, (uint64_t)i + 1))
				CHECK(!"put");
		}
		CHECK(fold(&index));
		CHECK_INT(count_in(&index, "big"), 20000);
		CHECK(facts_count(store, "t", &rows, &err) && rows < 500);
		CHECK_STR(known(&index, "big/file-0"), "1:1");
		CHECK_STR(known(&index, "big/file-19999"), "20000:1");
		for (int i = 0; i < 20000; i += 2) {
			snprintf(path, sizeof(path), "big/file-%d", i);
			put(&index, path, 0);
		}
		CHECK_INT(count_in(&index, "big"), 10000);
		CHECK_STR(known(&index, "big/file-2"), "-");
		CHECK_STR(known(&index, "big/file-3"), "4:1");
		turn_end(store);
	}
	IT ("gives a new folder chunks of its own, whatever those of the folder behind it hold") {
		struct packed names[64];
		char text[64][16];

		for (int i = 0; i < 64; i++) {
			snprintf(text[i], sizeof(text[i]), "name-%d", i);
			names[i] = (struct packed){.name = str_of(text[i]),
						   .hash = pack_hash(str_of(text[i])),
						   .version = version(1, 1)};
		}
		qsort(names, 64, sizeof(*names), pack_order);
		CHECK(index_merge(&index, STR("biaa"), names, 64, &err));
		CHECK(index_merge(&index, STR("bif"), names, 64, &err));
		CHECK_INT(count_in(&index, "biaa"), 64);
		CHECK_INT(count_in(&index, "bif"), 64);
		CHECK_INT(count_in(&index, "big"), 10000);
		turn_end(store);
	}
	IT ("reads a folder in pieces that together are the whole") {
		struct index_names names;
		uint64_t next = 0;
		size_t count = 0, pieces = 0;

		while (next <= UINT32_MAX) {
			CHECK(index_read(&index, STR("big"), next, UINT32_MAX, 500, &names, &next,
					 &err));
			count += names.count;
			pieces++;
			index_names_fini(&names);
		}
		CHECK_INT(count, 10000);
		CHECK(pieces > 10 && pieces <= 21);
	}
	IT ("goes through its folders in the order of their bytes, odd names too") {
		AUTO(buf_fini) struct buf at = BUF_INIT, all = BUF_INIT, after = BUF_INIT;
		bool found = true;

		CHECK(index_forget(&index, &err));
		CHECK(put(&index, "f", 1) && put(&index, "d/f", 1) && put(&index, "d\1/f", 1) &&
		      put(&index, "d!/f", 1) && put(&index, "d/\1/f", 1) && fold(&index));
		CHECK(index_next(&index, STR_NONE, &at, &found, &err));
		while (found) {
			buf_cat(&all, "[", buf_cstr(&at), "]");
			buf_clear(&after);
			buf_add_str(&after, buf_str(&at));
			CHECK(index_next(&index, buf_str(&after), &at, &found, &err));
		}
		CHECK_STR(buf_cstr(&all), "[][d][d\1][d!][d/\1]");
	}
	IT ("says what is damaged, and gives nothing of it") {
		AUTO(buf_fini) struct buf item = BUF_INIT;
		struct fact fact = {.value = STR("\1\5ab")};

		buf_add(&item, "cbad\0\xff\xff\xff\xff", 9);
		fact.item = buf_str(&item);
		CHECK(facts_write(store, "t", &fact, 1, &err));
		CHECK_STR(known(&index, "bad/x"), "error");
		CHECK_INT(count_in(&index, "bad"), -1);
		fact.item = str_make("dworse\0n", 8);
		CHECK(facts_write(store, "t", &fact, 1, &err));
		CHECK_STR(known(&index, "worse/n"), "error");
	}
	turn_end(store);
	store_close(store);
	err_fini(&err);
	return tap_done();
}
