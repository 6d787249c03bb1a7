/* The migration that makes the table of messages anew, on a database with messages in it: nothing
 * is lost, no id is given out again, and the conditions still hold. */
#include "db/sqlite_fts5.h"
#include "support.h"

#define BEFORE 9

static int exec(struct fixture *f, const char *sql)
{
    sqlite3 *handle = outside_open(f->path);
    sqlite3_exec(handle, "PRAGMA foreign_keys=ON", NULL, NULL, NULL);
    int rc = sqlite3_exec(handle, sql, NULL, NULL, NULL);
    sqlite3_close(handle);
    return rc;
}

static void fill(struct fixture *f)
{
    outside_exec(
        f->path,
        "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
        " VALUES (1, 'moon', '', '', '');"
        "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, created_at,"
        " updated_at) VALUES (1, 's', 1, '', '', '', '');"
        "INSERT INTO chat_messages (id, user_id, session_row, parent_id, role, content,"
        " reasoning, tool_calls, runs, status, usage, delivered, created_at, updated_at)"
        " VALUES (1, 1, 1, NULL, 'user', 'tide', '', '', '', 'complete', NULL, 1, 'a', 'b'),"
        " (2, 1, 1, 1, 'assistant', 'high', 'why', '[]', 'r3c4', 'complete', '{}', 0, 'c',"
        " 'd'), (3, 1, 1, 2, 'assistant', '', '', '', '', 'streaming', NULL, 1, 'e', 'f'),"
        " (9, 1, 1, 2, 'user', 'gone', '', '', '', 'complete', NULL, 1, 'g', 'h');"
        "DELETE FROM chat_messages WHERE id = 9;"
        "INSERT INTO reply_chunks VALUES (3, 0, 0, x'736f')");
}

#define ALL                                                                                        \
    "SELECT group_concat(id || user_id || session_row || coalesce(parent_id, '-') || role ||"      \
    " content || reasoning || tool_calls || runs || status || coalesce(usage, '-') || delivered"   \
    " || created_at || updated_at, '|') FROM (SELECT * FROM chat_messages ORDER BY id)"

static void assert_same(struct fixture *f, const char *expected)
{
    char now[1000];
    outside_text(f->path, ALL, now, sizeof(now));
    assert_string_equal(now, expected);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM reply_chunks"), 1);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

static void keeps_everything_in_both_directions(void **state)
{
    struct fixture *f = fixture_new("SELECT 1");
    char before[1000];
    (void)state;

    tt_fts5_setup();
    fixture_migrate(f, -1);
    fixture_migrate(f, BEFORE);
    fill(f);
    outside_text(f->path, ALL, before, sizeof(before));
    fixture_migrate(f, -1);
    assert_same(f, before);
    assert_int_equal(exec(f, "INSERT INTO chat_messages (user_id, session_row, role, content,"
                             " created_at, updated_at) VALUES (1, 1, 'system', 'x', '', '')"),
                     SQLITE_OK);
    assert_int_equal(outside_int(f->path, "SELECT max(id) FROM chat_messages"), 10);
    assert_int_equal(exec(f, "DELETE FROM chat_messages WHERE id = 10"), SQLITE_OK);
    fixture_migrate(f, BEFORE);
    assert_same(f, before);
    fixture_free(f);
}

static void conditions_indexes_and_triggers_hold(void **state)
{
    struct fixture *f = fixture_new("SELECT 1");
    (void)state;

    tt_fts5_setup();
    fixture_migrate(f, -1);
    fill(f);
    assert_int_equal(exec(f, "UPDATE chat_messages SET status = 'done' WHERE id = 1"),
                     SQLITE_CONSTRAINT);
    assert_int_equal(exec(f, "UPDATE chat_messages SET role = 'tool' WHERE id = 1"),
                     SQLITE_CONSTRAINT);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM message_search_queue"), 2);
    assert_int_equal(exec(f, "UPDATE chat_messages SET status = 'complete' WHERE id = 3"),
                     SQLITE_OK);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM message_search_queue"), 3);
    assert_int_equal(exec(f, "DELETE FROM chat_sessions"), SQLITE_OK);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM chat_messages"), 0);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM message_search_queue"), 0);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM sqlite_schema"
                                          " WHERE tbl_name = 'chat_messages' AND type = 'index'"),
                     3);
    fixture_free(f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_everything_in_both_directions),
        cmocka_unit_test(conditions_indexes_and_triggers_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
