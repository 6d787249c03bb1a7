/* UTF-8: the cases file through every function, joined at every pair of split points, and all code
 * points there and back. */
#include "base/cases.h"
#include "base/utf8.h"

static void check_valid(struct tt_str bytes, struct tt_str want, int line)
{
    if (tt_utf8_valid(bytes) != tt_str_eq(bytes, want))
        fail_msg("line %d: valid", line);
}

static void validates(void **state)
{
    (void)state;
    assert_true(cases_each("utf8/cases.txt", check_valid) > 40);
}

static void check_joined(struct tt_str bytes, struct tt_str want, int line)
{
    for (size_t i = 0; i <= bytes.len; i++) {
        for (size_t j = i; j <= bytes.len; j++) {
            struct tt_utf8_joiner joiner = {0};
            struct tt_buf out = {0};
            tt_utf8_join(&joiner, tt_str_of(bytes.data, i), &out);
            assert_true(tt_utf8_valid(tt_buf_str(&out)));
            tt_utf8_join(&joiner, tt_str_of(bytes.data + i, j - i), &out);
            tt_utf8_join(&joiner, tt_str_of(bytes.data + j, bytes.len - j), &out);
            tt_utf8_join_end(&joiner, &out);
            if (!tt_str_eq(tt_buf_str(&out), want))
                fail_msg("line %d: split at %zu, %zu: \"%s\"", line, i, j, out.data);
            tt_buf_free(&out);
        }
    }
}

static void check_joined_bytewise(struct tt_str bytes, struct tt_str want, int line)
{
    struct tt_utf8_joiner joiner = {0};
    struct tt_buf out = {0};
    for (size_t i = 0; i < bytes.len; i++)
        tt_utf8_join(&joiner, tt_str_of(bytes.data + i, 1), &out);
    tt_utf8_join_end(&joiner, &out);
    if (!tt_str_eq(tt_buf_str(&out), want))
        fail_msg("line %d: byte by byte", line);
    tt_buf_free(&out);
}

static void joins_at_every_split(void **state)
{
    (void)state;
    assert_true(cases_each("utf8/cases.txt", check_joined) > 40);
    assert_true(cases_each("utf8/cases.txt", check_joined_bytewise) > 40);
}

static void join_past_the_cap_changes_nothing(void **state)
{
    (void)state;
    struct tt_utf8_joiner joiner = {0};
    struct tt_buf out = {.max = 6};
    assert_int_equal(tt_utf8_join(&joiner, TT_STR("abc\xE6"), &out), 0);
    assert_int_equal(tt_utf8_join(&joiner, TT_STR("\xBD\xAEx"), &out), -1);
    assert_string_equal(out.data, "abc");
    assert_int_equal(tt_utf8_join(&joiner, TT_STR("\xBD\xAE"), &out), 0);
    assert_string_equal(out.data, "abc潮");
    tt_buf_free(&out);
}

static void completes(void **state)
{
    (void)state;
    struct tt_str text = TT_STR("a\xC3\xA9\xE6\xBD\xAE\xF0\x9F\x98\x80z");
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t i = 0; i <= text.len; i++)
        assert_int_equal(tt_utf8_complete(tt_str_of(text.data, i)), want[i]);
    /* What cannot begin a character is not waited for. */
    assert_int_equal(tt_utf8_complete(TT_STR("ab\xFF")), 3);
    assert_int_equal(tt_utf8_complete(TT_STR("ab\xED\xA0")), 4);
    assert_int_equal(tt_utf8_complete(TT_STR("ab\xE0\x80")), 4);
    assert_int_equal(tt_utf8_complete(TT_STR("ab\xF4\x90")), 4);
    assert_int_equal(tt_utf8_complete(TT_STR("\x80\x80\x80\x80")), 4);
    assert_int_equal(tt_utf8_complete(TT_STR("ab\xF0\x90")), 2);
}

static void all_code_points_there_and_back(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char text[4];
        uint32_t back = 0;
        size_t n = tt_utf8_encode(c, text);
        bool surrogate = c >= 0xD800 && c <= 0xDFFF;
        if (tt_utf8_valid(tt_str_of(text, n)) == surrogate)
            fail_msg("U+%04X", c);
        if (surrogate)
            continue;
        if (tt_utf8_decode(tt_str_of(text, n), &back) != n || back != c)
            fail_msg("U+%04X became U+%04X", c, back);
        if (tt_utf8_decode(tt_str_of(text, n - 1), &back) != 0)
            fail_msg("U+%04X cut short", c);
    }
}

static void counts_characters(void **state)
{
    (void)state;
    struct tt_str text = TT_STR("aé潮😀z");
    static const size_t ends[] = {0, 1, 3, 6, 10, 11, 11, 11};
    assert_int_equal(tt_utf8_count(text), 5);
    for (size_t n = 0; n < TT_COUNT(ends); n++)
        assert_int_equal(tt_utf8_prefix(text, n), ends[n]);
    assert_int_equal(tt_utf8_count(TT_STR("")), 0);
}

/* Invalid bytes at each place of a long text: inside, between and behind the 16-byte steps. */
static void validates_at_every_offset(void **state)
{
    (void)state;
    char text[80];
    for (size_t len = 1; len < sizeof(text); len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'x', len);
            struct tt_str exact = cases_exact(tt_str_of(text, len));
            assert_true(tt_utf8_valid(exact));
            ((char *)exact.data)[at] = (char)0xC3;
            assert_false(tt_utf8_valid(exact));
            if (at + 1 < len) {
                ((char *)exact.data)[at + 1] = (char)0xA9;
                assert_true(tt_utf8_valid(exact));
            }
            free((char *)exact.data);
        }
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validates),
        cmocka_unit_test(validates_at_every_offset),
        cmocka_unit_test(joins_at_every_split),
        cmocka_unit_test(join_past_the_cap_changes_nothing),
        cmocka_unit_test(completes),
        cmocka_unit_test(all_code_points_there_and_back),
        cmocka_unit_test(counts_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
