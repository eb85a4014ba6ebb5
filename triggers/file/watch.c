/* Watch: the one inotify instance of all file triggers, and who is told what it says. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/watch.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

#include "base/log.h"

#define READ_BYTES 65536
/* Reads in one round of the loop; others are to have their turn. */
#define READS_MAX 8
/* Bytes of events of unknown watches; beyond, they count as lost. */
#define STRAYS_MAX (1 << 20)
#define ROOM_MIN 64

static struct {
	int fd;
	struct event *event;
	char *buffer;
	LIST_HEAD(, watch_user) users;
	/* By wd: first of those who have it, in an open table. Its size is a power of two. */
	struct watched **table;
	size_t room, count;
	struct watched *cursor; /* whose turn is next while an event is handed out */
	int adding;
	struct buf strays;
	uint64_t serial;
} instance = {.fd = -1};

/* --- the table ----------------------------------------------------------------------------- */

static size_t
slot_of(int wd)
{
	return ((size_t)wd * 0x9e3779b97f4a7c15ull >> 20) & (instance.room - 1);
}

/* The slot of wd, or the empty one where it would go. */
static size_t
slot_find(int wd)
{
	size_t at = slot_of(wd);

	while (instance.table[at] && instance.table[at]->wd != wd)
		at = (at + 1) & (instance.room - 1);
	return at;
}

static void
table_resize(size_t room)
{
	struct watched **old = instance.table;
	size_t old_room = instance.room;

	instance.table = mem_alloc_array(room, sizeof(struct watched *));
	instance.room = room;
	for (size_t i = 0; i < old_room; i++)
		if (old[i])
			instance.table[slot_find(old[i]->wd)] = old[i];
	free(old);
}

/* Empties a slot; those behind it move up, so that a search never ends too early. */
static void
slot_clear(size_t at)
{
	size_t mask = instance.room - 1, next = at;

	instance.table[at] = NULL;
	instance.count--;
	for (;;) {
		next = (next + 1) & mask;
		if (!instance.table[next])
			return;
		if (((next - slot_of(instance.table[next]->wd)) & mask) < ((next - at) & mask))
			continue;
		instance.table[at] = instance.table[next];
		instance.table[next] = NULL;
		at = next;
	}
}

static struct watched *
watched_find(int wd)
{
	return instance.room ? instance.table[slot_find(wd)] : NULL;
}

void
watch_attach(struct watched *watched, struct watch_user *user, int wd)
{
	size_t at;

	assert(wd >= 0);
	if (watched->wd == wd)
		return;
	watch_detach(watched);
	if (instance.count * 2 >= instance.room)
		table_resize(instance.room ? instance.room * 2 : ROOM_MIN);
	at = slot_find(wd);
	if (!instance.table[at])
		instance.count++;
	*watched = (struct watched){.user = user, .same = instance.table[at], .wd = wd};
	instance.table[at] = watched;
}

/* Leaves the table; true: it was the last of its watch. */
static bool
watched_unlink(struct watched *watched)
{
	size_t at = slot_find(watched->wd);
	struct watched **link = &instance.table[at];
	bool last;

	while (*link != watched)
		link = &(*link)->same;
	if (instance.cursor == watched)
		instance.cursor = watched->same;
	*link = watched->same;
	last = !instance.table[at];
	if (last)
		slot_clear(at);
	watched->wd = -1;
	watched->same = NULL;
	return last;
}

void
watch_detach(struct watched *watched)
{
	int wd = watched->wd;

	if (wd >= 0 && watched_unlink(watched))
		inotify_rm_watch(instance.fd, wd);
}

/* --- events -------------------------------------------------------------------------------- */

