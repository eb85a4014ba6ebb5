/* SQL targets, on real SQLite files. */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "plugins/kinds.h"
#include "plugins/targets/sql.h"
#include "tests/fakes/target.h"
#include "tests/unit/tap.h"

static sqlite3 *crm; /* another user of the database */

/* --- the database -------------------------------------------------------------------------- */

static void
sql(const char *text)
{
	char *message = NULL;

	if (sqlite3_exec(crm, text, NULL, NULL, &message) != SQLITE_OK)
		printf("# %s: %s\n", text, message);
	sqlite3_free(message);
}

/* The first value of a query as text. */
static const char *
ask(const char *text)
{
	static char answer[256];
	sqlite3_stmt *stmt = NULL;

	snprintf(answer, sizeof(answer), "nothing");
	if (sqlite3_prepare_v2(crm, text, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		snprintf(answer, sizeof(answer), "%s",
			 sqlite3_column_text(stmt, 0) ? (const char *)sqlite3_column_text(stmt, 0)
						      : "NULL");
	sqlite3_finalize(stmt);
	return answer;
}

static void
database_new(void)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	sqlite3_close(crm);
	buf_printf(&path, "%s/crm.db", f.dir);
	unlink(buf_cstr(&path));
	sqlite3_open(buf_cstr(&path), &crm);
	sql("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, tier TEXT, vip "
	    "BOOLEAN, balance INTEGER,"
	    " score REAL, tags TEXT, zip TEXT, photo BLOB);"
	    "INSERT INTO customers VALUES (42, 'Ada', 'free', 0, 9007199254740993, 0.1, '[\"a\", "
	    "\"b\"]', '01234', x'00ff10');"
	    "INSERT INTO customers (id, name, tier) VALUES (43, 'Bob', 'free')");
}

#define TABLE "url = sqlite:crm.db\ntable = customers\n"

/* --- the simple form ----------------------------------------------------------------------- */

static void
test_table(void)
{
	struct change_row change;
	char receipt[sizeof(got.receipt)];

	IT ("updates only the columns that after names") {
		database_new();
		CHECK(target_is("sql", TABLE));
		change = change_of("k1", "update", "42", "{\"tier\":\"free\"}",
				   "{\"tier\":\"gold\",\"vip\":true}");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT tier || vip || name FROM customers WHERE id = 42"),
			  "gold1Ada");
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 43"), "free");
		CHECK(strstr(got.receipt, "\"rows\":1"));
		CHECK(strstr(got.receipt, "\"before\":{\"id\":42,\"tier\":\"free\",\"vip\":0}"));
		memcpy(receipt, got.receipt, sizeof(receipt));
	}
	IT ("says that it had been done when it is asked again under the same key, and does "
	    "nothing") {
		sql("UPDATE customers SET tier = 'by hand' WHERE id = 42");
		CHECK_INT(go(&change, false), TARGET_ALREADY);
		CHECK(strstr(got.receipt, "00000000c0de"));
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 42"), "by hand");
		CHECK_STR(ask("SELECT count(*) FROM rouse_applied"), "1");
	}
	IT ("does not take back what somebody changed since") {
		change.receipt = receipt;
		CHECK_INT(go(&change, true), TARGET_DRIFTED);
		CHECK(strstr(got.current, "by hand"));
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 42"), "by hand");
	}
	IT ("takes an update back to what was there, from its receipt") {
		sql("UPDATE customers SET tier = 'gold' WHERE id = 42");
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(ask("SELECT tier || vip FROM customers WHERE id = 42"), "free0");
		CHECK_INT(go(&change, true), TARGET_ALREADY);
	}
	IT ("finds drift before it touches anything") {
		change = change_of("k2", "update", "42", "{\"tier\":\"silver\",\"name\":\"Ada\"}",
				   "{\"tier\":\"gold\"}");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK_STR(got.current, "{\"id\":42,\"tier\":\"free\",\"name\":\"Ada\"}");
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 42"), "free");
		CHECK_STR(ask("SELECT count(*) FROM rouse_applied"), "2");
	}
	IT ("keeps integers, booleans, nulls, reals, objects and texts as they are, there and "
	    "back") {
		change = change_of("k3", "update", "42",
				   "{\"balance\":9007199254740993,\"vip\":false,\"score\":0.1,"
				   "\"tags\":[\"a\",\"b\"],\"zip\":1234}",
				   "{\"balance\":-9223372036854775808,\"vip\":null,\"score\":1e3,"
				   "\"tags\":{\"x\":[1]},\"zip\":99,"
				   "\"name\":\"'; DROP TABLE customers; --\"}");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		change.before = (char *)"{\"balance\":9007199254740993,\"vip\":false,\"score\":0.1,"
					"\"tags\":[\"a\",\"b\"],\"zip\":\"01234\"}";
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT balance || typeof(balance) FROM customers WHERE id = 42"),
			  "-9223372036854775808integer");
		CHECK_STR(ask("SELECT typeof(vip) FROM customers WHERE id = 42"), "null");
		CHECK_STR(ask("SELECT tags FROM customers WHERE id = 42"), "{\"x\":[1]}");
		CHECK_STR(ask("SELECT name FROM customers WHERE id = 42"),
			  "'; DROP TABLE customers; --");
		change.receipt = memcpy(receipt, got.receipt, sizeof(receipt));
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(ask("SELECT balance || vip || score || tags || zip || name FROM "
			      "customers WHERE id = 42"),
			  "900719925474099300.1[\"a\", \"b\"]01234Ada");
	}
	IT ("reads names and texts however they are escaped, each name once") {
		change = change_of("k3e", "update", "43", "{\"n\\u0061me\":\"B\\u006fb\"}",
				   "{\"n\\u0061me\":\"B\\\"ob\",\"name\":\"no\"}");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT name FROM customers WHERE id = 43"), "B\"ob");
		change.receipt = memcpy(receipt, got.receipt, sizeof(receipt));
		CHECK_INT(go(&change, true), TARGET_DRIFTED);
		change.after = (char *)"{\"n\\u0061me\":\"B\\\"ob\"}";
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(ask("SELECT name FROM customers WHERE id = 43"), "Bob");
	}
	IT ("creates a row that is not there, and refuses to where one is") {
		change = change_of("k4", "create", "50", NULL, "{\"name\":\"Eve\"}");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT name FROM customers WHERE id = 50"), "Eve");
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(ask("SELECT count(*) FROM customers WHERE id = 50"), "0");
		change = change_of("k5", "create", "42", NULL, "{\"name\":\"Eve\"}");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK(strstr(got.current, "Ada"));
	}
	IT ("creates a row without an entity, and knows afterwards which it was") {
		change = change_of("k6", "create", NULL, NULL, "{\"name\":\"New\"}");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(strstr(got.receipt, "\"id\":44"));
		change.receipt = memcpy(receipt, got.receipt, sizeof(receipt));
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(ask("SELECT count(*) FROM customers WHERE name = 'New'"), "0");
	}
	IT ("deletes a row and brings it back whole, its bytes too") {
		change = change_of("k7", "delete", "42", "{\"name\":\"Ada\"}", NULL);
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT count(*) FROM customers WHERE id = 42"), "0");
		change.receipt = memcpy(receipt, got.receipt, sizeof(receipt));
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(ask("SELECT hex(photo) || name || balance FROM customers WHERE id = 42"),
			  "00FF10Ada9007199254740993");
	}
	IT ("finds a conflict where there is no such row (any more)") {
		change = change_of("k8", "update", "999", NULL, "{\"tier\":\"x\"}");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		change =
			change_of("k8", "update", "999", "{\"tier\":\"free\"}", "{\"tier\":\"x\"}");
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK_STR(got.current, "");
	}
	IT ("fails for good where the database refuses, and leaves nothing of it") {
		change = change_of("k9", "update", "42", NULL, "{\"tier\":\"x\",\"name\":null}");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_CONFLICT);
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 42"), "free");
		CHECK_STR(ask("SELECT count(*) FROM rouse_applied WHERE key = 'k9'"), "0");
	}
	IT ("takes a patch for what it names") {
		change = change_of("k10", "update", "43", NULL, NULL);
		change.patch = (char *)"{\"tier\":\"patched\"}";
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 43"), "patched");
	}
}

