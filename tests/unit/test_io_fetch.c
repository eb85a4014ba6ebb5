/* Tests: HTTP out survives hostile servers, and goes only where it may. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/os.h"
#include "io/address.h"
#include "io/fetch.h"
#include "io/proc.h"
#include "tests/unit/tap.h"

static struct event_base *base;
static struct fetch_pool *pool;
static char origin[64];	 /* of the hostile server */
static int quiet_events; /* what the loop watches while nothing is fetched */

struct seen {
	int calls, status;
	enum err_code code;
	char text[300], body[300], etag[100], type[100], location[200], retry_after[100];
	size_t body_len;
	struct fetch *cancel;
};

static void
copy(char *to, size_t size, struct str from)
{
	if (!from.p)
		from = STR("(none)");
	snprintf(to, size, "%.*s", STR_ARG(from));
}

static void
on_done(void *arg, const struct fetch_answer *answer, struct err *err)
{
	struct seen *seen = arg;
	seen->calls++;
	seen->code = err->code;
	copy(seen->text, sizeof(seen->text), str_of(err_text(err)));
	fetch_cancel(TAKE(seen->cancel));
	if (!answer)
		return;
	seen->status = answer->status;
	seen->body_len = answer->body.len;
	copy(seen->body, sizeof(seen->body), answer->body);
	copy(seen->etag, sizeof(seen->etag), answer->etag);
	copy(seen->type, sizeof(seen->type), answer->content_type);
	copy(seen->location, sizeof(seen->location), answer->location);
	copy(seen->retry_after, sizeof(seen->retry_after), answer->retry_after);
}

static void
on_late(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	*(bool *)arg = true;
}

/* Stands before the C library's, for libcurl too: names of ours, and one that takes 4 s. */
int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (host && !strcmp(host, "slow.test")) {
		poll(NULL, 0, 4000);
		return EAI_NONAME;
	}
	if (host && !strcmp(host, "inside.test"))
		host = "127.0.0.1";
	return real(host, port, hints, ret);
}

static void
wait_for(struct seen *seen, int seconds)
{
	bool late = false;
	struct timeval tv = {seconds, 0};
	struct event *timer = evtimer_new(base, on_late, &late);
	evtimer_add(timer, &tv);
	while (!seen->calls && !late)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
}

/* One GET, to its end. */
static struct seen
get(const char *url, bool private, int64_t timeout_ms)
{
	struct seen seen = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct fetch_spec spec = {.method = "GET",
				  .url = url,
				  .private_addresses = private,
				  .timeout_ms = timeout_ms};
	if (!fetch_start(pool, &spec, on_done, &seen, &err)) {
		seen.code = err.code;
		copy(seen.text, sizeof(seen.text), str_of(err_text(&err)));
		return seen;
	}
	if (seen.calls)
		printf("# answered from within\n");
	wait_for(&seen, 20);
	return seen;
}

static struct seen
mode(const char *name)
{
	char url[128];
	snprintf(url, sizeof(url), "%s/%s", origin, name);
	return get(url, true, 2000);
}

static int
count_fds(void)
{
	int n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static bool public(const char *text)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	if (inet_pton(AF_INET, text, &in4.sin_addr) == 1)
		return address_is_public((struct sockaddr *)&in4);
	if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
		return address_is_public((struct sockaddr *)&in6);
	printf("# %s is no address\n", text);
	return false;
}

