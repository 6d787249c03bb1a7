/* What deleted sessions leave goes in slices, with what the index has of it, also after a stop in
 * the middle; what belongs to somebody stays. */
#include "chat/deleted_sessions.h"
#include "db/migrate.h"
#include "db/sqlite_fts5.h"
#include "db/support.h"

#include <fcntl.h>
#include <sys/stat.h>

#define NOW "'2026-01-01T00:00:00.000000Z'"
#define KEY "00000000000000000000000000000001"

struct rig {
    struct fixture *f;
    struct tt_store *store;
    struct tt_aux *file_aux;
    struct tt_deleted_sessions deleted;
    char file[200];
};

/* Session 1 (deleted) and 2, with `count` messages each, of this text; all but the last five are
 * indexed. Session 1 has a file. */
static void fill(struct rig *rig, int count, const char *text)
{
    char sql[2000];
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO users (id, username, password_hash, created_at, updated_at)"
        " VALUES (1, 'moon', '', '', '');"
        "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, created_at,"
        " updated_at) VALUES (1, 's', 1, '', '', '', ''), (2, 't', 1, '', '', '', '');"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
        " INSERT INTO chat_messages (id, user_id, session_row, parent_id, role, content, status,"
        " created_at, updated_at)"
        " SELECT i, 1, 1 + i / %d, CASE WHEN i %% %d > 1 THEN i - 1 END, 'user', %s || i,"
        " 'complete', " NOW ", " NOW " FROM n;"
        "INSERT INTO message_search (rowid, owner, content)"
        " SELECT id, owner, content FROM message_search_source WHERE id < %d;"
        "DELETE FROM message_search_queue WHERE id < %d;"
        "INSERT INTO uploaded_files (user_id, session_row, file_name, file_type, file_key,"
        " file_size, created_at, updated_at) VALUES (1, 1, 'f', '.txt', '" KEY "', 1, '', '');"
        "UPDATE chat_sessions SET session_id = NULL, user_id = NULL WHERE id = 1;"
        "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, created_at,"
        " updated_at) VALUES (3, 's', 1, 'made anew', '', '', '')",
        2 * count - 1, count, count, text, 2 * count - 5, 2 * count - 5);
    outside_exec(rig->f->path, sql);
}

static void begin(struct rig *rig)
{
    tt_deleted_sessions_start(&rig->deleted, rig->f->db, rig->f->loop, rig->store, rig->file_aux);
}

static struct rig *rig_new(void)
{
    struct rig *rig = TT_NEW(struct rig);
    struct tt_migrate_report report = {0};
    struct tt_err err = {0};
    char folder[120];

