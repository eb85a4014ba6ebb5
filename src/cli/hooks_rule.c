/* Hooks files: a trigger-rule as what proves the sender and what filters the event. */
/* SPDX-License-Identifier: MIT */
#include "cli/hooks.h"
#include "http/proxies.h"
#include "pure/signature.h"

#define TRUE_JQ "true"

void
hooks_rule_init(struct hooks_rule *rule)
{
	*rule = (struct hooks_rule){.notes = json_array()};
	rule->proof.secrets = json_array();
}

void
hooks_rule_fini(struct hooks_rule *rule)
{
	buf_fini(&rule->proof.header);
	json_decref(rule->proof.secrets);
	buf_fini(&rule->filter);
	json_decref(rule->notes);
}

/* --- what proves the sender ---------------------------------------------------------------- */

static const struct {
	const char *type, *verify, *algorithm;
} proofs[] = {
	{"payload-hmac-sha1", "hmac", "sha1"},	   {"payload-hash-sha1", "hmac", "sha1"},
	{"payload-hmac-sha256", "hmac", "sha256"}, {"payload-hash-sha256", "hmac", "sha256"},
	{"payload-hmac-sha512", "hmac", "sha512"}, {"payload-hash-sha512", "hmac", "sha512"},
	{"scalr-signature", "scalr", NULL},
};

/* The proof that a match asks for; false: it asks for none. */
static bool
proof_of(const json_t *match, struct hooks_proof *ret)
{
	const json_t *parameter = json_object_get(match, "parameter");
	AUTO(buf_fini) struct buf type = BUF_INIT;
	AUTO(buf_fini) struct buf source = BUF_INIT;
	AUTO(buf_fini) struct buf secret = BUF_INIT;

	hooks_text(match, "type", &type);
	hooks_text(parameter, "source", &source);
	hooks_text(parameter, "name", &ret->header);
	for (size_t i = 0; i < ret->header.len; i++)
		if (ret->header.data[i] >= 'A' && ret->header.data[i] <= 'Z')
			ret->header.data[i] |= 0x20;
	for (size_t i = 0; i < ARRAY_LEN(proofs); i++)
		if (str_eq_cstr(buf_str(&type), proofs[i].type)) {
			ret->verify = proofs[i].verify;
			ret->algorithm = proofs[i].algorithm;
		}
	if (ret->verify)
		hooks_text(match, "secret", &secret);
	else if (str_eq_cstr(buf_str(&type), "value") && str_eq_cstr(buf_str(&source), "header") &&
		 signature_header_is_secret(buf_str(&ret->header)))
		ret->verify = "token";
	else
		return false;
	if (!strcmp(ret->verify, "token"))
		hooks_text(match, "value", &secret);
	json_array_append_new(ret->secrets, json_stringn(buf_cstr(&secret), secret.len));
	return true;
}

static void
proof_fini(struct hooks_proof *proof)
{
	buf_fini(&proof->header);
	json_decref(proof->secrets);
}

/* Can the daemon ask for it, and if not, why? NULL: it can. */
static const char *
proof_wrong(const json_t *match, const struct hooks_proof *proof)
{
	const json_t *parameter = json_object_get(match, "parameter");
	AUTO(buf_fini) struct buf source = BUF_INIT;
	const char *secret = json_string_value(json_array_get(proof->secrets, 0));

	hooks_text(parameter, "source", &source);
	if (json_array_size(json_object_get(parameter, "headers-to-add-to-signature-payload")))
		return "headers are signed beside the body, which cannot be asked for here";
	if (!secret || !*secret)
		return "its secret is empty, so that it never holds";
	if (strpbrk(secret, "\r\n"))
		return "its secret has several lines, which would be several secrets here";
	if (strcmp(proof->verify, "scalr") &&
	    (!str_eq_cstr(buf_str(&source), "header") || !proof->header.len))
		return "the signature does not stand in a header";
	return NULL;
}

static bool
proofs_alike(const struct hooks_proof *a, const struct hooks_proof *b)
{
	return a->verify && b->verify && !strcmp(a->verify, b->verify) &&
	       a->algorithm == b->algorithm && str_eq(buf_str(&a->header), buf_str(&b->header));
}

