/* Reads that answer within the call: what they see, what is refused, and that none can run away. */
#include "support.h"

static const char schema[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b REAL, c BLOB) STRICT;"
    "INSERT INTO t VALUES (1, 'eins', 1.5, x'00ff'), (2, '', NULL, x''), (3, '潮聊', -2, NULL);";

#define NUMBERS "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"

static int setup(void **state)
{
    struct fixture *f = fixture_new(schema);
    open_db(f, &(struct tt_db_settings){.step_budget = 100000});
    *state = f;
    return 0;
}

/* What came of a read. */
struct seen {
    void (*look)(struct tt_db_rows *rows); /* at the first row; may be NULL */
    int calls, rows, last;                 /* last: of tt_db_next */
    int stop_after;                        /* rows; 0 = never */
    struct tt_err err;
};

static void see(struct tt_db_rows *rows, void *arg)
{
    struct seen *seen = arg;
    seen->calls++;
    seen->rows = 0;
    if (seen->look)
        seen->look(rows);
    while ((seen->last = tt_db_next(rows, &seen->err)) == TT_DB_ROW)
        if (++seen->rows == seen->stop_after)
            return;
}

/* The read's own result; what it answers with later is waited for. */
static int read_all(struct fixture *f, const char *sql, struct seen *seen)
{
    struct tt_db_query query = {.sql = tt_str_from(sql)};
    struct tt_db_pending *pending = NULL;
    int failed = tt_db_read(f->db, f->loop, &query, see, seen, &pending, &seen->err);
    int before = seen->calls;
    for (int i = 0; pending && i < 2000 && seen->calls == before; i++)
        tt_loop_tick(f->loop, 10);
    return failed;
}

static void look_at_values(struct tt_db_rows *rows)
{
    struct tt_err err = {0};
    assert_int_equal(rows->columns, 5);
    assert_true(tt_str_eq(rows->names[4], TT_STR("same")));

    assert_int_equal(tt_db_next(rows, &err), TT_DB_ROW);
    assert_int_equal(rows->values[0].integer, 1);
    assert_int_equal(rows->values[1].type, TT_DB_TEXT);
    assert_true(tt_str_eq(rows->values[1].text, TT_STR("eins")));
    assert_true(rows->values[2].real == 1.5);
    assert_int_equal(rows->values[3].type, TT_DB_BLOB);
    assert_true(tt_str_eq(rows->values[3].text, tt_str_of("\0\xff", 2)));

    assert_int_equal(tt_db_next(rows, &err), TT_DB_ROW);
    assert_int_equal(rows->values[1].type, TT_DB_TEXT);
    assert_int_equal(rows->values[1].text.len, 0);
    assert_non_null(rows->values[1].text.data);
    assert_int_equal(rows->values[2].type, TT_DB_NULL);
    assert_int_equal(rows->values[3].type, TT_DB_BLOB);
    assert_int_equal(rows->values[3].text.len, 0);

    assert_int_equal(tt_db_next(rows, &err), TT_DB_ROW);
    assert_int_equal(rows->values[4].integer, 1);
    assert_int_equal(tt_db_next(rows, &err), TT_DB_END);
}

