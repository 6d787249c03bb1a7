/* The buffer: its cap, its NUL, and that a refused append changes nothing. */
#include "base/cases.h"

static void appends_and_keeps_the_nul(void **state)
{
    (void)state;
    struct tt_buf buf = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(tt_buf_printf(&buf, "%d,", i), 0);
        assert_int_equal(strlen(buf.data), buf.len);
    }
    assert_true(strncmp(buf.data, "0,1,2,3,", 8) == 0);
    assert_string_equal(buf.data + buf.len - 4, "999,");
    tt_buf_clear(&buf);
    assert_string_equal(buf.data, "");
    tt_buf_append_u64(&buf, UINT64_MAX);
    tt_buf_putc(&buf, ' ');
    tt_buf_append_i64(&buf, INT64_MIN);
    tt_buf_putc(&buf, ' ');
    tt_buf_append_i64(&buf, 0);
    tt_buf_append_i64(&buf, -7);
    assert_string_equal(buf.data, "18446744073709551615 -9223372036854775808 0-7");
    tt_buf_append(&buf, "a\0b", 3);
    tt_buf_append(&buf, NULL, 0);
    assert_int_equal(buf.data[buf.len - 2], 0);
    tt_buf_free(&buf);
    assert_null(buf.data);
}

static void printf_across_a_growth(void **state)
{
    (void)state;
    /* Every length around the first capacity: the first vsnprintf may be cut anywhere. */
    for (int n = 0; n < 200; n++) {
        struct tt_buf buf = {0};
        tt_buf_append_z(&buf, "x");
        assert_int_equal(tt_buf_printf(&buf, "%*s", n, n ? "y" : ""), 0);
        assert_int_equal(buf.len, n + 1);
        assert_int_equal(buf.data[buf.len - 1], n ? 'y' : 'x');
        tt_buf_free(&buf);
    }
}

static void cap_refuses_and_keeps(void **state)
{
    (void)state;
    struct tt_buf buf = {.max = 10};
    assert_int_equal(tt_buf_append_z(&buf, "12345678"), 0);
    assert_int_equal(tt_buf_append_z(&buf, "abc"), -1);
    assert_int_equal(tt_buf_printf(&buf, "%s", "abc"), -1);
    assert_int_equal(tt_buf_append_u64(&buf, 123), -1);
    assert_null(tt_buf_reserve(&buf, 3));
    assert_null(tt_buf_reserve(&buf, SIZE_MAX));
    assert_null(tt_buf_reserve(&buf, SIZE_MAX - 8));
    assert_string_equal(buf.data, "12345678");
    assert_int_equal(tt_buf_printf(&buf, "%d", 90), 0);
    assert_string_equal(buf.data, "1234567890");
    assert_int_equal(tt_buf_putc(&buf, '!'), -1);
    /* Room that was given back can be used again, and the cap survives. */
    tt_buf_free(&buf);
    assert_int_equal(tt_buf_append_z(&buf, "12345678901"), -1);
    assert_int_equal(tt_buf_append_z(&buf, "1234567890"), 0);
    tt_buf_free(&buf);
}

static void consumes_takes_truncates(void **state)
{
    (void)state;
    struct tt_buf buf = {0};
    size_t len = 9;
    assert_null(tt_buf_take(&buf, &len));
    assert_int_equal(len, 0);
    tt_buf_append_z(&buf, "abcdef");
    tt_buf_consume(&buf, 2);
    assert_string_equal(buf.data, "cdef");
    tt_buf_truncate(&buf, 3);
    assert_string_equal(buf.data, "cde");
    tt_buf_truncate(&buf, 5);
    assert_int_equal(buf.len, 3);
    tt_buf_consume(&buf, 99);
    assert_int_equal(buf.len, 0);
    char *to = tt_buf_reserve(&buf, 1000);
    memset(to, 'z', 1000);
    buf.len += 1000;
    char *data = tt_buf_take(&buf, &len);
    assert_int_equal(len, 1000);
    assert_int_equal(data[999], 'z');
    assert_int_equal(buf.len + buf.cap, 0);
    free(data);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_keeps_the_nul),
        cmocka_unit_test(printf_across_a_growth),
        cmocka_unit_test(cap_refuses_and_keeps),
        cmocka_unit_test(consumes_takes_truncates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
