/* Names of the release before: they work, and each use is told with its place. */
#include "script/support.h"
#include "serve/generation_check.h"

static void put_scripts(struct rig *rig)
{
    rig_put(rig, "lua/aliases.lua",
            "return {modules = {['lib.old'] = 'web.new', ['lib.moved'] = 'web.moved',\n"
            "  ['lib.both'] = 'web.new', ['lib.lost'] = 'web.nowhere'},\n"
            "  fields = {['lib.old'] = {title = 'web.moved.caption'}},\n"
            "  removed = {['lib.old'] = {colour = 'paint it'}, ['web.new'] = {size = 'x', width = "
            "'y'}},\n"
            "  removed_modules = {['lib.left'] = 'delete the call'}}\n");
    rig_put(rig, "lua/web/new.lua", "return {size = 3}");
    rig_put(rig, "lua/web/moved.lua", "return {caption = 'c'}");
    rig_put(rig, "lua/lib/both.lua", "return {size = 4}");
}

static int setup(void **state)
{
    struct rig *rig = rig_new();
    put_scripts(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static void old_modules_are_the_new_ones(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return require('lib.moved') == require('web.moved')", "true");
    rig_expect(rig, "return require('lib.old') == require('lib.old')", "true");
    rig_expect(rig, "return require('lib.old').size", "3");
    rig_expect(rig, "return require('lib.old').title", "\"c\"");
    rig_expect(rig, "return require('lib.old').nothing == nil", "true");
    rig_expect(rig, "require('lib.old').more = 5 return require('web.new').more", "5");
    rig_expect(rig, "return require('lib.both').size", "4"); /* a file of its own comes first */
    rig_expect_in(rig, "return require('lib.old').colour", "'colour' of lib.old is gone: paint it");
    rig_expect_in(rig, "return require('lib.left')", "module 'lib.left' is gone: delete the call");
    rig_expect_in(rig, "return require('lib.lost')", "module 'web.nowhere' not found");
    rig_expect_in(rig, "return require('lib.unknown')", "module 'lib.unknown' not found");
}

static void old_functions_of_the_core_work(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return #require('tide.crypto').random_hex(5)", "10");
    rig_expect(rig, "return #require('tide.crypto').random_hex_digits(5)", "5");
    rig_expect_in(rig, "return require('tide.crypto').random_hex(65)", "1 to 64 bytes");
    rig_expect_in(rig, "return require('tide.crypto').random_hex_digits(129)", "1 to 128 digits");
}

static void expect_advice(struct rig *rig, const char *file, const char *wanted)
{
    struct tt_diagnostics advice = {0};
    struct tt_buf text = {0};

    rig_put(rig, "lua/user.lua", file);
    rig_load_body(rig, "return 1");
    tt_generation_advise(rig->generation, &advice);
    for (size_t i = 0; i < advice.count; i++) {
        assert_string_equal(advice.items[i].phase, "old_name");
        tt_buf_printf(&text, "%s:%d %.*s\n", advice.items[i].file.data, advice.items[i].line,
                      (int)strcspn(advice.items[i].message.data, ";"),
                      advice.items[i].message.data);
    }
    tt_buf_putc(&text, 0);
    assert_string_equal(text.data, wanted);
    tt_buf_free(&text);
    tt_diagnostics_free(&advice);
}

static void each_use_is_told(void **state)
{
    struct rig *rig = *state;

    expect_advice(rig, "return {}", "");
    expect_advice(rig, "\nlocal old = require 'lib.old'\nreturn {old.size,\n old.title}",
                  "user.lua:2 module 'lib.old' is web.new now\n"
                  "user.lua:4 'title' of lib.old is web.moved.caption now\n");
    expect_advice(rig, "return {function() return require(\"lib.old\").title end}",
                  "user.lua:1 module 'lib.old' is web.new now\n"
                  "user.lua:1 'title' of lib.old is web.moved.caption now\n");
    expect_advice(rig, "local c = require 'tide.crypto'\nreturn {c.random_hex(2)}",
                  "user.lua:2 'random_hex' of tide.crypto is random_hex_digits now: it takes "
                  "digits, not bytes\n");
}

static void what_is_gone_is_told_with_what_to_do(void **state)
{
    struct rig *rig = *state;

    expect_advice(rig, "return function() return require('lib.left').all() end",
                  "user.lua:1 module 'lib.left' is gone: delete the call\n");
    expect_advice(rig,
                  "local new = require 'web.new'\n"
                  "return function() return new.width, new.size, require('lib.old').colour end",
                  "user.lua:2 'width' of web.new is gone: y\n"
                  "user.lua:2 module 'lib.old' is web.new now\n"
                  "user.lua:2 'colour' of lib.old is gone: paint it\n"); /* size is there */
}

static void what_only_looks_like_a_use_is_not_told(void **state)
{
    struct rig *rig = *state;

    expect_advice(rig, "-- require 'lib.old'\nreturn {[[require 'lib.old']]}", "");
    expect_advice(rig, "local both = require 'lib.both'\nreturn {both.title}", "");
    expect_advice(rig, "local new = require 'web.new'\nreturn {new.title}", "");
    expect_advice(rig, "local c = require 'tide.crypto'\nreturn {c.random_hex_digits(2), x = 1}",
                  "");
    expect_advice(rig,
                  "local t = {c = {}} local c = require 'tide.crypto'\n"
                  "return {t.c.random_hex, c}",
                  "");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(old_modules_are_the_new_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(old_functions_of_the_core_work, setup, teardown),
        cmocka_unit_test_setup_teardown(each_use_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_gone_is_told_with_what_to_do, setup, teardown),
        cmocka_unit_test_setup_teardown(what_only_looks_like_a_use_is_not_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