static void
test_addresses(void)
{
	static const char *const inside[] = {
		"0.0.0.0",
		"0.1.2.3",
		"10.0.0.0",
		"10.255.255.255",
		"100.64.0.0",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"168.63.129.16",
		"169.254.169.254",
		"172.16.0.0",
		"172.31.255.255",
		"192.0.0.192",
		"192.0.2.1",
		"192.168.255.255",
		"198.18.0.0",
		"198.19.255.255",
		"203.0.113.9",
		"224.0.0.1",
		"240.0.0.0",
		"255.255.255.255",
		"::",
		"::1",
		"::127.0.0.1",
		"::ffff:127.0.0.1",
		"::ffff:8.8.8.8",
		"64:ff9b::7f00:1",
		"64:ff9b::a9fe:a9fe",
		"64:ff9b:1::808:808",
		"100::1",
		"2001::1",
		"2001:db8::1",
		"2002:808:808::1",
		"3fff::1",
		"fc00::1",
		"fd00:ec2::254",
		"fe80::1",
		"fec0::1",
		"ff02::1",
		"4000::1",
	};
	static const char *const outside[] = {
		"1.0.0.0",	    "8.8.8.8",	       "9.255.255.255",
		"11.0.0.0",	    "100.63.255.255",  "100.128.0.0",
		"126.255.255.255",  "128.0.0.0",       "168.63.129.15",
		"168.63.129.17",    "169.253.255.255", "169.255.0.0",
		"172.15.255.255",   "172.32.0.0",      "191.255.255.255",
		"192.0.1.0",	    "192.169.0.0",     "198.17.255.255",
		"198.20.0.0",	    "223.255.255.255", "2001:4860:4860::8888",
		"2001:200::1",	    "2600::1",	       "2a00::1",
		"64:ff9b::808:808",
	};
	IT ("knows every address that is not public, at its edges") {
		for (size_t i = 0; i < ARRAY_LEN(inside); i++)
			if (!CHECK(!public(inside[i])))
				printf("# %s\n", inside[i]);
	}
	IT ("knows the public ones next to them") {
		for (size_t i = 0; i < ARRAY_LEN(outside); i++)
			if (!CHECK(public(outside[i])))
				printf("# %s\n", outside[i]);
	}
	IT ("takes no other family for public") {
		struct sockaddr_un un = {.sun_family = AF_UNIX};
		CHECK(!address_is_public((struct sockaddr *)&un));
	}
}

/* Every URL of the list is refused, or cannot be reached at all (names of elsewhere); none
 * connects. */
static void
test_ssrf(const char *file)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str rest, line;
	int count = 0, let_through = 0;
	IT ("lets no URL through that means a private address, however it is written") {
		CHECK(os_read_file(file, 1 << 20, &text, NULL));
		for (rest = buf_str(&text); rest.p;) {
			rest = str_split(rest, '\n', &line);
			if (!line.len || line.p[0] == '#')
				continue;
			AUTO(auto_free) char *url = str_dup(line);
			struct seen seen = get(url, false, 1500);
			count++;
			if (seen.status || !seen.code) {
				printf("# let through: %s\n", url);
				let_through++;
			}
		}
		CHECK(count > 70);
		CHECK_INT(let_through, 0);
	}
	IT ("says that an address is denied rather than that it cannot be reached") {
		CHECK_INT(get("http://127.0.0.1:9/", false, 1000).code, E_DENIED);
		CHECK_INT(get("http://2130706433/", false, 1000).code, E_DENIED);
		CHECK_INT(get("http://[::ffff:7f00:1]/", false, 1000).code, E_DENIED);
		CHECK_INT(get("http://169.254.169.254/latest/", false, 1000).code, E_DENIED);
		CHECK_INT(get("http://localhost/", false, 1000).code, E_DENIED);
		CHECK_INT(get("file:///etc/passwd", true, 1000).code, E_DENIED);
		CHECK_INT(get("gopher://127.0.0.1/_x", true, 1000).code, E_DENIED);
	}
	IT ("says which address is denied, behind which place, and no more of the URL") {
		struct seen seen = get("http://inside.test:9/?token=secret", false, 1000);
		CHECK_INT(seen.code, E_DENIED);
		CHECK(strstr(seen.text, "127.0.0.1") && strstr(seen.text, "http://inside.test:9"));
		CHECK(!strstr(seen.text, "secret"));
		seen = get("http://[fd00:ec2::254]/", false, 1000);
		CHECK(strstr(seen.text, "fd00:ec2::254"));
	}
	IT ("does not lend a connection to a private address to who may not go there") {
		char url[128];
		snprintf(url, sizeof(url), "%s/ok", origin);
		CHECK_INT(get(url, true, 2000).status, 200);
		CHECK_INT(get(url, false, 2000).code, E_DENIED);
	}
}

