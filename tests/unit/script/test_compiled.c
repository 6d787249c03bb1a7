/* What is compiled once: it does the same in every state, and later bundles take it over. */
#include "script/compiled.h"
#include "script/support.h"

#include <lualib.h>

#define APP "local n = ...\nlocal function fail()\n  error('no ' .. n)\nend\nreturn fail()"

static struct tt_bundle *bundle_of(const char *app, const struct tt_bundle *before)
{
    struct tt_bundle *bundle = tt_bundle_new();
    struct tt_err err = {0};

    tt_bundle_add(bundle, TT_STR("app.lua"), tt_str_from(app));
    tt_bundle_add(bundle, TT_STR("b.lua"), TT_STR("return 'b'"));
    if (tt_bundle_seal(bundle, before, &err) != 0)
        fail_msg("%s", err.message);
    return bundle;
}

static int push(lua_State *L)
{
    tt_compiled_push(L, lua_touserdata(L, 1));
    return 1;
}

/* Runs a file with the argument "tides" in a state of its own: its result or the error. */
static void run(struct tt_bundle_file *file, char out[static 128])
{
    lua_State *L = luaL_newstate();

    luaL_requiref(L, "_G", luaopen_base, 1);
    lua_pushcfunction(L, push);
    lua_pushlightuserdata(L, file);
    int status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_OK) {
        lua_pushliteral(L, "tides");
        lua_pcall(L, 1, 1, 0);
    }
    snprintf(out, 128, "%s", lua_tostring(L, -1));
    lua_close(L);
}

static void later_states_run_the_same(void **state)
{
    struct tt_bundle *bundle = bundle_of(APP, NULL);
    char text[128];
    (void)state;

    for (int i = 0; i < 3; i++) {
        run(&bundle->files[0], text);
        assert_string_equal(text, "app.lua:3: no tides");
        assert_non_null(bundle->files[0].compiled);
        run(&bundle->files[1], text);
        assert_string_equal(text, "b");
    }
    tt_bundle_free(bundle);
}

static void later_bundles_take_over_what_is_the_same(void **state)
{
    struct tt_bundle *first = bundle_of("return 'one'", NULL);
    char text[128];
    (void)state;

    run(&first->files[0], text);
    run(&first->files[1], text);
    struct tt_bundle *second = bundle_of("return 'two'", first);
    assert_null(second->files[0].compiled);
    assert_ptr_equal(second->files[1].compiled, first->files[1].compiled);
    struct tt_bundle *alone = bundle_of("return 'two'", NULL);
    assert_string_equal(second->hash, alone->hash);
    assert_string_equal(second->files[1].hash, alone->files[1].hash);
    tt_bundle_free(alone);
    tt_bundle_free(first);
    run(&second->files[0], text);
    assert_string_equal(text, "two");
    run(&second->files[1], text);
    assert_string_equal(text, "b");
    tt_bundle_free(second);
}

static void a_syntax_error_is_told_each_time(void **state)
{
    struct tt_bundle *bundle = bundle_of("return\nif", NULL);
    char text[128];
    (void)state;

    for (int i = 0; i < 2; i++) {
        run(&bundle->files[0], text);
        assert_memory_equal(text, "app.lua:2: ", 11);
        assert_null(bundle->files[0].compiled);
    }
    tt_bundle_free(bundle);
}

/* A file of a folder could be bytecode that crashes the interpreter. */
static void bytecode_on_the_disk_is_refused(void **state)
{
    struct tt_bundle *bundle = bundle_of("\x1bLua", NULL);
    char text[128];
    (void)state;

    run(&bundle->files[0], text);
    assert_non_null(strstr(text, "attempt to load a binary chunk"));
    tt_bundle_free(bundle);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_states_run_the_same),
        cmocka_unit_test(later_bundles_take_over_what_is_the_same),
        cmocka_unit_test(a_syntax_error_is_told_each_time),
        cmocka_unit_test(bytecode_on_the_disk_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
