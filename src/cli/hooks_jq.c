/* Hooks files: what they say of a request, as jq over an event. */
/* SPDX-License-Identifier: MIT */
#include <ctype.h>

#include "cli/hooks.h"
#include "pure/signature.h"

/* Each by the name that the jq calls; the later may call the earlier. Line ends are not written:
 * the configuration breaks the lines where it must. */
static const struct prelude {
	const char *call, *text;
} preludes[] = {
	{"text", "def text: if type == \"string\" then . elif . == null then \"<nil>\" else tojson "
		 "end; "},
	{"at(", "def at($p): ($p | split(\".\")) as $s | if type == \"object\" then if has($p) "
		"then .[$p] elif has($s[0]) then .[$s[0]] | if ($s | length) > 1 then at($s[1:] | "
		"join(\".\")) else . end else empty end elif type == \"array\" and ($s[0] | "
		"test(\"^[0-9]+$\")) and ($s[0] | tonumber) < length then .[$s[0] | tonumber] | if "
		"($s | length) > 1 then at($s[1:] | join(\".\")) else . end else empty end; "},
	{"query", "def query: .rouse.query | map_values(if type == \"array\" then .[0] else . "
		  "end); "},
	{"groups", "def groups: if contains(\"::\") then (split(\"::\") | map(split(\":\") | "
		   "map(select(. != \"\")))) as $h | $h[0] + [range(8 - ($h[0] | length) - ($h[1] "
		   "| length)) | \"0\"] + $h[1] else split(\":\") end | map(explode | reduce .[] "
		   "as $c (0; . * 16 + if $c > 96 then $c - 87 else $c - 48 end)); "},
	{"quad", "def quad: split(\".\") | map(tonumber) | ((.[0] * 256 + .[1]) * 256 + .[2]) * "
		 "256 + .[3]; "},
	{"both(", "def both(f; g): f as $x | if $x == true then g elif $x == false then false else "
		  "\"no\" end; "},
	{"either(",
	 "def either(f; g): f as $x | if $x == true or $x == \"yes\" then true else g as "
	 "$y | $y == true or $y == \"yes\" end; "},
	{"nay(",
	 "def nay(f): f as $x | if $x == true then false elif $x == false then true elif $x "
	 "== \"yes\" then \"no\" else \"yes\" end; "},
};

/* Payload as the program sees it: JSON objects, the first of each field of a form. */
static const char payload_begin[] =
	"def payload: (.rouse.headers[\"content-type\"] // \"\") as $t | .data | if ($t | "
	"contains(\"json\")) then if type == \"array\" then {root: .} else . end elif ($t | "
	"contains(\"x-www-form-urlencoded\")) and type == \"object\" then map_values(if type == "
	"\"array\" then .[0] else . end) else {} end";

void
hooks_note(json_t *notes, const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	json_array_append_new(notes, json_string(buf_cstr(&text)));
}

void
hooks_quote(struct str text, struct buf *out)
{
	AUTO(buf_fini) struct buf json = BUF_INIT;

	buf_json_str(&json, text);
	for (size_t i = 0; i < json.len; i++) {
		char c = json.data[i];

		/* What a configuration file would take for a comment, or for blanks to cut. */
		if (c == ';' || c == '#' || c == '\x7f')
			buf_printf(out, "\\u%04x", (unsigned)c);
		else
			buf_putc(out, c);
	}
}

static void
json_parameter(const json_t *argument, struct buf *out, json_t *notes)
{
	AUTO(buf_fini) struct buf source = BUF_INIT;
	AUTO(buf_fini) struct buf name = BUF_INIT;
	AUTO(buf_fini) struct buf quoted = BUF_INIT;

	hooks_text(argument, "source", &source);
	hooks_text(argument, "name", &name);
	if (!str_eq_cstr(buf_str(&source), "payload") || strchr(buf_cstr(&name), '.')) {
		hooks_note(notes, "parse-parameters-as-json of %s %s: it stays the text that it is",
			   buf_cstr(&source), buf_cstr(&name));
		return;
	}
	hooks_quote(buf_str(&name), &quoted);
	buf_printf(
		out,
		" | ([.[%s]? | try fromjson catch null][0]) as $v | if ($v | type) == \"object\" "
		"then .[%s] = $v else . end",
		buf_cstr(&quoted), buf_cstr(&quoted));
}

void
hooks_prelude(const struct buf *jq, const json_t *json_parameters, struct buf *out, json_t *notes)
{
	const json_t *one;
	size_t i;

	for (size_t n = 0; n < ARRAY_LEN(preludes); n++)
		if (strstr(buf_cstr(jq), preludes[n].call))
			buf_puts(out, preludes[n].text);
	if (!strstr(buf_cstr(jq), "payload"))
		return;
	buf_puts(out, payload_begin);
	json_array_foreach ((json_t *)json_parameters, i, one)
		json_parameter(one, out, notes);
	buf_puts(out, "; ");
}

static bool
header_jq(const struct buf *name, struct buf *jq, json_t *notes)
{
	AUTO(buf_fini) struct buf lower = BUF_INIT;

	for (size_t i = 0; i < name->len; i++)
		buf_putc(&lower, (char)tolower((unsigned char)name->data[i]));
	if (signature_header_is_secret(buf_str(&lower))) {
		hooks_note(notes,
			   "the header %s proves who sent the request: it is kept out of events, "
			   "and nothing can be told from it",
			   buf_cstr(name));
		return false;
	}
	buf_puts(jq, ".rouse.headers[");
	hooks_quote(buf_str(&lower), jq);
	buf_puts(jq, "] // empty");
	return true;
}

