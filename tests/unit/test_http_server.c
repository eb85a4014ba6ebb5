/* The server at work: order, late replies, clients that leave, bodies, streams. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"

#include "tests/unit/http_rig.h"

static void
leave_with_reset(struct client *c)
{
	struct linger hard = {1, 0};
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(c->fd);
	c->fd = -1;
}

static void
test_order(void)
{
	IT ("a request is answered with what HTTP wants") {
		WITH_RIG(rig_limits());
		client_say(&c, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
		CHECK(client_await(&c, "\r\n\r\n/x"));
		CHECK(client_has(&c, "HTTP/1.1 200 OK\r\nDate: "));
		CHECK(client_has(&c,
				 " GMT\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n"));
		CHECK(!client_has(&c, "Connection:"));
		CHECK(!rig.peer.local && rig.peer.port && !strcmp(rig.peer.address, "127.0.0.1"));
		CHECK_INT(http_server_counts(rig.server).connections, 1);
		CHECK_INT(http_server_counts(rig.server).requests, 1);
		rig_fini(&rig);
	}
	IT ("a request that comes byte by byte is answered once") {
		WITH_RIG(rig_limits());
		const char *text = POST("/x", "3", "abc");
		for (size_t i = 0; text[i]; i++) {
			client_send(&c, str_make(text + i, 1));
			rig_turn(&rig, 0);
		}
		CHECK(client_await(&c, "\r\n\r\n/x"));
		CHECK_STR(buf_cstr(&rig.seen), "/x abc\n");
		rig_fini(&rig);
	}
	IT ("pipelined requests are answered in their order, whichever is ready first") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/late1") GET("/b") GET("/late2") GET("/d"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 2 && rig.requests == 4));
		CHECK_INT(http_server_counts(rig.server).in_flight, 2);
		rig_answer(&rig, 1);
		rig_turn(&rig, 20);
		client_receive(&c);
		CHECK_INT(c.got.len, 0);
		rig_answer(&rig, 0);
		CHECK(client_await(&c, "\r\n\r\n/d"));
		const char *first = strstr(buf_cstr(&c.got), "\r\n\r\n/late1");
		const char *second = strstr(buf_cstr(&c.got), "\r\n\r\n/b");
		const char *third = strstr(buf_cstr(&c.got), "\r\n\r\n/late2");
		CHECK(first && second && third && first < second && second < third);
		CHECK_INT(http_server_counts(rig.server).in_flight, 0);
		rig_fini(&rig);
	}
	IT ("no more requests are taken ahead than allowed, and the others not forgotten") {
		WITH_RIG(rig_limits());
		for (int i = 0; i < 100; i++)
			client_say(&c, GET("/late"));
		CHECK(RIG_AWAIT(&rig, rig.held_count >= 32));
		for (int i = 0; i < 5; i++)
			rig_turn(&rig, 5);
		CHECK_INT(rig.held_count, 32);
		for (size_t i = 0; i < 100; i++) {
			CHECK(RIG_AWAIT(&rig, rig.held_count > i));
			rig_answer(&rig, i);
		}
		CHECK(RIG_AWAIT(&rig, (client_receive(&c), client_count(&c, "/late") == 100)));
		rig_fini(&rig);
	}
	IT ("HEAD and 204 have no body") {
		WITH_RIG(rig_limits());
		client_say(&c, "HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n" GET("/nothing") GET("/end"));
		CHECK(client_await(&c, "\r\n\r\n/end"));
		CHECK(client_has(&c, "Content-Length: 4\r\n\r\nHTTP/1.1 204 No Content\r\n"));
		CHECK(!client_has(&c, "/abc"));
		CHECK_INT(client_count(&c, "Content-Length"), 2);
		rig_fini(&rig);
	}
	IT ("HTTP/1.0 is answered and closed, or kept when it asks for that") {
		WITH_RIG(rig_limits());
		client_say(&c, "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 "
			       "HTTP/1.0\r\n\r\n" GET("/3"));
		CHECK(client_await_eof(&c));
		CHECK(client_has(&c, "Connection: keep-alive\r\n\r\n/1"));
		CHECK(client_has(&c, "Connection: close\r\n\r\n/2"));
		CHECK(!client_has(&c, "/3"));
		rig_fini(&rig);
	}
	IT ("nothing is read behind a request that closes") {
		WITH_RIG(rig_limits());
		client_say(&c, "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/2"));
		CHECK(client_await_eof(&c));
		CHECK_INT(rig.requests, 1);
		CHECK(client_has(&c, "Connection: close\r\n\r\n/1"));
		rig_fini(&rig);
	}
}

/* Ends the server's listening from inside a handler, as a request to drain does. */
static void
stop_on_request(void *arg, struct http_request *req)
{
	struct rig *rig = arg;
	http_server_stop_listening(rig->server);
	rig_on_request(arg, req);
}

