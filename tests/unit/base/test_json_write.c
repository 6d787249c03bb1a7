/* The writer: commas, nesting to the limit, numbers that read back the same, the buffer's cap. */
#include "base/cases.h"
#include "base/json_scan.h"

#include <math.h>

static void writes_a_document(void **state)
{
    (void)state;
    struct tt_buf buf = {0};
    struct tt_json_writer w = {.buf = &buf};
    tt_json_begin_object(&w);
    tt_json_key(&w, TT_STR("a\"b"));
    tt_json_begin_array(&w);
    tt_json_int(&w, INT64_MIN);
    tt_json_str(&w, TT_STR("x\n"));
    tt_json_begin_object(&w);
    tt_json_end_object(&w);
    for (int i = 0; i < 2; i++) { /* the second one begins without a comma, too */
        tt_json_begin_array(&w);
        tt_json_null(&w);
        tt_json_end_array(&w);
    }
    tt_json_bool(&w, true);
    tt_json_end_array(&w);
    tt_json_key(&w, TT_STR("c"));
    tt_json_null(&w);
    tt_json_key(&w, TT_STR("d"));
    tt_json_raw(&w, TT_STR("{\"r\":[1]}"));
    tt_json_key(&w, TT_STR("e"));
    tt_json_bool(&w, false);
    tt_json_end_object(&w);
    assert_false(w.failed);
    assert_int_equal(w.depth, 0);
    assert_string_equal(buf.data,
                        "{\"a\\\"b\":[-9223372036854775808,\"x\\n\",{},[null],[null],true],"
                        "\"c\":null,\"d\":{\"r\":[1]},\"e\":false}");
    assert_int_equal(tt_json_check(tt_buf_str(&buf), 64, NULL), 0);
    tt_buf_free(&buf);
}

static void nests_to_the_limit(void **state)
{
    (void)state;
    for (int depth = 62; depth < 67; depth++) {
        struct tt_buf buf = {0};
        struct tt_json_writer w = {.buf = &buf};
        for (int i = 0; i < depth; i++) {
            tt_json_begin_array(&w);
            tt_json_int(&w, i);
            tt_json_int(&w, i);
        }
        for (int i = 0; i < depth; i++) {
            tt_json_end_array(&w);
            if (i < depth - 1)
                tt_json_null(&w);
        }
        assert_int_equal(w.failed, depth > 64);
        if (!w.failed)
            assert_int_equal(tt_json_check(tt_buf_str(&buf), 64, NULL), 0);
        tt_buf_free(&buf);
    }
}

static void number_is(double x, const char *want)
{
    struct tt_buf buf = {0};
    struct tt_json_writer w = {.buf = &buf};
    tt_json_num(&w, x);
    assert_string_equal(buf.data, want);
    tt_buf_free(&buf);
}

static void writes_numbers(void **state)
{
    (void)state;
    number_is(0, "0");
    number_is(-0.0, "0");
    number_is(1, "1");
    number_is(0.1, "0.1");
    number_is(-2.5, "-2.5");
    number_is(1.0 / 3, "0.3333333333333333");
    number_is(0.1 + 0.2, "0.30000000000000004");
    number_is(9007199254740991.0, "9007199254740991");
    number_is(9007199254740992.0, "9007199254740992");
    number_is(-9007199254740992.0, "-9007199254740992");
    number_is(1e300, "1e+300");
    number_is(5e-324, "4.94065645841247e-324");
    number_is(1735689600.123456, "1735689600.123456");
    number_is(NAN, "null");
    number_is(INFINITY, "null");
    number_is(-INFINITY, "null");
}

static void numbers_read_back_the_same(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        double x;
        memcpy(&x, &seed, sizeof(x));
        if (!isfinite(x))
            continue;
        struct tt_buf buf = {0};
        struct tt_json_writer w = {.buf = &buf};
        tt_json_num(&w, x);
        if (strtod(buf.data, NULL) != x || tt_json_check(tt_buf_str(&buf), 1, NULL) < 0)
            fail_msg("%.17g became %s", x, buf.data);
        tt_buf_free(&buf);
    }
}

static void fails_at_every_cap(void **state)
{
    (void)state;
    struct tt_buf whole = {0};
    for (size_t max = 0; max < 30; max++) {
        struct tt_buf buf = {.max = max};
        struct tt_json_writer w = {.buf = &buf};
        tt_json_begin_object(&w);
        tt_json_key(&w, TT_STR("key"));
        tt_json_str(&w, TT_STR("va\"l"));
        tt_json_key(&w, TT_STR("n"));
        tt_json_int(&w, 12345);
        tt_json_end_object(&w);
        if (max == 0)
            tt_buf_append_str(&whole, tt_buf_str(&buf));
        /* Too small: failed is set and nothing was written past the limit, or after the gap. */
        bool fits = max == 0 || max >= whole.len;
        assert_int_equal(w.failed, !fits);
        assert_memory_equal(buf.data, whole.data, buf.len);
        assert_true(fits ? buf.len == whole.len : buf.len <= max);
        tt_buf_free(&buf);
    }
    tt_buf_free(&whole);
}

/* Texts of all lengths around those that are looked at in one piece. */
static void members_with_ready_keys(void **state)
{
    (void)state;
    for (size_t len = 0; len < 40; len++) {
        for (size_t odd = 0; odd <= len; odd++) {
            char text[48], want[96];
            memset(text, 'x', len);
            snprintf(want, sizeof(want), "{\"a\":1,\"b\":\"%.*s\"}", (int)len, text);
            if (odd < len) {
                text[odd] = '"';
                snprintf(want, sizeof(want), "{\"a\":1,\"b\":\"%.*s\\\"%.*s\"}", (int)odd, text,
                         (int)(len - odd - 1), text + odd + 1);
            }
            struct tt_buf out = {0};
            struct tt_json_writer w = {.buf = &out};
            tt_json_begin_object(&w);
            tt_json_raw_key(&w, TT_STR("\"a\":"));
            tt_json_int(&w, 1);
            tt_json_raw_key_str(&w, TT_STR("\"b\":"), tt_str_of(text, len));
            tt_json_end_object(&w);
            assert_string_equal(out.data, want);
            tt_buf_free(&out);
        }
    }
}

static void plain_runs_end_where_they_must(void **state)
{
    static const char odd[] = {'"', '\\', '\n', 0x1f, (char)0x80, (char)0xff, 0};
    (void)state;
    for (size_t len = 1; len < 40; len++)
        for (size_t at = 0; at < len; at++)
            for (size_t i = 0; i < sizeof(odd); i++) {
                char text[40];
                memset(text, ' ' + (int)i * 13, len);
                text[at] = odd[i];
                assert_ptr_equal(tt_json_plain_run(text, text + len), text + at);
                text[at] = '\x7f';
                assert_ptr_equal(tt_json_plain_run(text, text + len), text + len);
            }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_with_ready_keys), cmocka_unit_test(plain_runs_end_where_they_must),
        cmocka_unit_test(writes_a_document),       cmocka_unit_test(nests_to_the_limit),
        cmocka_unit_test(writes_numbers),          cmocka_unit_test(numbers_read_back_the_same),
        cmocka_unit_test(fails_at_every_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
