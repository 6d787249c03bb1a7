/* What tools did within a reply is searched like its text; replies from before are indexed again.
 */
#include "db/search_index.h"
#include "db/sqlite_fts5.h"
#include "support.h"

#define BEFORE 27

#define CALL(word)                                                                                 \
    "'{\"tool_call\":{\"id\":\"a\",\"name\":\"look\",\"arguments\":{\"for\":\"" word               \
    "\"}}}' || char(10)"
#define RESULT "'{\"tool_result\":{\"id\":\"a\",\"name\":\"look\",\"content\":\"'"
#define LONG(word)                                                                                 \
    RESULT " || replace(printf('%.10000c', 'x'), 'x', '" word " ') || 'finish\"}}' || char(10)"

static const char sessions[] =
    "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
    " VALUES (1, 'moon', '', '', '');"
    "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, created_at,"
    " updated_at) VALUES (1, 's', 1, '', '', '', '')";

/* Of each kind: short, long by its text, long by its steps, without steps, not ended, in the queue,
 * in the queue with some of its parts. */
static const char messages[] =
    "INSERT INTO chat_messages (id, user_id, session_row, role, content, steps, status,"
    " created_at, updated_at) VALUES"
    " (1, 1, 1, 'assistant', 'tide', " CALL(
        "ebb") ", 'complete', '', ''),"
               " (2, 1, 1, 'assistant', printf('%.40000c', 'b') || ' tide', " CALL(
                   "ebb") ", 'complete', '', ''),"
                          " (3, 1, 1, 'assistant', 'tide', " LONG(
                              "wave") ", 'complete', '', ''),"
                                      " (4, 1, 1, 'assistant', 'tide', '', 'complete', '', ''),"
                                      " (5, 1, 1, 'assistant', 'tide', " CALL(
                                          "ebb") ", 'waiting', '', ''),"
                                                 " (6, 1, 1, 'assistant', 'tide', " CALL(
                                                     "ebb") ", 'complete', '', ''),"
                                                            " (7, 1, 1, 'assistant', "
                                                            "printf('%.40000c', 'b') || ' "
                                                            "tide', " CALL(
                                                                "ebb") ", 'complete', '', '')";

/* As writers do from the version on. */
static const char search_text[] =
    "UPDATE chat_messages SET status = 'complete', steps = steps || " CALL(
        "flood") ","
                 " search_text = tidetalk_search_text(content, steps || " CALL("flood") ")";

static const char indexed[] =
    "INSERT INTO message_search (rowid, owner, content)"
    " SELECT id, owner, content FROM message_search_source WHERE id <> 6;"
    "INSERT INTO message_parts (id, user_id, ends, content)"
    " SELECT id * 65536, 1, 20000, substr(content, 1, 20000) FROM chat_messages"
    " WHERE id IN (2, 7);"
    "INSERT INTO message_parts (id, user_id, ends, content)"
    " SELECT id * 65536 + 1, 1, length(content), substr(content, 20001) FROM chat_messages"
    " WHERE id = 2;"
    "INSERT INTO message_part_search (rowid, owner, content)"
    " SELECT id, owner, content FROM message_part_source;"
    "DELETE FROM message_search_queue WHERE id NOT IN (6, 7);"
    "UPDATE message_search_queue SET parts = 1, next = 20000 WHERE id = 7";

static struct tt_search_index steps_index;

static void begin_index(struct fixture *f)
{
    steps_index = (struct tt_search_index){0};
    open_db(f, NULL);
    tt_search_index_start(&steps_index, f->db, f->loop);
}

static void end_index(struct fixture *f)
{
    tt_search_index_stop(&steps_index);
    for (int i = 0; i < 1000 && steps_index.running; i++)
        tt_loop_tick(f->loop, 20);
    close_db(f);
}

static void assert_sound(struct fixture *f)
{
    outside_exec(f->path, "INSERT INTO message_part_search (message_part_search, rank)"
                          " VALUES ('integrity-check', 1);"
                          "INSERT INTO message_search (message_search, rank)"
                          " VALUES ('integrity-check', 1)");
}

static void turn_until_empty(struct fixture *f)
{
    static const char left[] = "SELECT (SELECT count(*) FROM message_search_queue)"
                               " + (SELECT count(*) FROM message_parts_gone)";
    for (int i = 0; i < 3000 && outside_int(f->path, left) > 0; i++)
        tt_loop_tick(f->loop, 20);
    assert_int_equal(outside_int(f->path, left), 0);
    assert_sound(f);
}

