/* libcurl's multi interface on the loop: it says what it waits for, libevent tells it. */
/* SPDX-License-Identifier: MIT */
#include "io/curl_loop.h"

#include <stdlib.h>

#include <event2/event.h>

static void
messages_take(struct curl_loop *loop)
{
	CURLMsg *message;
	int left;
	while ((message = curl.curl_multi_info_read(loop->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			loop->on_done(loop->arg, message->easy_handle, message->data.result);
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct curl_loop *loop = arg;
	int running, ready = (what & EV_READ ? CURL_CSELECT_IN : 0) |
			     (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	curl.curl_multi_socket_action(loop->multi, fd, ready, &running);
	messages_take(loop);
}

static void
on_timer(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct curl_loop *loop = arg;
	int running;
	curl.curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	messages_take(loop);
}

/* socket_arg: the event that watches it, once there is one. */
static int
socket_wanted(CURL *easy UNUSED, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct curl_loop *loop = arg;
	struct event *event = socket_arg;
	short wanted = EV_PERSIST;
	if (what == CURL_POLL_REMOVE) {
		if (event)
			event_free(event);
		curl.curl_multi_assign(loop->multi, fd, NULL);
		return 0;
	}
	wanted |= what & CURL_POLL_IN ? EV_READ : 0;
	wanted |= what & CURL_POLL_OUT ? EV_WRITE : 0;
	if (event && event_get_events(event) == wanted)
		return 0;
	if (event)
		event_free(event);
	event = event_new(loop->base, fd, wanted, on_socket, loop);
	if (!event || event_add(event, NULL))
		abort(); /* out of memory */
	curl.curl_multi_assign(loop->multi, fd, event);
	return 0;
}

static int
timer_wanted(CURLM *multi UNUSED, long ms, void *arg)
{
	struct curl_loop *loop = arg;
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};
	if (ms < 0)
		evtimer_del(loop->timer);
	else
		evtimer_add(loop->timer, &tv);
	return 0;
}

void
curl_loop_open(struct curl_loop *loop, struct event_base *base,
	       void (*on_done)(void *arg, CURL *easy, CURLcode code), void *arg)
{
	if (loop->multi)
		return;
	if (curl.curl_global_init(CURL_GLOBAL_DEFAULT))
		abort(); /* out of memory */
	loop->base = base;
	loop->on_done = on_done;
	loop->arg = arg;
	loop->multi = curl.curl_multi_init();
	loop->timer = evtimer_new(base, on_timer, loop);
	if (!loop->multi || !loop->timer)
		abort(); /* out of memory */
	curl.curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	curl.curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	curl.curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	curl.curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
}

void
curl_loop_close(struct curl_loop *loop)
{
	if (!loop->multi)
		return;
	curl.curl_multi_cleanup(loop->multi);
	event_free(loop->timer);
	curl.curl_global_cleanup();
	loop->multi = NULL;
}