static void
test_gone(void)
{
	IT ("a client that leaves before its late reply is told of, and the reply goes nowhere") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/late1") GET("/late2"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 2));
		close(c.fd);
		c.fd = -1;
		CHECK(RIG_AWAIT(&rig, rig.gone == 2));
		CHECK(http_is_gone(rig.held[0]));
		CHECK(str_eq_cstr(http_path(rig.held[1]), "/late2"));
		rig_answer(&rig, 1);
		rig_answer(&rig, 0);
		CHECK(RIG_AWAIT(&rig, http_server_counts(rig.server).connections == 0));
		CHECK_INT(rig.gone, 2);
		CHECK_INT(rig.contexts_freed, 2);
		rig_fini(&rig);
	}
	IT ("a reset is noticed as well, also where nothing more is read") {
		WITH_RIG(rig_limits());
		for (int i = 0; i < 40; i++)
			client_say(&c, GET("/late"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 32));
		leave_with_reset(&c);
		CHECK(RIG_AWAIT(&rig, rig.gone == 32));
		CHECK_INT(http_server_counts(rig.server).connections, 0);
		for (size_t i = 0; i < 32; i++)
			rig_answer(&rig, i);
		rig_turn(&rig, 10);
		CHECK_INT(rig.contexts_freed, 32);
		rig_fini(&rig);
	}
	IT ("a client that leaves behind Connection: close is noticed too") {
		WITH_RIG(rig_limits());
		client_say(&c, "GET /late HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		rig_turn(&rig, 5);
		leave_with_reset(&c);
		CHECK(RIG_AWAIT(&rig, rig.gone == 1));
		rig_answer(&rig, 0);
		rig_fini(&rig);
	}
	IT ("a client that ended only its own half gets its reply") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/late"));
		shutdown(c.fd, SHUT_WR);
		CHECK(RIG_AWAIT(&rig, rig.gone == 1));
		rig_answer(&rig, 0);
		CHECK(client_await_eof(&c));
		CHECK(client_has(&c, "\r\n\r\n/late"));
		CHECK(RIG_AWAIT(&rig, http_server_counts(rig.server).connections == 0));
		rig_fini(&rig);
	}
	IT ("waiting for a client that is gone does not spin") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/late"));
		shutdown(c.fd, SHUT_WR);
		CHECK(RIG_AWAIT(&rig, rig.gone == 1));
		int64_t until = rig_now() + 100;
		unsigned turns = 0;
		while (rig_now() < until && ++turns)
			rig_turn(&rig, 20);
		CHECK(turns < 30);
		rig_answer(&rig, 0);
		rig_fini(&rig);
	}
	IT ("the context of a request whose body never comes is freed") {
		WITH_RIG(rig_limits());
		client_say(&c, POST("/x", "5", "ab"));
		CHECK(RIG_AWAIT(&rig, rig.contexts == 1));
		CHECK_INT(rig.contexts_freed, 0);
		close(c.fd);
		c.fd = -1;
		CHECK(RIG_AWAIT(&rig, rig.contexts_freed == 1));
		CHECK_INT(rig.requests, 0);
		rig_fini(&rig);
	}
	IT ("a server that ends forgets what was not answered") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/late") GET("/stream") POST("/x", "9", "ab"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1 && rig.stream && rig.contexts == 3));
		rig_fini(&rig);
		CHECK_INT(rig.contexts_freed, 3);
	}
	IT ("a handler may stop the listening that brought it its request") {
		struct rig rig = {.base = event_base_new()};
		struct http_handler handler = {.on_request = stop_on_request, .arg = &rig};
		struct http_limits limits = rig_limits();
		AUTO(client_fini) struct client c;
		rig.server = http_server_new(rig.base, &limits, &handler);
		CHECK(http_listen_tcp(rig.server, "127.0.0.1:0", NULL, NULL, &rig.port, NULL));
		client_connect(&c, &rig);
		client_say(&c, GET("/x"));
		CHECK(client_await_eof(&c));
		CHECK(client_has(&c, "Connection: close\r\n\r\n/x"));
		rig_fini(&rig);
	}
	IT ("a reply given just before the server ends still goes out") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/late"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		rig_answer(&rig, 0);
		rig_fini(&rig);
		client_receive(&c);
		CHECK(client_has(&c, "\r\n\r\n/late"));
	}
}