/* To everybody who has the watch. False: nobody has. */
static bool
event_hand(const struct inotify_event *event)
{
	struct watched *watched = watched_find(event->wd);
	struct str name = event->len ? str_of(event->name) : STR("");

	if (!watched)
		return false;
	for (; watched; watched = instance.cursor) {
		instance.cursor = watched->same;
		if (event->mask & IN_IGNORED)
			watched_unlink(watched);
		watched->user->on_event(watched->user, watched, event->mask, event->cookie, name);
	}
	return true;
}

static void
overflow_tell(void)
{
	struct watch_user *user, *next;

	LIST_FOREACH_SAFE (user, &instance.users, entry, next)
		user->on_overflow(user);
}

static void
event_take(const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW) {
		log_warning("file events were lost; everything is looked at anew", "limit",
			    "fs.inotify.max_queued_events");
		overflow_tell();
		return;
	}
	if (event_hand(event) || !instance.adding)
		return;
	if (instance.strays.len > STRAYS_MAX) {
		buf_clear(&instance.strays);
		overflow_tell();
		return;
	}
	buf_add(&instance.strays, event, sizeof(*event) + event->len);
}

/* False: nothing more is there. */
static bool
events_read(void)
{
	ssize_t n = read(instance.fd, instance.buffer, READ_BYTES);

	if (n < 0 && errno == EINTR)
		return true;
	for (char *p = instance.buffer; n > 0 && p < instance.buffer + n;) {
		const struct inotify_event *event = (const void *)p;

		p += sizeof(*event) + event->len;
		event_take(event);
		if (instance.fd < 0)
			return false;
	}
	return n > 0;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	for (int i = 0; i < READS_MAX && events_read(); i++)
		;
}

void
watch_drain(void)
{
	while (instance.fd >= 0 && events_read())
		;
}

void
watch_adding_begin(void)
{
	instance.adding++;
}

void
watch_adding_end(void)
{
	struct buf strays = instance.strays;
	const char *p = strays.data;
	const char *end = strays.len ? strays.data + strays.len : NULL;

	instance.strays = (struct buf)BUF_INIT;
	instance.adding--;
	while (end && p < end) {
		struct inotify_event head;

		memcpy(&head, p, sizeof(head));
		event_take((const void *)p);
		p += sizeof(head) + head.len;
	}
	buf_fini(&strays);
}

/* --- life ---------------------------------------------------------------------------------- */

bool
watch_join(struct core *core, struct watch_user *user, struct err *err)
{
	if (instance.fd < 0) {
		instance.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (instance.fd < 0 && errno == EMFILE)
			return err_set(
				err, E_FULL,
				"no inotify instance is left for this user "
				"(fs.inotify.max_user_instances is %ld); raise it with sysctl",
				watch_limit("max_user_instances"));
		if (instance.fd < 0)
			return err_errno(err, errno, "inotify");
		instance.serial++;
		instance.buffer = mem_alloc(READ_BYTES);
		instance.event =
			event_new(core->base, instance.fd, EV_READ | EV_PERSIST, on_readable, NULL);
		event_add(instance.event, NULL);
	}
	LIST_INSERT_HEAD(&instance.users, user, entry);
	return true;
}

void
watch_leave(struct watch_user *user)
{
	LIST_REMOVE(user, entry);
	if (!LIST_EMPTY(&instance.users))
		return;
	assert(!instance.count);
	event_free(instance.event);
	close(instance.fd);
	free(instance.buffer);
	free(instance.table);
	buf_fini(&instance.strays);
	instance.event = NULL;
	instance.buffer = NULL;
	instance.table = NULL;
	instance.room = 0;
	instance.fd = -1;
}

int
watch_fd(void)
{
	return instance.fd;
}

uint64_t
watch_serial(void)
{
	return instance.serial;
}

long
watch_limit(const char *name)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	int64_t n;

	buf_cat(&path, "/proc/sys/fs/inotify/", name);
	if (!os_read_file(buf_cstr(&path), 64, &text, NULL) ||
	    !str_to_i64(str_trim(buf_str(&text)), &n))
		return 0;
	return (long)n;
}
