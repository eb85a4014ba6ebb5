/* Load generator: signed webhooks over kept connections, each with a body of its own; one line of
 * JSON. */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX 2048
#define BODY_BYTES 1024
#define ANSWER_MAX 8192

struct load {
	struct sockaddr_in address;
	const char *path, *secret;
	unsigned connections;
	uint32_t count, sent, answered, accepted;
	char *requests;	   /* count times REQUEST_MAX */
	uint32_t *lengths; /* of each */
	uint32_t *took_us;
	int epoll;
};

struct conn {
	int fd;
	uint32_t current;
	size_t written;
	int64_t since_ns;
	size_t have;
	char answer[ANSWER_MAX];
};

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A body of BODY_BYTES, its HMAC, and the request around both. */
static void
request_make(struct load *load, uint32_t n, uint32_t run)
{
	char *out = load->requests + (size_t)n * REQUEST_MAX, body[BODY_BYTES + 1], hex[65];
	unsigned char mac[32];
	unsigned mac_len = sizeof(mac);
	int len = snprintf(body, sizeof(body),
			   "{\"action\":\"opened\",\"number\":%u,\"run\":%u,\"pad\":\"", n, run);

	assert(len > 0 && len < BODY_BYTES - 2);
	memset(body + len, 'x', (size_t)(BODY_BYTES - len - 2));
	body[BODY_BYTES - 2] = '"';
	body[BODY_BYTES - 1] = '}';
	HMAC(EVP_sha256(), load->secret, (int)strlen(load->secret), (unsigned char *)body,
	     BODY_BYTES, mac, &mac_len);
	for (unsigned i = 0; i < sizeof(mac); i++)
		snprintf(hex + i * 2, 3, "%02x", mac[i]);
	len = snprintf(out, REQUEST_MAX,
		       "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
		       "X-GitHub-Event: pull_request\r\nX-GitHub-Delivery: %08x-%08x\r\n"
		       "X-Hub-Signature-256: sha256=%s\r\nContent-Length: %d\r\n\r\n",
		       load->path, run, n, hex, BODY_BYTES);
	assert(len > 0 && len + BODY_BYTES < REQUEST_MAX);
	memcpy(out + len, body, BODY_BYTES);
	load->lengths[n] = (uint32_t)len + BODY_BYTES;
}

static void
conn_write(struct load *load, struct conn *c)
{
	const char *request = load->requests + (size_t)c->current * REQUEST_MAX;
	ssize_t n;

	while (c->written < load->lengths[c->current]) {
		n = write(c->fd, request + c->written, load->lengths[c->current] - c->written);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			die("write");
		c->written += (size_t)n;
	}
}

/* The next request, if there is one. */
static void
conn_next(struct load *load, struct conn *c)
{
	if (load->sent == load->count)
		return;
	c->current = load->sent++;
	c->written = c->have = 0;
	c->since_ns = now_ns();
	conn_write(load, c);
}

/* Bytes of the whole answer at the front; 0 while it is not there. */
static size_t
answer_length(const struct conn *c)
{
	const char *end = strstr(c->answer, "\r\n\r\n"),
		   *field = strcasestr(c->answer, "\r\ncontent-length:");
	size_t head, body = 0;

	if (!end)
		return 0;
	head = (size_t)(end - c->answer) + 4;
	if (field && field < end)
		body = strtoul(field + 17, NULL, 10);
	return c->have >= head + body ? head + body : 0;
}

static void
conn_read(struct load *load, struct conn *c)
{
	ssize_t n = read(c->fd, c->answer + c->have, sizeof(c->answer) - 1 - c->have);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("the server closed a connection");
	c->have += (size_t)n;
	c->answer[c->have] = '\0';
	if (!answer_length(c))
		return;
	load->took_us[load->answered++] = (uint32_t)((now_ns() - c->since_ns) / 1000);
	if (c->answer[9] == '2')
		load->accepted++;
	conn_next(load, c);
}

static struct conn *
conns_new(struct load *load)
{
	struct conn *conns = calloc(load->connections, sizeof(*conns));
	int one = 1;

	assert(conns);
	for (unsigned i = 0; i < load->connections; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conns[i]};

		conns[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(conns[i].fd, (struct sockaddr *)&load->address, sizeof(load->address)))
			die("connect");
		setsockopt(conns[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		epoll_ctl(load->epoll, EPOLL_CTL_ADD, conns[i].fd, &event);
	}
	return conns;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
run(struct load *load)
{
	struct conn *conns = conns_new(load);
	struct epoll_event events[64];
	int64_t began = now_ns();
	double seconds;

	for (unsigned i = 0; i < load->connections; i++)
		conn_next(load, &conns[i]);
	while (load->answered < load->count) {
		int n = epoll_wait(load->epoll, events, 64, 30000);

		if (n <= 0)
			die("no answer for 30 s");
		for (int i = 0; i < n; i++)
			conn_read(load, events[i].data.ptr);
	}
	seconds = (double)(now_ns() - began) / 1e9;
	qsort(load->took_us, load->count, sizeof(*load->took_us), compare);
	printf("{\"connections\":%u,\"requests\":%u,\"accepted\":%u,\"per_second\":%.0f,\"p50_ms\":"
	       "%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
	       load->connections, load->count, load->accepted, load->count / seconds,
	       load->took_us[load->count / 2] / 1e3,
	       load->took_us[(uint64_t)load->count * 99 / 100] / 1e3,
	       load->took_us[load->count - 1] / 1e3);
	for (unsigned i = 0; i < load->connections; i++)
		close(conns[i].fd);
	free(conns);
}

int
main(int argc, char **argv)
{
	struct load load = {.address = {.sin_family = AF_INET}};

	if (argc != 6) {
		fprintf(stderr, "usage: load PORT PATH SECRET CONNECTIONS REQUESTS\n");
		return 2;
	}
	load.address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	load.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	load.path = argv[2];
	load.secret = argv[3];
	load.connections = (unsigned)strtoul(argv[4], NULL, 10);
	load.count = (uint32_t)strtoul(argv[5], NULL, 10);
	load.requests = malloc((size_t)load.count * REQUEST_MAX);
	load.lengths = calloc(load.count, sizeof(*load.lengths));
	load.took_us = calloc(load.count, sizeof(*load.took_us));
	load.epoll = epoll_create1(0);
	assert(load.requests && load.lengths && load.took_us && load.epoll >= 0 && load.count);
	for (uint32_t n = 0; n < load.count; n++)
		request_make(&load, n, (uint32_t)getpid());
	run(&load);
	free(load.requests);
	free(load.lengths);
	free(load.took_us);
	close(load.epoll);
	return load.accepted == load.count ? 0 : 1;
}
