/* A statement in PostgreSQL's form: its parameters get numbers, and only queries and changes of
 * rows are let through. No PostgreSQL is needed. */
#include "base/mem.h"
#include "db/postgres_sql.h"
#include "unit_test.h"

static void test_parameters(void **state)
{
    static const struct {
        const char *sql, *wanted;
        size_t parameters;
    } cases[] = {
        {"SELECT 1", "SELECT 1", 0},
        {"SELECT ?, ?", "SELECT $1, $2", 2},
        {"SELECT ?2, ?, ?1", "SELECT $2, $3, $1", 3},
        {"SELECT '?', \"?\", ? -- ?\n, ? /* ? */", "SELECT '?', \"?\", $1 -- ?\n, $2 /* ? */", 2},
        {"SELECT 'it''s ?' || ?", "SELECT 'it''s ?' || $1", 1},
        {"SELECT '潮?', ?", "SELECT '潮?', $1", 1},
        {"-- why\n/* and */ SELECT ?", "-- why\n/* and */ SELECT $1", 1},
        {"SELECT 'open ?", "SELECT 'open ?", 0},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_pg_text text;
        assert_int_equal(tt_pg_translate(tt_str_from(cases[i].sql), &text, NULL), 0);
        assert_string_equal(text.sql.data, cases[i].wanted);
        assert_int_equal(text.parameters, cases[i].parameters);
        tt_buf_free(&text.sql);
    }
}

static void test_inserts(void **state)
{
    static const struct {
        const char *sql, *table;
        bool returns;
    } cases[] = {
        {"INSERT INTO a (b) VALUES (?)", "a", false},
        {"  insert\n into \"A b\" (c) SELECT ?", "\"A b\"", false},
        {"INSERT INTO a (b) VALUES (1) RETURNING b", "a", true},
        {"INSERT INTO a (b) VALUES ('returning')", "a", false},
        {"UPDATE a SET b = 1", "", false},
        {"WITH x AS (SELECT 1) SELECT * FROM x", "", false},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_pg_text text;
        assert_int_equal(tt_pg_translate(tt_str_from(cases[i].sql), &text, NULL), 0);
        assert_true(
            tt_str_eq(tt_pg_inserted_table(tt_buf_str(&text.sql)), tt_str_from(cases[i].table)));
        assert_int_equal(text.returns, cases[i].returns);
        tt_buf_free(&text.sql);
    }
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "",       "BEGIN",         "-- SELECT\nCOMMIT", "SET x = 1",    "COPY a TO PROGRAM 'x'",
        "LOCK a", "SELECTED FROM", "SELECT ?0",         "SELECT ?1000", "/* SELECT 1",
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_pg_text text;
        struct tt_err err = {0};
        if (tt_pg_translate(tt_str_from(cases[i]), &text, &err) == 0)
            fail_msg("not refused: %s", cases[i]);
        assert_string_equal(err.code, "sql_error");
        tt_buf_free(&text.sql);
    }
}

static void test_single_rows(void **state)
{
    static const struct {
        const char *sql, *columns;
    } cases[] = {
        {"INSERT INTO a (b, c) VALUES (?, lower(?))", "(b, c)"},
        {"insert into \"a b\"(\"values\")\nvalues (1) -- one", "(\"values\")"},
        {"INSERT INTO a (b) VALUES (1), (2)", NULL},
        {"INSERT INTO a (b) VALUES (1) ON CONFLICT DO NOTHING", NULL},
        {"INSERT INTO a (b) VALUES (1) RETURNING c", NULL},
        {"INSERT INTO a (b) SELECT 1", NULL},
        {"INSERT INTO a VALUES (1)", NULL},
        {"UPDATE a SET b = 1", NULL},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_str columns;
        bool one = tt_pg_inserts_one(tt_str_from(cases[i].sql), &columns);
        if (one != (cases[i].columns != NULL))
            fail_msg("%s", cases[i].sql);
        if (one)
            assert_true(tt_str_eq(columns, tt_str_from(cases[i].columns)));
    }
}

static void test_sequences(void **state)
{
    struct tt_buf sql = {0};
    (void)state;
    tt_buf_append_z(&sql, "INSERT INTO a (b, c) VALUES ($1, '$1' || $12 || $1)");
    tt_pg_use_sequence(&sql, 1, TT_STR("public.s"));
    assert_true(tt_str_eq(
        tt_buf_str(&sql),
        TT_STR("INSERT INTO a (b, c) VALUES (coalesce(CAST($1 AS BIGINT), currval('public.s')), "
               "'$1' || $12 || coalesce(CAST($1 AS BIGINT), currval('public.s')))")));
    tt_buf_free(&sql);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),  cmocka_unit_test(test_inserts),
        cmocka_unit_test(test_single_rows), cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
