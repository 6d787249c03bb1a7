/* A statement for one row, written for many. No PostgreSQL is needed. */
#include "base/mem.h"
#include "db/postgres_sql.h"
#include "unit_test.h"

static void test_forms(void **state)
{
    static const char *const types[] = {"bigint", "text", NULL};
    static const struct {
        const char *sql;
        enum tt_pg_set set;
        const char *wanted;
    } cases[] = {
        {"INSERT INTO a (b, c, d) VALUES ($1, lower($2), $3)", TT_PG_SET_ROWS,
         "INSERT INTO a (b, c, d) SELECT p1, lower(p2), NULL FROM unnest($1::bigint[], $2::text[])"
         " WITH ORDINALITY AS tidetalk_set (p1, p2, place) ORDER BY place"},
        {"UPDATE a SET b = $2, c = '$1', d = $3 WHERE e = (SELECT f FROM g WHERE h = $1)",
         TT_PG_SET_CHANGES,
         "UPDATE a SET b = p2, c = '$1', d = NULL  FROM unnest($1::bigint[], $2::text[])"
         " WITH ORDINALITY AS tidetalk_set (p1, p2, place) WHERE e = (SELECT f FROM g WHERE h = p1)"
         " RETURNING place"},
        {"INSERT INTO a (b, c) SELECT d, $2 FROM e WHERE f = $1 ON CONFLICT (b) DO UPDATE SET c = "
         "excluded.c",
         TT_PG_SET_COUNT,
         "INSERT INTO a (b, c) SELECT d, p2 FROM e  CROSS JOIN unnest($1::bigint[], $2::text[])"
         " WITH ORDINALITY AS tidetalk_set (p1, p2, place) WHERE f = p1 ON CONFLICT (b)"
         " DO UPDATE SET c = excluded.c"},
        {"DELETE FROM a WHERE b = $1", TT_PG_SET_NONE, NULL},
        {"UPDATE a SET b = $1", TT_PG_SET_NONE, NULL},
        {"UPDATE a SET b = c FROM d WHERE e = $1", TT_PG_SET_NONE, NULL},
        {"UPDATE a SET b = 1 WHERE c = $1 RETURNING d", TT_PG_SET_NONE, NULL},
        {"INSERT INTO a (b) SELECT c FROM d WHERE e = $1 ORDER BY f LIMIT 1", TT_PG_SET_NONE, NULL},
        {"INSERT INTO a (b) VALUES ($1) ON CONFLICT DO NOTHING", TT_PG_SET_NONE, NULL},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_str sql = tt_str_from(cases[i].sql);
        struct tt_buf out = {0};
        if (tt_pg_set_of(sql) != cases[i].set)
            fail_msg("%s", cases[i].sql);
        if (cases[i].wanted) {
            tt_pg_set_text(sql, cases[i].set, types, TT_COUNT(types), &out);
            if (!tt_str_eq(tt_buf_str(&out), tt_str_from(cases[i].wanted)))
                fail_msg("%.*s", TT_STR_ARG(tt_buf_str(&out)));
        }
        tt_buf_free(&out);
    }
}

static void test_keys(void **state)
{
    static const struct {
        const char *sql, *wanted; /* a digit for each parameter */
    } cases[] = {
        {"UPDATE a SET b = $1, c = $4 WHERE d = $2 AND e = '$1' AND f = $3", "0110"},
        {"UPDATE a SET b = $1 WHERE d = $2 AND e = (SELECT f FROM g WHERE h = $3)", "0100"},
        {"UPDATE a SET b = $1 WHERE d = (SELECT f FROM g WHERE h = $2 AND i = $3)", "0110"},
        {"INSERT INTO a (b, c) SELECT d, $2 FROM e WHERE d = $1 AND NOT EXISTS (SELECT 1 FROM f"
         " WHERE g = $3 AND (h IS NULL OR h <> $4)) ON CONFLICT (b) DO UPDATE SET c = excluded.c",
         "1000"},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        bool keys[4] = {false};
        tt_pg_set_keys(tt_str_from(cases[i].sql), keys, TT_COUNT(keys));
        for (size_t k = 0; k < TT_COUNT(keys); k++)
            if (keys[k] != (cases[i].wanted[k] == '1'))
                fail_msg("%s: $%zu", cases[i].sql, k + 1);
    }
}

static void test_sequences(void **state)
{
    static const char *const sequences[12] = {"public.s", NULL, "t"};
    struct tt_buf sql = {0};
    (void)state;
    tt_buf_append_z(&sql, "INSERT INTO a (b, c) VALUES ($1, '$1' || $12 || $3)");
    tt_pg_use_sequences(&sql, sequences, TT_COUNT(sequences));
    assert_true(tt_str_eq(
        tt_buf_str(&sql),
        TT_STR("INSERT INTO a (b, c) SELECT id1, '$1' || $12 || id3 FROM"
               " (SELECT coalesce(CAST($1 AS BIGINT), currval('public.s')) AS id1,"
               " coalesce(CAST($3 AS BIGINT), currval('t')) AS id3 OFFSET 0) AS tidetalk_ids")));
    tt_buf_free(&sql);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
