/* Errors: NULL is ignored, texts are cut at characters, an error may be built from itself. */
#include "base/cases.h"
#include "base/err.h"
#include "base/utf8.h"

static void fills_and_wraps(void **state)
{
    (void)state;
    struct tt_err err = {0};
    assert_int_equal(tt_err_set(&err, 404, "not_found", "no %s %d", "session", 7), -1);
    assert_int_equal(err.status, 404);
    assert_string_equal(err.code, "not_found");
    assert_int_equal(tt_err_wrap(&err, "loading %s", "x"), -1);
    assert_string_equal(err.message, "loading x: no session 7");
    assert_int_equal(tt_err_set(&err, 500, err.code, "again: %s", err.message), -1);
    assert_string_equal(err.code, "not_found");
    assert_string_equal(err.message, "again: loading x: no session 7");
    assert_int_equal(tt_err_set(NULL, 500, "x", "y"), -1);
    assert_int_equal(tt_err_wrap(NULL, "y"), -1);
}

static void cuts_at_a_character(void **state)
{
    (void)state;
    char text[2000] = {0};
    for (int i = 0; i < 300; i++)
        memcpy(text + i * 3, "潮", 3);
    for (int shift = 0; shift < 3; shift++) {
        struct tt_err err = {0};
        tt_err_set(&err, 500, "x", "%.*s%s", shift, "ab", text);
        assert_true(tt_utf8_valid(tt_str_from(err.message)));
        assert_in_range(strlen(err.message), sizeof(err.message) - 4, sizeof(err.message) - 1);
        tt_err_wrap(&err, "%s", text);
        assert_true(tt_utf8_valid(tt_str_from(err.message)));
        tt_err_set(&err, 500, "a_code_that_is_much_longer_than_its_place_of_forty", "m");
        assert_int_equal(strlen(err.code), sizeof(err.code) - 1);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_and_wraps),
        cmocka_unit_test(cuts_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
