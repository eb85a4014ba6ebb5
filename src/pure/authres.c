/* Authentication-Results: what a mail server that is trusted says of a sender. RFC 8601, RFC 7489.
 */
/* SPDX-License-Identifier: MIT */
#include "pure/authres.h"

#define FIELD_MAX 65536
#define DOMAIN_MAX 253

/* Takes one field with its continuation lines off the header; false at its end. */
static bool
field_next(struct str *rest, struct str *ret_name, struct str *ret_value)
{
	struct str s = *rest, line;
	size_t end = 0;

	do {
		const char *lf = memchr(s.p + end, '\n', s.len - end);

		end = lf ? (size_t)(lf - s.p) + 1 : s.len;
	} while (end < s.len && (s.p[end] == ' ' || s.p[end] == '\t'));
	line = str_make(s.p, end);
	*rest = str_make(s.p + end, s.len - end);
	if (!str_trim(line).len)
		return false;
	*ret_value = str_split(line, ':', ret_name);
	*ret_name = str_trim(*ret_name);
	/* Behind a line that is no field the body has begun, for some who read. */
	return ret_value->p != NULL;
}

/* Words of a structured field: comments and folding go, quoted strings and ; = become what they
 * are. */
struct token {
	enum { TOKEN_END, TOKEN_WORD, TOKEN_MARK, TOKEN_BAD } kind;
	char mark; /* ; or = */
	struct buf word;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* i behind the comment that begins there; s.len + 1 when it has no end. */
static size_t
comment_end(struct str s, size_t i)
{
	int depth = 0;

	for (; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && !--depth)
			return i + 1;
	}
	return s.len + 1;
}

static void
token_next(struct str *rest, struct token *ret)
{
	struct str s = *rest;
	size_t i = 0;
	bool quoted = false;

	buf_clear(&ret->word);
	while (i < s.len && (is_blank(s.p[i]) || s.p[i] == '('))
		i = s.p[i] == '(' ? comment_end(s, i) : i + 1;
	ret->kind = i > s.len ? TOKEN_BAD : TOKEN_END;
	if (i < s.len && (s.p[i] == ';' || s.p[i] == '=')) {
		ret->kind = TOKEN_MARK;
		ret->mark = s.p[i++];
	}
	for (; ret->kind != TOKEN_MARK && i < s.len; i++) {
		if (s.p[i] == '"') {
			quoted = !quoted;
		} else if (quoted && s.p[i] == '\\' && i + 1 < s.len) {
			buf_putc(&ret->word, s.p[++i]);
		} else if (!quoted &&
			   (is_blank(s.p[i]) || s.p[i] == ';' || s.p[i] == '=' || s.p[i] == '(')) {
			break;
		} else {
			buf_putc(&ret->word, s.p[i]);
		}
		ret->kind = TOKEN_WORD;
	}
	if (quoted)
		ret->kind = TOKEN_BAD;
	*rest = i < s.len ? str_make(s.p + i, s.len - i) : str_make(s.p + s.len, 0);
}

static bool
is_word(const struct token *token, struct str word)
{
	return token->kind == TOKEN_WORD && str_eq_nocase(buf_str(&token->word), word);
}

static bool
is_mark(const struct token *token, char mark)
{
	return token->kind == TOKEN_MARK && token->mark == mark;
}

static void
lower_add(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++)
		buf_putc(out, (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i]));
}

static void
token_fini(struct token *token)
{
	buf_fini(&token->word);
}

/* "dmarc=pass … header.from=DOMAIN" within one result, up to its semicolon. */
static bool
result_passes(struct str *value, struct token *token, struct str domain, bool *ret_dmarc)
{
	bool pass, aligned = false, known = true;

	*ret_dmarc = is_word(token, STR("dmarc"));
	token_next(value, token);
	if (!is_mark(token, '='))
		return false;
	token_next(value, token);
	pass = is_word(token, STR("pass"));
	token_next(value, token);
	while (token->kind == TOKEN_WORD || is_mark(token, '=')) {
		bool from = is_word(token, STR("header.from"));

		token_next(value, token);
		if (!is_mark(token, '='))
			continue;
		token_next(value, token);
		if (!from)
			continue;
		aligned = is_word(token, domain);
		known &= aligned;
	}
	return pass && aligned && known && token->kind != TOKEN_BAD;
}

