/* Complaints are taken apart as Lua writes them. */
#include "script/diagnostics.h"
#include "script/support.h"

static void add(struct tt_diagnostics *diagnostics, const char *text)
{
    tt_diagnostics_add(diagnostics, "some.lua", tt_str_from(text));
}

static void places_are_read(void **state)
{
    static const struct {
        const char *text, *file, *message;
        int line;
    } cases[] = {
        {"a/b.lua:12: wrong", "a/b.lua", "wrong", 12},
        {"a.lua:1: b.lua:2: wrong", "a.lua", "b.lua:2: wrong", 1},
        {"wrong", "some.lua", "wrong", 1},
        {"wrong: 5: x", "some.lua", "wrong: 5: x", 1},
        {"a.lua:5:x", "some.lua", "a.lua:5:x", 1},
        {"a.lua:: x", "some.lua", "a.lua:: x", 1},
        {"a.lua:5", "some.lua", "a.lua:5", 1},
        {"a.lua:99999999999999: x", "some.lua", "a.lua:99999999999999: x", 1},
        {"", "some.lua", "", 1},
        {"two\nlines.lua:5: x", "some.lua", "two\nlines.lua:5: x", 1},
    };
    (void)state;

    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_diagnostics diagnostics = {.phase = "load"};
        add(&diagnostics, cases[i].text);
        assert_int_equal(diagnostics.count, 1);
        assert_string_equal(diagnostics.items[0].file.data, cases[i].file);
        assert_string_equal(diagnostics.items[0].message.data, cases[i].message);
        assert_int_equal(diagnostics.items[0].line, cases[i].line);
        assert_string_equal(diagnostics.items[0].phase, "load");
        tt_diagnostics_free(&diagnostics);
    }
}

static void tracebacks_stand_apart(void **state)
{
    struct tt_diagnostics diagnostics = {0};
    struct tt_buf text = {0};
    (void)state;

    add(&diagnostics, "a.lua:1: wrong\nstack traceback:\n\ta.lua:1: in main chunk");
    add(&diagnostics, "b.lua:1: wrong\nstack traceback:\n\t[C]: in ?");
    tt_diagnostics_add(&diagnostics, "", TT_STR("no place"));
    assert_string_equal(diagnostics.items[0].traceback.data,
                        "stack traceback:\n\ta.lua:1: in main chunk");
    assert_int_equal(diagnostics.items[1].traceback.len, 0); /* nothing but the core's functions */
    assert_int_equal(diagnostics.items[2].line, 0);
    tt_diagnostics_print(&diagnostics, &text);
    assert_string_equal(text.data, "a.lua:1: wrong\nstack traceback:\n\ta.lua:1: in main chunk\n"
                                   "b.lua:1: wrong\nno place\n");
    tt_buf_free(&text);
    tt_diagnostics_free(&diagnostics);
}

static void what_is_told_is_not_told_again(void **state)
{
    struct tt_diagnostics diagnostics = {0};
    char text[64];
    (void)state;

    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "a.lua:%d: wrong", i % 50);
        add(&diagnostics, text);
    }
    assert_int_equal(diagnostics.count, 50);
    add(&diagnostics, "b.lua:1: wrong");
    add(&diagnostics, "a.lua:1: otherwise wrong");
    assert_int_equal(diagnostics.count, 52);
    tt_diagnostics_free(&diagnostics);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_read),
        cmocka_unit_test(tracebacks_stand_apart),
        cmocka_unit_test(what_is_told_is_not_told_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
