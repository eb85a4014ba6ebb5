/* Limits: deadlines, places, descriptors, clients that do not read. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "http/conn.h"
#include "tests/unit/http_rig.h"

static struct http_limits
short_limits(void)
{
	struct http_limits limits = rig_limits();
	limits.header_timeout_ms = limits.body_timeout_ms = 300;
	limits.idle_timeout_ms = limits.write_timeout_ms = 300;
	return limits;
}

/* Sends a byte every 20 ms until the server has enough of it; returns how long that took. */
static int64_t
drip(struct client *c, const char *text)
{
	int64_t start = rig_now();
	while (!c->eof && rig_now() < start + RIG_PATIENCE_MS) {
		if (*text)
			client_send(c, str_make(text++, 1));
		rig_turn(c->rig, 20);
		client_receive(c);
		if (client_has(c, "\r\n\r\n"))
			break;
	}
	return rig_now() - start;
}

static void
test_deadlines(void)
{
	static const char endless[] =
		"GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	IT ("a header that drips in is cut off at its deadline, however busy it seems") {
		WITH_RIG(short_limits());
		int64_t took_ms = drip(&c, endless);
		CHECK(took_ms >= 250);
		CHECK(client_has(&c, "HTTP/1.1 408 Request Timeout\r\n"));
		CHECK(client_await_eof(&c));
		rig_fini(&rig);
	}
	IT ("a body that drips in is cut off as well") {
		WITH_RIG(short_limits());
		client_say(&c, POST("/x", "1000", ""));
		int64_t took_ms = drip(&c, endless);
		CHECK(took_ms >= 250);
		CHECK(client_has(&c, "HTTP/1.1 408 Request Timeout\r\n"));
		CHECK_INT(rig.requests, 0);
		rig_fini(&rig);
	}
	IT ("one byte chunks are no way around the deadline") {
		WITH_RIG(short_limits());
		client_say(&c, "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
		int64_t took_ms = drip(
			&c,
			"1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n");
		CHECK(took_ms >= 250);
		rig_fini(&rig);
	}
	IT ("a client that says nothing is closed without a word") {
		WITH_RIG(short_limits());
		int64_t start = rig_now();
		CHECK(client_await_eof(&c));
		CHECK(rig_now() - start >= 250);
		CHECK_INT(c.got.len, 0);
		rig_fini(&rig);
	}
	IT ("a kept connection is closed when it idles, not while a reply is owed") {
		WITH_RIG(short_limits());
		client_say(&c, GET("/late"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		int64_t until = rig_now() + 500;
		while (rig_now() < until)
			rig_turn(&rig, 50);
		client_receive(&c);
		CHECK(!c.eof);
		rig_answer(&rig, 0);
		CHECK(client_await(&c, "\r\n\r\n/late"));
		CHECK(client_await_eof(&c));
		CHECK(!client_has(&c, "408"));
		rig_fini(&rig);
	}
	IT ("when nobody is connected, no timer is left to wake the process") {
		WITH_RIG(short_limits());
		client_say(&c, GET("/x"));
		CHECK(client_await(&c, "/x"));
		close(c.fd);
		c.fd = -1;
		CHECK(RIG_AWAIT(&rig, http_server_counts(rig.server).connections == 0));
		CHECK(RIG_AWAIT(&rig, !evtimer_pending(rig.server->wheel.timer, NULL)));
		CHECK_INT(rig.server->wheel.count, 0);
		rig_fini(&rig);
	}
}

static void
test_readers(void)
{
	IT ("a client that asks and does not read is not served on, and lost in the end") {
		struct http_limits limits = short_limits();
		limits.header_timeout_ms = limits.idle_timeout_ms = 10000;
		WITH_RIG(limits);
		AUTO(buf_fini) struct buf asks = BUF_INIT;
		for (int i = 0; i < 20000; i++)
			buf_puts(&asks, GET("/0123456789012345678901234567890123456789"));
		struct str rest = buf_str(&asks);
		size_t most = 0;
		int64_t until = rig_now() + RIG_PATIENCE_MS;
		while (http_server_counts(rig.server).connections || !rig.requests) {
			ssize_t n = send(c.fd, rest.p, rest.len, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n > 0)
				rest = str_make(rest.p + n, rest.len - (size_t)n);
			if (!rest.len)
				rest = buf_str(&asks);
			rig_turn(&rig, 5);
			struct conn *conn = TAILQ_FIRST(&rig.server->conns);
			if (conn && conn->out.len + conn->held.len > most)
				most = conn->out.len + conn->held.len;
			if (!CHECK(rig_now() < until))
				break;
		}
		CHECK(most < OUT_FULL + 2 * READ_SIZE);
		rig_fini(&rig);
	}
	IT ("all bodies together have a limit, and answering makes room") {
		struct http_limits limits = rig_limits();
		limits.max_bodies = 10;
		WITH_RIG(limits);
		AUTO(client_fini) struct client second;
		client_connect(&second, &rig);
		client_say(&c, POST("/late", "8", "01234567"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		client_say(&second, POST("/x", "8", "01234567"));
		CHECK(client_await_eof(&second));
		CHECK(client_has(&second, "HTTP/1.1 503 Service Unavailable"));
		rig_answer(&rig, 0);
		CHECK(client_await(&c, "\r\n\r\n/late"));
		client_say(&c, POST("/y", "8", "01234567"));
		CHECK(client_await(&c, "\r\n\r\n/y"));
		CHECK_INT(rig.server->body_bytes, 0);
		rig_fini(&rig);
	}
	IT ("an idle connection holds little memory") {
		WITH_RIG(rig_limits());
		client_say(&c, POST("/x", "4", "body") GET("/y"));
		CHECK(client_await(&c, "/y"));
		struct conn *conn = TAILQ_FIRST(&rig.server->conns);
		CHECK(!conn->reading && TAILQ_EMPTY(&conn->requests));
		CHECK(sizeof *conn + conn->out.cap + conn->held.cap < 2048);
		rig_fini(&rig);
	}
}

static void
test_places(void)
{
	IT ("beyond max_connections a client is told to come back") {
		struct http_limits limits = rig_limits();
		limits.max_connections = 1;
		WITH_RIG(limits);
		client_say(&c, GET("/late"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		AUTO(client_fini) struct client second;
		client_connect(&second, &rig);
		CHECK(client_await_eof(&second));
		CHECK(client_has(&second, "HTTP/1.1 503 Service Unavailable\r\n"));
		CHECK(client_has(&second, "Retry-After: 1\r\n"));
		CHECK(client_has(&second, "\"code\":\"full\"}\n"));
		rig_answer(&rig, 0);
		CHECK(client_await(&c, "\r\n\r\n/late"));
		rig_fini(&rig);
	}
	IT ("who idles gives way to who comes") {
		struct http_limits limits = rig_limits();
		limits.max_connections = 2;
		WITH_RIG(limits);
		AUTO(client_fini) struct client slow, third;
		client_connect(&slow, &rig);
		client_say(&slow, "GET / HTTP/1.1\r\n");
		client_say(&c, GET("/late"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		int64_t until = rig_now() + EVICT_AFTER_MS + 50;
		while (rig_now() < until)
			rig_turn(&rig, 50);
		client_connect(&third, &rig);
		client_say(&third, GET("/x"));
		CHECK(client_await(&third, "\r\n\r\n/x"));
		CHECK(client_await_eof(&slow));
		rig_answer(&rig, 0);
		CHECK(client_await(&c, "\r\n\r\n/late"));
		rig_fini(&rig);
	}
}

static void
test_descriptors(void)
{
	IT ("without descriptors clients are told so, nothing spins, and it goes on after") {
		WITH_RIG(rig_limits());
		AUTO(client_fini) struct client second, third;
		struct rlimit old, low;
		getrlimit(RLIMIT_NOFILE, &old);
		client_say(&c, GET("/late"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		client_connect(&second, &rig);
		client_connect(&third, &rig);
		int next = fcntl(0, F_DUPFD, 0);
		close(next);
		low = (struct rlimit){(rlim_t)next, old.rlim_max};
		setrlimit(RLIMIT_NOFILE, &low);
		CHECK(client_await_eof(&second));
		CHECK(client_has(&second, "HTTP/1.1 503 Service Unavailable\r\n"));
		int64_t until = rig_now() + 200;
		unsigned turns = 0;
		while (rig_now() < until && ++turns)
			rig_turn(&rig, 50);
		CHECK(turns < 30);
		setrlimit(RLIMIT_NOFILE, &old);
		CHECK(rig.server->spare_fd >= 0);
		rig_answer(&rig, 0);
		CHECK(client_await(&c, "\r\n\r\n/late"));
		AUTO(client_fini) struct client fourth;
		client_connect(&fourth, &rig);
		client_say(&fourth, GET("/x"));
		CHECK(client_await(&fourth, "\r\n\r\n/x"));
		rig_fini(&rig);
	}
}

int
main(void)
{
	test_deadlines();
	test_readers();
	test_places();
	test_descriptors();
	return tap_done();
}