static void test_rows_and_types(void **state)
{
    struct fixture *f = *state;
    struct tt_err err = {0};
    struct tt_db_pending *pending;
    struct seen seen = {.look = look_at_values};
    struct tt_db_value values[] = {tt_db_int(0), tt_db_text(TT_STR("潮聊"))};
    struct tt_db_query query = {.sql = TT_STR("SELECT id, a, b, c, a = ?2 AS same FROM t"
                                              " WHERE id > ?1 ORDER BY id"),
                                .values = values,
                                .count = 2};
    assert_int_equal(tt_db_read(f->db, f->loop, &query, see, &seen, &pending, &err), 0);
    assert_null(pending);
    assert_int_equal(seen.calls, 1); /* within the call */
    assert_int_equal(seen.last, TT_DB_END);
    struct seen none = {0};
    assert_int_equal(read_all(f, "SELECT id FROM t WHERE id > 9", &none), 0);
    assert_int_equal(none.calls, 1);
    assert_int_equal(none.rows, 0);
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "INSERT INTO t (id) VALUES (9)",
        "DELETE FROM t RETURNING id",
        "CREATE TABLE other (a)",
        "SELECT 1; SELECT 2",
        "SELECT ?1", /* no value */
        "SELECT nothing FROM t",
        "SELEC 1",
        "",
        "BEGIN",
        "PRAGMA query_only=OFF",
        "ATTACH ':memory:' AS m",
        "SELECT load_extension('/tmp/x.so')",
        "VACUUM INTO '/tmp/tt_db_test_copy'",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct seen seen = {0};
        if (read_all(f, cases[i], &seen) != -1 || strcmp(seen.err.code, "sql_error") != 0)
            fail_msg("%s: %s %s", cases[i], seen.err.code, seen.err.message);
        assert_int_equal(seen.err.status, 500);
        assert_int_equal(seen.calls, 0);
    }
    assert_int_equal(read_int(f, "SELECT count(*) FROM t"), 3);
    struct seen seen = {0};
    struct tt_db_pending *pending;
    struct tt_db_query query = {.sql = TT_STR("SELECT 1\0 DROP TABLE t")};
    assert_int_equal(tt_db_read(f->db, f->loop, &query, see, &seen, &pending, &seen.err), -1);
    /* a slice of something longer is only what it says */
    query.sql = tt_str_of("SELECT 1, nothing", 8);
    assert_int_equal(tt_db_read(f->db, f->loop, &query, see, &seen, &pending, &seen.err), 0);
    assert_int_equal(seen.rows, 1);
}

static void test_on_a_loop_that_is_not_attached(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {0};
    tt_db_detach(f->db, f->loop);
    assert_int_equal(read_all(f, "SELECT 1", &seen), -1);
    assert_string_equal(seen.err.code, "database_error");
    tt_db_detach(f->db, f->loop); /* harmless */
    assert_int_equal(tt_db_attach(f->db, f->loop, &seen.err), 0);
    assert_int_equal(read_int(f, "SELECT 1"), 1);
}

/* More steps than a loop may spend: asked again on an aux thread, and answered from the loop. */
static void test_step_budget(void **state)
{
    struct fixture *f = *state;
    struct seen all = {0};
    /* before the first row: on_rows comes once */
    assert_int_equal(read_all(f, NUMBERS " max(i) FROM (SELECT i FROM n LIMIT 200000)", &all), 0);
    assert_int_equal(all.calls, 1);
    assert_int_equal(all.rows, 1);
    /* in the middle: many rows spend the budget together */
    struct seen many = {0};
    assert_int_equal(read_all(f, NUMBERS " i FROM n LIMIT 100000", &many), 0);
    assert_int_equal(many.calls, 2);
    assert_string_equal(many.err.code, "too_many_rows"); /* 10,000 unless said otherwise */
    struct seen few = {0};
    assert_int_equal(read_all(f,
                              NUMBERS " i, (SELECT count(*) FROM t t1, t t2, t t3, t t4, t t5"
                                      " WHERE t1.id + i > 0) FROM n LIMIT 500",
                              &few),
                     0);
    assert_int_equal(few.calls, 2);
    assert_int_equal(few.rows, 500);
    assert_int_equal(few.last, TT_DB_END);
    /* and each query has its own */
    for (int i = 0; i < 1000; i++)
        assert_int_equal(read_int(f, "SELECT count(*) FROM t"), 3);
}

