/* Hex and base64: the examples of RFC 4648, and what must be refused. */
#include "base/cases.h"
#include "base/encode.h"

#include <sodium.h>

static const struct {
    const char *plain, *base64, *url, *hex;
} examples[] = {
    {"", "", "", ""},
    {"f", "Zg==", "Zg", "66"},
    {"fo", "Zm8=", "Zm8", "666f"},
    {"foo", "Zm9v", "Zm9v", "666f6f"},
    {"foob", "Zm9vYg==", "Zm9vYg", "666f6f62"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE", "666f6f6261"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"},
    {"\xfb\xff\xfe", "+//+", "-__-", "fbfffe"},
};

static void expect(struct tt_buf *buf, const char *want)
{
    assert_true(tt_str_eq(tt_buf_str(buf), tt_str_from(want)));
    tt_buf_clear(buf);
}

static void examples_hold_both_ways(void **state)
{
    struct tt_buf buf = {0};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(examples); i++) {
        struct tt_str plain = tt_str_from(examples[i].plain);
        tt_base64_encode(plain, TT_BASE64, &buf);
        expect(&buf, examples[i].base64);
        tt_base64_encode(plain, TT_BASE64_URL, &buf);
        expect(&buf, examples[i].url);
        tt_hex_encode(plain, &buf);
        expect(&buf, examples[i].hex);
        assert_int_equal(tt_base64_decode(tt_str_from(examples[i].base64), TT_BASE64, &buf), 0);
        expect(&buf, examples[i].plain);
        assert_int_equal(tt_base64_decode(tt_str_from(examples[i].url), TT_BASE64_URL, &buf), 0);
        expect(&buf, examples[i].plain);
        assert_int_equal(tt_hex_decode(tt_str_from(examples[i].hex), &buf), 0);
        expect(&buf, examples[i].plain);
    }
    assert_int_equal(tt_hex_decode(TT_STR("FbfF"), &buf), 0);
    expect(&buf, "\xfb\xff");
    tt_buf_free(&buf);
}

static void other_forms_are_refused(void **state)
{
    static const char *const base64[] = {
        "Zg",    "Zg=",  "Zg===",  "Z",    "Zh==",    "Zm9v\n",           " Zm9v",
        "Zm9v=", "-__-", "Zm9vZg", "====", "Zm9\xc3", "\xff\xff\xff\xff", "Zm9\x80"};
    static const char *const url[] = {"Zg==", "+//+", "Z", "Zh", "Zg ", "Zm8="};
    static const char *const hex[] = {"6", "6g", "66 66", "0x66", "66\n", "g6"};
    struct tt_buf buf = {0};
    (void)state;
    tt_buf_append_z(&buf, "kept");
    for (size_t i = 0; i < TT_COUNT(base64); i++)
        assert_int_equal(tt_base64_decode(tt_str_from(base64[i]), TT_BASE64, &buf), -1);
    for (size_t i = 0; i < TT_COUNT(url); i++)
        assert_int_equal(tt_base64_decode(tt_str_from(url[i]), TT_BASE64_URL, &buf), -1);
    for (size_t i = 0; i < TT_COUNT(hex); i++)
        assert_int_equal(tt_hex_decode(tt_str_from(hex[i]), &buf), -1);
    expect(&buf, "kept");
    tt_buf_free(&buf);
}

static void the_limit_is_told(void **state)
{
    struct tt_buf buf = {.max = 7};
    (void)state;
    assert_int_equal(tt_base64_encode(TT_STR("foob"), TT_BASE64, &buf), -1);
    assert_int_equal(tt_hex_encode(TT_STR("foob"), &buf), -1);
    assert_int_equal(buf.len, 0);
    assert_int_equal(tt_base64_encode(TT_STR("foo"), TT_BASE64, &buf), 0);
    expect(&buf, "Zm9v");
    tt_buf_free(&buf);
}

static void bytes_of_all_kinds(void **state)
{
    char bytes[256];
    struct tt_buf text = {0}, back = {0};
    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        tt_buf_clear(&text);
        tt_buf_clear(&back);
        tt_base64_encode(tt_str_of(bytes, len), TT_BASE64_URL, &text);
        assert_int_equal(tt_base64_decode(tt_buf_str(&text), TT_BASE64_URL, &back), 0);
        assert_true(tt_str_eq(tt_buf_str(&back), tt_str_of(bytes, len)));
        tt_buf_clear(&text);
        tt_buf_clear(&back);
        tt_base64_encode(tt_str_of(bytes, len), TT_BASE64, &text);
        assert_int_equal(tt_base64_decode(tt_buf_str(&text), TT_BASE64, &back), 0);
        assert_true(tt_str_eq(tt_buf_str(&back), tt_str_of(bytes, len)));
    }
    tt_buf_free(&text);
    tt_buf_free(&back);
}

/* As strict as libsodium, which takes some bytes above ASCII for digits (1.0.18). */
static void same_as_sodium(struct tt_str text)
{
    static const int variants[] = {sodium_base64_VARIANT_ORIGINAL,
                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING};
    for (int variant = TT_BASE64; variant <= TT_BASE64_URL; variant++) {
        unsigned char want[64];
        size_t len = 0;
        struct tt_buf got = {0};
        struct tt_str exact = cases_exact(text);
        int right = sodium_base642bin(want, sizeof(want), text.data, text.len, NULL, &len, NULL,
                                      variants[variant]);
        assert_int_equal(tt_base64_decode(exact, (enum tt_base64)variant, &got), right);
        assert_int_equal(got.len, right == 0 ? len : 0);
        assert_memory_equal(got.data, want, got.len);
        tt_buf_free(&got);
        free((char *)exact.data);
    }
}

static void decoding_is_as_strict_as_libsodium(void **state)
{
    static const char bytes[] = {'A', 'B', 'E', 'Q', 'z', '9',  '+',
                                 '/', '-', '_', '=', ' ', '\0', '\n'};
    char text[6];
    (void)state;
    for (size_t len = 0; len <= 4; len++) {
        size_t count = 1;
        for (size_t i = 0; i < len; i++)
            count *= sizeof(bytes);
        for (size_t n = 0; n < count; n++) {
            size_t rest = n;
            for (size_t i = 0; i < len; i++, rest /= sizeof(bytes))
                text[i] = bytes[rest % sizeof(bytes)];
            same_as_sodium(tt_str_of(text, len));
        }
    }
    for (int first = 0; first < 128; first++)
        for (int second = 0; second < 128; second++) {
            memcpy(text, (char[]){'Z', (char)first, 'o', (char)second, 'Q', 'Q'}, 6);
            same_as_sodium(tt_str_of(text, 6));
        }
    for (int byte = 128; byte < 256; byte++) {
        struct tt_buf got = {0};
        char odd[] = {'A', 'A', 'A', (char)byte};
        assert_int_equal(tt_base64_decode(tt_str_of(odd, 4), TT_BASE64, &got), -1);
        assert_int_equal(tt_base64_decode(tt_str_of(odd, 4), TT_BASE64_URL, &got), -1);
        tt_buf_free(&got);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding_is_as_strict_as_libsodium),
        cmocka_unit_test(examples_hold_both_ways),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(the_limit_is_told),
        cmocka_unit_test(bytes_of_all_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