static void
test_table_check(void)
{
	const char *text;

	IT ("sends a proposal back that the table has no place for") {
		database_new();
		CHECK(target_is("sql", TABLE));
		CHECK(check("update", "42", "{\"tier\":\"free\"}", "{\"tier\":\"gold\"}", &text));
		CHECK(!check("update", "42", NULL, "{\"teir\":\"gold\"}", &text));
		CHECK(strstr(text, "did you mean tier"));
		CHECK(!check("update", "42", "{\"tier \":\"free\"}", "{\"tier\":\"gold\"}", &text));
		CHECK(!check("update", NULL, NULL, "{\"tier\":\"gold\"}", &text));
		CHECK(!check("update", "42", NULL, NULL, &text));
		CHECK(!check("update", "42", NULL, "[1]", &text));
		CHECK(!check("update", "42", NULL, "{}", &text));
		CHECK(!check("call", "42", NULL, "{\"tier\":1}", &text));
		CHECK(!check("update", "42", NULL, "{\"id\":43,\"tier\":1}", &text));
		CHECK(check("update", "42", NULL, "{\"id\":42,\"tier\":1}", &text));
		CHECK(check("delete", "42", NULL, NULL, &text));
		CHECK(check("create", NULL, NULL, "{\"name\":\"x\"}", &text));
		CHECK(!check("update", "42", NULL, "{\"balance\":99999999999999999999}", &text));
		CHECK(strstr(text, "as a string"));
		CHECK(!check("update", "42", NULL, "{\"x\\\"; DROP TABLE customers; --\":1}",
			     &text));
	}
	IT ("sees a column that was added since") {
		CHECK(!check("update", "42", NULL, "{\"phone\":\"1\"}", &text));
		sql("ALTER TABLE customers ADD COLUMN phone TEXT");
		CHECK(check("update", "42", NULL, "{\"phone\":\"1\"}", &text));
	}
	IT ("does not let a name that is no column through to the statement either") {
		struct change_row change =
			change_of("n1", "update", "42", NULL, "{\"no\\\"pe\":\"1\"}");

		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_INVALID);
	}
	IT ("writes into columns and tables with strange names") {
		struct change_row change =
			change_of("n2", "update", "a'b", NULL, "{\"we\\\"ird col\":5}");

		sql("CREATE TABLE \"odd \"\"table\" (\"the id\" TEXT, \"we\"\"ird col\" INT); "
		    "INSERT INTO \"odd \"\"table\" VALUES ('a''b', 1)");
		CHECK(target_is("sql",
				"url = sqlite:crm.db\ntable = odd \"table\nid_column = the id\n"));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT \"we\"\"ird col\" FROM \"odd \"\"table\""), "5");
	}
	IT ("refuses to choose between two rows of one id") {
		struct change_row change =
			change_of("n3", "update", "a'b", NULL, "{\"we\\\"ird col\":6}");

		sql("INSERT INTO \"odd \"\"table\" VALUES ('a''b', 1)");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(strstr(got.error, "more than one row"));
		CHECK_STR(ask("SELECT max(\"we\"\"ird col\") FROM \"odd \"\"table\""), "5");
	}
}

