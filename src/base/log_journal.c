/* The log: records as the journal's own fields. systemd.journal-fields(7), and its native protocol.
 */
/* SPDX-License-Identifier: MIT */
#include "base/log_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_PATH "/run/systemd/journal/socket"
#define TRIES_MAX 10
/* Of one field; a record of several is still far below what the journal takes. */
#define VALUE_MAX (64 << 10)

static char *journal_path;
static int journal_fd = -1;

/* What people set alarms on, whatever the words become one day. */
static const struct {
	const char *message, *id;
} message_ids[] = {
	{"ready", "5a0f6b1e2c8d4e0f9a7b3c5d1e2f4a60"},
	{"stopped", "5a0f6b1e2c8d4e0f9a7b3c5d1e2f4a61"},
	{"configuration reloaded", "5a0f6b1e2c8d4e0f9a7b3c5d1e2f4a62"},
	{"reload refused; the old configuration goes on", "5a0f6b1e2c8d4e0f9a7b3c5d1e2f4a63"},
	{"run starts", "5a0f6b1e2c8d4e0f9a7b3c5d1e2f4a64"},
	{"run ends", "5a0f6b1e2c8d4e0f9a7b3c5d1e2f4a65"},
	{"change applied", "5a0f6b1e2c8d4e0f9a7b3c5d1e2f4a66"},
	{"change reverted", "5a0f6b1e2c8d4e0f9a7b3c5d1e2f4a67"},
};

void
log_journal_at(const char *path)
{
	free(journal_path);
	journal_path = mem_strdup(path);
	if (journal_fd >= 0)
		close(journal_fd);
	journal_fd = -1;
}

static bool
journal_open(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = journal_path ? journal_path : SOCKET_PATH;
	size_t len = strlen(path);

	if (journal_fd >= 0)
		return true;
	if (len >= sizeof(to.sun_path))
		return false;
	memcpy(to.sun_path, path, len + 1);
	journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (journal_fd < 0)
		return false;
	if (!connect(journal_fd, (const struct sockaddr *)&to, sizeof(to)))
		return true;
	close(journal_fd);
	journal_fd = -1;
	return false;
}

/* NAME=value, or NAME, the length in eight bytes, little end first, and the value as it is. */
static void
field_add(struct buf *out, const char *prefix, const char *name, struct str value)
{
	if (value.len > VALUE_MAX)
		value.len = VALUE_MAX;
	buf_puts(out, prefix);
	for (; *name; name++) {
		bool fine = (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9');

		if (*name >= 'a' && *name <= 'z')
			buf_putc(out, (char)(*name - 'a' + 'A'));
		else
			buf_putc(out, fine ? *name : '_');
	}
	if (!memchr(value.p, '\n', value.len)) {
		buf_putc(out, '=');
	} else {
		buf_putc(out, '\n');
		for (int i = 0; i < 8; i++)
			buf_putc(out, (char)((uint64_t)value.len >> (8 * i) & 0xff));
	}
	buf_add_str(out, value);
	buf_putc(out, '\n');
}

static void
fields_add(struct buf *out, const struct log_record *record)
{
	AUTO(buf_fini) struct buf line = BUF_INIT;
	char priority[2] = {(char)('0' + log_priority(record->level)), '\0'};
	struct str text;

	/* For who reads lines: all of it. Behind its "<6>", which is a field here. */
	log_line(LOG_JOURNAL, record, &line);
	text = str_make(line.data + 3, line.len - 3);
	field_add(out, "", "MESSAGE", text);
	field_add(out, "", "PRIORITY", str_of(priority));
	field_add(out, "", "SYSLOG_IDENTIFIER", str_of(program_invocation_short_name));
	for (size_t i = 0; i < ARRAY_LEN(message_ids); i++)
		if (!strcmp(message_ids[i].message, record->message))
			field_add(out, "", "MESSAGE_ID", str_of(message_ids[i].id));
	for (size_t i = 0; i < record->count; i++)
		field_add(out, "ROUSE_", log_key_name(record->pairs[i].key),
			  str_of(record->pairs[i].value));
}

/* What is larger than a datagram goes as a sealed file in memory. */
static bool
send_file(const struct buf *fields)
{
	AUTO(auto_close) int fd = memfd_create("rouse-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.room = {0}};
	struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof(control)};

	if (fd < 0 || write(fd, fields->data, fields->len) != (ssize_t)fields->len ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		return false;
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	return sendmsg(journal_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool
send_once(const struct buf *fields)
{
	if (send(journal_fd, fields->data, fields->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	return (errno == EMSGSIZE || errno == ENOBUFS) && send_file(fields);
}

enum journal_end
journal_write(const struct log_record *record, int patience_ms)
{
	AUTO(buf_fini) struct buf fields = BUF_INIT;

	if (!journal_open())
		return JOURNAL_AWAY;
	fields_add(&fields, record);
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		struct pollfd pfd = {journal_fd, POLLOUT, 0};

		if (send_once(&fields))
			return JOURNAL_TOOK;
		if (errno == EINTR)
			continue;
		if (errno == ENOMEM || errno == ENOBUFS || errno == EMSGSIZE)
			return JOURNAL_BUSY;
		if (errno != EAGAIN)
			break;
		if (poll(&pfd, 1, patience_ms) <= 0)
			return JOURNAL_BUSY;
	}
	/* It may have been started anew, under the same name. */
	close(journal_fd);
	journal_fd = -1;
	return JOURNAL_AWAY;
}
