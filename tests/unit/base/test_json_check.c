/* The JSON grammar: must-accept and must-refuse documents, depth, and what must hold for all of
 * them: cut short they are refused, and check and select judge the same. */
#include "base/cases.h"
#include "base/json.h"

typedef void check(char kind, struct tt_str doc, int line);

static int for_each_case(check *f)
{
    struct cases cases;
    struct tt_str line;
    int count = 0;
    cases_open(&cases, "json/cases.txt");
    while (cases_line(&cases, &line)) {
        if (line.len == 0)
            continue;
        if (line.len < 2 || !strchr("+-~", line.data[0]))
            fail_msg("line %d: odd case", cases.line);
        struct tt_buf bytes = cases_bytes(tt_str_of(line.data + 2, line.len - 2));
        struct tt_str doc = cases_exact(tt_buf_str(&bytes));
        f(line.data[0], doc, cases.line);
        free((char *)doc.data);
        tt_buf_free(&bytes);
        count++;
    }
    cases_close(&cases);
    return count;
}

static void check_case(char kind, struct tt_str doc, int line)
{
    struct tt_err err = {0};
    int rc = tt_json_check(doc, 64, &err);
    if (rc != (kind == '+' ? 0 : -1))
        fail_msg("line %d: %s", line, rc ? err.message : "accepted");
    if (rc < 0) {
        assert_string_equal(err.code, "invalid_json");
        assert_int_equal(err.status, 400);
    }
    if (tt_json_select(doc, NULL, 0, NULL, &err) != (kind == '-' ? -1 : 0))
        fail_msg("line %d: select judges differently", line);
}

static void judges_the_cases(void **state)
{
    (void)state;
    assert_true(for_each_case(check_case) > 300);
}

static void check_cut(char kind, struct tt_str doc, int line)
{
    /* A number cut short may be a number; what has an end of its own may not. */
    if (kind != '+' || !strchr("[{\"tfn", doc.data[0]))
        return;
    struct tt_str shorter = doc;
    while (shorter.len > 0 && strchr(" \t\r\n", shorter.data[shorter.len - 1]))
        shorter.len--;
    while (shorter.len-- > 0) {
        struct tt_str exact = cases_exact(shorter);
        if (tt_json_check(exact, 64, NULL) == 0)
            fail_msg("line %d: accepted when cut at %zu", line, exact.len);
        free((char *)exact.data);
    }
}

static void refuses_what_is_cut_short(void **state)
{
    (void)state;
    for_each_case(check_cut);
}

static void check_mutated(char kind, struct tt_str doc, int line)
{
    static struct tt_json_path paths[3];
    struct tt_json_value values[3];
    unsigned seed = (unsigned)line;
    if (!paths[0].count) {
        tt_json_path_parse(&paths[0], "a.b", NULL);
        tt_json_path_parse(&paths[1], "0", NULL);
        tt_json_path_parse(&paths[2], "a", NULL);
    }
    for (int i = 0; i < 200 && doc.len > 0; i++) {
        static const char pool[] = "{}[],:\"\\u0019aeE.+- tfnl\n\x1F\x80\xC3\xE6\xFF\0";
        struct tt_str copy = cases_exact(doc);
        for (unsigned n = 0; n <= seed % 3; n++) {
            seed = seed * 1103515245 + 12345;
            ((char *)copy.data)[(seed >> 16) % copy.len] = pool[(seed >> 4) % sizeof(pool)];
        }
        int strict = tt_json_check(copy, 64, NULL);
        int plain = tt_json_select(copy, NULL, 0, NULL, NULL);
        int walked = tt_json_select(copy, paths, 3, values, NULL);
        if (walked != plain || (strict == 0 && plain != 0))
            fail_msg("line %d: check %d, select %d, with paths %d: %.*s", line, strict, plain,
                     walked, TT_STR_ARG(copy));
        free((char *)copy.data);
    }
    (void)kind;
}

static void check_and_select_agree_on_broken_ones(void **state)
{
    (void)state;
    for_each_case(check_mutated);
}

static struct tt_buf nested(int depth, const char *open, const char *inner, const char *close)
{
    struct tt_buf buf = {0};
    for (int i = 0; i < depth; i++)
        tt_buf_append_z(&buf, open);
    tt_buf_append_z(&buf, inner);
    for (int i = 0; i < depth; i++)
        tt_buf_append_z(&buf, close);
    return buf;
}