/* --- the general form ---------------------------------------------------------------------- */

static void
test_statements(void)
{
	struct change_row change;
	const char *text;

	IT ("runs statements of one's own, by operation") {
		database_new();
		CHECK(target_is("sql",
				"url = sqlite:crm.db\n"
				"read = SELECT tier, 'it''s :entity' AS q FROM customers WHERE id "
				"= :entity\n"
				"apply = UPDATE customers SET tier = :after.tier /* :nothing */ "
				"WHERE id = :entity\n"
				"apply_delete = DELETE FROM customers WHERE id = :entity AND tier "
				"= :before.tier\n"));
		change = change_of("s1", "update", "42", "{\"tier\":\"free\"}",
				   "{\"tier\":\"gold\"}");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 42"), "gold");
		CHECK(strstr(got.receipt, "it's :entity"));
	}
	IT ("takes an update back by the same statement with before and after exchanged") {
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 42"), "free");
	}
	IT ("says what is missing where nothing takes a delete back") {
		change = change_of("s2", "delete", "43", "{\"tier\":\"free\"}", NULL);
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_INT(go(&change, true), TARGET_FAILED);
		CHECK(strstr(got.error, "apply_create"));
		CHECK(!err_again(got.code));
	}
	IT ("names what a statement uses and a proposal lacks") {
		CHECK(check("update", "42", NULL, "{\"tier\":\"gold\"}", &text));
		CHECK(!check("update", "42", NULL, "{\"other\":1}", &text));
		CHECK(strstr(text, "after.tier"));
		CHECK(!check("update", NULL, NULL, "{\"tier\":1}", &text));
		CHECK(strstr(text, ":entity"));
		CHECK(!check("delete", "42", NULL, NULL, &text));
		CHECK(strstr(text, "before.tier"));
	}
	IT ("uses a revert statement as it is written") {
		database_new();
		CHECK(target_is("sql",
				"url = sqlite:crm.db\nledger = no\n"
				"apply = UPDATE customers SET balance = balance + :after.amount "
				"WHERE id = :entity\n"
				"revert = UPDATE customers SET balance = balance - :after.amount "
				"WHERE id = :entity\n"));
		sql("UPDATE customers SET balance = 10 WHERE id = 42");
		change = change_of("s3", "call", "42", NULL, "{\"amount\":5}");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT balance FROM customers WHERE id = 42"), "15");
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK_STR(ask("SELECT balance FROM customers WHERE id = 42"), "10");
		CHECK_STR(ask("SELECT count(*) FROM sqlite_master WHERE name = 'rouse_applied'"),
			  "0");
	}
	IT ("reaches into objects, and numbers a name once") {
		struct sql_text parsed;
		AUTO(err_fini) struct err err = ERR_INIT;

		CHECK(sql_text_parse("UPDATE t SET a = :after.x.y, b = :after.x.y, c = ':after.z' "
				     "-- :after.q\n, d = a::int",
				     '$', &parsed, &err));
		CHECK_STR(parsed.text,
			  "UPDATE t SET a = $1, b = $1, c = ':after.z' -- :after.q\n, d = a::int");
		CHECK_INT(parsed.count, 1);
		CHECK_STR(parsed.params[0].path, "x.y");
		sql_text_fini(&parsed);
		CHECK(!sql_text_parse("SELECT :nope", '?', &parsed, &err));
		CHECK(strstr(err_text(&err), ":nope"));
		CHECK(!sql_text_parse("  ", '?', &parsed, &err));
		CHECK(sql_text_parse("SELECT 'open :entity", '?', &parsed, &err));
		CHECK_INT(parsed.count, 0);
		sql_text_fini(&parsed);
	}
}