static void
test_requests(void)
{
	struct seen seen;
	AUTO(err_fini) struct err err = ERR_INIT;
	IT ("fetches") {
		seen = mode("ok");
		CHECK_INT(seen.status, 200);
		CHECK_INT(seen.code, E_OK);
		CHECK_STR(seen.body, "{\"ok\": true}");
		CHECK_STR(seen.type, "application/json");
		CHECK_STR(seen.etag, "(none)");
	}
	IT ("refuses methods, URLs and headers that would break out of their line") {
		static const char *const evil[] = {"X: a\r\nY: b", NULL};
		static const char *const nameless[] = {": a", NULL};
		struct fetch_spec specs[] = {
			{.method = "GET / HTTP/1.1\r\nX: y", .url = origin},
			{.method = "", .url = origin},
			{.method = "get", .url = origin},
			{.method = "GET", .url = "http://a/\r\nX: y"},
			{.method = "GET", .url = "http://a/b c"},
			{.method = "GET", .url = origin, .headers = evil},
			{.method = "GET", .url = origin, .headers = nameless},
		};
		for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
			CHECK(!fetch_start(pool, &specs[i], on_done, &seen, &err));
			CHECK_INT(err.code, E_INVALID);
		}
	}
	IT ("does not follow a redirect, and says where it leads") {
		seen = mode("redirect-meta");
		CHECK_INT(seen.status, 302);
		CHECK_STR(seen.location, "http://169.254.169.254/latest/meta-data/");
		CHECK_INT(mode("redirect-file").status, 302);
		CHECK_INT(mode("redirect-gopher").status, 302);
		CHECK_INT(mode("redirect-self").status, 302);
	}
	IT ("gives Retry-After as it was sent") {
		CHECK_STR(mode("429").retry_after, "5");
		CHECK_STR(mode("429-huge").retry_after, "1000000000000000000");
		CHECK_STR(mode("429-neg").retry_after, "-5");
		CHECK_INT(mode("429-date").status, 429);
	}
	IT ("is cancelled without a word, even by another's end") {
		struct seen first = {0}, second = {0};
		char url[128];
		struct fetch_spec spec = {.method = "GET", .url = url, .private_addresses = true};
		snprintf(url, sizeof(url), "%s/hang", origin);
		struct fetch *hanging = fetch_start(pool, &spec, on_done, &second, NULL);
		CHECK(hanging);
		first.cancel = hanging;
		snprintf(url, sizeof(url), "%s/ok", origin);
		CHECK(fetch_start(pool, &spec, on_done, &first, NULL));
		wait_for(&first, 10);
		CHECK_INT(first.status, 200);
		event_base_loop(base, EVLOOP_NONBLOCK);
		CHECK_INT(second.calls, 0);
		fetch_cancel(NULL);
	}
}

/* --- what costs nothing --- */

static void
test_idle(void)
{
	IT ("watches nothing before the first fetch, nor after the last") {
		struct event_base *own = event_base_new();
		struct fetch_pool *idle = fetch_pool_new(own);
		int before = count_fds();
		CHECK_INT(event_base_get_num_events(own, EVENT_BASE_COUNT_ADDED), 0);
		fetch_pool_free(idle);
		CHECK_INT(count_fds(), before);
		event_base_free(own);
		CHECK_INT(mode("ok").status, 200);
		CHECK_INT(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), quiet_events);
	}
	IT ("does not hold up the loop while a name is looked up, nor when that is given up") {
		int64_t before = clock_mono(clock_system()).ms;
		struct seen seen = get("http://slow.test/", true, 300);
		CHECK_INT(seen.code, E_TIMEOUT);
		CHECK(clock_mono(clock_system()).ms - before < 1500);
		struct fetch_spec spec = {.method = "GET", .url = "http://slow.test/"};
		struct fetch *fetch = fetch_start(pool, &spec, on_done, &seen, NULL);
		for (int i = 0; i < 5; i++) {
			event_base_loop(base, EVLOOP_NONBLOCK);
			poll(NULL, 0, 10);
		}
		before = clock_mono(clock_system()).ms;
		fetch_cancel(fetch);
		CHECK(clock_mono(clock_system()).ms - before < 500);
	}
	IT ("takes any time for a limit") {
		char url[128];
		snprintf(url, sizeof(url), "%s/ok", origin);
		CHECK_INT(get(url, true, INT64_MAX).status, 200);
	}
}

