/* The floor under any server on libevent: reads a request on a bufferevent, answers, keeps nothing.
 */
/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char answer[] =
	"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);

	(void)arg;
	for (;;) {
		struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
		struct evbuffer_ptr field = evbuffer_search(in, "Content-Length: ", 16, NULL);
		char digits[16] = "";
		size_t whole;

		if (end.pos < 0)
			return;
		whole = (size_t)end.pos + 4;
		if (field.pos >= 0 && field.pos < end.pos) {
			evbuffer_ptr_set(in, &field, 16, EVBUFFER_PTR_ADD);
			evbuffer_copyout_from(in, &field, digits, sizeof(digits) - 1);
			whole += strtoul(digits, NULL, 10);
		}
		if (evbuffer_get_length(in) < whole)
			return;
		evbuffer_drain(in, whole);
		bufferevent_write(bev, answer, sizeof(answer) - 1);
	}
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		bufferevent_free(bev);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int len,
	  void *arg)
{
	struct bufferevent *bev = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
	int one = 1;

	(void)listener;
	(void)from;
	(void)len;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

int
main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct sockaddr_in address = {.sin_family = AF_INET};

	if (argc != 2) {
		fprintf(stderr, "usage: bare PORT\n");
		return 2;
	}
	address.sin_port = htons((unsigned short)strtoul(argv[1], NULL, 10));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!evconnlistener_new_bind(base, on_accept, base,
				     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 1024,
				     (struct sockaddr *)&address, sizeof(address)))
		return 1;
	return event_base_dispatch(base) < 0;
}