static void
match_name(const json_t *match, struct buf *out)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;

	hooks_text(match, "type", out);
	if (hooks_text(json_object_get(match, "parameter"), "name", &name))
		buf_printf(out, " of %s", buf_cstr(&name));
}

/* Nobody is heard by it, and a person has to look. */
static void
leave_out(struct hooks_rule *rule, const json_t *match, const char *why, struct buf *jq)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;

	match_name(match, &name);
	hooks_note(rule->notes, "%s: %s; the trigger is switched off until you have looked at it",
		   buf_cstr(&name), why);
	rule->changes_who = true;
	buf_puts(jq, "false");
}

/* required: nothing is accepted where this does not hold. also: another secret for the same. */
static void
proof_take(struct hooks_rule *rule, const json_t *match, bool required, bool also, struct buf *jq)
{
	struct hooks_proof proof = {.secrets = json_array()};
	const char *wrong;

	proof_of(match, &proof);
	wrong = proof_wrong(match, &proof);
	if (!wrong && !required)
		wrong = "it is one way among others to be heard, and here a signature is asked for "
			"of everybody or nobody";
	if (!wrong && rule->proof.verify && !(also && proofs_alike(&rule->proof, &proof)))
		wrong = "a second proof of the sender; one is asked for here";
	if (wrong) {
		leave_out(rule, match, wrong, jq);
	} else if (rule->proof.verify) {
		json_array_extend(rule->proof.secrets, proof.secrets);
		buf_puts(jq, TRUE_JQ);
	} else {
		proof_fini(&rule->proof);
		rule->proof = proof;
		buf_puts(jq, TRUE_JQ);
		return;
	}
	proof_fini(&proof);
}

/* --- addresses ----------------------------------------------------------------------------- */

static bool
range_parse(struct str text, struct in6_addr *ret, uint64_t *ret_bits)
{
	struct str head, rest = str_split(text, '/', &head);
	uint64_t most;

	if (!address_parse(head, ret) || memchr(head.p, '[', head.len))
		return false;
	most = IN6_IS_ADDR_V4MAPPED(ret) ? 32 : 128;
	*ret_bits = most;
	return !rest.p || (str_to_u64(rest, ret_bits) && *ret_bits <= most);
}

/* Group by group: those that are whole are equal, of the last the first bits. */
static void
range6_jq(const struct in6_addr *address, uint64_t bits, struct buf *jq)
{
	buf_puts(jq, "(.rouse.remote | contains(\":\")) and (.rouse.remote | groups | true");
	for (unsigned i = 0; i * 16 < bits; i++) {
		unsigned group = address->s6_addr[2 * i] * 256u + address->s6_addr[2 * i + 1];
		unsigned left = bits - i * 16 >= 16 ? 16 : (unsigned)(bits - i * 16);
		unsigned size = 1u << (16 - left);

		if (left == 16)
			buf_printf(jq, " and .[%u] == %u", i, group);
		else
			buf_printf(jq, " and (.[%u] / %u | floor) == %u", i, size, group / size);
	}
	buf_putc(jq, ')');
}

static void
range4_jq(const struct in6_addr *address, uint64_t bits, struct buf *jq)
{
	uint64_t size = UINT64_C(1) << (32 - bits), number = 0;

	for (int i = 12; i < 16; i++)
		number = number * 256 + address->s6_addr[i];
	buf_printf(jq,
		   "(.rouse.remote | test(\"^[0-9.]+$\")) and ((.rouse.remote | quad) / %llu | "
		   "floor) == %llu",
		   (unsigned long long)size, (unsigned long long)(number / size));
}