static void
test_hostile(void)
{
	static const struct {
		const char *mode;
		enum err_code code;
		int status;
	} table[] = {
		{"endless-body", E_TOO_LARGE, 0},
		{"sse-endless", E_TOO_LARGE, 0},
		{"sse-noeol", E_TOO_LARGE, 0},
		{"json-huge", E_TOO_LARGE, 0},
		{"drip", E_TIMEOUT, 0},
		{"hang", E_TIMEOUT, 0},
		{"half-headers", E_TIMEOUT, 0},
		{"header-flood", E_TOO_LARGE, 0},
		{"cookie-flood", E_TOO_LARGE, 0},
		{"continue-flood", E_TOO_LARGE, 0},
		{"wrong-cl-long", E_UNAVAILABLE, 0},
		{"bad-chunk", E_UNAVAILABLE, 0},
		{"no-status", E_UNAVAILABLE, 0},
		{"rst", E_UNAVAILABLE, 0},
		{"close", E_UNAVAILABLE, 0},
		{"wrong-cl-short", E_OK, 200},
		{"status-999", E_OK, 999},
		{"500", E_OK, 500},
		{"200-html", E_OK, 200},
		{"json-deep", E_OK, 200},
		{"json-dup", E_OK, 200},
		{"nested-gzip", E_OK, 200},
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char name[100];
		snprintf(name, sizeof(name), "%s: ends as it should, in time", table[i].mode);
		IT (name) {
			int64_t before = clock_mono(clock_system()).ms;
			struct seen seen = mode(table[i].mode);
			CHECK_INT(seen.calls, 1);
			CHECK_STR(err_name(seen.code), err_name(table[i].code));
			CHECK_INT(seen.status, table[i].status);
			CHECK(clock_mono(clock_system()).ms - before < 6000);
			if (seen.code)
				CHECK(strlen(seen.text) > 5);
		}
	}
	IT ("gzip-bomb: what is packed stays packed, and counts as it came") {
		struct seen seen = mode("gzip-bomb");
		CHECK_INT(seen.calls, 1);
		CHECK(seen.code == E_TOO_LARGE || seen.code == E_TIMEOUT);
	}
	IT ("wrong-cl-short: surplus bytes are no answer to the next request") {
		CHECK_STR(mode("wrong-cl-short").body, "{}");
		CHECK_STR(mode("ok").body, "{\"ok\": true}");
	}
	IT ("a server that is not there is unavailable") {
		CHECK_INT(get("http://127.0.0.1:1/", true, 2000).code, E_UNAVAILABLE);
		CHECK_INT(get("http://no-such-host.invalid/", true, 5000).code, E_UNAVAILABLE);
	}
	IT ("all of that took little memory") {
		struct rusage usage;
		getrusage(RUSAGE_SELF, &usage);
#ifndef __SANITIZE_ADDRESS__
		CHECK(usage.ru_maxrss < 64 << 10);
#else
		CHECK(usage.ru_maxrss > 0);
#endif
	}
}

/* --- a server of one answer, to see what is sent --- */

static int
listen_local(char *url, size_t size)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 5) ||
	    getsockname(fd, (struct sockaddr *)&in, &len))
		return -1;
	snprintf(url, size, "http://127.0.0.1:%d/path?q=1", ntohs(in.sin_port));
	return fd;
}

struct server {
	int listener;
	char *request; /* 4,096 bytes */
	int asked;
};

