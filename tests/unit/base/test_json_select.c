/* Picking values: the cases file, broken documents, path texts, walking arrays. */
#include "base/cases.h"
#include "base/json.h"

static int parse_paths(struct tt_str text, struct tt_json_path *paths, struct tt_buf *kept)
{
    struct tt_str rest = text, word;
    int count = 0;
    while (tt_str_split(&rest, ' ', &word)) {
        /* Paths keep slices of their text: one NUL-terminated copy each. */
        tt_buf_append_str(&kept[count], word);
        if (tt_json_path_parse(&paths[count], kept[count].data, NULL) < 0)
            fail_msg("path %s", kept[count].data);
        count++;
    }
    return count;
}

static enum tt_json_type type_of(char c)
{
    switch (c) {
    case '{':
        return TT_JSON_OBJECT;
    case '[':
        return TT_JSON_ARRAY;
    case '"':
        return TT_JSON_STRING;
    case 't':
        return TT_JSON_TRUE;
    case 'f':
        return TT_JSON_FALSE;
    case 'n':
        return TT_JSON_NULL;
    default:
        return TT_JSON_NUMBER;
    }
}

/* Linked paths pick the same. */
static void check_paths(const struct tt_str *lines, int line, bool linked)
{
    struct tt_json_path paths[24];
    struct tt_json_value values[24];
    struct tt_buf kept[24] = {{0}};
    struct tt_err err = {0};
    int count = parse_paths(lines[0], paths, kept);
    if (linked)
        tt_json_paths_link(paths, (size_t)count);
    struct tt_str doc = cases_exact(lines[1]), rest = lines[2], want;
    if (tt_json_select(doc, paths, (size_t)count, values, &err) < 0)
        fail_msg("line %d: %s", line, err.message);
    for (int i = 0; i < count; i++) {
        assert_true(tt_str_split(&rest, ' ', &want));
        if (tt_str_eq(want, TT_STR("-"))) {
            if (values[i].type != TT_JSON_NONE)
                fail_msg("line %d: %s is there", line, kept[i].data);
            continue;
        }
        if (!tt_str_eq(values[i].raw, want) || values[i].type != type_of(want.data[0]))
            fail_msg("line %d: %s is %.*s", line, kept[i].data, TT_STR_ARG(values[i].raw));
    }
    /* Half an event is never taken for a whole one. */
    for (size_t len = 0; len < doc.len; len++) {
        struct tt_str cut = cases_exact(tt_str_of(doc.data, len));
        if (tt_json_select(cut, paths, (size_t)count, values, NULL) == 0)
            fail_msg("line %d: accepted when cut at %zu", line, len);
        for (int i = 0; i < count; i++)
            assert_int_equal(values[i].type, TT_JSON_NONE);
        free((char *)cut.data);
    }
    free((char *)doc.data);
    for (int i = 0; i < count; i++)
        tt_buf_free(&kept[i]);
}

static void check_case(const struct tt_str *lines, int line)
{
    check_paths(lines, line, false);
    check_paths(lines, line, true);
}

static void picks_the_cases(void **state)
{
    (void)state;
    struct cases cases;
    struct tt_str lines[3];
    int n, count = 0;
    cases_open(&cases, "json/select.txt");
    for (; (n = cases_block(&cases, lines, 3)) > 0; count++) {
        if (n != 3)
            fail_msg("line %d: %d lines", cases.line, n);
        check_case(lines, cases.line);
    }
    cases_close(&cases);
    assert_true(count > 20);
}

static void parses_paths(void **state)
{
    (void)state;
    struct tt_json_path path;
    struct tt_err err = {0};
    assert_int_equal(tt_json_path_parse(&path, "choices.0.delta", NULL), 0);
    assert_int_equal(path.count, 3);
    assert_text_equal(path.step[2], TT_STR("delta"));
    assert_int_equal(path.index[0], -1);
    assert_int_equal(path.index[1], 0);
    assert_int_equal(tt_json_path_parse(&path, "10.01.1x.-1.9999999999", NULL), 0);
    assert_int_equal(path.index[0], 10);
    for (int i = 1; i < 5; i++)
        assert_int_equal(path.index[i], -1);
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "1.2.3.4.5.6.7.8.9"};
    for (size_t i = 0; i < TT_COUNT(bad); i++) {
        assert_int_equal(tt_json_path_parse(&path, bad[i], &err), -1);
        assert_string_equal(err.code, "invalid_path");
    }
}