static void
test_load(void)
{
	IT ("refuses at load what cannot work, with a sentence") {
		CHECK(!target_is("sql", "url = sqlite:crm.db\n"));
		CHECK(strstr(fake_report(&f), "table = NAME"));
		CHECK(!target_is("sql", "url = mysql:crm\ntable = t\n"));
		CHECK(!target_is("sql", "url = sqlite:\ntable = t\n"));
		CHECK(!target_is("sql", "url = sqlite:crm.db\ntable = t\napply = SELECT 1\n"));
		CHECK(!target_is(
			"sql",
			"url = sqlite:crm.db\napply = UPDATE customers SET tier = :aftr.tier\n"));
		CHECK(!target_is("sql",
				 "url = sqlite:crm.db\napply = UPDAT customers SET tier = 1\n"));
		CHECK(strstr(fake_report(&f), "syntax error"));
		CHECK(!target_is("sql",
				 "url = sqlite:crm.db\napply = DELETE FROM customers;DELETE FROM "
				 "customers\n"));
		CHECK(strstr(fake_report(&f), "one statement"));
	}
	IT ("only warns of what may still come: the file, a table, a column") {
		CHECK(target_is("sql", "url = sqlite:later.db\ntable = t\n"));
		CHECK_INT(conf_report_warnings(f.report), 1);
		CHECK(target_is("sql", "url = sqlite:crm.db\ntable = later\n"));
		CHECK_INT(conf_report_warnings(f.report), 1);
		CHECK(target_is("sql", "url = sqlite:crm.db\napply = UPDATE customers SET later = "
				       ":after.later WHERE id = :entity\n"));
		CHECK_INT(conf_report_warnings(f.report), 1);
	}
}

/* --- bad days ------------------------------------------------------------------------------ */

struct tally {
	unsigned want, given, done, already;
	bool all;
};

static void
tally_done(void *arg, const struct target_result *result, struct err *err)
{
	struct tally *tally = arg;

	(void)err;
	tally->done += result->outcome == TARGET_DONE;
	tally->already += result->outcome == TARGET_ALREADY;
	tally->all = ++tally->given == tally->want;
}