static void
address_jq(struct hooks_rule *rule, const json_t *match, struct buf *jq)
{
	AUTO(buf_fini) struct buf ranges = BUF_INIT;
	struct str rest, one;
	struct in6_addr address;
	uint64_t bits;
	size_t count = 0;

	hooks_text(match, "ip-range", &ranges);
	rest = buf_str(&ranges);
	buf_putc(jq, '(');
	while (rest.p) {
		rest = str_split(rest, ' ', &one);
		one = str_trim(one);
		if (!one.len)
			continue;
		buf_puts(jq, count++ ? " or (" : "(");
		if (!range_parse(one, &address, &bits)) {
			hooks_note(rule->notes, "ip-whitelist: %.*s is no address; nobody is it",
				   STR_ARG(one));
			buf_puts(jq, "false");
		} else if (IN6_IS_ADDR_V4MAPPED(&address)) {
			range4_jq(&address, bits, jq);
		} else {
			if (!memchr(one.p, '/', one.len))
				hooks_note(rule->notes,
					   "ip-whitelist: %.*s stands for this one address here, "
					   "for its first 32 bits in webhook",
					   STR_ARG(one));
			range6_jq(&address, bits, jq);
		}
		buf_putc(jq, ')');
	}
	buf_puts(jq, count ? ")" : "false)");
}

/* --- rules --------------------------------------------------------------------------------- */

static void
compare_jq(struct hooks_rule *rule, const json_t *match, bool regex, struct buf *jq)
{
	const json_t *parameter = json_object_get(match, "parameter");
	AUTO(buf_fini) struct buf value = BUF_INIT;
	AUTO(buf_fini) struct buf source = BUF_INIT;
	AUTO(buf_fini) struct buf want = BUF_INIT;
	AUTO(buf_fini) struct buf test = BUF_INIT;

	hooks_text(match, regex ? "regex" : "value", &value);
	if (regex && !hooks_regex(buf_str(&value), &test)) {
		leave_out(rule, match, "this regular expression means nothing here", jq);
		return;
	}
	hooks_quote(regex ? buf_str(&test) : buf_str(&value), &want);
	if (!hooks_argument(parameter, &source, rule->notes)) {
		leave_out(rule, match, "its parameter cannot be seen here", jq);
		return;
	}
	buf_printf(jq, "([%s] | %s", buf_cstr(&source),
		   rule->is_tri ? "if length == 0 then \"no\" else " : "");
	if (regex)
		buf_printf(jq, "any(test(%s))", buf_cstr(&want));
	else
		buf_printf(jq, ". == [%s]", buf_cstr(&want));
	buf_puts(jq, rule->is_tri ? " end)" : ")");
}

static void
match_jq(struct hooks_rule *rule, const json_t *match, bool required, bool also, struct buf *jq)
{
	struct hooks_proof proof = {.secrets = json_array()};
	AUTO(buf_fini) struct buf type = BUF_INIT;
	bool proves = proof_of(match, &proof);

	proof_fini(&proof);
	hooks_text(match, "type", &type);
	if (proves)
		proof_take(rule, match, required, also, jq);
	else if (str_eq_cstr(buf_str(&type), "ip-whitelist"))
		address_jq(rule, match, jq);
	else if (str_eq_cstr(buf_str(&type), "value") || str_eq_cstr(buf_str(&type), "regex"))
		compare_jq(rule, match, str_eq_cstr(buf_str(&type), "regex"), jq);
	else
		leave_out(rule, match, "no type of a match that is known", jq);
}

/* A list whose members all ask for a proof of one kind, so that each is another secret. */
static bool
all_prove(const json_t *list)
{
	struct hooks_proof first = {.secrets = json_array()};
	bool alike = json_array_size(list) > 0;
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		const json_t *match = json_object_get(one, "match");
		struct hooks_proof proof = {.secrets = json_array()};

		if (!i)
			alike = match && proof_of(match, &first);
		else
			alike = alike && match && proof_of(match, &proof) &&
				proofs_alike(&first, &proof);
		proof_fini(&proof);
	}
	proof_fini(&first);
	return alike;
}

static void rule_jq(struct hooks_rule *rule, const json_t *node, bool required, struct buf *jq);

static void
and_jq(struct hooks_rule *rule, const json_t *list, bool required, struct buf *jq)
{
	AUTO(buf_fini) struct buf tail = BUF_INIT;
	const json_t *one;
	size_t i, count = 0;

	json_array_foreach (list, i, one) {
		AUTO(buf_fini) struct buf part = BUF_INIT;

		rule_jq(rule, one, required, &part);
		if (str_eq_cstr(buf_str(&part), TRUE_JQ))
			continue;
		if (rule->is_tri) {
			buf_printf(jq, "both(%s; ", buf_cstr(&part));
			buf_putc(&tail, ')');
		} else {
			buf_printf(jq, "%s%s", count ? " and " : "(", buf_cstr(&part));
		}
		count++;
	}
	if (rule->is_tri)
		buf_printf(jq, "true%s", buf_cstr(&tail));
	else
		buf_puts(jq, count ? ")" : TRUE_JQ);
}

