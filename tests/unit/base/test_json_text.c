/* JSON strings and numbers: escaping, unescaping cut at every place, integers. */
#include "base/cases.h"
#include "base/json.h"
#include "base/utf8.h"

static void unescapes_the_cases(void **state)
{
    (void)state;
    struct cases cases;
    struct tt_str lines[2];
    int count = 0;
    cases_open(&cases, "json/unescape.txt");
    for (; cases_block(&cases, lines, 2) == 2; count++) {
        struct tt_buf out = {0}, want = cases_bytes(lines[1]);
        struct tt_str raw = cases_exact(lines[0]);
        if (tt_str_eq(lines[1], TT_STR("-")))
            tt_buf_clear(&want);
        assert_int_equal(tt_json_unescape(raw, NULL, &out), 0);
        if (!tt_str_eq(tt_buf_str(&out), tt_buf_str(&want)))
            fail_msg("line %d: \"%s\"", cases.line, out.data);
        /* And back: what escape makes of it is read as the same. */
        struct tt_buf again = {0}, text = {0};
        tt_buf_putc(&again, '"');
        tt_json_escape(&again, tt_buf_str(&out));
        tt_buf_putc(&again, '"');
        assert_int_equal(tt_json_check(tt_buf_str(&again), 1, NULL), 0);
        tt_json_unescape(tt_buf_str(&again), NULL, &text);
        assert_text_equal(tt_buf_str(&text), tt_buf_str(&out));
        tt_buf_free(&again);
        tt_buf_free(&text);
        tt_buf_free(&out);
        tt_buf_free(&want);
        free((char *)raw.data);
    }
    cases_close(&cases);
    assert_true(count > 15);
}

/* A stream of strings that some upstream cut between any two units, with empty ones between. */
static void joins_halves_over_strings(void **state)
{
    (void)state;
    static const char *const units[] = {"a",       "\\ud83d", "\\ude00", "b",       "\\ud83d",
                                        "\\ude01", "\\ude02", "潮",      "\\ud83d", "\\n",
                                        "\\ud83d", "\\ud83d", "\\ude03", "\\ud83d"};
    for (unsigned cuts = 0; cuts < 1u << (TT_COUNT(units) - 1); cuts++) {
        struct tt_buf raw = {0}, out = {0};
        uint32_t high = 0;
        for (size_t i = 0; i < TT_COUNT(units); i++) {
            tt_buf_append_z(&raw, raw.len ? "" : "\"");
            tt_buf_append_z(&raw, units[i]);
            if (i + 1 < TT_COUNT(units) && !(cuts >> i & 1))
                continue;
            tt_buf_putc(&raw, '"');
            assert_int_equal(tt_json_unescape(tt_buf_str(&raw), &high, &out), 0);
            if (cuts & 1)
                tt_json_unescape(TT_STR("\"\""), &high, &out);
            assert_true(tt_utf8_valid(tt_buf_str(&out)));
            tt_buf_clear(&raw);
        }
        assert_string_equal(out.data, "a😀b😁�潮�\n�😃");
        assert_int_equal(high, 0xD83D);
        tt_buf_free(&raw);
        tt_buf_free(&out);
    }
}

static void unescape_past_the_cap_changes_nothing(void **state)
{
    (void)state;
    struct tt_buf out = {.max = 5};
    uint32_t high = 0xD83D;
    assert_int_equal(tt_json_unescape(TT_STR("\"\\ude00ab\""), &high, &out), -1);
    assert_int_equal(out.len, 0);
    assert_int_equal(high, 0xD83D);
    assert_int_equal(tt_json_unescape(TT_STR("\"\\ude00a\""), &high, &out), 0);
    assert_string_equal(out.data, "😀a");
    assert_int_equal(high, 0);
    tt_buf_free(&out);
}

