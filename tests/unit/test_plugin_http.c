/* HTTP targets, against a real small service. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <unistd.h>

#include "base/os.h"
#include "io/fetch.h"
#include "plugins/targets/http.h"
#include "tests/fakes/target.h"
#include "tests/unit/tap.h"

static int service_stdin = -1;
static int port;

/* Its port is its first line; it ends with the end of its standard input. */
static bool
service_start(void)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	const char *srcdir = getenv("srcdir");
	int in[2], out[2];
	char text[16] = "";
	size_t len = 0;

	buf_printf(&path, "%s/tests/fakes/http_service.py", srcdir ? srcdir : "..");
	if (pipe(in) || pipe(out))
		return false;
	fflush(stdout);
	if (fork() == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execlp("python3", "python3", buf_cstr(&path), NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	service_stdin = in[1];
	os_cloexec(service_stdin, true);
	while (len < sizeof(text) - 1 && !strchr(text, '\n') && read(out[0], text + len, 1) == 1)
		len++;
	close(out[0]);
	port = atoi(text);
	return port > 0;
}

/* Keys of a target, in which @ stands for the service. */
static bool
service_is(const char *keys, bool private)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	for (const char *p = keys; *p; p++)
		if (*p == '@')
			buf_printf(&text, "http://127.0.0.1:%d", port);
		else
			buf_putc(&text, *p);
	buf_printf(&text, "allow_private = %s\n", private ? "yes" : "no");
	return target_is("http", buf_cstr(&text));
}

static struct {
	bool done;
	struct buf body;
} asked;

static void
on_asked(void *arg, const struct fetch_answer *answer, struct err *err)
{
	(void)arg;
	(void)err;
	asked.done = true;
	buf_clear(&asked.body);
	if (answer)
		buf_add_str(&asked.body, answer->body);
}

static const char *
ask(const char *path)
{
	AUTO(buf_fini) struct buf url = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct fetch_spec spec = {.method = "GET", .private_addresses = true};

	buf_printf(&url, "http://127.0.0.1:%d%s", port, path);
	spec.url = buf_cstr(&url);
	asked.done = false;
	if (!fetch_start(f.core.fetch, &spec, on_asked, NULL, &err) ||
	    !fake_until_true(&f, &asked.done, TARGET_MS))
		return "no answer";
	return buf_cstr(&asked.body);
}

static bool
saw(const char *log, const char *text)
{
	bool found = strstr(log, text) != NULL;

	if (!found)
		printf("# %s\n", log);
	return found;
}

#define CUSTOMERS                                                                                  \
	"url = @/customers/{entity}\nurl_create = @/customers\nread_url = @/customers/{entity}\n"

