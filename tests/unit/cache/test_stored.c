/* The stored form: what was written is read, and nothing else is. */
#include "base/secret.h"
#include "cache/stored.h"
#include "unit_test.h"

#define NOW 1000000

static struct tt_stored_key key;
static const struct tt_str name = TT_STR("tide:1:session:1");

static int setup(void **state)
{
    (void)state;
    tt_secret_setup();
    tt_stored_key_make(&key, TT_STR("our secret"));
    return 0;
}

static struct tt_cache_value *decode(struct tt_str text, struct tt_str stored, int64_t now_ms)
{
    uint64_t left_ms;
    return tt_stored_decode(&key, text, stored, now_ms, &left_ms);
}

static void test_round_trip(void **state)
{
    static const char bytes[] = "a\0b\xFF";
    const int64_t versions[] = {0, 1, -1, INT64_MAX, INT64_MIN};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct tt_buf buf = {0};
        uint64_t left_ms = 0;
        struct tt_str payload = tt_str_of(bytes, i); /* also an empty one */
        assert_int_equal(tt_stored_encode(&key, name, versions[i], NOW + 500, payload, &buf), 0);
        assert_int_equal(buf.len, TT_STORED_HEAD + i);
        struct tt_cache_value *value =
            tt_stored_decode(&key, name, tt_buf_str(&buf), NOW, &left_ms);
        assert_non_null(value);
        assert_true(value->version == versions[i]);
        assert_int_equal(left_ms, 500);
        assert_true(tt_str_eq(tt_cache_value_str(value), payload));
        tt_cache_value_unref(value);
        tt_buf_free(&buf);
    }
}

static void test_every_damaged_byte_is_a_miss(void **state)
{
    struct tt_buf buf = {0};
    (void)state;
    tt_stored_encode(&key, name, 7, NOW + 500, TT_STR("payload"), &buf);
    for (size_t i = 0; i < buf.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            buf.data[i] = (char)(buf.data[i] ^ (1 << bit));
            assert_null(decode(name, tt_buf_str(&buf), NOW));
            buf.data[i] = (char)(buf.data[i] ^ (1 << bit));
        }
    for (size_t len = 0; len < buf.len; len++)
        assert_null(decode(name, tt_str_of(buf.data, len), NOW));
    tt_buf_putc(&buf, '\0');
    assert_null(decode(name, tt_buf_str(&buf), NOW));
    assert_null(decode(name, TT_STR(""), NOW));
    tt_buf_free(&buf);
}

static void test_foreign_moved_and_expired(void **state)
{
    struct tt_stored_key other;
    struct tt_buf buf = {0};
    uint64_t left_ms;
    (void)state;
    tt_stored_key_make(&other, TT_STR("their secret"));
    tt_stored_encode(&key, name, 7, NOW + 500, TT_STR("payload"), &buf);
    assert_null(tt_stored_decode(&other, name, tt_buf_str(&buf), NOW, &left_ms));
    assert_null(decode(TT_STR("tide:1:session:2"), tt_buf_str(&buf), NOW));
    assert_null(decode(name, tt_buf_str(&buf), NOW + 500));
    struct tt_cache_value *value = decode(name, tt_buf_str(&buf), NOW + 499);
    assert_non_null(value);
    tt_cache_value_unref(value);
    /* a clock that was set back far does not make it live for ever */
    value = tt_stored_decode(&key, name, tt_buf_str(&buf), INT64_MIN, &left_ms);
    assert_non_null(value);
    assert_true(left_ms <= (uint64_t)366 * 86400 * 1000);
    tt_cache_value_unref(value);
    tt_buf_free(&buf);
}

static void test_the_buffers_limit(void **state)
{
    struct tt_buf buf = {.max = TT_STORED_HEAD + 3};
    (void)state;
    assert_int_equal(tt_stored_encode(&key, name, 1, NOW, TT_STR("1234"), &buf), -1);
    assert_int_equal(tt_stored_encode(&key, name, 1, NOW, TT_STR("123"), &buf), 0);
    tt_buf_free(&buf);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_damaged_byte_is_a_miss),
        cmocka_unit_test(test_foreign_moved_and_expired),
        cmocka_unit_test(test_the_buffers_limit),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
