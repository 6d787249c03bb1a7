/* The examples of RFC 4648, all byte values, the limit. */
#include "base/base64.h"
#include "base/cases.h"

static void known_texts(void **state)
{
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tt_buf out = {0};
        struct tt_str exact = cases_exact(tt_str_from(cases[i][0]));
        tt_buf_append_z(&out, "x");
        assert_int_equal(tt_base64_append(&out, exact), 0);
        assert_text_equal(tt_str_of(out.data + 1, out.len - 1), tt_str_from(cases[i][1]));
        tt_buf_free(&out);
        free((char *)exact.data);
    }
}

static void all_bytes(void **state)
{
    unsigned char bytes[256];
    struct tt_buf out = {0};
    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (unsigned char)(255 - i);
    assert_int_equal(tt_base64_append(&out, tt_str_of((const char *)bytes, 256)), 0);
    assert_true(tt_str_starts(tt_buf_str(&out), TT_STR("//79/Pv6+fj39vX08/Lx8O/u7ezr6uno")));
    assert_true(tt_str_ends(tt_buf_str(&out), TT_STR("BgUEAwIBAA==")));
    assert_int_equal(out.len, 344);
    tt_buf_free(&out);
}

static void the_limit(void **state)
{
    struct tt_buf out = {.max = 7};
    (void)state;
    assert_int_equal(tt_base64_append(&out, TT_STR("foob")), -1);
    assert_int_equal(out.len, 0);
    assert_int_equal(tt_base64_append(&out, TT_STR("foo")), 0);
    tt_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(all_bytes),
        cmocka_unit_test(the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
