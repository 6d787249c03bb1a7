/* Complaints are taken apart as Lua writes them. */
#include "script/complaints.h"
#include "script/support.h"

static void add(struct tt_complaints *complaints, const char *text)
{
    tt_complaints_add(complaints, "some.lua", tt_str_from(text));
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
        struct tt_complaints complaints = {.phase = "load"};
        add(&complaints, cases[i].text);
        assert_int_equal(complaints.count, 1);
        assert_string_equal(complaints.items[0].file.data, cases[i].file);
        assert_string_equal(complaints.items[0].message.data, cases[i].message);
        assert_int_equal(complaints.items[0].line, cases[i].line);
        assert_string_equal(complaints.items[0].phase, "load");
        tt_complaints_free(&complaints);
    }
}

static void tracebacks_stand_apart(void **state)
{
    struct tt_complaints complaints = {0};
    struct tt_buf text = {0};
    (void)state;

    add(&complaints, "a.lua:1: wrong\nstack traceback:\n\ta.lua:1: in main chunk");
    add(&complaints, "b.lua:1: wrong\nstack traceback:\n\t[C]: in ?");
    tt_complaints_add(&complaints, "", TT_STR("no place"));
    assert_string_equal(complaints.items[0].traceback.data,
                        "stack traceback:\n\ta.lua:1: in main chunk");
    assert_int_equal(complaints.items[1].traceback.len, 0); /* nothing but the core's functions */
    assert_int_equal(complaints.items[2].line, 0);
    tt_complaints_print(&complaints, &text);
    assert_string_equal(text.data, "a.lua:1: wrong\nstack traceback:\n\ta.lua:1: in main chunk\n"
                                   "b.lua:1: wrong\nno place\n");
    tt_buf_free(&text);
    tt_complaints_free(&complaints);
}

static void what_is_told_is_not_told_again(void **state)
{
    struct tt_complaints complaints = {0};
    char text[64];
    (void)state;

    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "a.lua:%d: wrong", i % 50);
        add(&complaints, text);
    }
    assert_int_equal(complaints.count, 50);
    add(&complaints, "b.lua:1: wrong");
    add(&complaints, "a.lua:1: otherwise wrong");
    assert_int_equal(complaints.count, 52);
    tt_complaints_free(&complaints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_read),
        cmocka_unit_test(tracebacks_stand_apart),
        cmocka_unit_test(what_is_told_is_not_told_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