static void test_it_may_stop_early(void **state)
{
    struct fixture *f = *state;
    struct result result;
    struct seen seen = {.stop_after = 1};
    assert_int_equal(read_all(f, "SELECT id FROM t ORDER BY id", &seen), 0);
    assert_int_equal(seen.calls, 1);
    run(f, job_of("INSERT INTO t (id) VALUES (4)", NULL, NULL), &result);
    assert_int_equal(result.error.status, 0);
    /* Nothing is open any more that would still see three. */
    assert_int_equal(read_int(f, "SELECT count(*) FROM t"), 4);
    sqlite3 *outside = outside_open(f->path);
    int in_log = -1, copied = -2;
    assert_int_equal(
        sqlite3_wal_checkpoint_v2(outside, NULL, SQLITE_CHECKPOINT_TRUNCATE, &in_log, &copied),
        SQLITE_OK);
    sqlite3_close(outside);
}

static jmp_buf out;

static void leave(struct tt_db_rows *rows, void *arg)
{
    (void)arg;
    assert_int_equal(tt_db_next(rows, NULL), TT_DB_ROW);
    longjmp(out, 1);
}

/* As a Lua error does. */
static void test_it_may_be_left_by_longjmp(void **state)
{
    struct fixture *f = *state;
    struct tt_db_query query = {.sql = TT_STR("SELECT id FROM t ORDER BY id")};
    struct tt_db_pending *pending;
    struct result result;
    if (setjmp(out) == 0)
        tt_db_read(f->db, f->loop, &query, leave, NULL, &pending, NULL);
    run(f, job_of("INSERT INTO t (id) VALUES (4)", NULL, NULL), &result);
    assert_int_equal(read_int(f, "SELECT count(*) FROM t"), 4);
    assert_int_equal(read_int(f, "SELECT min(id) FROM t"), 1);
}

static void look_for_five(struct tt_db_rows *rows)
{
    assert_int_equal(tt_db_next(rows, NULL), TT_DB_ROW);
    assert_int_equal(rows->columns, 5);
    assert_int_equal(rows->values[4].integer, 8);
    assert_true(tt_str_eq(rows->names[4], TT_STR("e")));
}

static void test_follows_the_schema(void **state)
{
    struct fixture *f = *state;
    struct seen before = {0}, after = {.look = look_for_five};
    assert_int_equal(read_all(f, "SELECT * FROM t", &before), 0);
    outside_exec(f->path, "ALTER TABLE t ADD COLUMN e INTEGER DEFAULT 8");
    assert_int_equal(read_all(f, "SELECT * FROM t", &after), 0);
    assert_int_equal(after.rows, 2);
}

static void test_more_statements_than_the_cache(void **state)
{
    struct fixture *f = *state;
    char sql[64];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            snprintf(sql, sizeof(sql), "SELECT %d + count(*) FROM t", i);
            assert_int_equal(read_int(f, sql), i + 3);
        }
    }
}

/* Of the same length, with the same beginning, middle and end. */
static void read_alike(struct fixture *f, int n)
{
    char sql[100];
    snprintf(sql, sizeof(sql), "SELECT  %03d + count(*) FROM t WHERE 1 = 1 AND 2 = 2", n);
    assert_int_equal(read_int(f, sql), n + 3);
}