    tt_fts5_setup();
    rig->f = fixture_new("SELECT 1");
    if (tt_db_migrate(rig->f->url, TT_TEST_DATA "/../../migrations", false, &report, &err) != 0)
        fail_msg("%s", err.message);
    tt_buf_free(&report.text);
    open_db(rig->f, NULL);
    snprintf(folder, sizeof(folder), "%s/files", rig->f->dir);
    rig->store = tt_store_open(&(struct tt_store_place){.folder = folder}, &err);
    rig->file_aux = tt_aux_new("files", 1, 16, &err);
    snprintf(rig->file, sizeof(rig->file), "%s/00", folder);
    mkdir(rig->file, 0700);
    snprintf(rig->file, sizeof(rig->file), "%s/00/" KEY, folder);
    close(open(rig->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(access(rig->file, F_OK), 0);
    return rig;
}

static void end(struct rig *rig)
{
    tt_deleted_sessions_stop(&rig->deleted);
    for (int i = 0; i < 1000 && rig->deleted.running; i++)
        tt_loop_tick(rig->f->loop, 20);
}

static void rig_free(struct rig *rig)
{
    end(rig);
    for (int i = 0; i < 1000 && tt_aux_busy(rig->file_aux) > 0; i++)
        tt_loop_tick(rig->f->loop, 20);
    tt_aux_free(rig->file_aux);
    tt_store_close(rig->store);
    fixture_free(rig->f);
    free(rig);
}

static int64_t count_of(struct rig *rig, const char *what)
{
    char sql[300];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", what);
    return outside_int(rig->f->path, sql);
}

static void turn_until_gone(struct rig *rig)
{
    for (int i = 0; i < 10000 && count_of(rig, "chat_sessions WHERE user_id IS NULL") > 0; i++)
        tt_loop_tick(rig->f->loop, 20);
    for (int i = 0; i < 10000 && count_of(rig, "removed_files") > 0; i++)
        tt_loop_tick(rig->f->loop, 20);
}

static void assert_only_the_others_are_left(struct rig *rig, int count)
{
    assert_int_equal(count_of(rig, "chat_sessions"), 2);
    assert_int_equal(count_of(rig, "chat_sessions WHERE title = 'made anew'"), 1);
    assert_int_equal(count_of(rig, "chat_messages WHERE session_row = 1"), 0);
    assert_int_equal(count_of(rig, "chat_messages WHERE session_row = 2"), count);
    assert_int_equal(count_of(rig, "chat_messages WHERE session_row = 2 AND parent_id IS NULL"), 2);
    assert_int_equal(count_of(rig, "message_search WHERE message_search MATCH 'tide'"), count - 5);
    assert_int_equal(count_of(rig, "message_search_queue"), 5);
    assert_int_equal(count_of(rig, "uploaded_files"), 0);
    assert_int_equal(count_of(rig, "removed_files"), 0);
    assert_int_not_equal(access(rig->file, F_OK), 0);
    outside_exec(rig->f->path,
                 "INSERT INTO message_search (rowid, owner, content)"
                 " SELECT id, owner, content FROM message_search_source"
                 " WHERE id IN (SELECT id FROM message_search_queue);"
                 "INSERT INTO message_search (message_search, rank) VALUES ('integrity-check', 1)");
}

static void takes_many_rows_in_several_jobs(void **state)
{
    struct rig *rig = rig_new();
    struct tt_db_stats stats;
    (void)state;

    fill(rig, 1001, "'tide number '");
    begin(rig);
    turn_until_gone(rig);
    tt_db_stats(rig->f->db, &stats);
    assert_int_equal(stats.failed_jobs, 0);
    /* The file, its key, 1000 rows by at most 200, the session. */
    assert_true(stats.jobs >= 1 + 1 + 5 + 1);
    assert_only_the_others_are_left(rig, 1001);
    rig_free(rig);
}

static void takes_few_rows_at_once_when_they_are_long(void **state)
{
    struct rig *rig = rig_new();
    struct tt_db_stats stats;
    (void)state;

    fill(rig, 21, "'tide ' || printf('%020000d', 1)");
    begin(rig);
    turn_until_gone(rig);
    tt_db_stats(rig->f->db, &stats);
    assert_true(stats.jobs >= 1 + 1 + 20);
    assert_only_the_others_are_left(rig, 21);
    rig_free(rig);
}

/* Else more would be deleted than is removed. */
static void takes_a_short_session_in_one_job(void **state)
{
    struct rig *rig = rig_new();
    struct tt_db_stats stats;
    (void)state;

    fill(rig, 11, "'tide number '");
    outside_exec(rig->f->path,
                 "WITH RECURSIVE n(i) AS (SELECT 11 UNION ALL SELECT i + 1 FROM n WHERE i < 50)"
                 " INSERT INTO chat_sessions (id, title, model_name, created_at, updated_at)"
                 " SELECT i, '', '', '', '' FROM n;"
                 "INSERT INTO chat_messages (user_id, session_row, role, content, status,"
                 " created_at, updated_at) SELECT 1, s.id, r.value, 'sea', 'complete', " NOW
                 ", " NOW
                 " FROM chat_sessions s, json_each('[\"user\", \"assistant\"]') r WHERE s.id > 10");
    begin(rig);
    turn_until_gone(rig);
    tt_db_stats(rig->f->db, &stats);
    assert_int_equal(stats.failed_jobs, 0);
    /* Each session, the file of the first, and its key, which may still be waited for. */
    assert_true(stats.jobs <= 1 + 40 + 2);
    assert_int_equal(count_of(rig, "chat_messages WHERE session_row > 10"), 0);
    rig_free(rig);
}

static void goes_on_after_a_stop_in_the_middle(void **state)
{
    struct rig *rig = rig_new();
    (void)state;

    fill(rig, 1001, "'tide number '");
    begin(rig);
    while (count_of(rig, "chat_messages WHERE session_row = 1") == 1000)
        tt_loop_tick(rig->f->loop, 20); /* the test's own time limit ends this */
    end(rig);
    int64_t left = count_of(rig, "chat_messages WHERE session_row = 1");
    assert_true(left > 0 && left < 1000);
    for (int i = 0; i < 20; i++)
        tt_loop_tick(rig->f->loop, 10);
    assert_int_equal(count_of(rig, "chat_messages WHERE session_row = 1"), left);
    memset(&rig->deleted, 0, sizeof(rig->deleted));
    begin(rig);
    turn_until_gone(rig);
    assert_only_the_others_are_left(rig, 1001);
    rig_free(rig);
}

static void notices_what_is_deleted_later(void **state)
{
    struct rig *rig = rig_new();
    struct result result;
    (void)state;

    fill(rig, 11, "'tide number '");
    begin(rig);
    turn_until_gone(rig);
    run(rig->f,
        job_of("UPDATE chat_sessions SET session_id = NULL, user_id = NULL WHERE id = 2", NULL,
               NULL),
        &result);
    turn_until_gone(rig);
    assert_int_equal(count_of(rig, "chat_messages"), 0);
    assert_int_equal(count_of(rig, "message_search_queue"), 0);
    assert_int_equal(count_of(rig, "chat_sessions"), 1);
    rig_free(rig);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_many_rows_in_several_jobs),
        cmocka_unit_test(takes_few_rows_at_once_when_they_are_long),
        cmocka_unit_test(takes_a_short_session_in_one_job),
        cmocka_unit_test(goes_on_after_a_stop_in_the_middle),
        cmocka_unit_test(notices_what_is_deleted_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