static void
test_bodies(void)
{
	IT ("100 Continue is sent before the body is, and only then") {
		WITH_RIG(rig_limits());
		const char *head = "POST /x HTTP/1.1\r\nHost: a\r\nExpect: "
				   "100-continue\r\nContent-Length: 3\r\n\r\n";
		client_say(&c, head);
		CHECK(client_await(&c, "HTTP/1.1 100 Continue\r\n\r\n"));
		CHECK_INT(rig.requests, 0);
		client_say(&c, "abc");
		CHECK(client_await(&c, "\r\n\r\n/x"));
		client_say(&c, POST("/y", "3\r\nExpect: 100-continue", "abc"));
		CHECK(client_await(&c, "\r\n\r\n/y"));
		CHECK_INT(client_count(&c, "100 Continue"), 1);
		rig_fini(&rig);
	}
	IT ("100 Continue waits for the replies before it") {
		WITH_RIG(rig_limits());
		client_say(&c,
			   GET("/late") "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
					"Transfer-Encoding: chunked\r\n\r\n");
		CHECK(RIG_AWAIT(&rig, rig.heads == 2));
		rig_turn(&rig, 10);
		client_receive(&c);
		CHECK_INT(c.got.len, 0);
		rig_answer(&rig, 0);
		CHECK(client_await(&c, "\r\n\r\n/lateHTTP/1.1 100 Continue\r\n\r\n"));
		client_say(&c, "1\r\nx\r\n0\r\n\r\n");
		CHECK(client_await(&c, "\r\n\r\n/x"));
		rig_fini(&rig);
	}
	IT ("a body that is too large is refused before it is read, and the client reads the "
	    "answer") {
		WITH_RIG(rig_limits());
		AUTO(buf_fini) struct buf body = BUF_INIT;
		for (int i = 0; i < 20000; i++)
			buf_puts(&body, "0123456789");
		client_say(&c, POST("/small", "200000", ""));
		CHECK(client_await(&c, "\"code\":\"too_large\"}"));
		CHECK(client_has(&c, "HTTP/1.1 413 Content Too Large\r\n"));
		CHECK(client_has(&c, "Connection: close\r\n"));
		client_send(&c, buf_str(&body));
		CHECK(client_await_eof(&c));
		CHECK_INT(rig.requests, 0);
		CHECK_INT(rig.contexts_freed, 1);
		rig_fini(&rig);
	}
	IT ("a route may take more than the server does, and memory grows as the body comes") {
		WITH_RIG(rig_limits());
		AUTO(buf_fini) struct buf body = BUF_INIT;
		for (int i = 0; i < 300000; i++)
			buf_puts(&body, "0123456789");
		client_say(&c, POST("/big", "3000000", ""));
		client_send(&c, buf_str(&body));
		CHECK(client_await(&c, "\r\n\r\n/big"));
		CHECK(client_has(&c, "HTTP/1.1 200 OK"));
		rig_fini(&rig);
	}
	IT ("a head that is refused closes only where a body would follow") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/closed") GET("/login") GET("/busy")
				       POST("/closed", "5", "hello") GET("/x"));
		CHECK(client_await_eof(&c));
		CHECK_INT(client_count(&c, "HTTP/1.1 403 Forbidden"), 2);
		CHECK_INT(client_count(&c, "Connection: close"), 1);
		CHECK(client_has(&c, "HTTP/1.1 401 Unauthorized\r\n"));
		CHECK(client_has(&c, "\r\nWWW-Authenticate: Bearer\r\n"));
		CHECK(client_has(&c, "HTTP/1.1 503 Service Unavailable\r\n"));
		CHECK(client_has(&c, "\r\nRetry-After: 1\r\n"));
		CHECK(client_has(&c, "Content-Type: application/problem+json\r\n"));
		CHECK(client_has(&c,
				 "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,"
				 "\"detail\":\"\\\"it\\\" is closed\",\"code\":\"denied\"}"));
		CHECK_INT(rig.requests, 0);
		rig_fini(&rig);
	}
	IT ("after a bad request nothing is believed any more") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/late") "GET / HTTP/1.1\r\nHost : a\r\n\r\n" GET("/x"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		rig_answer(&rig, 0);
		CHECK(client_await_eof(&c));
		CHECK(client_has(&c, "\r\n\r\n/lateHTTP/1.1 400 Bad Request\r\n"));
		CHECK_INT(rig.requests, 1);
		CHECK_INT(http_server_counts(rig.server).refused, 1);
		rig_fini(&rig);
	}
	IT ("a header made from a stranger's bytes does not end its line") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/late"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		http_add_header(rig.held[0], "Location", "/a\r\nX-Evil: 1\x01");
		rig_answer(&rig, 0);
		CHECK(client_await(&c, "Location: /a  X-Evil: 1 \r\n"));
		rig_fini(&rig);
	}
}

