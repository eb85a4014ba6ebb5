/* What a schedule is kept by: the cursor's text, and the heap of what is due. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"
#include "triggers/cron/cursor.h"
#include "triggers/cron/heap.h"

static void
test_cursor(void)
{
	struct cron_cursor c, back;
	AUTO(buf_fini) struct buf text = BUF_INIT, again = BUF_INIT;

	IT ("a cursor comes back as it was written") {
		c = (struct cron_cursor){.last = {1800000000000},
					 .runs = 7,
					 .print = "0123456789abcdef",
					 .off = CURSOR_HELD,
					 .passed = {{1}, {2}},
					 .done = {{-3}, {4}},
					 .backfill = {{5}, {6}},
					 .overlap = "cancel_other",
					 .failures_seq = 9};
		cursor_print(&c, &text);
		CHECK(cursor_parse(buf_str(&text), &back, NULL));
		cursor_print(&back, &again);
		CHECK_STR(buf_cstr(&again), buf_cstr(&text));
		CHECK_INT(back.done.from.ms, -3);
		CHECK_INT(back.off, CURSOR_HELD);
		CHECK_STR(back.overlap, "cancel_other");
	}
	IT ("the two numbers of an older daemon are a cursor") {
		CHECK(cursor_parse(STR("1800000000000 3"), &back, NULL));
		CHECK_INT(back.runs, 3);
		CHECK_STR(back.print, "");
		CHECK(!wall_is_set(back.backfill.from));
	}
	IT ("a word of a newer daemon is passed over") {
		CHECK(cursor_parse(STR("1 2 moon=full off=yes"), &back, NULL));
		CHECK_INT(back.off, CURSOR_OFF);
	}
	IT ("what is damaged is refused, and nothing comes of it") {
		static const char *const bad[] = {"",
						  "x",
						  "1",
						  "1 ",
						  "1 -2",
						  "1 2 done",
						  "1 2 done=",
						  "1 2 done=1",
						  "1 2 done=1,",
						  "1 2 print=0123456789abcdef0",
						  "1 2 overlap=0123456789012345678",
						  "99999999999999999999 1",
						  "-9223372036854775808 1",
						  "1 2 failures=x"};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			AUTO(err_fini) struct err err = ERR_INIT;

			back.runs = 77;
			CHECK(!cursor_parse(str_of(bad[i]), &back, &err));
			CHECK_INT(err.code, E_CORRUPT);
			CHECK_INT(back.runs, 77);
		}
	}
}

static void
test_heap(void)
{
	static struct heap_item items[1000];
	struct heap heap = HEAP_INIT;
	uint32_t seed = 1;
	int64_t last = INT64_MIN;
	size_t out = 0;

	IT ("what is due first is on top, whatever was added, moved and taken out") {
		for (size_t i = 0; i < ARRAY_LEN(items); i++)
			heap_set(&heap, &items[i], (seed = seed * 1103515245 + 12345) >> 8);
		for (size_t i = 0; i < ARRAY_LEN(items); i += 3)
			heap_set(&heap, &items[i], (seed = seed * 1103515245 + 12345) >> 8);
		for (size_t i = 0; i < ARRAY_LEN(items); i += 7)
			heap_remove(&heap, &items[i]);
		heap_remove(&heap, &items[0]);
		for (struct heap_item *top; (top = heap_top(&heap)); out++) {
			CHECK(top->due >= last);
			last = top->due;
			heap_remove(&heap, top);
			CHECK_INT(top->place, 0);
		}
		CHECK_INT(out, ARRAY_LEN(items) - (ARRAY_LEN(items) + 6) / 7);
	}
	heap_fini(&heap);
}

int
main(void)
{
	test_cursor();
	test_heap();
	return tap_done();
}
