/* Links: one-time proofs by which who got a notification decides a question. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "core/link.h"

#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/os.h"
#include "base/uuid.h"
#include "core/registry.h"

#define KEY_BYTES 32

void
link_digest(const struct gate_row *gate, struct buf *out)
{
	const char *const fields[] = {gate->id,	  gate->run_id,	 gate->kind,
				      gate->step, gate->payload, gate->allow};
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct digest digest;

	/* As JSON strings, so that no two questions read the same. */
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		buf_json_cstr(&text, fields[i]);
		buf_putc(&text, '\n');
	}
	digest = digest_of(DIGEST_SHA256, buf_str(&text));
	hex_encode(out, str_make(digest.bytes, digest.len));
}

/* --- the key ------------------------------------------------------------------------------- */

static bool
key_make(const char *path, struct err *err)
{
	unsigned char bytes[KEY_BYTES];
	AUTO(buf_fini) struct buf text = BUF_INIT;
	bool ok;

	entropy_fill(bytes, sizeof(bytes));
	hex_encode(&text, str_make(bytes, sizeof(bytes)));
	buf_putc(&text, '\n');
	ok = os_write_file(path, buf_str(&text), 0600, err);
	mem_zero(bytes, sizeof(bytes));
	mem_zero(text.data, text.len);
	return ok;
}

/* ret: to be zeroed. */
static bool
key_read(const char *path, struct buf *ret, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	bool ok;

	if (!os_read_file(path, 4096, &text, err))
		return false;
	ok = hex_decode(str_trim(buf_str(&text)), ret) && ret->len == KEY_BYTES;
	mem_zero(text.data, text.len);
	return ok ||
	       err_set(err, E_CORRUPT,
		       "%s is no key of links; remove it, and links sent before are void", path);
}

static bool
key_get(struct core *core, struct buf *ret, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_cat(&path, core->state_dir ? core->state_dir : "", "/links.key");
	return (!access(buf_cstr(&path), F_OK) || key_make(buf_cstr(&path), err)) &&
	       key_read(buf_cstr(&path), ret, err);
}

/* --- proofs -------------------------------------------------------------------------------- */

static bool
proof_make(struct core *core, const struct gate_row *gate, struct str decision, struct str notify,
	   struct buf *out, struct err *err)
{
	AUTO(buf_fini) struct buf key = BUF_INIT;
	AUTO(buf_fini) struct buf digest = BUF_INIT;
	struct str parts[8];
	struct digest mac;
	bool ok = key_get(core, &key, err);

	if (ok) {
		link_digest(gate, &digest);
		parts[0] = STR("rouse link 1");
		parts[1] = parts[3] = parts[5] = (struct str){"", 1};
		parts[2] = buf_str(&digest);
		parts[4] = decision;
		parts[6] = notify;
		mac = digest_hmac(DIGEST_SHA256, buf_str(&key), parts, 7);
		base64url_encode(out, str_make(mac.bytes, mac.len));
	}
	if (key.data)
		mem_zero(key.data, key.len);
	return ok;
}

bool
link_url(struct core *core, const struct gate_row *gate, const char *decision, const char *notify,
	 struct buf *out)
{
	const char *base =
		conf_str(conf_section(registry_conf(core->registry), "http", ""), "public_url");
	AUTO(buf_fini) struct buf proof = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct str root = str_of(base);

	if (!base)
		return false;
	if (!proof_make(core, gate, str_of(decision), str_of(notify), &proof, &err)) {
		log_warning("notifications have no links", "error", err_text(&err));
		return false;
	}
	while (root.len && root.p[root.len - 1] == '/')
		root.len--;
	buf_add_str(out, root);
	buf_cat(out, "/links/", gate->id, "/", decision, "/", notify, ".", buf_cstr(&proof));
	return true;
}

bool
link_check(struct core *core, const struct gate_row *gate, struct str decision, struct str proof,
	   struct buf *ret_notify, struct err *err)
{
	AUTO(buf_fini) struct buf real = BUF_INIT;
	const char *dot = proof.len ? memrchr(proof.p, '.', proof.len) : NULL;
	struct str notify = str_make(proof.p, dot ? (size_t)(dot - proof.p) : 0);
	struct str given = dot ? str_make(dot + 1, proof.len - notify.len - 1) : STR("");

	if (!proof_make(core, gate, decision, notify, &real, err))
		return false;
	if (!digest_equal(real.data, real.len, given.p, given.len))
		return err_set(
			err, E_DENIED,
			"this link was not made for what is asked now; look at it with rouse "
			"gate show %s",
			gate->id);
	buf_add_str(ret_notify, notify);
	return true;
}