static void thirty_one_paths_and_no_more(void **state)
{
    (void)state;
    struct tt_json_path paths[32];
    struct tt_json_value values[32];
    char names[32][4];
    struct tt_buf doc = {0};
    for (int i = 0; i < 32; i++) {
        snprintf(names[i], sizeof(names[i]), "k%d", i);
        tt_json_path_parse(&paths[i], names[i], NULL);
        tt_buf_printf(&doc, "%c\"k%d\":%d", i ? ',' : '{', i, i);
    }
    tt_buf_putc(&doc, '}');
    assert_int_equal(tt_json_select(tt_buf_str(&doc), paths, 31, values, NULL), 0);
    for (int i = 0; i < 31; i++) {
        int64_t n;
        assert_int_equal(tt_json_to_i64(&values[i], &n), 0);
        assert_int_equal(n, i);
    }
    assert_int_equal(tt_json_select(tt_buf_str(&doc), paths, 32, values, NULL), -1);
    tt_buf_free(&doc);
}

static void walks_arrays(void **state)
{
    (void)state;
    static const struct {
        const char *array;
        const char *items[5];
    } cases[] = {
        {"[]", {NULL}},
        {"[ ]", {NULL}},
        {"[1]", {"1"}},
        {"[ 1 , \"a,]\" , [2,[3]] , {\"x\":[4]} ]", {"1", "\"a,]\"", "[2,[3]]", "{\"x\":[4]}"}},
        {"[null,true,\"\\ud83d\"]", {"null", "true", "\"\\ud83d\""}},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_json_value array = {TT_JSON_ARRAY, cases_exact(tt_str_from(cases[i].array))};
        struct tt_json_value item;
        size_t cursor = 0, n = 0;
        for (; tt_json_next(&array, &cursor, &item); n++) {
            assert_non_null(cases[i].items[n]);
            assert_text_equal(item.raw, tt_str_from(cases[i].items[n]));
            assert_int_equal(item.type, type_of(item.raw.data[0]));
        }
        assert_null(cases[i].items[n]);
        assert_false(tt_json_next(&array, &cursor, &item));
        free((char *)array.raw.data);
    }
    struct tt_json_value other = {TT_JSON_OBJECT, TT_STR("{\"a\":1}")}, item;
    size_t cursor = 0;
    assert_false(tt_json_next(&other, &cursor, &item));
}

static void walks_objects(void **state)
{
    static const char object[] = " {\"a\": [1, {\"b\": 2}] ,\"\\u0062\":\"}\", \"a\":null}";
    struct tt_json_value whole = {TT_JSON_OBJECT, cases_exact(tt_str_trim(TT_STR(object)))};
    static const char *const keys[] = {"\"a\"", "\"\\u0062\"", "\"a\""};
    static const char *const values[] = {"[1, {\"b\": 2}]", "\"}\"", "null"};
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0, n = 0;
    (void)state;

    for (; tt_json_next_member(&whole, &cursor, &key, &value); n++) {
        assert_text_equal(key, tt_str_from(keys[n]));
        assert_text_equal(value.raw, tt_str_from(values[n]));
        assert_int_equal(value.type, type_of(value.raw.data[0]));
    }
    assert_int_equal(n, 3);
    assert_false(tt_json_next_member(&whole, &cursor, &key, &value));
    free((char *)(uintptr_t)whole.raw.data);
    cursor = 0;
    struct tt_json_value empty = {TT_JSON_OBJECT, TT_STR("{ }")},
                         list = {TT_JSON_ARRAY, TT_STR("[1]")};
    assert_false(tt_json_next_member(&empty, &cursor, &key, &value));
    assert_false(tt_json_next_member(&list, &cursor, &key, &value));
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_the_cases),
        cmocka_unit_test(parses_paths),
        cmocka_unit_test(thirty_one_paths_and_no_more),
        cmocka_unit_test(walks_arrays),
        cmocka_unit_test(walks_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