static void test_statements_that_look_alike(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 90; i++)
        read_alike(f, i % 30);
    /* One that was found again, and is dropped then for 200 others. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(read_int(f, "SELECT 4 + count(*) FROM t"), 7);
    for (int i = 0; i < 200; i++)
        read_alike(f, i);
    assert_int_equal(read_int(f, "SELECT 4 + count(*) FROM t"), 7);
}

static void test_more_columns_than_usual(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {0};
    char sql[2000];
    int at = snprintf(sql, sizeof(sql), "SELECT 0");
    for (int i = 1; i < 200; i++)
        at += snprintf(sql + at, sizeof(sql) - (size_t)at, ", %d", i);
    assert_int_equal(read_all(f, sql, &seen), 0);
    assert_int_equal(seen.rows, 1);
}

static void refuse(const char *url, const char *part)
{
    struct tt_err err = {0};
    assert_null(tt_db_open(&(struct tt_db_settings){.url = url}, NULL, &err));
    assert_string_equal(err.code, "database_unavailable");
    if (!strstr(err.message, part))
        fail_msg("%s: %s", url, err.message);
}

static void test_no_database(void **state)
{
    struct fixture *f = *state;
    struct tt_err err = {0};
    char url[128];
    snprintf(url, sizeof(url), "sqlite:%s/nowhere/tidetalk.db", f->dir);
    refuse(url, url + strlen("sqlite:"));
    assert_false(tt_db_exists(url));
    assert_true(tt_db_exists(f->url));

    snprintf(url, sizeof(url), "sqlite:%s/other", f->dir);
    FILE *file = fopen(url + strlen("sqlite:"), "w");
    for (int i = 0; i < 1000; i++)
        fputs("no database ", file);
    fclose(file);
    refuse(url, "other");
    refuse("oracle:x", "sqlite:<path>");
    refuse("sqlite", "sqlite:<path>");
    refuse("sqlite:", "sqlite:<path>");
    refuse("", "sqlite:<path>");
    assert_int_equal(tt_db_check_url(TT_STR("sqlite:x"), &err), 0);
    assert_int_equal(tt_db_check_url(TT_STR("postgres://x"), &err), 0);
    assert_int_equal(tt_db_check_url(TT_STR("oracle://x"), &err), -1);
    assert_string_equal(err.code, "invalid_setting");
    assert_int_equal(tt_db_copy(f->url, "oracle:x", &err), -1);
}

/* ---- the lock of a tick's reads ---- */

/* Whether the log can be begun anew, which a lock that is held prevents. */
static bool log_is_free(struct fixture *f)
{
    sqlite3 *handle = outside_open(f->path);
    sqlite3_busy_timeout(handle, 0);
    sqlite3_exec(handle, "SELECT * FROM t", NULL, NULL, NULL); /* else it knows of no log */
    int rc = sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_close(handle);
    return rc == SQLITE_OK;
}

static int rows_read(struct fixture *f)
{
    struct seen seen = {0};
    assert_int_equal(read_all(f, "SELECT id FROM t", &seen), 0);
    return seen.rows;
}

struct tick {
    struct tt_timer timer;
    struct fixture *f;
    bool done, free_after_a_read;
    int seen[4];
};

static void read_in_tick(struct tt_timer *timer)
{
    struct tick *tick = TT_CONTAINER_OF(timer, struct tick, timer);
    struct fixture *f = tick->f;

    tick->seen[0] = rows_read(f);
    tick->free_after_a_read = log_is_free(f);
    tick->seen[1] = rows_read(f);
    outside_exec(f->path, "INSERT INTO t (a) VALUES ('new')");
    tick->seen[2] = rows_read(f);
    outside_exec(f->path, "DELETE FROM t WHERE a = 'new'");
    tick->seen[3] = rows_read(f);
    tick->done = true;
}

/* The reads of a tick keep a lock, each sees what is committed by then; and the lock does not
 * outlast the tick, nor a read outside of one. */
static void test_lock_lasts_for_a_tick(void **state)
{
    static const int expected[] = {3, 3, 4, 3};
    struct fixture *f = *state;
    struct tick tick = {.f = f, .timer.on_due = read_in_tick};

    outside_exec(f->path, "UPDATE t SET a = 'zwei' WHERE id = 2"); /* something in the log */
    assert_int_equal(rows_read(f), 3);
    assert_true(log_is_free(f));
    outside_exec(f->path, "UPDATE t SET a = 'drei' WHERE id = 2");
    tt_timer_start(f->loop, &tick.timer, 0);
    while (!tick.done)
        tt_loop_tick(f->loop, 10);
    assert_false(tick.free_after_a_read);
    assert_memory_equal(tick.seen, expected, sizeof(expected));
    assert_true(log_is_free(f));
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows_and_types, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_on_a_loop_that_is_not_attached, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_step_budget, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_it_may_stop_early, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_it_may_be_left_by_longjmp, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_follows_the_schema, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_more_statements_than_the_cache, setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_statements_that_look_alike, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_more_columns_than_usual, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_lock_lasts_for_a_tick, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_no_database, setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