static void
test_apply(void)
{
	struct change_row change =
		change_of("k1", "update", "42", "{\"tier\":\"free\"}", "{\"tier\":\"gold\"}");
	char receipt[sizeof(got.receipt)];
	const char *log;

	IT ("looks, then sends what changes with the key, the ETag and where it comes from") {
		CHECK(service_is(CUSTOMERS "header.X-Team = support\nauth = plain:t0ken\n", true));
		ask("/log");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(strstr(got.receipt, "\"status\":200"));
		CHECK(strstr(got.receipt, "\"etag\":\"\\\"v2\\\"\""));
		CHECK(strstr(got.receipt, "\"before\":{\"name\": \"Ada\", \"tier\": \"free\""));
		memcpy(receipt, got.receipt, sizeof(receipt));
		log = ask("/log");
		CHECK(saw(log, "\"method\": \"GET\", \"path\": \"/customers/42\""));
		CHECK(saw(log, "\"method\": \"PATCH\", \"path\": \"/customers/42\""));
		CHECK(saw(log, "\"idempotency-key\": \"k1\""));
		CHECK(saw(log, "\"if-match\": \"\\\"v1\\\"\""));
		CHECK(saw(log, "\"rouse-cause\": \"root=root-event;parent=its-event;hops=3\""));
		CHECK(saw(log, "\"x-correlation-id\": \"order-9\""));
		CHECK(saw(log, "\"x-team\": \"support\""));
		CHECK(saw(log, "\"authorization\": \"Bearer t0ken\""));
		CHECK(saw(log, "\"body\": \"{\\\"tier\\\":\\\"gold\\\"}\""));
	}
	IT ("takes it back with what was there, only what it had named") {
		change.receipt = receipt;
		CHECK_INT(go(&change, true), TARGET_DONE);
		log = ask("/log");
		CHECK(saw(log, "\"idempotency-key\": \"k1/revert\""));
		CHECK(saw(log, "\"body\": \"{\\\"tier\\\":\\\"free\\\"}\""));
		CHECK(saw(ask("/customers/42"), "\"tier\": \"free\", \"n\": 9007199254740993"));
		change.receipt = NULL;
	}
	IT ("sends nothing when it has drifted") {
		ask("/log");
		change.key = (char *)"k2";
		change.before = (char *)"{\"tier\":\"silver\"}";
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK(strstr(got.current, "\"tier\": \"free\""));
		CHECK(!strstr(ask("/log"), "PATCH"));
		change.before = (char *)"{\"tier\":\"free\"}";
	}
	IT ("does not overwrite what changed between its look and its request") {
		change.key = (char *)"k3";
		ask("/touch/42");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK(strstr(got.current, "\"tier\": \"touched\""));
		CHECK(saw(ask("/customers/42"), "touched"));
	}
	IT ("creates, and deletes again what the service says it made") {
		change = change_of("k4", "create", NULL, NULL, "{\"name\":\"Eve\"}");
		ask("/log");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(strstr(got.receipt, "\"location\":\"/customers/43\""));
		change.receipt = memcpy(receipt, got.receipt, sizeof(receipt));
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK(saw(ask("/log"), "\"method\": \"DELETE\", \"path\": \"/customers/43\""));
	}
	IT ("deletes nowhere else, whatever a Location says") {
		change.entity = (char *)"42";
		change.receipt =
			(char *)"{\"status\":201,\"location\":\"http://evil.example/customers/1\"}";
		CHECK(service_is("url = @/status/200?{entity}\n", true));
		ask("/log");
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK(saw(ask("/log"), "\"method\": \"DELETE\", \"path\": \"/status/200?42\""));
		change.receipt = (char *)"{\"location\":\"//evil.example/1\"}";
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK(saw(ask("/log"), "\"path\": \"/status/200?42\""));
	}
	IT ("brings back what it deleted") {
		change = change_of("k5", "delete", "42", NULL, NULL);
		CHECK(service_is(CUSTOMERS, true));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(saw(ask("/customers/42"), "no customer"));
		change.receipt = memcpy(receipt, got.receipt, sizeof(receipt));
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK(saw(ask("/customers/1"), "no customer"));
	}
	IT ("calls, and takes a call back only by what compensates it") {
		change = change_of("k6", "call", "7", NULL, "{\"amount\":5}");
		CHECK(service_is("url = @/status/200?charge={entity}\n", true));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_INT(go(&change, true), TARGET_FAILED);
		CHECK(strstr(got.error, "compensate"));
		change.receipt = (char *)"{\"status\":200,\"body\":{\"charge\":\"ch 1\"}}";
		CHECK(service_is("url = @/status/200\ncompensate = "
				 "@/status/200?refund={receipt.body.charge}\n",
				 true));
		ask("/log");
		CHECK_INT(go(&change, true), TARGET_DONE);
		log = ask("/log");
		CHECK(saw(log, "\"path\": \"/status/200?refund=ch%201\""));
		CHECK(saw(log, "\\\"revert\\\":true"));
	}
	IT ("sends the whole change, a patch, or another method where it is told to") {
		change = change_of("k7", "update", "42", NULL, NULL);
		change.patch = (char *)"[{\"op\":\"remove\"}]";
		CHECK(service_is("url = @/status/200\nbody = patch\nmethod = PUT\n", true));
		ask("/log");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(saw(ask("/log"), "\"method\": \"PUT\""));
		CHECK(service_is("url = @/status/200\nbody = change\n", true));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(saw(ask("/log"), "\\\"patch\\\":[{\\\"op\\\":\\\"remove\\\"}]"));
	}
}

