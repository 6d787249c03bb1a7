/* Queries on a worker's reader: what they see, what is refused, and that none can run away. */
#include "support.h"

static const char schema[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b REAL, c BLOB) STRICT;"
    "INSERT INTO t VALUES (1, 'eins', 1.5, x'00ff'), (2, '', NULL, x''), (3, '潮聊', -2, NULL);";

#define ENDLESS                                                                                    \
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

struct readers {
    struct fixture *f;
    struct tt_db_reader *reader;
};

static int setup(void **state)
{
    struct readers *r = TT_NEW(struct readers);
    struct tt_err err = {0};
    r->f = fixture_new(schema);
    open_db(r->f, &(struct tt_db_settings){.step_budget = 100000});
    r->reader = tt_db_reader_new(r->f->db, &err);
    assert_non_null(r->reader);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct readers *r = *state;
    tt_db_reader_free(r->reader);
    fixture_free(r->f);
    free(r);
    return 0;
}

static void query(struct readers *r, const char *sql)
{
    struct tt_err err = {0};
    if (tt_db_query(r->reader, tt_str_from(sql), NULL, 0, &err) != 0)
        fail_msg("%s: %s", sql, err.message);
}

static int64_t query_int(struct readers *r, const char *sql)
{
    struct tt_err err = {0};
    query(r, sql);
    if (tt_db_step(r->reader, &err) != 1)
        fail_msg("%s: %s", sql, err.message);
    int64_t n = tt_db_column(r->reader, 0).integer;
    tt_db_query_end(r->reader);
    return n;
}

static void test_rows_and_types(void **state)
{
    struct readers *r = *state;
    struct tt_err err = {0};
    char name[] = "潮聊";
    struct tt_db_value values[] = {tt_db_int(0), tt_db_text(tt_str_from(name))};
    assert_int_equal(tt_db_query(r->reader,
                                 TT_STR("SELECT id, a, b, c, a = ?2 AS same FROM t WHERE id > ?1"
                                        " ORDER BY id"),
                                 values, 2, &err),
                     0);
    memset(name, 'x', sizeof(name)); /* copied */
    assert_int_equal(tt_db_columns(r->reader), 5);
    assert_string_equal(tt_db_column_name(r->reader, 4).data, "same");

    assert_int_equal(tt_db_step(r->reader, &err), 1);
    assert_int_equal(tt_db_column(r->reader, 0).integer, 1);
    assert_int_equal(tt_db_column(r->reader, 1).type, TT_DB_TEXT);
    assert_true(tt_str_eq(tt_db_column(r->reader, 1).text, TT_STR("eins")));
    assert_true(tt_db_column(r->reader, 2).real == 1.5);
    assert_int_equal(tt_db_column(r->reader, 3).type, TT_DB_BLOB);
    assert_true(tt_str_eq(tt_db_column(r->reader, 3).text, tt_str_of("\0\xff", 2)));

    assert_int_equal(tt_db_step(r->reader, &err), 1);
    assert_int_equal(tt_db_column(r->reader, 1).type, TT_DB_TEXT);
    assert_int_equal(tt_db_column(r->reader, 1).text.len, 0);
    assert_non_null(tt_db_column(r->reader, 1).text.data);
    assert_int_equal(tt_db_column(r->reader, 2).type, TT_DB_NULL);
    assert_int_equal(tt_db_column(r->reader, 3).type, TT_DB_BLOB);
    assert_int_equal(tt_db_column(r->reader, 3).text.len, 0);

    assert_int_equal(tt_db_step(r->reader, &err), 1);
    assert_int_equal(tt_db_column(r->reader, 4).integer, 1);
    assert_int_equal(tt_db_step(r->reader, &err), 0);
    assert_int_equal(tt_db_step(r->reader, &err), 0); /* closed */
    assert_int_equal(tt_db_columns(r->reader), 0);
    assert_int_equal(tt_db_column(r->reader, 0).type, TT_DB_NULL);
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
    struct readers *r = *state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_err err = {0};
        int rc = tt_db_query(r->reader, tt_str_from(cases[i]), NULL, 0, &err);
        if (rc == 0)
            rc = tt_db_step(r->reader, &err);
        if (rc != -1 || strcmp(err.code, "sql_error") != 0)
            fail_msg("%s: %d %s %s", cases[i], rc, err.code, err.message);
        assert_int_equal(err.status, 500);
    }
    assert_int_equal(query_int(r, "SELECT count(*) FROM t"), 3);
    struct tt_err err = {0};
    struct tt_str nul = TT_STR("SELECT 1\0 DROP TABLE t");
    assert_int_equal(tt_db_query(r->reader, nul, NULL, 0, &err), -1);
    /* a slice of something longer is only what it says */
    assert_int_equal(tt_db_query(r->reader, tt_str_of("SELECT 1, 2", 8), NULL, 0, &err), 0);
    assert_int_equal(tt_db_columns(r->reader), 1);
}