static void
test_bad_days(void)
{
	struct change_row change = change_of("b1", "update", "42", NULL, "{\"tier\":\"bad day\"}");
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct stat st;

	IT ("makes no database where there is none") {
		CHECK(target_is("sql", "url = sqlite:missing.db\ntable = customers\n"));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_NOT_FOUND);
		buf_printf(&path, "%s/missing.db", f.dir);
		CHECK(stat(buf_cstr(&path), &st));
	}
	IT ("waits for another writer, and is to be tried again when that takes too long") {
		database_new();
		CHECK(target_is("sql", TABLE "busy_timeout = 200ms\n"));
		sql("BEGIN IMMEDIATE");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(err_again(got.code));
		sql("COMMIT");
		CHECK_INT(go(&change, false), TARGET_DONE);
	}
	IT ("ends a statement that takes for ever at the timeout") {
		change.key = (char *)"b2";
		CHECK(target_is("sql",
				"url = sqlite:crm.db\ntimeout = 300ms\n"
				"apply = UPDATE customers SET tier = (WITH RECURSIVE n(i) AS "
				"(SELECT 1 UNION ALL SELECT i + 1 FROM n) "
				"SELECT max(i) FROM n) WHERE id = :entity\n"));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_TIMEOUT);
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 42"), "bad day");
	}
	IT ("says so when the file is no database") {
		AUTO(buf_fini) struct buf garbage = BUF_INIT;

		buf_printf(&garbage, "%s/garbage.db", f.dir);
		CHECK(os_write_file(buf_cstr(&garbage),
				    STR("this is no database, but long enough to look at: "
					"....................................................."),
				    0600, NULL));
		CHECK(target_is("sql", "url = sqlite:garbage.db\ntable = t\n"));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_CORRUPT);
	}
	IT ("keeps no before-image of a row that is enormous, and does not delete it then") {
		change = change_of("b3", "delete", "42", NULL, NULL);
		CHECK(target_is("sql", TABLE));
		sql("UPDATE customers SET photo = zeroblob(9000000) WHERE id = 42");
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_TOO_LARGE);
		change = change_of("b4", "update", "42", "{\"name\":\"Ada\"}",
				   "{\"tier\":\"fine\"}");
		CHECK_INT(go(&change, false), TARGET_DONE);
	}
	IT ("takes a value of some MiB") {
		struct buf huge = BUF_INIT;

		buf_puts(&huge, "{\"tags\":\"");
		for (int i = 0; i < 3 << 20; i++)
			buf_putc(&huge, 'x');
		buf_puts(&huge, "\"}");
		change = change_of("b5", "update", "43", NULL, buf_cstr(&huge));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT length(tags) FROM customers WHERE id = 43"), "3145728");
		buf_fini(&huge);
	}
	IT ("applies changes of different entities at once, each once") {
		enum { MANY = 16 };
		struct change_row changes[MANY];
		char keys[MANY][8];
		struct tally tally = {.want = MANY};

		database_new();
		sql("PRAGMA journal_mode = WAL");
		for (int i = 0; i < MANY; i++) {
			snprintf(keys[i], sizeof(keys[i]), "par%d", i / 2);
			changes[i] = change_of(keys[i], "update", i & 2 ? "42" : "43", NULL,
					       "{\"score\":1}");
			t.kind->apply(&f.core, &t, &changes[i], false, tally_done, &tally);
		}
		CHECK(fake_until_true(&f, &tally.all, TARGET_MS));
		CHECK_INT(tally.done, MANY / 2);
		CHECK_INT(tally.already, MANY / 2);
		CHECK_STR(ask("SELECT count(*) FROM rouse_applied"), "8");
	}
}

/* A daemon of its own, which dies at a named place; what does the next one find? */
static bool
dies_at(const char *place, const char *key, const char *after)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	int status = 0;
	pid_t pid;

	fflush(stdout);
	sqlite3_close(crm);
	crm = NULL;
	buf_printf(&path, "%s/crm.db", f.dir);
	pid = fork();
	if (pid == 0) {
		setenv("ROUSE_CRASH", place, 1);
		execl("/proc/self/exe", "test_plugin_sql", buf_cstr(&path), key, after, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	fake_clean(pid);
	sqlite3_open(buf_cstr(&path), &crm);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static int
doomed(char **args)
{
	struct change_row change = change_of(args[1], "update", "42", NULL, args[2]);
	AUTO(buf_fini) struct buf keys = BUF_INIT;

	fake_init(&f);
	buf_printf(&keys, "url = sqlite:%s\ntable = customers\n", args[0]);
	if (target_is("sql", buf_cstr(&keys)))
		go(&change, false);
	return 1;
}

static void
test_kills(void)
{
	struct change_row change =
		change_of("kill1", "update", "42", NULL, "{\"tier\":\"after the kill\"}");

	IT ("has done nothing when it is killed before the commit, and does it then") {
		database_new();
		CHECK(target_is("sql", TABLE));
		CHECK(dies_at("sql-before-commit", change.key, change.after));
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 42"), "free");
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 42"), "after the kill");
	}
	IT ("has done it once when it is killed behind the commit") {
		change.key = (char *)"kill2";
		change.after = (char *)"{\"tier\":\"once\"}";
		CHECK(dies_at("sql-after-commit", change.key, change.after));
		CHECK_STR(ask("SELECT tier FROM customers WHERE id = 42"), "once");
		CHECK_INT(go(&change, false), TARGET_ALREADY);
	}
}

int
main(int argc, char **argv)
{
	if (argc == 4)
		return doomed(argv + 1);
	fake_init(&f);
	test_kills();
	test_table();
	test_table_check();
	test_statements();
	test_load();
	test_bad_days();
	target_free();
	sqlite3_close(crm);
	fake_fini(&f);
	return tap_done();
}
