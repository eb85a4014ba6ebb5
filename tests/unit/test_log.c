/* The log: lines that nobody can forge, and a writer that no reader can stop. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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
	for (int i = 0; i < 1000; i++) {
		char n[16];
		snprintf(n, sizeof(n), "%d", i);
		log_info("lost", "n", n);
	}
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

static int
count_of(const struct buf *b, const char *words)
{
	int n = 0;
	for (const char *at = buf_cstr(b); (at = strstr(at, words)); at++)
		n++;
	return n;
}

static void
test_repeats(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	char n[16];
	log_setup(LOG_INFO, LOG_TEXT);
	listen_pipe();
	IT ("the same line again and again is written ten times, and counted") {
		CHECK(!log_is_repeating());
		for (int i = 0; i < 50; i++)
			log_info("again", "a", "b");
		CHECK_INT(count_of((heard(&b), &b), "info again a=b\n"), 10);
		CHECK(log_is_repeating());
		CHECK(log_settle(false) > 0);
		CHECK_INT(log_settle(true), -1);
		CHECK(strstr(heard(&b), "info again repeated=40\n"));
		CHECK(!log_is_repeating());
		CHECK_INT(log_settle(true), -1);
	}
	IT ("lines that differ are no repeats, where they are no warnings") {
		for (int i = 0; i < 150; i++) {
			snprintf(n, sizeof(n), "%d", i);
			log_info("differs", "n", n);
		}
		CHECK_INT(count_of((heard(&b), &b), "info differs n="), 150);
		CHECK(!log_is_repeating());
	}
	IT ("a flood of one warning is cut, whatever its pairs are") {
		for (int i = 0; i < 150; i++) {
			snprintf(n, sizeof(n), "%d", i);
			log_warning("flood", "n", n);
		}
		CHECK_INT(count_of((heard(&b), &b), "warning flood n="), 100);
		log_error("flood", "n", "other level");
		CHECK_INT(count_of((heard(&b), &b), "error flood"), 1);
		log_settle(true);
		CHECK(strstr(heard(&b), "warning flood repeated=50\n"));
	}
	IT ("lines that are not written are not counted either") {
		for (int i = 0; i < 50; i++)
			log_debug("quiet");
		CHECK(!log_is_repeating());
	}
	listen_end();
}

struct tapped {
	int count;
	char message[40], value[40];
	enum log_level level;
};

static void
on_tap(void *arg, const struct log_record *record)
{
	struct tapped *tapped = arg;
	tapped->count++;
	tapped->level = record->level;
	snprintf(tapped->message, sizeof(tapped->message), "%s", record->message);
	snprintf(tapped->value, sizeof(tapped->value), "%s=%s",
		 record->count ? record->pairs[0].key : "",
		 record->count ? record->pairs[0].value : "");
}

static void
test_tap(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	struct tapped tapped = {0};
	log_setup(LOG_ERROR, LOG_TEXT);
	listen_pipe();
	IT ("who taps gets records of its own levels, as they are") {
		log_set_tap(LOG_INFO, on_tap, &tapped);
		log_info("heard", "left out", NULL, "key", "a\nb");
		log_debug("not wanted");
		CHECK_INT(tapped.count, 1);
		CHECK_STR(tapped.message, "heard");
		CHECK_STR(tapped.value, "key=a\nb");
		CHECK_INT(tapped.level, LOG_INFO);
		CHECK_STR(heard(&b), "");
	}
	IT ("and none once it is gone") {
		log_set_tap(LOG_ERROR, NULL, NULL);
		log_error("late");
		CHECK_INT(tapped.count, 1);
	}
	listen_end();
}

/* --- the journal's own protocol --- */

/* A datagram, or the file in memory that came with it; NUL bytes of lengths become dots. */
static const char *
datagram(int fd, struct buf *out)
{
	char room[65536];
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {room, sizeof(room)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
	int file = -1;
	buf_clear(out);
	if (n < 0)
		return NULL;
	buf_add(out, room, (size_t)n);
	if (CMSG_FIRSTHDR(&message)) {
		memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
		lseek(file, 0, SEEK_SET);
		while ((n = read(file, room, sizeof(room))) > 0)
			buf_add(out, room, (size_t)n);
		close(file);
	}
	for (size_t i = 0; i < out->len; i++)
		if (!out->data[i])
			out->data[i] = '.';
	return buf_cstr(out);
}

static void
test_native(void)
{
	AUTO(buf_fini) struct buf b = BUF_INIT;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/rouse-test-journal-%d", (int)getpid());
	unlink(at.sun_path);
	CHECK(!bind(fd, (struct sockaddr *)&at, sizeof(at)));
	log_journal_at(at.sun_path);
	log_setup(LOG_DEBUG, LOG_JOURNAL);
	listen_pipe();
	IT ("the journal gets a field a pair, and the whole line for who reads lines") {
		log_warning("run ends", "run", "0192", "agent", "a b", "exit-code", "1", "none",
			    NULL);
		const char *said = datagram(fd, &b);
		CHECK(said &&
		      str_starts(str_of(said),
				 STR("MESSAGE=run ends run=0192 agent=\"a b\" exit-code=1\n")));
		CHECK(said && strstr(said, "\nPRIORITY=4\n") &&
		      strstr(said, "\nROUSE_RUN_ID=0192\n"));
		CHECK(said && strstr(said, "\nROUSE_AGENT=a b\n") &&
		      strstr(said, "\nROUSE_EXIT_CODE=1\n"));
		CHECK(said && strstr(said, "\nMESSAGE_ID=") &&
		      strstr(said, "\nSYSLOG_IDENTIFIER="));
		CHECK(said && !strstr(said, "NONE"));
		CHECK_STR(heard(&b), "");
	}
	IT ("a value with line ends forges no field") {
		log_info("odd", "error", "x\nPRIORITY=0\nMESSAGE=forged");
		const char *said = datagram(fd, &b);
		CHECK(said && strstr(said, "\nROUSE_ERROR\n\x1b.......x\nPRIORITY=0\n"));
		CHECK(said && str_starts(str_of(said), STR("MESSAGE=odd error=\"x\\nPRIORITY")));
	}
	IT ("what is larger than a datagram comes as a sealed file") {
		AUTO(auto_free) char *text = mem_alloc(60001);
		struct buf *lines = &b;
		int small = 4608;
		memset(text, 'y', 60000);
		/* Room for one of these alone: a record of five is too large. */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		log_info("large", "a", text, "b", text, "c", text, "d", text, "e", text);
		const char *said = datagram(fd, lines);
		CHECK(said && strstr(said, "ROUSE_E=yyyy"));
		CHECK(lines->len > 300000);
	}
	IT ("without a journal lines go to standard error, with their priority, and back again") {
		unlink(at.sun_path);
		close(fd);
		log_error("gone", "n", "1");
		CHECK_STR(heard(&b), "<3>gone n=1\n");
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		CHECK(!bind(fd, (struct sockaddr *)&at, sizeof(at)));
		log_error("back", "n", "2");
		const char *said = datagram(fd, &b);
		CHECK(said && strstr(said, "MESSAGE=back n=2\n"));
	}
	listen_end();
	close(fd);
	unlink(at.sun_path);
	log_journal_at("/nonexistent");
}

int
main(void)
{
	log_journal_at("/nonexistent");
	saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	signal(SIGPIPE, SIG_DFL);
	test_text();
	test_json();
	test_journal();
	test_bad_readers();
	test_repeats();
	test_tap();
	test_native();
	log_journal_at(NULL);
	return tap_done();
}