static void test_step_budget(void **state)
{
    struct readers *r = *state;
    struct tt_err err = {0};
    query(r, ENDLESS);
    assert_int_equal(tt_db_step(r->reader, &err), -1);
    assert_string_equal(err.code, "query_too_slow");
    /* many rows spend the budget together */
    int rows = 0, rc;
    query(r, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n");
    while ((rc = tt_db_step(r->reader, &err)) == 1)
        rows++;
    assert_int_equal(rc, -1);
    assert_in_range(rows, 1000, 100000);
    /* and each query has its own */
    for (int i = 0; i < 1000; i++)
        assert_int_equal(query_int(r, "SELECT count(*) FROM t"), 3);
}

static void test_sees_commits_when_it_begins(void **state)
{
    struct readers *r = *state;
    struct tt_err err = {0};
    struct result result;
    query(r, "SELECT id FROM t ORDER BY id");
    assert_int_equal(tt_db_step(r->reader, &err), 1);
    run(r->f, job_of("INSERT INTO t (id) VALUES (4)", NULL, NULL), &result);
    assert_int_equal(result.error.status, 0);
    int rows = 1;
    while (tt_db_step(r->reader, &err) == 1)
        rows++;
    assert_int_equal(rows, 3); /* its snapshot */
    assert_int_equal(query_int(r, "SELECT count(*) FROM t"), 4);
    query(r, "SELECT id FROM t"); /* left open: the next ends it */
    assert_int_equal(tt_db_step(r->reader, &err), 1);
    assert_int_equal(query_int(r, "SELECT 5"), 5);
}

static void test_follows_the_schema(void **state)
{
    struct readers *r = *state;
    struct tt_err err = {0};
    query(r, "SELECT * FROM t");
    assert_int_equal(tt_db_columns(r->reader), 4);
    tt_db_query_end(r->reader);
    outside_exec(r->f->path, "ALTER TABLE t ADD COLUMN e INTEGER DEFAULT 8");
    query(r, "SELECT * FROM t");
    assert_int_equal(tt_db_step(r->reader, &err), 1);
    assert_int_equal(tt_db_columns(r->reader), 5);
    assert_int_equal(tt_db_column(r->reader, 4).integer, 8);
}

static void test_more_statements_than_the_cache(void **state)
{
    struct readers *r = *state;
    char sql[64];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            snprintf(sql, sizeof(sql), "SELECT %d + count(*) FROM t", i);
            assert_int_equal(query_int(r, sql), i + 3);
        }
    }
}

static void test_no_database(void **state)
{
    struct readers *r = *state;
    struct tt_err err = {0};
    char path[128];
    snprintf(path, sizeof(path), "%s/nowhere/tidetalk.db", r->f->dir);
    struct tt_db_settings settings = {.path = path};
    assert_null(tt_db_open(&settings, NULL, &err));
    assert_string_equal(err.code, "database_unavailable");
    assert_non_null(strstr(err.message, path));

    snprintf(path, sizeof(path), "%s/other", r->f->dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("no database ", file);
    fclose(file);
    assert_null(tt_db_open(&settings, NULL, &err));
    assert_string_equal(err.code, "database_unavailable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows_and_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_step_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sees_commits_when_it_begins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_follows_the_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_statements_than_the_cache, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_database, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
