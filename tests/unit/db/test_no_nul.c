/* The migration that takes U+0000 out of all texts, on a database from before it: the search index
 * stays sound, and finds what it found. */
#include "db/search_index.h"
#include "db/sqlite_fts5.h"
#include "support.h"

#define BEFORE 20

static const char rows[] =
    "INSERT INTO users (id, username, email, password_hash, created_at, updated_at)"
    " VALUES (1, 'moon', 'a' || char(0) || 'b', '', '', '');"
    "INSERT INTO user_apis (user_id, api_name, model_name, api_key_sealed, seal_salt, created_at,"
    " updated_at) VALUES (1, 'n' || char(0), 'm' || char(0), '', '', '', '');"
    "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, persona, created_at,"
    " updated_at) VALUES (1, 's' || char(0), 1, 't' || char(0), 'm' || char(0), 'p', '', '');"
    "INSERT INTO uploaded_files (user_id, session_row, file_name, file_type, file_key, file_size,"
    " content, created_at, updated_at)"
    " VALUES (1, 1, 'f' || char(0), '.txt', 'k1', 10, 'c' || char(0), '', '');"
    "INSERT INTO api_keys (user_id, name, prefix, key_hash, created_at)"
    " VALUES (1, 'k' || char(0), '', 'h', '');"
    "INSERT INTO chat_messages (id, user_id, session_row, role, content, reasoning, runs, status,"
    " created_at, updated_at) VALUES"
    " (1, 1, 1, 'user', 'short' || char(0) || 'tide', '', '', 'complete', '', ''),"
    " (2, 1, 1, 'user', printf('%.20000c', 'a') || ' ebb ' ||"
    "  CAST(zeroblob(5000) AS TEXT), '', '', 'complete', '', ''),"
    " (3, 1, 1, 'user', printf('%.40000c', 'b') || ' flow ' || char(0), '', '', 'complete', '', "
    "''),"
    " (4, 1, 1, 'assistant', 'x', 'why' || char(0), 'c1r4', 'complete', '', ''),"
    " (5, 1, 1, 'assistant', 'running' || char(0), '', '', 'streaming', '', ''),"
    " (6, 1, 1, 'user', 'queued' || char(0), '', '', 'complete', '', '');"
    "INSERT INTO message_search (rowid, owner, content)"
    " SELECT id, owner, content FROM message_search_source WHERE id <> 6;"
    "INSERT INTO message_parts (id, user_id, ends, content)"
    " SELECT 3 * 65536, 1, 20000, substr(content, 1, 20000) FROM chat_messages WHERE id = 3;"
    "INSERT INTO message_part_search (rowid, owner, content)"
    " SELECT id, owner, content FROM message_part_source;"
    "DELETE FROM message_search_queue WHERE id <> 6 AND id <> 3;"
    "UPDATE message_search_queue SET parts = 1, next = 20000 WHERE id = 3";

static void assert_text(struct fixture *f, const char *sql, const char *expected)
{
    char text[500];
    outside_text(f->path, sql, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void no_row_has_a_nul(struct fixture *f)
{
    static const char *const columns[][2] = {
        {"users", "email"},
        {"user_apis", "api_name"},
        {"user_apis", "model_name"},
        {"chat_sessions", "title"},
        {"chat_sessions", "session_id"},
        {"chat_messages", "content"},
        {"chat_messages", "reasoning"},
        {"uploaded_files", "content"},
        {"api_keys", "name"},
        {"uploaded_files", "file_name"},
        {"chat_sessions", "model_name"},
    };
    for (size_t i = 0; i < TT_COUNT(columns); i++) {
        char sql[200];
        snprintf(sql, sizeof(sql),
                 "SELECT (SELECT count(*) FROM %1$s WHERE instr(%2$s, char(0)) > 0) * 100 +"
                 " (SELECT count(*) > 0 FROM %1$s WHERE instr(%2$s, char(65533)) > 0)",
                 columns[i][0], columns[i][1]);
        if (outside_int(f->path, sql) != 1)
            fail_msg("%s.%s", columns[i][0], columns[i][1]);
    }
}

static void turn_until_indexed(struct fixture *f)
{
    for (int i = 0;
         i < 3000 && outside_int(f->path, "SELECT count(*) FROM message_search_queue") > 0; i++)
        tt_loop_tick(f->loop, 20);
    outside_exec(f->path, "INSERT INTO message_part_search (message_part_search, rank)"
                          " VALUES ('integrity-check', 1);"
                          "INSERT INTO message_search (message_search, rank)"
                          " VALUES ('integrity-check', 1)");
}

static void old_rows_lose_their_nuls(void **state)
{
    struct fixture *f = fixture_new("SELECT 1");
    struct tt_search_index index = {0};
    (void)state;

    tt_fts5_setup();
    fixture_migrate(f, -1);
    fixture_migrate(f, BEFORE);
    outside_exec(f->path, rows);
    fixture_migrate(f, -1);
    no_row_has_a_nul(f);
    assert_text(f, "SELECT email FROM users",
                "a\xEF\xBF\xBD"
                "b");
    assert_text(f,
                "SELECT group_concat(id || ':' || is_long || ':' || parts) FROM"
                " (SELECT * FROM message_search_queue ORDER BY id)",
                "1:0:0,2:1:0,3:1:0,6:0:0");
    assert_text(f, "SELECT reasoning || runs FROM chat_messages WHERE id = 4", "why\xEF\xBF\xBD");

    open_db(f, NULL);
    tt_search_index_start(&index, f->db, f->loop);
    turn_until_indexed(f);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM message_search WHERE"
                                          " message_search MATCH 'tide OR queued'"),
                     2);
    assert_int_equal(outside_int(f->path, "SELECT count(*) > 1 FROM message_part_search WHERE"
                                          " message_part_search MATCH 'ebb OR flow'"),
                     1);
    tt_search_index_stop(&index);
    for (int i = 0; i < 1000 && index.running; i++)
        tt_loop_tick(f->loop, 20);
    fixture_free(f);
}

static void a_database_without_nuls_is_not_touched(void **state)
{
    struct fixture *f = fixture_new("SELECT 1");
    (void)state;

    tt_fts5_setup();
    fixture_migrate(f, -1);
    fixture_migrate(f, BEFORE);
    outside_exec(f->path, rows);
    outside_exec(f->path, "UPDATE chat_messages SET content = 'x' || id, reasoning = ''");
    fixture_migrate(f, -1);
    assert_text(f, "SELECT group_concat(content || runs) FROM chat_messages",
                "x1,x2,x3,x4c1r4,x5,x6");
    fixture_free(f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_rows_lose_their_nuls),
        cmocka_unit_test(a_database_without_nuls_is_not_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