/* Several secrets for one signature. Without soft failures the first that does not hold ends it,
 * and what follows is never asked. Where the alternatives differ, one without the signature's
 * header is judged by the others: that cannot be said here. */
static bool
or_proves(struct hooks_rule *rule, const json_t *list, struct buf *jq)
{
	const json_t *one;
	size_t i;

	if (!all_prove(list))
		return false;
	json_array_foreach (list, i, one) {
		AUTO(buf_fini) struct buf ignored = BUF_INIT;

		match_jq(rule, json_object_get(one, "match"), true, i > 0, i ? &ignored : jq);
		if (rule->soft_failures || !rule->proof.verify ||
		    !strcmp(rule->proof.verify, "token"))
			continue;
		hooks_note(rule->notes,
			   "or: only the first secret is taken; without "
			   "trigger-signature-soft-failures webhook never comes to the others");
		break;
	}
	return true;
}

static void
or_jq(struct hooks_rule *rule, const json_t *list, bool required, struct buf *jq)
{
	AUTO(buf_fini) struct buf tail = BUF_INIT;
	size_t count = json_array_size(list), i;
	const json_t *one;

	if (count == 1 && !rule->is_tri) {
		rule_jq(rule, json_array_get(list, 0), required, jq);
		return;
	}
	if (required && count && or_proves(rule, list, jq))
		return;
	if (!count) {
		buf_puts(jq, "false");
		return;
	}
	json_array_foreach (list, i, one) {
		AUTO(buf_fini) struct buf part = BUF_INIT;

		rule_jq(rule, one, required && count == 1, &part);
		if (rule->is_tri) {
			buf_printf(jq, "either(%s; ", buf_cstr(&part));
			buf_putc(&tail, ')');
		} else {
			buf_printf(jq, "%s%s", i ? " or " : "(", buf_cstr(&part));
		}
	}
	if (rule->is_tri)
		buf_printf(jq, "false%s", buf_cstr(&tail));
	else
		buf_putc(jq, ')');
}

/* The first that is there, in this order. */
static void
rule_jq(struct hooks_rule *rule, const json_t *node, bool required, struct buf *jq)
{
	const json_t *and = json_object_get(node, "and"), * or = json_object_get(node, "or");
	const json_t *not = json_object_get(node, "not"), *match = json_object_get(node, "match");

	if (json_is_array(and)) {
		and_jq(rule, and, required, jq);
	} else if (json_is_array(or)) {
		or_jq(rule, or, required, jq);
	} else if (json_is_object(not )) {
		buf_puts(jq, "nay(");
		rule_jq(rule, not, false, jq);
		buf_putc(jq, ')');
	} else if (json_is_object(match)) {
		match_jq(rule, match, required, false, jq);
	} else {
		hooks_note(rule->notes, "a rule without and, or, not or match never holds");
		buf_puts(jq, "false");
	}
}

static bool
has_not(const json_t *node)
{
	const json_t *one;
	const char *key;
	size_t i;

	if (json_object_get(node, "not"))
		return true;
	json_array_foreach ((json_t *)node, i, one)
		if (has_not(one))
			return true;
	json_object_foreach ((json_t *)node, key, one)
		if (has_not(one))
			return true;
	return false;
}

void
hooks_rule_convert(const json_t *rule, struct hooks_rule *ret)
{
	AUTO(buf_fini) struct buf jq = BUF_INIT;

	if (!rule || json_is_null(rule))
		return;
	ret->is_tri = has_not(rule);
	rule_jq(ret, rule, true, &jq);
	if (str_eq_cstr(buf_str(&jq), TRUE_JQ))
		return;
	if (ret->is_tri)
		buf_printf(&ret->filter, "%s | . == true or . == \"yes\"", buf_cstr(&jq));
	else
		buf_add_str(&ret->filter, buf_str(&jq));
}