bool
hooks_argument(const json_t *argument, struct buf *jq, json_t *notes)
{
	static const struct {
		const char *source, *jq;
	} wholes[] = {{"entire-payload", "payload | tojson"},
		      {"entire-query", "query | tojson"},
		      {"entire-headers", ".rouse.headers | tojson"}};
	AUTO(buf_fini) struct buf source = BUF_INIT;
	AUTO(buf_fini) struct buf name = BUF_INIT;
	bool query;

	hooks_text(argument, "source", &source);
	hooks_text(argument, "name", &name);
	query = str_eq_cstr(buf_str(&source), "url") || str_eq_cstr(buf_str(&source), "query");
	for (size_t i = 0; i < ARRAY_LEN(wholes); i++)
		if (str_eq_cstr(buf_str(&source), wholes[i].source)) {
			buf_puts(jq, wholes[i].jq);
			return true;
		}
	if (str_eq_cstr(buf_str(&source), "header"))
		return header_jq(&name, jq, notes);
	if (str_eq_cstr(buf_str(&source), "string")) {
		hooks_quote(buf_str(&name), jq);
		return true;
	}
	if (query || str_eq_cstr(buf_str(&source), "payload")) {
		buf_puts(jq, query ? "query | at(" : "payload | at(");
		hooks_quote(buf_str(&name), jq);
		buf_puts(jq, ") | text");
		return true;
	}
	if (str_eq_cstr(buf_str(&source), "request") && !strcasecmp(buf_cstr(&name), "method")) {
		buf_puts(jq, ".rouse.method");
		return true;
	}
	if (str_eq_cstr(buf_str(&source), "request") &&
	    !strcasecmp(buf_cstr(&name), "remote-addr")) {
		hooks_note(notes, "remote-addr is the address without its port here");
		buf_puts(jq, ".rouse.remote");
		return true;
	}
	hooks_note(notes, "source %s%s%s is not known here", buf_cstr(&source),
		   name.len ? ", name " : "", buf_cstr(&name));
	return false;
}

/* Classes that are ASCII's in Go. */
static const char *
perl_class(char c, bool inside)
{
	switch (c) {
	case 'd':
		return inside ? "0-9" : "[0-9]";
	case 'w':
		return inside ? "0-9A-Za-z_" : "[0-9A-Za-z_]";
	case 's':
		return inside ? "\\t\\n\\f\\r " : "[\\t\\n\\f\\r ]";
	case 'D':
		return inside ? NULL : "[^0-9]";
	case 'W':
		return inside ? NULL : "[^0-9A-Za-z_]";
	case 'S':
		return inside ? NULL : "[^\\t\\n\\f\\r ]";
	default:
		return NULL;
	}
}

/* What stands behind a backslash; *used is how much of rest it was. */
static bool
regex_escape(struct str rest, bool inside, struct buf *out, size_t *used)
{
	char c = rest.len ? rest.p[0] : '\0';
	const char *class = perl_class(c, inside);

	*used = 1;
	if (class) {
		buf_puts(out, class);
		return true;
	}
	if (c == 'p' || c == 'P') {
		if (rest.len > 1 && rest.p[1] != '{') {
			buf_printf(out, "\\%c{%c}", c, rest.p[1]);
			*used = 2;
			return true;
		}
	} else if (!c || (isalnum((unsigned char)c) && !strchr("abfnrtvxzAB01234567", c)) ||
		   (inside && strchr("DWS", c))) {
		return false;
	}
	buf_putc(out, '\\');
	buf_putc(out, c);
	return true;
}

bool
hooks_regex(struct str go, struct buf *out)
{
	bool lines = memmem(go.p, go.len, "(?m", 3) || memmem(go.p, go.len, "(?im", 4) ||
		     memmem(go.p, go.len, "(?sm", 4);
	bool inside = false;
	size_t used;

	for (size_t i = 0; i < go.len; i++) {
		struct str rest = str_make(go.p + i, go.len - i);

		if (rest.p[0] == '\\') {
			rest = str_make(rest.p + 1, rest.len - 1);
			if (!regex_escape(rest, inside, out, &used))
				return false;
			i += used;
		} else if (inside) {
			inside = rest.p[0] != ']' || go.p[i - 1] == '[' ||
				 (go.p[i - 1] == '^' && go.p[i - 2] == '[');
			if (str_starts(rest, STR("&&")))
				return false;
			buf_putc(out, rest.p[0]);
		} else if (str_starts(rest, STR("(?P<"))) {
			buf_puts(out, "(?<");
			i += 3;
		} else if (str_starts(rest, STR("(?=")) || str_starts(rest, STR("(?!")) ||
			   str_starts(rest, STR("(?<=")) || str_starts(rest, STR("(?<!")) ||
			   str_starts(rest, STR("(?>")) || str_starts(rest, STR("(?U")) ||
			   str_starts(rest, STR("(?#"))) {
			return false;
		} else if (!lines && (rest.p[0] == '^' || rest.p[0] == '$')) {
			buf_puts(out, rest.p[0] == '^' ? "\\A" : "\\z");
		} else {
			inside = rest.p[0] == '[';
			buf_putc(out, rest.p[0]);
		}
	}
	return true;
}