/* The messages whose entries have a word. */
static void holds(struct fixture *f, const char *word, const char *ids)
{
    char sql[400], text[100];
    snprintf(sql, sizeof(sql),
             "SELECT coalesce(group_concat(id), '') FROM (SELECT rowid AS id FROM message_search"
             " WHERE message_search MATCH '%s' UNION SELECT rowid / 65536 FROM message_part_search"
             " WHERE message_part_search MATCH '%s' ORDER BY 1)",
             word, word);
    outside_text(f->path, sql, text, sizeof(text));
    assert_string_equal(text, ids);
}

static void change(struct fixture *f, const char *sql)
{
    struct result result;
    run(f, job_of(sql, NULL, NULL), &result);
    assert_int_equal(result.error.status, 0);
}

static void write_rows(struct fixture *f)
{
    tt_fts5_setup();
    fixture_migrate(f, -1);
    fixture_migrate(f, BEFORE);
    outside_exec(f->path, sessions);
    outside_exec(f->path, messages);
    outside_exec(f->path, indexed);
}

static void replies_from_before_are_indexed_again(void **state)
{
    struct fixture *f = fixture_new("SELECT 1");
    (void)state;

    write_rows(f);
    fixture_migrate(f, -1);
    begin_index(f);
    turn_until_empty(f);
    holds(f, "tide", "1,2,3,4,6,7");
    holds(f, "ebb", "1,2,6,7");
    holds(f, "finish", "3");
    end_index(f);
    fixture_free(f);
}

static void the_version_before_has_them_without_steps(void **state)
{
    struct fixture *f = fixture_new("SELECT 1");
    (void)state;

    write_rows(f);
    fixture_migrate(f, -1);
    begin_index(f);
    turn_until_empty(f);
    end_index(f);
    outside_exec(f->path, "UPDATE chat_messages SET status = 'streaming' WHERE id = 7;"
                          "DELETE FROM chat_messages WHERE id = 3");
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM message_parts_gone"), 2);
    fixture_migrate(f, BEFORE);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM message_parts"), 0);
    holds(f, "ebb", "");
    outside_exec(f->path, "DELETE FROM chat_messages");
    assert_sound(f);
    fixture_migrate(f, -1);
    assert_sound(f);
    fixture_free(f);
}

/* Its steps are found when it has ended; a reply that goes on leaves the index, whatever its size.
 */
static void a_reply_is_indexed_whenever_it_ends(void **state)
{
    struct fixture *f = fixture_new("SELECT 1");
    (void)state;

    tt_fts5_setup();
    fixture_migrate(f, -1);
    outside_exec(f->path, sessions);
    outside_exec(f->path, messages);
    begin_index(f);
    turn_until_empty(f);
    holds(f, "ebb", "");
    change(f, "UPDATE chat_messages SET status = 'streaming' WHERE id <> 5");
    change(f, search_text);
    turn_until_empty(f);
    holds(f, "ebb", "1,2,5,6,7");
    change(f, "UPDATE chat_messages SET status = 'streaming'");
    change(f, search_text);
    turn_until_empty(f);
    holds(f, "ebb", "1,2,5,6,7");
    holds(f, "flood", "1,2,3,4,5,6,7");
    holds(f, "finish", "3");
    change(f, "DELETE FROM chat_messages");
    turn_until_empty(f);
    holds(f, "flood", "");
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM message_parts"), 0);
    end_index(f);
    fixture_free(f);
}

/* The cases are also those of tests/postgres/search_steps.test.mjs. */
static void the_text_of_steps(void **state)
{
    static const char sql[] =
        "SELECT coalesce(group_concat(value ->> 'name' || ': '"
        " || tidetalk_search_text(value ->> 'content', value ->> 'steps'), char(10)), '')"
        " FROM json_each(?1) WHERE"
        " tidetalk_search_text(value ->> 'content', value ->> 'steps') IS NOT value ->> 'text'";
    static char cases[16 << 10];
    FILE *file = fopen(TT_TEST_DATA "/search_text/cases.json", "re");
    sqlite3_stmt *statement = NULL;
    (void)state;

    tt_fts5_setup();
    sqlite3 *handle = outside_open(":memory:");
    assert_non_null(file);
    size_t size = fread(cases, 1, sizeof(cases), file);
    fclose(file);
    assert_in_range(size, 1000, sizeof(cases) - 1);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
    sqlite3_bind_text(statement, 1, cases, (int)size, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "");
    sqlite3_finalize(statement);
    sqlite3_close(handle);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_from_before_are_indexed_again),
        cmocka_unit_test(the_version_before_has_them_without_steps),
        cmocka_unit_test(a_reply_is_indexed_whenever_it_ends),
        cmocka_unit_test(the_text_of_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
