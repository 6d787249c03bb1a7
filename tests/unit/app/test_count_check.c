/* The check of kept numbers at start: what is wrong is corrected, what is right stays unwritten. */
#include "app/count_check.h"
#include "app/support.h"
#include "db/migrate.h"

#include <sqlite3.h>

static void exec(const char *sql, int (*on_row)(void *, int, char **, char **), void *arg)
{
    sqlite3 *db;
    char *message = NULL;

    assert_int_equal(sqlite3_open("tidetalk.db", &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, sql, on_row, arg, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static int keep_text(void *out, int columns, char **values, char **names)
{
    (void)columns, (void)names;
    snprintf(out, 200, "%s", values[0]);
    return 0;
}

static uint64_t check(struct home *home)
{
    struct tt_aux *slow = tt_aux_new("slow", 1, 4, &home->err);
    struct tt_db *db =
        tt_db_open(&(struct tt_db_settings){.url = "sqlite:tidetalk.db"}, slow, &home->err);
    struct tt_aux *aux = tt_aux_new("files", 1, 4, &home->err);
    struct tt_db_stats stats;

    assert_int_equal(tt_app_check_counts(db, aux, &home->err), 0);
    while (tt_aux_busy(aux) > 0)
        usleep(1000); /* the test's own time limit ends this */
    tt_db_stats(db, &stats);
    tt_aux_free(aux);
    tt_db_close(db);
    tt_aux_free(slow);
    return stats.jobs;
}

static void corrects_only_what_is_wrong(void **state)
{
    struct home *home = *state;
    struct tt_migrate_report report = {0};
    char text[200];

    if (tt_db_migrate("sqlite:tidetalk.db", SOURCE "/migrations", false, &report, &home->err) != 0)
        fail_msg("%s", home->err.message);
    tt_buf_free(&report.text);
    /* 1,200 users of one session, three pages; some numbers are wrong. */
    exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)"
         " INSERT INTO users (id, username, password_hash, session_count, created_at, updated_at)"
         " SELECT i, 'u' || i, '', 1, '', '' FROM n;"
         "INSERT INTO chat_sessions (id, session_id, user_id, title, model_name, created_at,"
         " updated_at) SELECT id, 's' || id, id, '', '', '', '' FROM users;"
         "INSERT INTO uploaded_files (user_id, session_row, file_name, file_type, file_key,"
         " file_size, created_at, updated_at) VALUES (7, 7, 'f', '.txt', 'a', 10, '', ''),"
         " (7, 7, 'f', '.txt', 'b', 5, '', '');"
         "UPDATE users SET session_count = 3 WHERE id = 600;"
         "UPDATE users SET session_count = 0 WHERE id = 1200;",
         NULL, NULL);
    assert_int_equal(check(home), 4); /* users 7, 600 and 1200, session 7 */
    exec("SELECT group_concat(id || ':' || session_count || ':' || file_bytes) FROM users"
         " WHERE session_count <> 1 OR file_bytes <> 0",
         keep_text, text);
    assert_string_equal(text, "7:1:15");
    exec("SELECT group_concat(id || ':' || file_count) FROM chat_sessions WHERE file_count > 0",
         keep_text, text);
    assert_string_equal(text, "7:2");
    assert_int_equal(check(home), 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {HOME_TEST(corrects_only_what_is_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