/* The id before the first semicolon; a version may follow it. */
static bool
is_of(struct str *value, struct str authserv_id, struct token *token)
{
	bool same;

	token_next(value, token);
	same = is_word(token, authserv_id);
	while (token->kind == TOKEN_WORD)
		token_next(value, token);
	return same;
}

static bool
results_pass(struct str value, struct str authserv_id, struct str domain, bool *ret_is_of)
{
	AUTO(token_fini) struct token token = {.word = BUF_INIT};
	bool dmarc = false, passes;

	*ret_is_of = is_of(&value, authserv_id, &token);
	while (*ret_is_of && is_mark(&token, ';')) {
		token_next(&value, &token);
		if (token.kind != TOKEN_WORD)
			continue;
		passes = result_passes(&value, &token, domain, &dmarc);
		if (dmarc)
			return passes;
	}
	return false;
}

static bool
is_domain(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == 0x7f || strchr("()<>[]:;@\\,\"", c))
			return false;
	}
	return s.len && s.len <= DOMAIN_MAX && s.p[0] != '.' && s.p[s.len - 1] != '.';
}

/* The domain of the one address in From: "a@b" or "Name <a@b>", with quoted names and comments. Two
 * addresses, a group, a route: nobody knows which of them a reader is shown. */
static bool
from_domain(struct str value, struct buf *out)
{
	AUTO(buf_fini) struct buf plain = BUF_INIT;
	struct str address;
	char *open, *close;
	size_t i = 0;

	while (i < value.len) {
		if (value.p[i] == '(') {
			i = comment_end(value, i);
		} else if (value.p[i] == '"') {
			for (i++; i < value.len && value.p[i] != '"'; i++)
				i += value.p[i] == '\\';
			/* Stands for the name, or for a local part that is left aside. */
			buf_putc(&plain, 'q');
			i++;
		} else if (!value.p[i]) {
			return false;
		} else {
			buf_putc(&plain, value.p[i++]);
		}
	}
	if (i > value.len)
		return false;
	address = str_trim(buf_str(&plain));
	open = memchr(address.p, '<', address.len);
	close = memrchr(address.p, '>', address.len);
	if (!open != !close || memchr(address.p, ',', address.len) ||
	    memchr(address.p, ';', address.len) || memchr(address.p, ':', address.len))
		return false;
	if (open) {
		if (close != address.p + address.len - 1 || close < open ||
		    memchr(address.p, '@', (size_t)(open - address.p)))
			return false;
		address = str_trim(str_make(open + 1, (size_t)(close - open) - 1));
	}
	address = str_split(address, '@', &(struct str){NULL, 0});
	if (!address.p || !is_domain(address))
		return false;
	lower_add(address, out);
	return true;
}

bool
authres_vouches(struct str message, struct str authserv_id, struct buf *ret_domain)
{
	AUTO(buf_fini) struct buf domain = BUF_INIT;
	struct str rest = message, name, value, results = STR_NONE;
	size_t froms = 0;
	bool of = false;

	if (!authserv_id.len)
		return false;
	while (rest.len && field_next(&rest, &name, &value)) {
		if (str_eq_nocase(name, STR("From"))) {
			if (froms++ || value.len > FIELD_MAX || !from_domain(value, &domain))
				return false;
		} else if (!results.p && str_eq_nocase(name, STR("Authentication-Results"))) {
			if (value.len > FIELD_MAX)
				return false;
			results_pass(value, authserv_id, STR(""), &of);
			if (of)
				results = value;
		}
	}
	if (froms != 1 || !results.p || !results_pass(results, authserv_id, buf_str(&domain), &of))
		return false;
	if (ret_domain)
		buf_add_str(ret_domain, buf_str(&domain));
	return true;
}
