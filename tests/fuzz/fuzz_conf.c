/* The configuration reader against any bytes: no crash, no hang, twice the same. libFuzzer. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/write.h"
#include "tests/unit/test_conf_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf *
load(const char *path, struct buf *out)
{
	struct conf_report *report = conf_report_new();
	struct conf *conf = conf_load(fixture_schema(), path, NULL, 0, report);
	struct conf_setting setting;

	conf_report_print(report, out);
	assert(!conf == (conf_report_errors(report) > 0));
	conf_report_free(report);
	for (const struct conf_section *s = NULL; conf && (s = conf_next(conf, NULL, s));) {
		for (size_t i = 0; conf_setting(s, i, &setting); i++)
			buf_printf(out, "%s %s %zu\n", setting.name, setting.text, setting.count);
		buf_puts(out, conf_section_digest(s));
	}
	return conf;
}

/* What is written must be read as it was, or be refused. */
static void
round_trip(const char *path, int fd, const char *value)
{
	struct conf_pair pairs[] = {{"kind", "exec"}, {"command", value}};
	struct buf text = BUF_INIT, out = BUF_INIT;

	if (conf_format_section("agent", "a", pairs, 2, &text, NULL)) {
		struct conf *conf;

		if (ftruncate(fd, 0) || pwrite(fd, text.data, text.len, 0) != (ssize_t)text.len)
			abort();
		conf = load(path, &out);
		assert(conf &&
		       !strcmp(conf_str(conf_section(conf, "agent", "a"), "command"), value));
		conf_unref(conf);
	}
	buf_fini(&text);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char *path;
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct conf *a, *b;
	char *value;

	if (fd < 0) {
		fd = memfd_create("rouse.conf", MFD_CLOEXEC);
		if (asprintf(&path, "/proc/self/fd/%d", fd) < 0)
			abort();
	}
	if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	a = load(path, &first);
	b = load(path, &second);
	assert(str_eq(buf_str(&first), buf_str(&second)));
	assert(str_is_utf8(buf_str(&first)));
	assert(!memchr(buf_cstr(&first), '\0', first.len));
	conf_unref(a);
	conf_unref(b);
	buf_fini(&first);
	buf_fini(&second);
	value = mem_memdup(data, size);
	round_trip(path, fd, value);
	free(value);
	return 0;
}
