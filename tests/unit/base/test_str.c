/* Slices: the edges (empty, used up, overflow), as callers meet them in protocol text. */
#include "base/cases.h"

#define S(z) tt_str_from(z)

static void compares(void **state)
{
    (void)state;
    assert_true(tt_str_eq((struct tt_str){NULL, 0}, S("")));
    assert_false(tt_str_eq(S("a"), S("ab")));
    assert_true(tt_str_eq_nocase(S("Content-TYPE"), S("content-type")));
    assert_false(tt_str_eq_nocase(S("content-typ"), S("content-type")));
    /* '[' and '{' differ by 0x20 only, as letters do. */
    assert_false(tt_str_eq_nocase(S("a[b"), S("a{b")));
    assert_false(tt_str_eq_nocase(S("\xC3\x84"), S("\xC3\xA4")));
    assert_true(tt_str_starts(S("abc"), S("ab")));
    assert_true(tt_str_starts(S("abc"), S("")));
    assert_false(tt_str_starts(S("ab"), S("abc")));
    assert_true(tt_str_starts_nocase(S("Bearer x"), S("bearer ")));
    assert_true(tt_str_ends(S("abc"), S("bc")));
    assert_false(tt_str_ends(S("bc"), S("abc")));
    assert_true(tt_str_ends((struct tt_str){NULL, 0}, S("")));
}

static void trims_and_finds(void **state)
{
    (void)state;
    assert_text_equal(tt_str_trim(S(" \t\r\n a b \n")), S("a b"));
    assert_int_equal(tt_str_trim(S(" \t ")).len, 0);
    assert_int_equal(tt_str_trim((struct tt_str){NULL, 0}).len, 0);
    assert_int_equal(tt_str_find(S("abca"), 'a'), 0);
    assert_int_equal(tt_str_find(S("abc"), 'c'), 2);
    assert_int_equal(tt_str_find(tt_str_of("abc", 2), 'c'), -1);
    assert_int_equal(tt_str_find((struct tt_str){NULL, 0}, 'c'), -1);
}

static void splits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *parts[4];
    } cases[] = {
        {"a,b,c", {"a", "b", "c"}}, {"a,", {"a", ""}}, {",a", {"", "a"}}, {",", {"", ""}},
        {"a,,b", {"a", "", "b"}},   {"a", {"a"}},      {"", {""}},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_str rest = S(cases[i].text), part;
        size_t n = 0;
        for (; tt_str_split(&rest, ',', &part); n++) {
            assert_true(n < 4 && cases[i].parts[n]);
            assert_text_equal(part, S(cases[i].parts[n]));
        }
        assert_true(n == 4 || !cases[i].parts[n]);
    }
}

static void reads_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "0x1",
                                      "1.0",
                                      "/",
                                      ":",
                                      "--1",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "184467440737095516150"};
    uint64_t u;
    int64_t i;
    for (size_t n = 0; n < TT_COUNT(bad); n++) {
        assert_int_equal(tt_str_to_u64(S(bad[n]), &u), -1);
        assert_int_equal(tt_str_to_i64(S(bad[n]), &i), -1);
    }
    assert_int_equal(tt_str_to_u64(S("18446744073709551615"), &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(tt_str_to_u64(S("-1"), &u), -1);
    assert_int_equal(tt_str_to_u64(tt_str_of("123", 2), &u), 0);
    assert_int_equal(u, 12);
    assert_int_equal(tt_str_to_i64(S("9223372036854775807"), &i), 0);
    assert_true(i == INT64_MAX);
    assert_int_equal(tt_str_to_i64(S("-9223372036854775808"), &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(tt_str_to_i64(S("9223372036854775808"), &i), -1);
    assert_int_equal(tt_str_to_i64(S("-9223372036854775809"), &i), -1);
    assert_int_equal(tt_str_to_i64(S("-0"), &i), 0);
    assert_int_equal(i, 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(trims_and_finds),
        cmocka_unit_test(splits),
        cmocka_unit_test(reads_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