static void *
serve_one(void *arg)
{
	static const char answer[] = "HTTP/1.1 100 Continue\r\nETag: no\r\n\r\n"
				     "HTTP/1.1 201 Created\r\nETag: \"a\"\r\nContent-Length: "
				     "2\r\nConnection: close\r\n\r\nhi";
	struct server *server = arg;
	struct pollfd ready = {server->listener, POLLIN, 0};
	ssize_t n = 0, len = 0;
	if (poll(&ready, 1, 10000) != 1)
		return NULL;
	AUTO(auto_close) int client = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	/* To the end of what is asked for: the body ends in a '$' here. */
	while (len < 4000 && !memchr(server->request, '$', (size_t)len) &&
	       (n = read(client, server->request + len, (size_t)(4000 - len))) > 0)
		len += n;
	os_write_all(client, str_of(answer), NULL);
	return NULL;
}

static struct seen
talk(int listener, struct fetch_spec spec, char *request)
{
	struct seen seen = {0};
	struct server server = {.listener = listener, .request = request};
	pthread_t thread;
	memset(request, 0, 4096);
	pthread_create(&thread, NULL, serve_one, &server);
	if (fetch_start(pool, &spec, on_done, &seen, NULL))
		wait_for(&seen, 10);
	pthread_join(thread, NULL);
	return seen;
}

/* Answers the first request and keeps the connection; takes the second, and hangs up without a
 * word. Counts what it is asked until nobody comes for 300 ms. */
static void *
serve_forgetful(void *arg)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
	struct server *server = arg;
	struct pollfd ready[2] = {{server->listener, POLLIN, 0}, {-1, POLLIN, 0}};
	char data[4096];

	while (poll(ready, 2, 300) > 0) {
		if (ready[0].revents) {
			if (ready[1].fd >= 0)
				close(ready[1].fd);
			ready[1].fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
			continue;
		}
		if (read(ready[1].fd, data, sizeof(data)) > 0 && !server->asked++) {
			os_write_all(ready[1].fd, str_of(answer), NULL);
			continue;
		}
		close(ready[1].fd);
		ready[1].fd = -1;
	}
	if (ready[1].fd >= 0)
		close(ready[1].fd);
	return NULL;
}

/* Two requests to it, one after the other. */
static int
talk_twice(struct fetch_spec first, struct fetch_spec second, struct seen *ret)
{
	char url[64];
	struct server server = {.listener = listen_local(url, sizeof(url))};
	struct seen seen = {0};
	pthread_t thread;

	first.url = second.url = url;
	pthread_create(&thread, NULL, serve_forgetful, &server);
	if (fetch_start(pool, &first, on_done, &seen, NULL))
		wait_for(&seen, 5);
	CHECK_INT(seen.status, 200);
	if (fetch_start(pool, &second, on_done, ret, NULL))
		wait_for(ret, 5);
	pthread_join(thread, NULL);
	close(server.listener);
	return server.asked;
}

static void
test_kept(void)
{
	struct fetch_spec get_inside = {.method = "GET", .private_addresses = true};
	struct fetch_spec get_outside = {.method = "GET"};
	struct fetch_spec post = {.method = "POST", .body = STR("$"), .private_addresses = true};

	IT ("sends a POST once, even when a kept connection ends before its answer") {
		struct seen seen = {0};
		CHECK_INT(talk_twice(post, post, &seen), 2);
		CHECK_INT(seen.code, E_UNAVAILABLE);
	}
	IT ("does not lend a kept connection to who may not go there") {
		struct seen seen = {0};
		CHECK_INT(talk_twice(get_inside, get_outside, &seen), 1);
		CHECK_INT(seen.code, E_DENIED);
	}
}