static void
test_hostile(void)
{
	struct change_row change = change_of("a\r\nX-Evil: 1 %\x01", "update", "../admin?x=1#y",
					     NULL, "{\"tier\":\"x\"}");
	const char *log, *text;

	IT ("escapes what a change says, in the url as in the headers") {
		CHECK(service_is("url = @/status/200?e={entity}\n", true));
		ask("/log");
		CHECK_INT(go(&change, false), TARGET_DONE);
		log = ask("/log");
		CHECK(saw(log, "\"path\": \"/status/200?e=..%2Fadmin%3Fx%3D1%23y\""));
		CHECK(saw(log, "\"idempotency-key\": \"a%0D%0AX-Evil:%201%20%25%01\""));
		CHECK(!strstr(log, "x-evil"));
	}
	IT ("refuses a proposal that would climb, or lacks what the url uses") {
		CHECK(service_is("url = @/customers/{entity}/{after.tier}\n", true));
		CHECK(check("update", "42", NULL, "{\"tier\":\"gold\"}", &text));
		CHECK(!check("update", "..", NULL, "{\"tier\":\"gold\"}", &text));
		CHECK(!check("update", ".", NULL, "{\"tier\":\"gold\"}", &text));
		CHECK(!check("update", "", NULL, "{\"tier\":\"gold\"}", &text));
		CHECK(!check("update", NULL, NULL, "{\"tier\":\"gold\"}", &text));
		CHECK(strstr(text, "entity"));
		CHECK(!check("update", "42", NULL, "{\"other\":1}", &text));
		CHECK(strstr(text, "after.tier"));
		CHECK(!check("update", "42", NULL, "{\"tier\":{}}", &text));
		CHECK(service_is("url = @/x\n", true));
		CHECK(!check("update", "42", NULL, NULL, &text));
	}
	IT ("goes to no private address unless it may, and says how it may") {
		change = change_of("k", "update", "42", NULL, "{\"tier\":\"x\"}");
		CHECK(service_is("url = @/status/200\n", false));
		ask("/log");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_DENIED);
		CHECK(strstr(got.error, "allow_private"));
		CHECK_STR(ask("/log"), "[]");
	}
	IT ("follows no redirect") {
		CHECK(service_is("url = @/redirect\n", true));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(!err_again(got.code));
		CHECK(strstr(got.error, "169.254.169.254"));
	}
}

static void
test_statuses(void)
{
	static const int again[] = {408, 425, 429, 500, 502, 503, 504},
			 permanent[] = {400, 401, 403, 409, 412, 422};
	struct change_row change = change_of("k", "update", "42", NULL, "{\"tier\":\"x\"}");
	bool all = true;

	IT ("tries again what may pass, and not what will not") {
		for (size_t i = 0; i < ARRAY_LEN(again) + ARRAY_LEN(permanent); i++) {
			bool passes = i < ARRAY_LEN(again);
			AUTO(buf_fini) struct buf keys = BUF_INIT;

			buf_printf(&keys, "url = @/status/%d\n",
				   passes ? again[i] : permanent[i - ARRAY_LEN(again)]);
			all &= service_is(buf_cstr(&keys), true) &&
			       go(&change, false) == TARGET_FAILED && err_again(got.code) == passes;
		}
		CHECK(all);
	}
	IT ("waits as long as it is told to, within reason") {
		CHECK(service_is("url = @/status/429?7\n", true));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.retry_after_ms, 7000);
		CHECK(service_is("url = @/status/503?1000000000000000000000\n", true));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.retry_after_ms, 24LL * 3600 * 1000);
		CHECK(service_is("url = @/status/503?-5\n", true));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.retry_after_ms, 0);
		CHECK_INT(http_retry_after(STR("Fri, 20 Nov 2026 09:30:10 GMT"),
					   (struct wall){1795167000000}),
			  10000);
		CHECK_INT(http_retry_after(STR("Fri, 20 Nov 2026 09:29:00 GMT"),
					   (struct wall){1795167000000}),
			  0);
		CHECK_INT(http_retry_after(STR("Fri, 31 Dec 2099 23:59:59 GMT"),
					   (struct wall){1795167000000}),
			  24LL * 3600 * 1000);
		CHECK_INT(http_retry_after(STR("soon"), (struct wall){0}), 0);
	}
	IT ("takes the statuses for success that it is told") {
		CHECK(service_is("url = @/status/409\nsuccess = 200, 409\n", true));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(service_is("url = @/status/204\nsuccess = 200\n", true));
		CHECK_INT(go(&change, false), TARGET_FAILED);
	}
	IT ("takes a delete that finds nothing for done only when it was tried before") {
		change.op = (char *)"delete";
		change.after = NULL;
		CHECK(service_is("url = @/status/404\n", true));
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		change.attempts = 1;
		CHECK_INT(go(&change, false), TARGET_ALREADY);
		change = change_of("k", "update", "42", NULL, "{\"tier\":\"x\"}");
	}
}

