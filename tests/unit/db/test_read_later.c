/* Reads that answer later, from the loop: on aux threads, and with the engine that is always late.
 * Whole results, caps, cancelling, and closing in either order. */
#include "base/clock.h"
#include "support.h"

static const char schema[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, c BLOB) STRICT;"
    "INSERT INTO t VALUES (1, 'eins', x'00ff'), (2, '', NULL), (3, '潮聊', x'');";

#define ENDLESS                                                                                    \
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
#define NUMBERS "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"

static int setup(void **state)
{
    struct fixture *f = fixture_new(schema);
    open_db(f, NULL);
    *state = f;
    return 0;
}

static int setup_late(void **state)
{
    struct fixture *f = fixture_new(schema);
    snprintf(f->url, sizeof(f->url), "sqlite-late:%s", f->path);
    open_db(f, NULL);
    *state = f;
    return 0;
}

struct arrival {
    int done;
    struct tt_db_rows *rows;
    struct tt_db_pending *pending;
};

static void on_rows(struct tt_db_rows *rows, void *arg)
{
    struct arrival *arrival = arg;
    arrival->done++;
    arrival->rows = rows;
    tt_db_rows_take(rows);
}

static bool start(struct fixture *f, const char *sql, size_t rows_max, struct arrival *arrival)
{
    struct tt_err err = {0};
    struct tt_db_query query = {
        .sql = tt_str_from(sql), .rows_max = rows_max, .in_background = true};
    *arrival = (struct arrival){0};
    if (tt_db_read(f->db, f->loop, &query, on_rows, arrival, &arrival->pending, &err) != 0)
        assert_string_equal(err.code, "busy");
    assert_int_equal(arrival->done, 0); /* never from inside */
    return arrival->pending;
}

static void arrive(struct fixture *f, struct arrival *arrival)
{
    for (int i = 0; i < 2000 && !arrival->done; i++)
        tt_loop_tick(f->loop, 10);
    assert_int_equal(arrival->done, 1);
}

static void expect_code(struct fixture *f, const char *sql, size_t rows_max, const char *code)
{
    struct arrival arrival;
    struct tt_err err = {0};
    assert_true(start(f, sql, rows_max, &arrival));
    arrive(f, &arrival);
    assert_int_equal(tt_db_next(arrival.rows, &err), TT_DB_FAILED);
    if (strcmp(err.code, code) != 0)
        fail_msg("%s: %s %s", sql, err.code, err.message);
    tt_db_rows_free(arrival.rows);
}

static void test_rows(void **state)
{
    struct fixture *f = *state;
    struct arrival arrival = {0};
    struct tt_err err = {0};
    char name[] = "eins", sql[] = "SELECT id, a, c, a = ?1 AS same FROM t ORDER BY id";
    struct tt_db_value value = tt_db_text(tt_str_from(name));
    struct tt_db_query query = {.sql = tt_str_from(sql),
                                .values = &value,
                                .count = 1,
                                .rows_max = 3,
                                .in_background = true};
    assert_int_equal(tt_db_read(f->db, f->loop, &query, on_rows, &arrival, &arrival.pending, &err),
                     0);
    memset(name, 'x', sizeof(name)); /* copied */
    memset(sql, 'x', sizeof(sql));
    arrive(f, &arrival);
    struct tt_db_rows *rows = arrival.rows;
    assert_int_equal(rows->columns, 4);
    assert_string_equal(rows->names[3].data, "same");
    assert_int_equal(tt_db_next(rows, &err), TT_DB_ROW);
    assert_int_equal(rows->values[3].integer, 1);
    assert_int_equal(tt_db_next(rows, &err), TT_DB_ROW);
    assert_int_equal(rows->values[1].type, TT_DB_TEXT);
    assert_int_equal(rows->values[1].text.len, 0);
    assert_int_equal(rows->values[2].type, TT_DB_NULL);
    assert_int_equal(tt_db_next(rows, &err), TT_DB_ROW);
    assert_int_equal(rows->values[2].type, TT_DB_BLOB);
    assert_string_equal(rows->values[1].text.data, "潮聊");
    assert_int_equal(tt_db_next(rows, &err), TT_DB_END);
    tt_db_rows_free(rows);

    assert_true(start(f, "SELECT id FROM t WHERE id > 9", 1, &arrival));
    arrive(f, &arrival);
    assert_int_equal(tt_db_next(arrival.rows, &err), TT_DB_END);
    assert_int_equal(arrival.rows->columns, 1);
    tt_db_rows_free(arrival.rows);
}