static void
test_sent(const char *folder)
{
	static const char *const headers[] = {"Authorization: Bearer x",
					      "X-Empty:", "Content-Type: application/json", NULL};
	static char request[4096];
	char url[64];
	int listener = listen_local(url, sizeof(url));
	IT ("sends method, headers and body, and nothing that it was not told") {
		struct fetch_spec spec = {.method = "PATCH",
					  .url = url,
					  .headers = headers,
					  .body = STR("{\"a\":\"\0\"}$"),
					  .private_addresses = true};
		struct seen seen = talk(listener, spec, request);
		CHECK_INT(seen.status, 201);
		CHECK_STR(seen.etag, "\"a\"");
		CHECK_STR(seen.body, "hi");
		CHECK(str_starts(str_of(request), STR("PATCH /path?q=1 HTTP/1.1\r\n")));
		CHECK(strstr(request, "\r\nAuthorization: Bearer x\r\n"));
		CHECK(strstr(request, "\r\nContent-Type: application/json\r\n"));
		CHECK(strstr(request, "\r\nContent-Length: 10\r\n"));
		CHECK(strstr(request, "\r\nUser-Agent: rouse\r\n"));
		CHECK(!strstr(request, "Expect") && !strstr(request, "Accept-Encoding") &&
		      !strstr(request, "Cookie"));
	}
	IT ("uses no proxy that the environment names") {
		struct fetch_spec spec = {
			.method = "POST", .url = url, .body = STR("$"), .private_addresses = true};
		setenv("http_proxy", "http://127.0.0.1:1", 1);
		setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
		struct seen seen = talk(listener, spec, request);
		CHECK_INT(seen.status, 201);
		CHECK(!strstr(request, "Content-Type"));
		unsetenv("http_proxy");
		unsetenv("ALL_PROXY");
	}
	close(listener);
	IT ("reaches a service on a Unix socket, only when told its path") {
		struct sockaddr_un un = {.sun_family = AF_UNIX};
		snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", folder);
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		CHECK(!bind(fd, (struct sockaddr *)&un, sizeof(un)) && !listen(fd, 5));
		struct fetch_spec spec = {.method = "POST",
					  .url = "http://localhost/x",
					  .body = STR("$"),
					  .unix_socket = un.sun_path};
		CHECK_INT(talk(fd, spec, request).status, 201);
		CHECK(strstr(request, "POST /x "));
		close(fd);
	}
}

/* --- the hostile server --- */

static void
on_exit_ignore(void *arg UNUSED, int status UNUSED)
{
}

static int
free_port(void)
{
	char url[64];
	int fd = listen_local(url, sizeof(url));
	close(fd);
	return atoi(strrchr(url, ':') + 1);
}

static struct proc *
server_start(const char *source)
{
	AUTO(buf_fini) struct buf script = BUF_INIT;
	char port[16];
	int number = free_port();
	buf_printf(&script, "%s/tests/fakes/hostile_http.py", source);
	snprintf(port, sizeof(port), "%d", number);
	snprintf(origin, sizeof(origin), "http://127.0.0.1:%d", number);
	const char *argv[] = {"python3", buf_cstr(&script), port, NULL};
	const char *envp[] = {"PATH=/usr/bin:/bin", NULL};
	struct proc_spec spec = {
		.argv = argv, .envp = envp, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
	struct proc *proc = proc_spawn(base, &spec, on_exit_ignore, NULL, NULL);
	for (int i = 0; proc && i < 500 && mode("ok").status != 200; i++)
		poll(NULL, 0, 20);
	return proc;
}

int
main(void)
{
	const char *named = getenv("srcdir");
	char *source = realpath(named ? named : ".", NULL);
	char folder[] = "/tmp/rouse-test-fetch-XXXXXX";
	AUTO(buf_fini) struct buf urls = BUF_INIT;
	if (!source || !mkdtemp(folder))
		return 99;
	base = event_base_new();
	pool = fetch_pool_new(base);
	buf_printf(&urls, "%s/tests/fakes/ssrf_urls.txt", source);
	struct proc *server = server_start(source);
	quiet_events = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
	int before = count_fds();
	test_addresses();
	test_idle();
	test_requests();
	test_ssrf(buf_cstr(&urls));
	test_sent(folder);
	test_kept();
	test_hostile();
	IT ("leaves no descriptor behind") {
		struct seen seen = {0};
		struct fetch_spec spec = {
			.method = "GET", .url = origin, .private_addresses = true};
		CHECK(fetch_start(pool, &spec, on_done, &seen, NULL));
		fetch_pool_free(pool); /* cancels it */
		CHECK_INT(seen.calls, 0);
		CHECK(count_fds() <= before);
	}
	if (server)
		kill(proc_pid(server), SIGKILL);
	proc_free(server);
	event_base_free(base);
	os_remove_tree(folder, NULL);
	free(source);
	return tap_done();
}