static void limits_depth(void **state)
{
    (void)state;
    static const char *const forms[][3] = {
        {"[", "", "]"}, {"{\"a\":", "1", "}"}, {"[{\"a\":", "[]", "}]"}};
    for (size_t f = 0; f < TT_COUNT(forms); f++) {
        int each = f == 2 ? 2 : 1, extra = f == 2;
        for (int n = 1; n < 31; n++) {
            struct tt_buf doc = nested(n, forms[f][0], forms[f][1], forms[f][2]);
            int depth = n * each + extra;
            for (int max = depth - 2; max < depth + 2; max++)
                assert_int_equal(tt_json_check(tt_buf_str(&doc), max, NULL), max >= depth ? 0 : -1);
            tt_buf_free(&doc);
        }
    }
    static const struct {
        int depth, rc;
    } ends[] = {{63, 0}, {64, 0}, {65, -1}, {66, -1}, {129, -1}, {100000, -1}};
    for (size_t i = 0; i < TT_COUNT(ends); i++) {
        struct tt_buf doc = nested(ends[i].depth, "[", "", "]");
        /* More than 64 is never allowed, whatever the caller says. */
        assert_int_equal(tt_json_check(tt_buf_str(&doc), 64, NULL), ends[i].rc);
        assert_int_equal(tt_json_check(tt_buf_str(&doc), 1000, NULL), ends[i].rc);
        assert_int_equal(tt_json_select(tt_buf_str(&doc), NULL, 0, NULL, NULL), ends[i].rc);
        tt_buf_free(&doc);
    }
    struct tt_buf mixed = nested(32, "[{\"k\":", "0", "}]");
    assert_int_equal(tt_json_check(tt_buf_str(&mixed), 64, NULL), 0);
    mixed.data[mixed.len - 2] = ']';
    assert_int_equal(tt_json_check(tt_buf_str(&mixed), 64, NULL), -1);
    tt_buf_free(&mixed);
    assert_int_equal(tt_json_check(TT_STR("1"), 0, NULL), 0);
    assert_int_equal(tt_json_check(TT_STR("[]"), 0, NULL), -1);
}

static void tells_the_position(void **state)
{
    (void)state;
    static const struct {
        const char *doc;
        const char *message;
    } cases[] = {
        {"{\"a\":01}", "byte 6: a number begins with 0"},
        {"[1,]", "byte 3: no value"},
        {"{\"a\" 1}", "byte 5: expected ':'"},
        {"[1 2]", "byte 3: expected ',' or ']'"},
        {"{\"a\":1 2}", "byte 7: expected ',' or '}'"},
        {"\"ab\x01\"", "byte 3: control byte in a string"},
        {"\"ab\xFF\"", "byte 3: invalid UTF-8"},
        {"{} x", "byte 3: something follows the value"},
        {"[1", "byte 2: unfinished"},
        {"\"ab", "byte 3: unfinished string"},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_err err = {0};
        assert_int_equal(tt_json_check(tt_str_from(cases[i].doc), 64, &err), -1);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%s: %s", cases[i].doc, err.message);
    }
}

/* A special byte at every offset of a string: the 16-byte steps must not jump over any. */
static void finds_specials_at_every_offset(void **state)
{
    (void)state;
    static const char bad[] = {0x00, 0x01, 0x1F, (char)0x80, (char)0xC0, (char)0xFF};
    char text[72];
    for (size_t len = 2; len < sizeof(text); len++) {
        for (size_t at = 1; at < len - 1; at++) {
            memset(text, 'x', len);
            text[0] = text[len - 1] = '"';
            struct tt_str doc = cases_exact(tt_str_of(text, len));
            assert_int_equal(tt_json_check(doc, 64, NULL), 0);
            for (size_t b = 0; b < sizeof(bad); b++) {
                ((char *)doc.data)[at] = bad[b];
                assert_int_equal(tt_json_check(doc, 64, NULL), -1);
            }
            ((char *)doc.data)[at] = '"';
            assert_int_equal(tt_json_check(doc, 64, NULL), -1);
            free((char *)doc.data);
        }
    }
}

static void weighs(void **state)
{
    static const struct {
        const char *doc;
        size_t weight;
    } cases[] = {
        {"1", 1},          {" -12 ", 1},
        {"null", 1},       {"\"a\"", 3},
        {"1.5", 8},        {"1e5", 8},
        {"-0.5E-3", 8},    {"[]", 5},
        {"{}", 5},         {"[1,\"a\",[],{}]", 19},
        {"{\"a\":1}", 14}, {"{\"a\":{\"b\":[]}}", 31},
        {"[[[]]]", 15},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_err err = {0};
        size_t weight = 0;
        assert_int_equal(tt_json_weigh(tt_str_from(cases[i].doc), 64, &weight, &err), 0);
        assert_int_equal(weight, cases[i].weight);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_the_cases),
        cmocka_unit_test(refuses_what_is_cut_short),
        cmocka_unit_test(check_and_select_agree_on_broken_ones),
        cmocka_unit_test(limits_depth),
        cmocka_unit_test(tells_the_position),
        cmocka_unit_test(weighs),
        cmocka_unit_test(finds_specials_at_every_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
