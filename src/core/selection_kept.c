/* Selections: what was found, with its digest, kept in a file that nobody sees; and its rows. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/digest.h"
#include "core/selection_inside.h"

#define SPILL_BYTES 65536

static bool
spill(struct selection *s, struct err *err)
{
	size_t done = 0;

	if (s->fd < 0) {
		s->fd = open(s->core->state_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (s->fd < 0)
			return err_errno(err, errno, "cannot make a file in %s",
					 s->core->state_dir);
	}
	while (done < s->tail.len) {
		ssize_t n = pwrite(s->fd, s->tail.data + done, s->tail.len - done,
				   (off_t)(s->on_disk * sizeof(struct selected) + done));

		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "cannot write to a file in %s",
					 s->core->state_dir);
		done += n > 0 ? (size_t)n : 0;
	}
	s->on_disk += s->tail.len / sizeof(struct selected);
	buf_clear(&s->tail);
	return true;
}

void
selection_digest_bytes(const char *hex, unsigned char ret[32])
{
	AUTO(buf_fini) struct buf bytes = BUF_INIT;

	memset(ret, 0, 32);
	if (hex && hex_decode(str_of(hex), &bytes) && bytes.len == 32)
		memcpy(ret, bytes.data, 32);
}

static void
chain_add(struct selection_chain *chain, struct str text)
{
	const struct str parts[] = {str_make(chain->bytes, 32), text};
	struct digest digest = digest_of_parts(DIGEST_SHA256, parts, 2);

	memcpy(chain->bytes, digest.bytes, 32);
}

static void
chain_add_record(struct selection_chain *chain, const char *id, const unsigned char digest[32])
{
	char line[37 + 32] = {0};

	memcpy(line, id, strnlen(id, 36));
	memcpy(line + 37, digest, 32);
	chain_add(chain, str_make(line, sizeof(line)));
}

void
selection_chain_init(struct selection_chain *chain, const char *policy)
{
	*chain = (struct selection_chain){{0}};
	chain_add(chain, str_of(policy));
}

void
selection_chain_add(struct selection_chain *chain, const char *id, const char *digest)
{
	unsigned char bytes[32];

	selection_digest_bytes(digest, bytes);
	chain_add_record(chain, id, bytes);
}

void
selection_chain_hex(const struct selection_chain *chain, char ret[65])
{
	AUTO(buf_fini) struct buf hex = BUF_INIT;

	hex_encode(&hex, str_make(chain->bytes, 32));
	memcpy(ret, buf_cstr(&hex), 65);
}

bool
selection_keep(struct selection *s, const struct selected *record, const char *id, struct err *err)
{
	chain_add_record(&s->chain, id, record->digest);
	buf_add(&s->tail, record, sizeof(*record));
	s->count++;
	return s->tail.len < SPILL_BYTES || spill(s, err);
}

int
selection_get(const struct selection *s, uint64_t at, struct selected *ret, int n, struct err *err)
{
	int got = 0;

	for (; got < n && at + (uint64_t)got < s->count; got++) {
		uint64_t i = at + (uint64_t)got;

		if (i >= s->on_disk) {
			memcpy(&ret[got], s->tail.data + (i - s->on_disk) * sizeof(*ret),
			       sizeof(*ret));
			continue;
		}
		size_t want = (size_t)(s->on_disk - i);

		if (want > (size_t)(n - got))
			want = (size_t)(n - got);
		if (pread(s->fd, &ret[got], want * sizeof(*ret), (off_t)(i * sizeof(*ret))) !=
		    (ssize_t)(want * sizeof(*ret))) {
			err_errno(err, errno, "cannot read a selection back");
			return -1;
		}
		got += (int)want - 1;
	}
	return got;
}

/* --- its rows ------------------------------------------------------------------------------ */

struct merge {
	const struct selected *list;
	int at, count;
	bool (*fn)(void *arg, const struct change_row *row);
	void *arg;
	bool stopped;
	int skipped; /* rows in a row that were none of it */
};

#define SPARSE 2000 /* of such, and the rest is fetched one by one */

static bool
merge_row(void *arg, const struct change_row *row)
{
	struct merge *m = arg;

	while (m->at < m->count && m->list[m->at].seq < row->seq)
		m->at++;
	if (m->at < m->count && m->list[m->at].seq == row->seq) {
		m->at++;
		m->skipped = 0;
		m->stopped = !m->fn(m->arg, row);
	} else {
		m->skipped++;
	}
	return !m->stopped && m->at < m->count && m->skipped < SPARSE;
}

static bool
one_by_one(struct merge *m, struct store *reader, struct err *err)
{
	for (; !m->stopped && m->at < m->count; m->at++) {
		AUTO(change_row_fini) struct change_row row = {0};

		if (changes_get_seq(reader, m->list[m->at].seq, &row, err)) {
			m->stopped = !m->fn(m->arg, &row);
			continue;
		}
		if (err->code != E_NOT_FOUND)
			return false;
		err_fini(err);
		*err = (struct err)ERR_INIT;
	}
	return true;
}

bool
selection_rows(const struct selection *s, struct store *reader, uint64_t at, int n,
	       bool (*fn)(void *arg, const struct change_row *row), void *arg, struct err *err)
{
	struct selected *list = mem_alloc_array((size_t)n + 1, sizeof(*list));
	struct merge m = {.list = list, .fn = fn, .arg = arg};
	const struct change_scope scope = {
		.batch = s->spec.batch, .run = s->run, .entity = s->spec.entity};
	bool ok;

	m.count = selection_get(s, at, list, n, err);
	ok = m.count >= 0;
	if (ok && m.count && !s->spec.ids)
		ok = changes_walk(reader, &scope, list[0].seq - 1, INT32_MAX, merge_row, &m, err);
	ok = ok && one_by_one(&m, reader, err);
	free(list);
	return ok;
}
