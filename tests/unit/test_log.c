/* The log: lines that nobody can forge, and a writer that no reader can stop. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/os.h"

#include "tests/unit/tap.h"

static int saved_stderr = -1;
static int reader = -1;

/* Standard error becomes one end of a pipe or socket, the other is ours to read. */
static void
listen_on(const int ends[2])
{
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
	os_nonblock(reader, true);
}

static void
listen_pipe(void)
{
	int ends[2];
	if (pipe(ends))
		abort();
	listen_on(ends);
}

static void
listen_end(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	if (reader >= 0)
		close(reader);
	reader = -1;
}

static const char *
heard(struct buf *b)
{
	char chunk[4096];
	ssize_t n;
	buf_clear(b);
	while ((n = read(reader, chunk, sizeof(chunk))) > 0)
		buf_add(b, chunk, (size_t)n);
	return buf_cstr(b);
}

static size_t
lines(const struct buf *b)
{
	size_t n = 0;
	for (size_t i = 0; i < b->len; i++)
		n += b->data[i] == '\n';
	return n;
}

static void
test_text(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	listen_pipe();
	log_setup(LOG_INFO, LOG_TEXT);
	IT ("a line is time, level, message and pairs") {
		log_info("run ended", "run", "12", "why", "it is done", "none", NULL, "empty", "");
		const char *line = heard(&b);
		struct wall w;
		CHECK(wall_parse(str_make(line, 24), &w));
		CHECK_STR(line + 24, " info run ended run=12 why=\"it is done\" empty=\"\"\n");
	}
	IT ("what is below the level is not written") {
		log_debug("quiet");
		CHECK_STR(heard(&b), "");
		log_error("loud");
		CHECK(strstr(heard(&b), " error loud\n"));
	}
	IT ("no value can end a line, begin a pair or colour the terminal") {
		log_info("m", "a", "x\n2026-01-01T00:00:00.000Z error forged", "b", "1 c=2", "d",
			 "q\"\\", "e", "\x1b[31m\x7f\xc2\x9b", "f",
			 "\xe2\x80\xae"
			 "rtl\xe2\x80\xa8",
			 "g", "\xff\xc0", "h", "gr\xc3\xbcn");
		CHECK_STR(heard(&b) + 24,
			  " info m a=\"x\\n2026-01-01T00:00:00.000Z error forged\" b=\"1 c=2\""
			  " d=\"q\\\"\\\\\" e=\"\\u001b[31m\\u007f\\u009b\" f=\"\\u202ertl\\u2028\""
			  " g=\"\\xff\\xc0\" h=\"gr\xc3\xbcn\"\n");
		log_info("bad\nmessage a=1", "k k\n", "v");
		CHECK_STR(heard(&b) + 24, " info \"bad\\nmessage a=1\" \"k k\\n\"=v\n");
	}
	IT ("a long line is cut at 8 KiB, and is still one line") {
		AUTO(auto_free) char *text = mem_alloc(100001);
		memset(text, 'x', 100000);
		log_info("m", "a", text, "b", "gone");
		heard(&b);
		CHECK(b.len <= 8192 && b.len > 8000);
		CHECK_INT(lines(&b), 1);
		CHECK(strstr(buf_cstr(&b), "...\n"));
		memset(text, '\n', 100000);
		log_info("m", "a", text, "b", "gone");
		heard(&b);
		CHECK(b.len <= 8192 && b.len > 8000);
		CHECK(strstr(buf_cstr(&b), "\\n...\"\n"));
	}
	IT ("errno is as it was") {
		errno = EXDEV;
		log_info("x");
		CHECK_INT(errno, EXDEV);
		heard(&b);
	}
	listen_end();
}

static void
test_json(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	listen_pipe();
	log_setup(LOG_DEBUG, LOG_JSON);
	IT ("a line is one JSON object, whatever was logged") {
		AUTO(json_auto_decref) json_t *v = NULL;
		log_debug("a \"message\"", "k", "\x1b\n\xff\xe2\x80\xa8\\", "empty", "", "none",
			  NULL);
		heard(&b);
		CHECK_INT(lines(&b), 1);
		CHECK(json_read(buf_str(&b), &v, NULL));
		CHECK_STR(json_str(v, "message"), "a \"message\"");
		CHECK_STR(json_str(v, "level"), "debug");
		CHECK_STR(json_str(v, "k"), "\x1b\n\xef\xbf\xbd\xe2\x80\xa8\\");
		CHECK_STR(json_str(v, "empty"), "");
		CHECK(!json_object_get(v, "none"));
		CHECK(!strchr(buf_cstr(&b), '\x1b'));
	}
	IT ("a cut line is an object still, at every length") {
		AUTO(auto_free) char *text = mem_alloc(9001);
		int wrong = 0;
		memset(text, '"', 9000);
		for (int len = 3900; len < 4200; len++) {
			AUTO(json_auto_decref) json_t *v = NULL;
			text[len] = '\0';
			log_info("m", "a", text, "b", "xxxxxxx", "c", "\n\n\n");
			text[len] = '"';
			heard(&b);
			wrong +=
				b.len > 8192 || lines(&b) != 1 || !json_read(buf_str(&b), &v, NULL);
		}
		CHECK_INT(wrong, 0);
	}
	listen_end();
}

