/* A running reply in the database: checkpoints, the end, the repair, and sessions that go away
 * meanwhile. On the project's own schema. */
#include "chat/reply_repair.h"
#include "chat/reply_store.h"
#include "db/migrate.h"
#include "db/support.h"

#define NOW "'2026-01-01T00:00:00.000000Z'"

static int setup(void **state)
{
    struct fixture *f = TT_NEW(struct fixture);
    struct tt_migrate_report report;
    struct tt_err err = {0};
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    make_folder(f);
    if (tt_db_migrate(f->url, TT_TEST_DATA "/../../migrations", false, &report, &err) != 0)
        fail_msg("%s", err.message);
    tt_buf_free(&report.text);
    outside_exec(
        f->path,
        "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
        " VALUES (1, 'u', 'x', " NOW ", " NOW ");"
        "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, created_at,"
        " updated_at) VALUES (5, 's5', 1, 't', 'm', " NOW ", " NOW "),"
        " (6, 's6', 1, 't', 'm', " NOW ", " NOW ");"
        "INSERT INTO chat_messages (id, user_id, session_row, role, content, status,"
        " created_at, updated_at) VALUES"
        " (10, 1, 5, 'user', 'hello', 'complete', " NOW ", " NOW "),"
        " (11, 1, 5, 'assistant', '', 'streaming', " NOW ", " NOW "),"
        " (12, 1, 6, 'assistant', '', 'streaming', " NOW ", " NOW "),"
        " (13, 1, 6, 'assistant', 'old', 'streaming', " NOW ", " NOW ");");
    f->loop = tt_loop_new(&err);
    f->aux = tt_aux_new("t", 1, 16, &err);
    open_db(f, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close_db(f);
    tt_aux_free(f->aux);
    tt_loop_free(f->loop);
    remove_folder(f);
    free(f);
    return 0;
}

static void assert_text(struct fixture *f, const char *sql, const char *expected)
{
    char text[256];
    outside_text(f->path, sql, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void checkpoint(struct fixture *f, int64_t message, int64_t position, int kind,
                       struct tt_str bytes)
{
    struct result r;
    struct tt_db_job *job = tt_db_job_new();
    tt_chat_store_checkpoint(job, message, 0, position, kind, bytes);
    run(f, job, &r);
    assert_int_equal(r.error.status, 0);
}

static void test_end(void **state)
{
    struct fixture *f = *state;
    struct result r;
    struct tt_db_job *job = tt_db_job_new();
    size_t row = 99;
    checkpoint(f, 11, 0, 1, TT_STR("hm"));
    checkpoint(f, 11, 2, 0, TT_STR("half"));
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM reply_chunks"), 2);
    struct tt_chat_reply_end end = {.message_id = 11,
                                    .session_row = 5,
                                    .content = TT_STR("half and whole"),
                                    .reasoning = TT_STR("hm"),
                                    .tool_calls = TT_STR("[1]\n"),
                                    .status = TT_STR("complete"),
                                    .finish_reason = TT_STR("stop"),
                                    .usage = TT_STR("{\"input_tokens\":3}"),
                                    .runs = TT_STR("c4r2c10"),
                                    .checkpointed = true};
    tt_chat_store_end(job, &end, &row);
    assert_int_equal(row, 0);
    run(f, job, &r);
    assert_int_equal(r.error.status, 0);
    assert_int_equal(r.outcome[row].changes, 1);
    assert_text(f,
                "SELECT content || '|' || reasoning || '|' || status || '|' || finish_reason || '|'"
                " || usage || '|' || coalesce(error_code, '-') || '|' || tool_calls FROM "
                "chat_messages WHERE id = 11",
                "half and whole|hm|complete|stop|{\"input_tokens\":3}|-|[1]\n");
    assert_text(f, "SELECT runs || '|' || delivered FROM chat_messages WHERE id = 11", "c4r2c10|0");
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM reply_chunks"), 0);
    assert_int_equal(outside_int(f->path, "SELECT version FROM chat_sessions WHERE id = 5"), 2);
    assert_int_equal(outside_int(f->path, "SELECT version FROM chat_sessions WHERE id = 6"), 1);
    assert_int_equal(outside_int(f->path,
                                 "SELECT s.updated_at = m.updated_at AND m.updated_at > " NOW
                                 " FROM chat_sessions s, chat_messages m"
                                 " WHERE s.id = 5 AND m.id = 11"),
                     1);
    checkpoint(f, 11, 6, 0, TT_STR("late")); /* after the end: nothing to be left over */
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM reply_chunks"), 0);
}

static void test_deleted_session(void **state)
{
    struct fixture *f = *state;
    struct result r;
    size_t row;
    checkpoint(f, 12, 0, 0, TT_STR("gone"));
    /* its number is used again at once, by a session of somebody else */
    run(f,
        job_of("DELETE FROM chat_sessions WHERE id = 6",
               "INSERT INTO chat_sessions (session_id, user_id, title, model_name, created_at,"
               " updated_at) VALUES ('new', 1, 't', 'm', " NOW ", " NOW ")",
               NULL),
        &r);
    assert_int_equal(r.outcome[1].insert_id, 6);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM reply_chunks"), 0);
    /* one job for two replies: the living one is stored */
    struct tt_db_job *job = tt_db_job_new();
    tt_chat_store_checkpoint(job, 12, 0, 4, 0, TT_STR("more"));
    tt_chat_store_checkpoint(job, 11, 0, 0, 0, TT_STR("alive"));
    run(f, job, &r);
    assert_int_equal(r.error.status, 0);
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM reply_chunks"), 1);

    job = job_of("SELECT 1", NULL, NULL);
    struct tt_chat_reply_end end = {.message_id = 12,
                                    .session_row = 6,
                                    .content = TT_STR("gone"),
                                    .status = TT_STR("complete"),
                                    .checkpointed = true};
    tt_chat_store_end(job, &end, &row);
    assert_int_equal(row, 1);
    run(f, job, &r);
    assert_int_equal(r.error.status, 0);
    assert_int_equal(r.outcome[row].changes, 0);
    assert_int_equal(outside_int(f->path, "SELECT version FROM chat_sessions WHERE id = 6"), 1);
}

/* Its rows are still there, but nobody's. */
static void test_session_that_is_being_removed(void **state)
{
    struct fixture *f = *state;
    struct result r;
    size_t row;

    run(f,
        job_of("UPDATE chat_sessions SET session_id = NULL, user_id = NULL WHERE id = 6", NULL,
               NULL),
        &r);
    struct tt_db_job *job = job_of("SELECT 1", NULL, NULL);
    struct tt_chat_reply_end end = {.message_id = 12,
                                    .session_row = 6,
                                    .content = TT_STR("gone"),
                                    .status = TT_STR("complete")};
    tt_chat_store_end(job, &end, &row);
    run(f, job, &r);
    assert_int_equal(r.error.status, 0);
    assert_int_equal(r.outcome[row].changes, 0);
    assert_text(f, "SELECT status || content FROM chat_messages WHERE id = 12", "streaming");
}

static void test_checkpoint_again(void **state)
{
    struct fixture *f = *state;
    checkpoint(f, 11, 0, 0, TT_STR("abc"));
    checkpoint(f, 11, 0, 0, TT_STR("abcdef")); /* sent again, with what came since */
    checkpoint(f, 11, 6, 0, TT_STR(""));
    assert_text(f, "SELECT CAST(bytes AS TEXT) FROM reply_chunks", "abcdef");
}

static int repair(struct fixture *f)
{
    struct tt_err err = {0};
    int count = tt_chat_repair_all(f->db, f->loop, false, &err);
    if (count < 0)
        fail_msg("%s", err.message);
    return count;
}

static void test_repair(void **state)
{
    struct fixture *f = *state;
    checkpoint(f, 11, 9, 0, TT_STR("聊 c"));
    checkpoint(f, 11, 0, 1, TT_STR("think"));
    checkpoint(f, 11, 5, 0, TT_STR("潮"));
    checkpoint(f, 11, 8, 1, TT_STR("!"));
    checkpoint(f, 11, 14, 2, TT_STR("[1,"));
    checkpoint(f, 11, 17, 2, TT_STR("2]\n[3"));    /* the second entry is cut off */
    checkpoint(f, 12, 0, 0, tt_str_of("潮聊", 5)); /* cut inside a character */
    assert_int_equal(repair(f), 3);
    assert_text(f,
                "SELECT content || '|' || reasoning || '|' || tool_calls || '|' || status"
                " FROM chat_messages WHERE id = 11",
                "潮聊 c|think!|[1,2]\n|interrupted");
    assert_text(f,
                "SELECT runs || '|' || delivered || '|' || error_code"
                " FROM chat_messages WHERE id = 11",
                "r5c3r1c5t8|0|interrupted");
    assert_text(f, "SELECT content || '|' || typeof(content) FROM chat_messages WHERE id = 12",
                "潮|text");
    assert_text(f, "SELECT content || '|' || status FROM chat_messages WHERE id = 13",
                "old|interrupted");
    assert_text(f, "SELECT status FROM chat_messages WHERE id = 10", "complete");
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM reply_chunks"), 0);
    assert_int_equal(outside_int(f->path, "SELECT version FROM chat_sessions WHERE id = 5"), 2);
    assert_int_equal(repair(f), 0);
}

/* More messages, and more chunks of one, than a page of them. */
static void test_repair_of_many(void **state)
{
    struct fixture *f = *state;
    outside_exec(f->path,
                 "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 350)"
                 " INSERT INTO chat_messages (id, user_id, session_row, role, content, status,"
                 " created_at, updated_at) SELECT i, 1, 5, 'assistant', '', 'streaming', '', ''"
                 " FROM n;"
                 "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1499)"
                 " INSERT INTO reply_chunks (message_id, position, kind, bytes)"
                 " SELECT 350, i * 2, 0, CAST('ab' AS BLOB) FROM n");
    assert_int_equal(repair(f), 3 + 251);
    assert_int_equal(
        outside_int(f->path, "SELECT count(*) FROM chat_messages WHERE status = 'streaming'"), 0);
    assert_text(f, "SELECT length(content) || runs FROM chat_messages WHERE id = 350", "3000c3000");
    assert_int_equal(outside_int(f->path, "SELECT count(*) FROM reply_chunks"), 0);
}

static void test_repair_without_tables(void **state)
{
    struct fixture *f = *state;
    struct tt_err err = {0};
    outside_exec(f->path, "DROP TABLE reply_chunks");
    assert_int_equal(tt_chat_repair_all(f->db, f->loop, false, &err), -1);
    assert_string_equal(err.code, "sql_error");
}

/* What comes after a hole is not what the client saw there. */
static void test_repair_stops_at_a_hole(void **state)
{
    struct fixture *f = *state;
    checkpoint(f, 11, 0, 0, TT_STR("before"));
    checkpoint(f, 11, 8, 0, TT_STR("after"));
    checkpoint(f, 12, 1, 0, TT_STR("nothing before"));
    assert_int_equal(repair(f), 3);
    assert_text(f, "SELECT content || '|' || runs FROM chat_messages WHERE id = 11", "before|c6");
    assert_text(f, "SELECT content || '|' || runs FROM chat_messages WHERE id = 12", "|");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session_that_is_being_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checkpoint_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repair, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repair_of_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repair_without_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repair_stops_at_a_hole, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
