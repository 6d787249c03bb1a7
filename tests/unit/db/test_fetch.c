/* Reads on aux threads: whole results, caps, cancelling, and closing in either order. */
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

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

struct arrival {
    int done;
    struct tt_db_fetch *fetch;
};

static void on_fetched(struct tt_db_fetch *fetch, void *arg)
{
    struct arrival *arrival = arg;
    arrival->done++;
    arrival->fetch = fetch;
}

static struct tt_db_fetch *start(struct fixture *f, const char *sql, size_t rows_max,
                                 struct arrival *arrival)
{
    struct tt_err err = {0};
    *arrival = (struct arrival){0};
    struct tt_db_fetch *fetch =
        tt_db_fetch(f->db, f->loop, tt_str_from(sql), NULL, 0, rows_max, on_fetched, arrival, &err);
    if (!fetch)
        assert_string_equal(err.code, "busy");
    return fetch;
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
    assert_non_null(start(f, sql, rows_max, &arrival));
    arrive(f, &arrival);
    if (strcmp(arrival.fetch->error.code, code) != 0)
        fail_msg("%s: %s %s", sql, arrival.fetch->error.code, arrival.fetch->error.message);
    assert_int_equal(arrival.fetch->rows, 0);
    tt_db_fetch_free(arrival.fetch);
}

static void test_rows(void **state)
{
    struct fixture *f = *state;
    struct arrival arrival = {0};
    struct tt_err err = {0};
    struct tt_db_value value = tt_db_text(TT_STR("eins"));
    assert_non_null(tt_db_fetch(f->db, f->loop,
                                TT_STR("SELECT id, a, c, a = ?1 AS same FROM t ORDER BY id"),
                                &value, 1, 3, on_fetched, &arrival, &err));
    arrive(f, &arrival);
    struct tt_db_fetch *fetch = arrival.fetch;
    assert_int_equal(fetch->error.status, 0);
    assert_int_equal(fetch->rows, 3);
    assert_int_equal(fetch->columns, 4);
    assert_string_equal(fetch->names[3].data, "same");
    assert_int_equal(fetch->values[3].integer, 1);
    assert_int_equal(fetch->values[4 + 1].type, TT_DB_TEXT);
    assert_int_equal(fetch->values[4 + 1].text.len, 0);
    assert_int_equal(fetch->values[4 + 2].type, TT_DB_NULL);
    assert_int_equal(fetch->values[8 + 2].type, TT_DB_BLOB);
    assert_string_equal(fetch->values[8 + 1].text.data, "潮聊");
    tt_db_fetch_free(fetch);

    assert_non_null(start(f, "SELECT id FROM t WHERE id > 9", 1, &arrival));
    arrive(f, &arrival);
    assert_int_equal(arrival.fetch->error.status, 0);
    assert_int_equal(arrival.fetch->rows, 0);
    assert_int_equal(arrival.fetch->columns, 1);
    tt_db_fetch_free(arrival.fetch);
}

static void test_many_rows(void **state)
{
    struct fixture *f = *state;
    struct arrival arrival;
    assert_non_null(start(f, NUMBERS " LIMIT 100000", 100000, &arrival));
    arrive(f, &arrival);
    assert_int_equal(arrival.fetch->rows, 100000);
    assert_int_equal(arrival.fetch->values[99999].integer, 100000);
    tt_db_fetch_free(arrival.fetch);
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

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct arrival arrival, again;
    uint64_t start_ms = tt_clock_mono_ms();
    struct tt_db_fetch *fetch = start(f, ENDLESS, 1, &arrival);
    usleep(100 * 1000);
    fetch->cancelled = true;
    arrive(f, &arrival);
    assert_int_not_equal(fetch->error.status, 0);
    assert_true(tt_clock_mono_ms() - start_ms < WELL_BEFORE_MS);
    tt_db_fetch_free(fetch);
    /* its reader is as good as new */
    for (int i = 0; i < 10; i++) {
        assert_non_null(start(f, "SELECT id FROM t", 3, &again));
        arrive(f, &again);
        assert_int_equal(again.fetch->rows, 3);
        tt_db_fetch_free(again.fetch);
    }
}

static void test_busy(void **state)
{
    struct fixture *f = *state;
    struct arrival arrivals[16];
    struct tt_db_fetch *fetches[16];
    int taken = 0;
    for (int i = 0; i < 16; i++) {
        fetches[i] = start(f, ENDLESS, 1, &arrivals[i]);
        taken += fetches[i] != NULL;
    }
    assert_in_range(taken, 8, 10); /* two threads, eight waiting */
    for (int i = 0; i < 16; i++)
        if (fetches[i])
            fetches[i]->cancelled = true;
    for (int i = 0; i < 16; i++) {
        if (!fetches[i])
            continue;
        arrive(f, &arrivals[i]);
        tt_db_fetch_free(fetches[i]);
    }
}

static void start_ten(struct fixture *f, struct arrival arrivals[10])
{
    for (int i = 0; i < 10; i++)
        start(f, ENDLESS, 1, &arrivals[i]);
}

/* The database first: what runs ends at once, what waits comes back refused. */
static void test_close_database_first(void **state)
{
    struct fixture *f = *state;
    struct arrival arrivals[10];
    uint64_t start_ms = tt_clock_mono_ms();
    start_ten(f, arrivals);
    usleep(50 * 1000);
    close_db(f);
    assert_true(tt_clock_mono_ms() - start_ms < WELL_BEFORE_MS);
    for (int i = 0; i < 10; i++) {
        if (!arrivals[i].done)
            arrive(f, &arrivals[i]);
        assert_int_equal(arrivals[i].fetch->error.status, 503);
        tt_db_fetch_free(arrivals[i].fetch);
    }
}

/* The threads first: what waits is dropped by them. */
static void test_free_aux_first(void **state)
{
    struct fixture *f = *state;
    struct arrival arrivals[10];
    struct tt_db_fetch *fetches[10];
    for (int i = 0; i < 10; i++)
        fetches[i] = start(f, ENDLESS, 1, &arrivals[i]);
    usleep(50 * 1000);
    fetches[0]->cancelled = fetches[1]->cancelled = true; /* the two that run */
    usleep(10 * 1000);
    for (int i = 2; i < 10; i++)
        if (fetches[i])
            fetches[i]->cancelled = true;
    tt_aux_free(f->aux);
    tt_loop_tick(f->loop, 0);
    for (int i = 0; i < 10; i++)
        if (arrivals[i].done)
            tt_db_fetch_free(arrivals[i].fetch);
    close_db(f);
    f->aux = tt_aux_new("test", 1, 1, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_time_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_database_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_aux_first, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