static void
test_journal(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	AUTO(buf_fini) struct buf stream = BUF_INIT;
	struct stat st;
	listen_pipe();
	IT ("the journal's own stream gets priorities and no time") {
		fstat(STDERR_FILENO, &st);
		buf_printf(&stream, "%llu:%llu", (unsigned long long)st.st_dev,
			   (unsigned long long)st.st_ino);
		setenv("JOURNAL_STREAM", buf_cstr(&stream), 1);
		log_setup(LOG_DEBUG, LOG_AUTO);
		log_error("a", "k", "v\n<0>x");
		log_warning("b");
		log_info("c");
		log_debug("d");
		CHECK_STR(heard(&b), "<3>a k=\"v\\n<0>x\"\n<4>b\n<6>c\n<7>d\n");
	}
	IT ("a stream that standard error is not, or none, gets text") {
		static const char *const others[] = {"1:2", "", "x:y", "12", ":", "1:2:3"};
		for (size_t i = 0; i < ARRAY_LEN(others); i++) {
			setenv("JOURNAL_STREAM", others[i], 1);
			log_setup(LOG_INFO, LOG_AUTO);
			log_info("a");
			CHECK(strstr(heard(&b), "Z info a\n"));
		}
		unsetenv("JOURNAL_STREAM");
		log_setup(LOG_INFO, LOG_AUTO);
		log_info("a");
		CHECK(strstr(heard(&b), "Z info a\n"));
	}
	listen_end();
	IT ("levels are known by their names") {
		enum log_level level = LOG_INFO;
		CHECK(log_level_parse("warning", &level) && level == LOG_WARNING);
		CHECK(!log_level_parse("loud", &level) && !log_level_parse(NULL, &level));
		CHECK_INT(level, LOG_WARNING);
	}
}

/* Fills standard error until it takes no more. */
static void
fill(void)
{
	char chunk[512];
	memset(chunk, 'f', sizeof(chunk));
	os_nonblock(STDERR_FILENO, true);
	while (write(STDERR_FILENO, chunk, sizeof(chunk)) > 0)
		continue;
	while (write(STDERR_FILENO, chunk, 1) > 0)
		continue;
	os_nonblock(STDERR_FILENO, false);
}

static void
check_full(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	fill();
	for (int i = 0; i < 1000; i++)
		log_info("lost");
	heard(&b);
	CHECK(!strstr(buf_cstr(&b), "lost"));
	log_info("back");
	CHECK(strstr(heard(&b), "lines=1000\n"));
	CHECK(strstr(buf_cstr(&b), "info back\n"));
	CHECK_INT(lines(&b), 2);
}

static void
test_bad_readers(void)
{
	log_setup(LOG_INFO, LOG_TEXT);
	IT ("a pipe that nobody reads holds us up once, and what was lost is counted") {
		listen_pipe();
		check_full();
		listen_end();
	}
	IT ("a socket that nobody reads does neither") {
		int ends[2];
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
		listen_on(ends);
		check_full();
		listen_end();
	}
	IT ("a line longer than the room in a pipe does not wait for ever") {
		AUTO(buf_fini) struct buf b = BUF_INIT;
		AUTO(auto_free) char *text = mem_alloc(8001);
		memset(text, 'x', 8000);
		listen_pipe();
		fill();
		char page[4096];
		CHECK(read(reader, page, sizeof(page)) == sizeof(page));
		log_info("long", "a", text);
		heard(&b);
		log_info("next");
		heard(&b);
		CHECK(b.len && b.data[0] == '\n');
		CHECK(strstr(buf_cstr(&b), "info next\n"));
		listen_end();
	}
	IT ("a reader that went away does not kill, and leaves no signal behind") {
		sigset_t pending;
		listen_pipe();
		close(reader);
		reader = -1;
		log_info("nobody hears");
		log_info("nobody hears");
		sigpending(&pending);
		CHECK(!sigismember(&pending, SIGPIPE));
		listen_end();
		close(STDERR_FILENO);
		log_info("no standard error at all");
		listen_end();
		listen_pipe();
		AUTO(buf_fini) struct buf b = BUF_INIT;
		log_info("back");
		CHECK(strstr(heard(&b), "lines=3"));
		listen_end();
	}
}

int
main(void)
{
	saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	signal(SIGPIPE, SIG_DFL);
	test_text();
	test_json();
	test_journal();
	test_bad_readers();
	return tap_done();
}
