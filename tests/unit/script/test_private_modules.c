/* Warnings about modules of the server that plugins require. */
#include "script/support.h"
#include "serve/generation_check.h"

static void expect_advice(struct rig *rig, const char *plugin, const char *wanted)
{
    struct tt_diagnostics advice = {0};
    struct tt_buf text = {0};

    rig_put(rig, "plugins/moon/plugin.lua", plugin);
    rig_load_body(rig, "return 1");
    tt_generation_advise(rig->generation, &advice);
    for (size_t i = 0; i < advice.count; i++)
        if (strcmp(advice.items[i].phase, "private_module") == 0)
            tt_buf_printf(&text, "%s:%d %.*s\n", advice.items[i].file.data, advice.items[i].line,
                          (int)strcspn(advice.items[i].message.data, ":"),
                          advice.items[i].message.data);
    tt_buf_putc(&text, 0);
    assert_string_equal(text.data, wanted);
    tt_buf_free(&text);
    tt_diagnostics_free(&advice);
}

static void modules_of_the_server_are_private(void **state)
{
    struct rig *rig = rig_new();
    (void)state;

    rig_put(rig, "lua/lib/words.lua", "return {require 'lib.more'}");
    rig_put(rig, "lua/lib/more.lua", "return 1");
    rig_put(rig, "lua/tide/chat.lua", "return 1");
    rig_put(rig, "plugins/moon/own.lua", "return 1");
    rig_put(rig, "plugins/moon/pl/utils.lua", "return 1");
    rig_put(rig, "plugins/moon/never.lua", "return function() return require 'lib.words' end");
    expect_advice(rig, "return {}", "plugins/moon/never.lua:1 module 'lib.words' is private\n");
    rig_put(rig, "plugins/moon/never.lua", "return 1");
    expect_advice(
        rig, "return {\n(require(\"lib.words\")),\n require 'lib.more', require [[app]] and 1}",
        "plugins/moon/plugin.lua:2 module 'lib.words' is private\n"
        "plugins/moon/plugin.lua:3 module 'lib.more' is private\n"
        "plugins/moon/plugin.lua:3 module 'app' is private\n");
    expect_advice(rig,
                  "-- require 'lib.words'\nlocal text = [[require 'lib.words']]\n"
                  "return {require 'tide.chat', require 'tide.json', require 'moon.own',\n"
                  "  require 'pl.utils', select(2, pcall(require, 'nowhere'))}",
                  "");
    rig_free(rig);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_of_the_server_are_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