static void
test_bad_days(void)
{
	static const char *const places[] = {"drop", "garbage"};
	struct change_row change = change_of("k", "update", "42", NULL, "{\"tier\":\"x\"}");

	IT ("gives up on a slow service at the timeout, to try again") {
		CHECK(service_is("url = @/slow\ntimeout = 300ms\n", true));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_TIMEOUT);
	}
	IT ("tries again when the connection breaks or what comes is not HTTP") {
		for (size_t i = 0; i < ARRAY_LEN(places); i++) {
			AUTO(buf_fini) struct buf keys = BUF_INIT;

			buf_printf(&keys, "url = @/%s\n", places[i]);
			CHECK(service_is(buf_cstr(&keys), true));
			CHECK_INT(go(&change, false), TARGET_FAILED);
			CHECK(err_again(got.code));
		}
	}
	IT ("tries again when nobody listens") {
		CHECK(target_is("http", "url = http://127.0.0.1:1/\nallow_private = yes\n"));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(err_again(got.code));
	}
	IT ("does not go on from a look that is no JSON, too large, or refused") {
		CHECK(service_is("url = @/status/200\nread_url = @/html\n", true));
		ask("/log");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(strstr(got.error, "no JSON"));
		CHECK(service_is("url = @/status/200\nread_url = @/huge\n", true));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(service_is("url = @/status/200\nread_url = @/status/401\n", true));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(!strstr(ask("/log"), "PATCH"));
	}
	IT ("sends no request without the secret that it needs") {
		CHECK(service_is("url = @/status/200\nauth = file:no-such-secret\n", true));
		CHECK(conf_report_warnings(f.report) > 0);
		ask("/log");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(strstr(got.error, "no-such-secret"));
		CHECK_STR(ask("/log"), "[]");
	}
}

static void
test_load(void)
{
	IT ("refuses at load what cannot work, or would let a change choose the host") {
		CHECK(!target_is("http", "url = ftp://example.com/\n"));
		CHECK(!target_is("http", "url = https://{entity}/x\n"));
		CHECK(!target_is("http", "url = https://example.com{entity}/x\n"));
		CHECK(!target_is("http", "url = https://user:pw@example.com/\n"));
		CHECK(!target_is("http", "url = https://example.com/{nope}\n"));
		CHECK(!target_is("http", "url = https://example.com/{entity\n"));
		CHECK(!target_is("http", "url = https://example.com/\nsuccess = 200, many\n"));
		CHECK(!target_is("http", "url = https://example.com/\nheader.A B = x\n"));
		CHECK(!target_is("http", ""));
		CHECK(target_is("http", "url = https://example.com/\n"));
	}
}

int
main(void)
{
	fake_init(&f);
	if (!service_start()) {
		printf("1..0 # SKIP python3 is not there\n");
		return 0;
	}
	test_apply();
	test_hostile();
	test_statuses();
	test_bad_days();
	test_load();
	target_free();
	buf_fini(&asked.body);
	close(service_stdin);
	fake_fini(&f);
	return tap_done();
}
