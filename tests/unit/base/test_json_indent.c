/* JSON written for people. */
#include "base/cases.h"
#include "base/json.h"

static void expect(const char *doc, const char *want)
{
    struct tt_buf out = {0};
    struct tt_err err = {0};
    assert_int_equal(tt_json_indent(tt_str_from(doc), &out), 0);
    assert_string_equal(out.data, want);
    assert_int_equal(tt_json_check(tt_buf_str(&out), 64, &err), 0);
    tt_buf_free(&out);
}

static void lines_and_levels(void **state)
{
    (void)state;
    expect("1", "1");
    expect("\"a\"", "\"a\"");
    expect("[]", "[]");
    expect("{}", "{}");
    expect("[1,2]", "[\n  1,\n  2\n]");
    expect("{\"a\":[],\"b\":{\"c\":[{}]}}",
           "{\n  \"a\": [],\n  \"b\": {\n    \"c\": [\n      {}\n    ]\n  }\n}");
    expect("[[],[[]]]", "[\n  [],\n  [\n    []\n  ]\n]");
}

static void strings_stay_as_they_are(void **state)
{
    (void)state;
    expect("[\"a,b:{}[]\"]", "[\n  \"a,b:{}[]\"\n]");
    expect("{\"\\\"\":\"\\\\\",\"x\":\"\\\\\\\"\"}",
           "{\n  \"\\\"\": \"\\\\\",\n  \"x\": \"\\\\\\\"\"\n}");
}

static void the_limit_is_told(void **state)
{
    struct tt_buf out = {.max = 8};
    (void)state;
    assert_int_equal(tt_json_indent(TT_STR("[1,2,3,4]"), &out), -1);
    tt_buf_free(&out);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_levels),
        cmocka_unit_test(strings_stay_as_they_are),
        cmocka_unit_test(the_limit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