static void test_many_rows(void **state)
{
    struct fixture *f = *state;
    struct arrival arrival;
    int64_t count = 0;
    assert_true(start(f, NUMBERS " LIMIT 100000", 100000, &arrival));
    arrive(f, &arrival);
    while (tt_db_next(arrival.rows, NULL) == TT_DB_ROW)
        assert_int_equal(arrival.rows->values[0].integer, ++count);
    assert_int_equal(count, 100000);
    tt_db_rows_free(arrival.rows);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    expect_code(f, "DELETE FROM t", 10, "sql_error");
    expect_code(f, "SELECT ?1", 10, "sql_error");
    expect_code(f, "SELECT id FROM t", 2, "too_many_rows");
    expect_code(f, NUMBERS, SIZE_MAX, "too_many_rows"); /* by its bytes */
    expect_code(f, "SELECT zeroblob(100000000)", 1, "too_many_rows");
    expect_code(f, "SELECT zeroblob(200000000)", 1, "constraint");
}

#define WELL_BEFORE_MS 9000 /* the time limit of a query, 10 s, ends it with the same code */

static void test_time_limit(void **state)
{
    struct fixture *f = *state;
    uint64_t start_ms = tt_clock_mono_ms();
    expect_code(f, ENDLESS, 1, "query_too_slow");
    assert_true(tt_clock_mono_ms() - start_ms >= WELL_BEFORE_MS);
}

/* Its answer goes to whoever it was passed to, and only there. */
static void test_pass(void **state)
{
    struct fixture *f = *state;
    struct arrival first, second = {0};
    assert_true(start(f, "SELECT id FROM t", 3, &first));
    tt_db_pending_pass(first.pending, on_rows, &second);
    arrive(f, &second);
    assert_int_equal(first.done, 0);
    tt_db_rows_free(second.rows);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct arrival arrival, again;
    uint64_t start_ms = tt_clock_mono_ms();
    assert_true(start(f, ENDLESS, 1, &arrival));
    usleep(100 * 1000);
    tt_db_pending_cancel(arrival.pending);
    /* its reader is as good as new */
    for (int i = 0; i < 10; i++) {
        assert_true(start(f, "SELECT id FROM t", 3, &again));
        arrive(f, &again);
        tt_db_rows_free(again.rows);
    }
    while (tt_aux_busy(f->aux) > 0)
        tt_loop_tick(f->loop, 10);
    assert_true(tt_clock_mono_ms() - start_ms < WELL_BEFORE_MS);
    assert_int_equal(arrival.done, 0);
}

static void test_busy(void **state)
{
    struct fixture *f = *state;
    struct arrival arrivals[16];
    int taken = 0;
    for (int i = 0; i < 16; i++)
        taken += start(f, ENDLESS, 1, &arrivals[i]);
    assert_in_range(taken, 8, 10); /* two threads, eight waiting */
    for (int i = 0; i < 16; i++)
        if (arrivals[i].pending)
            tt_db_pending_cancel(arrivals[i].pending);
}

static void start_ten(struct fixture *f, struct arrival arrivals[10])
{
    for (int i = 0; i < 10; i++)
        start(f, ENDLESS, 1, &arrivals[i]);
    usleep(50 * 1000);
}

static void none_came(const struct arrival arrivals[10])
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(arrivals[i].done, 0);
}

