/* The job that indexes what the triggers of the real schema have queued. */
#include "db/migrate.h"
#include "db/search_index.h"
#include "db/search_tokenizer.h"
#include "support.h"

#define MIGRATIONS TT_TEST_DATA "/../../migrations"

static struct fixture *begin(void)
{
    struct fixture *f = fixture_new("SELECT 1");
    struct tt_migrate_report report = {0};
    struct tt_err err = {0};

    tt_search_tokenizer_setup();
    if (tt_db_migrate(f->url, MIGRATIONS, false, &report, &err) != 0)
        fail_msg("%s", err.message);
    tt_buf_free(&report.text);
    open_db(f, NULL);
    outside_exec(f->path, "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
                          " VALUES (1, 'moon', '', '', '');"
                          "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name,"
                          " created_at, updated_at) VALUES (1, 's', 1, '', '', '', '')");
    return f;
}

/* Messages `from`..`to`, by a job as the server would. */
static void write_messages(struct fixture *f, int from, int to, const char *status)
{
    struct result result;
    char sql[512];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO chat_messages (id, user_id, session_row, role, content, status,"
             " created_at, updated_at)"
             " SELECT i, 1, 1, 'user', 'tide number' || i, '%s', '', '' FROM n",
             from, to, status);
    run(f, job_of(sql, NULL, NULL), &result);
    assert_int_equal(result.error.status, 0);
}

static int64_t queued(struct fixture *f)
{
    return outside_int(f->path, "SELECT count(*) FROM message_search_queue");
}

static int64_t found(struct fixture *f, const char *query)
{
    char sql[200];
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM message_search WHERE message_search MATCH '%s'", query);
    return outside_int(f->path, sql);
}

static void assert_sound(struct fixture *f)
{
    outside_exec(f->path,
                 "INSERT INTO message_search (message_search, rank) VALUES ('integrity-check', 1)");
}

static void turn_until_empty(struct fixture *f)
{
    for (int i = 0; i < 1000 && queued(f) > 0; i++)
        tt_loop_turn(f->loop, 20);
    assert_int_equal(queued(f), 0);
}

static void end(struct fixture *f, struct tt_search_index *index)
{
    tt_search_index_stop(index);
    for (int i = 0; i < 1000 && index->running; i++)
        tt_loop_turn(f->loop, 20);
    fixture_free(f);
}

static void indexes_what_the_last_run_left_and_what_comes(void **state)
{
    struct fixture *f = begin();
    struct tt_search_index index = {0};
    struct result result;
    (void)state;

    write_messages(f, 1, 300, "complete"); /* several jobs' worth */
    assert_int_equal(queued(f), 300);
    assert_int_equal(found(f, "tide"), 0);
    tt_search_index_start(&index, f->db, f->loop);
    turn_until_empty(f);
    assert_int_equal(found(f, "tide"), 300);
    assert_int_equal(found(f, "num*"), 300);
    assert_int_equal(found(f, "number77"), 1);
    assert_int_equal(found(f, "owner : u1"), 300);

    write_messages(f, 301, 301, "streaming");
    assert_int_equal(queued(f), 0);
    run(f, job_of("UPDATE chat_messages SET status = 'complete' WHERE id = 301", NULL, NULL),
        &result);
    turn_until_empty(f);
    assert_int_equal(found(f, "tide"), 301);
    assert_sound(f);
    end(f, &index);
}

static void submits_nothing_when_nobody_wrote(void **state)
{
    struct fixture *f = begin();
    struct tt_search_index index = {0};
    struct tt_db_stats before, after;
    (void)state;

    tt_search_index_start(&index, f->db, f->loop);
    for (int i = 0; i < 1000 && (index.running || index.jobs_seen == UINT64_MAX); i++)
        tt_loop_turn(f->loop, 20);
    tt_db_stats(f->db, &before);
    assert_int_equal(before.jobs, 1);
    for (uint64_t until = tt_loop_now(f->loop) + 1200; tt_loop_now(f->loop) < until;)
        tt_loop_turn(f->loop, 50);
    tt_db_stats(f->db, &after);
    assert_int_equal(after.jobs, before.jobs);
    end(f, &index);
}

static void deleted_messages_leave_queue_and_index(void **state)
{
    struct fixture *f = begin();
    struct tt_search_index index = {0};
    struct result result;
    (void)state;

    write_messages(f, 1, 10, "complete");
    run(f, job_of("DELETE FROM chat_messages WHERE id <= 2", NULL, NULL), &result);
    assert_int_equal(queued(f), 8);
    tt_search_index_start(&index, f->db, f->loop);
    turn_until_empty(f);
    write_messages(f, 11, 12, "complete");
    run(f, job_of("DELETE FROM chat_messages WHERE id IN (3, 11)", NULL, NULL), &result);
    turn_until_empty(f);
    assert_int_equal(found(f, "tide"), 8); /* 4 to 10, and 12 */
    assert_int_equal(found(f, "number3"), 0);
    assert_sound(f);
    end(f, &index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indexes_what_the_last_run_left_and_what_comes),
        cmocka_unit_test(submits_nothing_when_nobody_wrote),
        cmocka_unit_test(deleted_messages_leave_queue_and_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
