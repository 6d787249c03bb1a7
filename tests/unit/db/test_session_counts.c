/* The migration that makes the table of sessions anew, on a database with rows in it: numbers fit
 * the rows, and the way back takes what deleted sessions left. */
#include "db/sqlite_fts5.h"
#include "support.h"

#define BEFORE 16

static void assert_text(struct fixture *f, const char *sql, const char *expected)
{
    char text[500];
    outside_text(f->path, sql, text, sizeof(text));
    assert_string_equal(text, expected);
}

#define SESSIONS                                                                                   \
    "SELECT group_concat(id || session_id || user_id || title || model_name || persona ||"         \
    " message_count || version || created_at || updated_at, '|') FROM"                             \
    " (SELECT * FROM chat_sessions WHERE user_id IS NOT NULL ORDER BY id)"

static void counts_and_goes_back(void **state)
{
    struct fixture *f = fixture_new("SELECT 1");
    (void)state;

    tt_fts5_setup();
    fixture_migrate(f, -1);
    fixture_migrate(f, BEFORE);
    outside_exec(
        f->path,
        "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
        " VALUES (1, 'moon', '', '', ''), (2, 'sun', '', '', ''), (3, 'star', '', '', '');"
        "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, persona,"
        " message_count, version, created_at, updated_at) VALUES"
        " (1, 'a', 1, 'A', 'm', 'p', 2, 5, 'x', 'y'), (2, 'b', 1, 'B', 'm', '', 0, 1, 'x', 'y'),"
        " (9, 'c', 2, 'C', 'm', '', 0, 1, 'x', 'y');"
        "INSERT INTO chat_messages (id, user_id, session_row, role, content, created_at,"
        " updated_at) VALUES (1, 1, 1, 'user', 'tide', '', ''), (2, 1, 2, 'user', 'tide', '', '');"
        "INSERT INTO reply_chunks VALUES (1, 0, 0, x'736f');"
        "INSERT INTO uploaded_files (user_id, session_row, file_name, file_type, file_key,"
        " file_size, created_at, updated_at) VALUES (1, 1, 'f', '.txt', 'k1', 10, '', ''),"
        " (1, 1, 'f', '.txt', 'k2', 5, '', ''), (1, 2, 'f', '.txt', 'k3', 1, '', '')");
    fixture_migrate(f, -1);
    assert_text(f, SESSIONS, "1a1Amp25xy|2b1Bm01xy|9c2Cm01xy");
    assert_text(f,
                "SELECT group_concat(session_count || '/' || file_bytes) FROM"
                " (SELECT * FROM users ORDER BY id)",
                "2/16,1/0,0/0");
    assert_text(f, "SELECT group_concat(file_count) FROM (SELECT * FROM chat_sessions ORDER BY id)",
                "2,1,0");

    outside_exec(f->path,
                 "UPDATE chat_sessions SET session_id = NULL, user_id = NULL WHERE id = 1");
    fixture_migrate(f, BEFORE);
    assert_text(f, SESSIONS, "2b1Bm01xy|9c2Cm01xy");
    assert_text(f, "SELECT group_concat(id) FROM chat_messages", "2");
    assert_text(f, "SELECT group_concat(file_key) FROM uploaded_files", "k3");
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM reply_chunks"), 0);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    fixture_migrate(f, -1);
    assert_text(f, SESSIONS, "2b1Bm01xy|9c2Cm01xy");
    fixture_free(f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_and_goes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