/* The database first: what runs ends at once, what waits comes back and is dropped. */
static void test_close_database_first(void **state)
{
    struct fixture *f = *state;
    struct arrival arrivals[10];
    uint64_t start_ms = tt_clock_mono_ms();
    start_ten(f, arrivals);
    close_db(f);
    assert_true(tt_clock_mono_ms() - start_ms < WELL_BEFORE_MS);
    while (tt_aux_busy(f->aux) > 0)
        tt_loop_tick(f->loop, 10);
    tt_loop_tick(f->loop, 0);
    none_came(arrivals);
}

/* The threads first: what waits is dropped by them. */
static void test_free_aux_first(void **state)
{
    struct fixture *f = *state;
    struct arrival arrivals[10];
    start_ten(f, arrivals);
    for (int i = 0; i < 2; i++)
        tt_db_pending_cancel(arrivals[i].pending); /* the two that run */
    tt_db_detach(f->db, f->loop);
    tt_aux_free(f->aux);
    tt_loop_tick(f->loop, 0);
    close_db(f);
    none_came(arrivals);
    f->aux = tt_aux_new("test", 1, 1, NULL);
}

static void test_without_threads(void **state)
{
    struct fixture *f = *state;
    struct arrival arrival;
    close_db(f);
    tt_aux_free(f->aux);
    f->aux = NULL;
    open_db(f, NULL);
    assert_false(start(f, "SELECT 1", 1, &arrival));
    assert_int_equal(read_int(f, "SELECT 1"), 1);
}

/* ---- the engine that is always late ---- */

struct order {
    int *at;
    int place;
};

static void note_order(struct tt_db_rows *rows, void *arg)
{
    struct order *order = arg;
    assert_int_equal(tt_db_next(rows, NULL), TT_DB_ROW);
    order->place = (*order->at)++;
}

static void test_late_answers_come_in_any_order(void **state)
{
    struct fixture *f = *state;
    struct tt_db_query query = {.sql = TT_STR("SELECT id FROM t")};
    struct order orders[64];
    struct tt_db_pending *pending;
    int at = 0, overtaken = 0;
    for (int i = 0; i < 64; i++) {
        orders[i] = (struct order){&at, -1};
        assert_int_equal(tt_db_read(f->db, f->loop, &query, note_order, &orders[i], &pending, NULL),
                         0);
        assert_non_null(pending);
        assert_int_equal(orders[i].place, -1);
    }
    while (at < 64)
        tt_loop_tick(f->loop, 10);
    for (int i = 1; i < 64; i++)
        overtaken += orders[i].place < orders[i - 1].place;
    assert_true(overtaken > 0);
}

static void test_late_errors_come_late(void **state)
{
    struct fixture *f = *state;
    expect_code(f, "SELECT nothing", 1, "sql_error");
    expect_code(f, "SELECT id FROM t", 2, "too_many_rows");
}

static void test_late_reads_can_be_cancelled(void **state)
{
    struct fixture *f = *state;
    struct arrival arrivals[10];
    start_ten(f, arrivals);
    for (int i = 0; i < 5; i++)
        tt_db_pending_cancel(arrivals[i].pending);
    for (int i = 0; i < 5; i++)
        tt_loop_tick(f->loop, 1);
    tt_db_detach(f->db, f->loop);
    none_came(arrivals);
}

static void test_late_reads_can_be_waited_for(void **state)
{
    struct fixture *f = *state;
    struct result result;
    for (int i = 0; i < 50; i++) {
        run(f, job_of("INSERT INTO t (a) VALUES ('x')", NULL, NULL), &result);
        assert_int_equal(read_int(f, "SELECT count(*) FROM t"), 4 + i);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_many_rows, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_time_limit, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_pass, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_busy, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_close_database_first, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_free_aux_first, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_without_threads, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_rows, setup_late, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_many_rows, setup_late, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_pass, setup_late, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_late_answers_come_in_any_order, setup_late,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_late_errors_come_late, setup_late, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_late_reads_can_be_cancelled, setup_late,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_late_reads_can_be_waited_for, setup_late,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