static void
test_fields(void)
{
	IT ("an idempotency key is the same with its quotes or bare") {
		static const struct {
			const char *field, *key;
		} keys[] = {
			{"Idempotency-Key: \"8e03978e-40d5\"\r\n", "8e03978e-40d5"},
			{"Idempotency-Key:  8e03978e-40d5 \r\n", "8e03978e-40d5"},
			{"Idempotency-Key: \"\r\n", "\""},
			{"Idempotency-Key: \"a\r\n", "\"a"},
			{"Idempotency-Key: \"\"\r\n", NULL},
			{"Idempotency-Key:\r\n", NULL},
			{"", NULL},
		};
		for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
			WITH_RIG(rig_limits());
			AUTO(buf_fini) struct buf text = BUF_INIT;
			buf_printf(&text,
				   "POST /late HTTP/1.1\r\nHost: me\r\n%sContent-Length: 0\r\n\r\n",
				   keys[i].field);
			client_say(&c, buf_cstr(&text));
			CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
			struct str key = http_idempotency_key(rig.held[0]);
			AUTO(auto_free) char *got = key.p ? str_dup(key) : NULL;
			CHECK_STR(got, keys[i].key);
			rig_answer(&rig, 0);
			rig_fini(&rig);
		}
	}

	IT ("fields and parameters are found, decoded, in their order") {
		WITH_RIG(rig_limits());
		client_say(&c, "POST /late%20x?a=1&b=%C3%A4+c&empty&a=2&%61b=3&&=9 "
			       "HTTP/1.1\r\nHost: me:80\r\n"
			       "X-One:  1\t\r\nx-one: 2\r\nEmpty:\r\nContent-Length: 2\r\n\r\nhi");
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		struct http_request *req = rig.held[0];
		CHECK(str_eq_cstr(http_method(req), "POST"));
		CHECK(str_eq_cstr(http_path(req), "/late x"));
		CHECK(str_starts(http_target(req), STR("/late%20x?a=1")));
		CHECK(str_starts(http_query(req), STR("a=1&b")));
		CHECK(str_eq_cstr(http_host(req), "me:80"));
		CHECK(str_eq_cstr(http_body(req), "hi"));
		CHECK(str_eq_cstr(http_header(req, "x-one", 0), "1"));
		CHECK(str_eq_cstr(http_header(req, "x-one", 1), "2"));
		CHECK(!http_header(req, "x-one", 2).p);
		CHECK(http_header(req, "empty", 0).p && !http_header(req, "empty", 0).len);
		CHECK_INT(http_header_count(req), 5);
		const struct {
			const char *name, *value;
		} params[] = {{"a", "1"},  {"b", "\xc3\xa4 c"}, {"empty", ""},
			      {"ab", "3"}, {"", "9"},		{"none", NULL}};
		for (size_t i = 0; i < ARRAY_LEN(params); i++) {
			AUTO(auto_free) char *value = http_query_param(req, params[i].name);
			CHECK_STR(value, params[i].value);
		}
		rig_answer(&rig, 0);
		rig_fini(&rig);
	}
}

