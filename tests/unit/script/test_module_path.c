/* Modules of plugins: whose they are, and which file a name means. */
#include "script/support.h"

/* moon.plugin returns a text. */
static void answers(struct rig *rig, const char *plugin, const char *want)
{
    rig_put(rig, "plugins/moon/plugin.lua", plugin);
    rig_expect(rig, "return require 'moon.plugin'", want);
}

static void answers_in(struct rig *rig, const char *plugin, const char *part)
{
    rig_put(rig, "plugins/moon/plugin.lua", plugin);
    rig_expect_in(rig, "return select(2, pcall(require, 'moon.plugin'))", part);
}

static void a_plugin_has_its_own_modules(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/lib/words.lua", "return 'of the server'");
    rig_put(rig, "plugins/moon/words.lua", "return 'of the moon ' .. ...");
    rig_put(rig, "plugins/moon/deep/er.lua", "return 'deeper'");
    answers(rig, "return require 'moon.words'", "\"of the moon moon.words\"");
    answers(rig, "return (require('moon.deep.er'))", "\"deeper\"");
    answers(rig, "return require 'lib.words'", "\"of the server\"");
    answers(rig, "return require 'tide.text' and 'there'", "\"there\"");
    answers_in(rig, "return require 'moon.nowhere'",
               "module 'moon.nowhere' not found: no plugins/moon/nowhere.lua");
    answers_in(rig, "return require 'nowhere'", "module 'nowhere' not found: no lua/nowhere.lua");
    answers_in(rig, "error('no')", "plugins/moon/plugin.lua:1: no");
}

static void modules_of_other_plugins_are_out_of_reach(void **state)
{
    struct rig *rig = *state;
    static const char refusal[] = "module 'sun.words' belongs to the plugin sun";

    rig_put(rig, "plugins/sun/plugin.lua", "return 'sun'");
    rig_put(rig, "plugins/sun/words.lua", "return 'of the sun'");
    rig_put(rig, "plugins/moon/through.lua", "return (require 'sun.words')");
    answers_in(rig, "local words = require 'sun.words' return words", refusal);
    answers_in(rig, "return require 'sun.words'", refusal);
    answers_in(rig, "return require 'moon.through'", refusal);
    answers_in(rig, "local ok, e = pcall(require, 'sun.words') error(e, 0)", refusal);
    rig_expect(rig, "return require 'sun.words'", "\"of the sun\"");
}

/* As libraries of several files do: their own names are not the plugin's. */
static void a_library_in_a_plugins_folder_works(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "plugins/moon/pl/init.lua", "return require 'pl.utils'");
    rig_put(rig, "plugins/moon/pl/utils.lua", "return 'utils ' .. ...");
    rig_put(rig, "plugins/moon/pl/path.lua", "return require 'lfs'"); /* is never asked for */
    answers(rig, "return require 'pl'", "\"utils moon.pl.utils\"");
    answers(rig, "return rawequal(require 'pl', require 'moon.pl') and 'once'", "\"once\"");
    rig_put(rig, "lua/pl/utils.lua", "return 'of the server'");
    answers(rig, "return require 'pl.utils'", "\"of the server\"");
    rig_expect_in(rig, "return select(2, pcall(require, 'pl.path'))", "module 'pl.path' not found");
}

static void every_file_of_a_plugin_is_compiled(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/app.lua", "return {handle = function() end, routes = {}, " RIG_ERRORS "}");
    rig_put(rig, "plugins/moon/plugin.lua", "return 1");
    rig_put(rig, "plugins/moon/other.lua", "\nlocal local");
    assert_null(rig_try_load(rig));
    assert_non_null(strstr(rig->errors.data, "plugins/moon/other.lua:2: "));
}

static void a_module_that_failed_says_so(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "plugins/moon/plugin.lua", "return function() return require 'moon.late' end");
    rig_put(rig, "plugins/moon/late.lua", "error('no')");
    rig_expect_in(rig, "local f = require 'moon.plugin' pcall(f) return select(2, pcall(f))",
                  "module 'moon.late' failed when it was first required");
}

/* What lua/tide has takes the place of the core's module of that name, for everybody. */
static void a_script_takes_the_place_of_a_core_module(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return require('tide.files').keep == require('tide.files').store", "true");
    rig_put(rig, "lua/tide/files.lua", "return {store = require('tide.file_store').store}");
    rig_expect(rig, "return require('tide.files').keep == nil", "true");
    rig_expect(rig, "return require('tide.files').store == require('tide.file_store').store",
               "true");
    answers(rig, "return type(require('tide.files').store)", "\"function\"");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_plugin_has_its_own_modules),
        RIG_TEST(modules_of_other_plugins_are_out_of_reach),
        RIG_TEST(a_library_in_a_plugins_folder_works),
        RIG_TEST(every_file_of_a_plugin_is_compiled),
        RIG_TEST(a_module_that_failed_says_so),
        RIG_TEST(a_script_takes_the_place_of_a_core_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