/* Broken input is a caller's mistake, but never a read past its end. */
static void unescape_survives_broken_input(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "\"",        "\"\\\"",         "\\",      "\\u",  "\\u12",
        "\"\\u12\"", "\"\\uD83D\\u\"", "\"\\q\"", "\"\\", "x\\u123"};
    for (size_t i = 0; i < TT_COUNT(broken); i++) {
        struct tt_str raw = cases_exact(tt_str_from(broken[i]));
        struct tt_buf out = {0};
        assert_int_equal(tt_json_unescape(raw, NULL, &out), 0);
        free((char *)raw.data);
        tt_buf_free(&out);
    }
}

static void escapes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        const char *want;
    } cases[] = {
        {"plain", 5, "plain"},
        {"", 0, ""},
        {"a\"b\\c/d", 7, "a\\\"b\\\\c/d"},
        {"\n\r\t\b\f", 5, "\\n\\r\\t\\u0008\\u000c"},
        {"\0\x01\x1f\x7f", 4, "\\u0000\\u0001\\u001f\x7f"},
        {"潮😀", 7, "潮😀"},
        {"a\xFFz", 3, "a�z"},
        {"a\xE6\xBD", 3, "a�"},
        {"\xED\xA0\x80", 3, "���"},
        {"0123456789abcdef\n0123456789abcdef", 33, "0123456789abcdef\\n0123456789abcdef"},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_buf out = {0};
        struct tt_str text = cases_exact(tt_str_of(cases[i].text, cases[i].len));
        tt_buf_append_z(&out, ">");
        assert_int_equal(tt_json_escape(&out, text), 0);
        assert_string_equal(out.data + 1, cases[i].want);
        tt_buf_free(&out);
        free((char *)text.data);
    }
    struct tt_buf small = {.max = 4};
    tt_buf_append_z(&small, "x");
    assert_int_equal(tt_json_escape(&small, TT_STR("ab\x01")), -1);
    assert_string_equal(small.data, "x");
    tt_buf_free(&small);
}

static void every_byte_makes_a_valid_string(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char text[2] = {(char)a, (char)b};
            struct tt_buf out = {0};
            tt_buf_putc(&out, '"');
            tt_json_escape(&out, tt_str_of(text, 2));
            tt_buf_putc(&out, '"');
            if (tt_json_check(tt_buf_str(&out), 1, NULL) < 0)
                fail_msg("%02x %02x: %s", a, b, out.data);
            tt_buf_free(&out);
        }
    }
}

static void reads_integers(void **state)
{
    (void)state;
    struct cases cases;
    struct tt_str line, number;
    int count = 0;
    cases_open(&cases, "json/integers.txt");
    for (; cases_line(&cases, &line); count++) {
        tt_str_split(&line, ' ', &number);
        struct tt_json_path path;
        struct tt_json_value value;
        struct tt_buf doc = {0};
        int64_t want = 0, got = 0;
        tt_json_path_parse(&path, "n", NULL);
        tt_buf_printf(&doc, "{\"n\":%.*s}", TT_STR_ARG(number));
        assert_int_equal(tt_json_select(tt_buf_str(&doc), &path, 1, &value, NULL), 0);
        bool refused = tt_str_eq(line, TT_STR("-"));
        if (!refused)
            assert_int_equal(tt_str_to_i64(line, &want), 0);
        if (tt_json_to_i64(&value, &got) != (refused ? -1 : 0) || (!refused && got != want))
            fail_msg("line %d: %.*s gave %lld", cases.line, TT_STR_ARG(number), (long long)got);
        tt_buf_free(&doc);
    }
    cases_close(&cases);
    assert_true(count > 40);
    struct tt_json_value none = {TT_JSON_NONE, {NULL, 0}};
    int64_t n;
    assert_int_equal(tt_json_to_i64(&none, &n), -1);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unescapes_the_cases),
        cmocka_unit_test(joins_halves_over_strings),
        cmocka_unit_test(unescape_past_the_cap_changes_nothing),
        cmocka_unit_test(unescape_survives_broken_input),
        cmocka_unit_test(escapes),
        cmocka_unit_test(every_byte_makes_a_valid_string),
        cmocka_unit_test(reads_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