static void
test_streams(void)
{
	IT ("a stream is chunked, is told when it was taken, and ends") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/stream") GET("/next"));
		CHECK(RIG_AWAIT(&rig, rig.stream != NULL));
		CHECK(client_await(&c, "Transfer-Encoding: chunked\r\n\r\n"));
		http_stream_write(rig.stream, STR("data: 1\n\n"));
		http_stream_write(rig.stream, STR(""));
		CHECK(client_await(&c, "9\r\ndata: 1\n\n\r\n"));
		CHECK(RIG_AWAIT(&rig, rig.drained == 1));
		CHECK_INT(http_server_counts(rig.server).streams, 1);
		http_stream_end(rig.stream);
		CHECK(client_await(&c, "0\r\n\r\nHTTP/1.1 200 OK"));
		CHECK(client_await(&c, "\r\n\r\n/next"));
		CHECK_INT(http_server_counts(rig.server).streams, 0);
		CHECK_INT(rig.stream_gone, 0);
		rig_fini(&rig);
	}
	IT ("a stream behind a late reply waits for it") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/late") GET("/stream"));
		CHECK(RIG_AWAIT(&rig, rig.stream != NULL));
		http_stream_write(rig.stream, STR("abc"));
		CHECK(http_stream_buffered(rig.stream) > 3);
		rig_turn(&rig, 10);
		client_receive(&c);
		CHECK_INT(c.got.len, 0);
		rig_answer(&rig, 0);
		CHECK(client_await(&c, "\r\n\r\n3\r\nabc\r\n"));
		http_stream_write(rig.stream, STR("defg"));
		http_stream_end(rig.stream);
		CHECK(client_await(&c, "4\r\ndefg\r\n0\r\n\r\n"));
		rig_fini(&rig);
	}
	IT ("HTTP/1.0 gets a stream until the close") {
		WITH_RIG(rig_limits());
		client_say(&c, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
		CHECK(RIG_AWAIT(&rig, rig.stream != NULL));
		http_stream_write(rig.stream, STR("abc"));
		http_stream_end(rig.stream);
		CHECK(client_await_eof(&c));
		CHECK(client_has(&c, "Connection: close\r\n\r\nabc"));
		CHECK(!client_has(&c, "chunked"));
		rig_fini(&rig);
	}
	IT ("a client that does not take its stream loses it, and costs no more than was allowed") {
		WITH_RIG(rig_limits());
		char block[4096];
		memset(block, 'x', sizeof block);
		client_say(&c, GET("/stream"));
		CHECK(RIG_AWAIT(&rig, rig.stream != NULL));
		for (int i = 0; i < 10000 && !rig.stream_gone; i++) {
			http_stream_write(rig.stream, str_make(block, sizeof block));
			CHECK(http_stream_buffered(rig.stream) <= 65536);
			if (i % 64 == 0)
				rig_turn(&rig, 0);
		}
		CHECK_INT(rig.stream_gone, 1);
		http_stream_write(rig.stream, STR("into nothing"));
		http_stream_end(rig.stream);
		CHECK(RIG_AWAIT(&rig, http_server_counts(rig.server).connections == 0));
		rig_fini(&rig);
	}
	IT ("a client that leaves its stream is told of once") {
		WITH_RIG(rig_limits());
		client_say(&c, GET("/stream"));
		CHECK(client_await(&c, "chunked\r\n\r\n"));
		close(c.fd);
		c.fd = -1;
		CHECK(RIG_AWAIT(&rig, rig.stream_gone == 1));
		http_stream_write(rig.stream, STR("into nothing"));
		rig_turn(&rig, 10);
		http_stream_end(rig.stream);
		CHECK(RIG_AWAIT(&rig, http_server_counts(rig.server).connections == 0));
		CHECK_INT(rig.stream_gone, 1);
		rig_fini(&rig);
	}
}

int
main(void)
{
	test_order();
	test_gone();
	test_bodies();
	test_fields();
	test_streams();
	return tap_done();
}
