/* Rates: buckets that are refilled, and a memory that strangers cannot fill. */
/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "core/rate.h"
#include "tests/unit/core_rig.h"

static bool
take(const char *name, int64_t count)
{
	int64_t wait_ms;

	return rate_take(&rig.core, name, count, 60000, &wait_ms);
}

static const char *
name_of(const char *address)
{
	static struct buf name;

	buf_clear(&name);
	rate_name_of_address("wrong", address, &name);
	return buf_cstr(&name);
}

int
main(void)
{
	rig_init("[agent a]\nkind = fake\n");
	IT ("gives what there is, then says how long to wait, and is refilled by the clock") {
		int64_t wait_ms = 0;

		CHECK(take("t", 2) && take("t", 2));
		CHECK(!rate_take(&rig.core, "t", 2, 60000, &wait_ms));
		CHECK(wait_ms > 29000 && wait_ms <= 30001);
		rig_pass(30000);
		CHECK(take("t", 2));
		CHECK(!take("t", 2));
		rig_pass(10LL * 86400000);
		CHECK(take("t", 2) && take("t", 2) && !take("t", 2));
	}
	IT ("remembers the strangers that came last, however many come") {
		CHECK(take("address/first", 1) && !take("address/first", 1));
		for (int i = 0; i < 16000; i++) {
			char name[40];

			snprintf(name, sizeof(name), "address/%d", i);
			take(name, 1);
		}
		CHECK(!take("address/first", 1));
		for (int i = 16000; i < 40000; i++) {
			char name[40];

			snprintf(name, sizeof(name), "address/%d", i);
			take(name, 1);
		}
		CHECK(!take("address/39999", 1));
		CHECK(!take("address/30000", 1));
		CHECK(take("address/first", 1));
	}
	IT ("lets no stranger push out a bucket of ours") {
		CHECK(!take("t", 2));
	}
	IT ("takes a network of IPv6 for one, and each address of IPv4") {
		CHECK_STR(name_of("2001:db8:1:2:3:4:5:6"), "wrong/2001:db8:1:2::");
		CHECK_STR(name_of("2001:db8:1:2::9"), "wrong/2001:db8:1:2::");
		CHECK_STR(name_of("2001:db8:1:3::9"), "wrong/2001:db8:1:3::");
		CHECK_STR(name_of("203.0.113.9"), "wrong/203.0.113.9");
		CHECK_STR(name_of("::ffff:203.0.113.9"), "wrong/::ffff:203.0.113.9");
		CHECK_STR(name_of("no address"), "wrong/no address");
	}
	rig_fini();
	return tap_done();
}
