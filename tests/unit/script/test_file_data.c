/* Bytes of files as values: they go into bodies whole, nowhere else, and are given back. */
#include "script/file_data.h"
#include "script/support.h"

static const char image[] = "data:image/png;base64,iVBORw0=";

static lua_State *state_of(struct rig *rig)
{
    return rig->generation->vms[0]->L;
}

/* Pushes the image's table. */
static void push_image(lua_State *L)
{
    struct tt_buf url = {0};
    tt_buf_append_z(&url, image);
    tt_value_file_push_image(L, &url);
    assert_null(url.data); /* taken over */
}

static int encode_plain(lua_State *L)
{
    tt_value_encode(L, 1, tt_value_scratch(L));
    return 0;
}

static void bodies_hold_them_whole(void **state)
{
    lua_State *L = state_of(*state);
    struct tt_buf out = {0};
    push_image(L);
    lua_getfield(L, -1, "media_type");
    assert_string_equal(lua_tostring(L, -1), "image/png");
    lua_getfield(L, 1, "base64");
    assert_string_equal(luaL_tolstring(L, -1, NULL), "[file]");
    lua_settop(L, 1);

    lua_newtable(L);
    lua_getfield(L, 1, "base64");
    lua_rawseti(L, 2, 1);
    lua_getfield(L, 1, "data_url");
    lua_rawseti(L, 2, 2);
    lua_remove(L, 1); /* the parts alone keep the bytes */
    lua_gc(L, LUA_GCCOLLECT);
    assert_int_equal(tt_value_file_sum(L, 1), strlen("iVBORw0=") + strlen(image));
    tt_value_encode_body(L, 1, &out);
    assert_string_equal(out.data, "[\"iVBORw0=\",\"data:image/png;base64,iVBORw0=\"]");
    tt_buf_free(&out);

    lua_pushcfunction(L, encode_plain);
    lua_pushvalue(L, 1);
    assert_int_equal(lua_pcall(L, 1, 0, 0), LUA_ERRRUN);
    assert_non_null(strstr(lua_tostring(L, -1), "into a request's body only"));
    lua_settop(L, 0);
}

static int encode_small(lua_State *L)
{
    tt_value_encode_body(L, 1, lua_touserdata(L, 2));
    return 0;
}

static void a_body_that_is_too_large_is_refused(void **state)
{
    lua_State *L = state_of(*state);
    for (size_t max = 1; max <= strlen(image) + 2; max++) {
        struct tt_buf out = {.max = max};
        push_image(L);
        lua_pushcfunction(L, encode_small);
        lua_getfield(L, 1, "data_url");
        lua_pushlightuserdata(L, &out);
        int result = lua_pcall(L, 2, 0, 0);
        assert_int_equal(result, max == strlen(image) + 2 ? LUA_OK : LUA_ERRRUN);
        lua_settop(L, 0);
        tt_buf_free(&out);
    }
    lua_newtable(L); /* a table that holds itself, twice: refused, not walked for ever */
    for (int i = 1; i <= 2; i++) {
        lua_pushvalue(L, 1);
        lua_rawseti(L, 1, i);
    }
    struct tt_buf out = {0};
    lua_pushcfunction(L, encode_small);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, &out);
    assert_int_equal(lua_pcall(L, 2, 0, 0), LUA_ERRRUN);
    assert_non_null(strstr(lua_tostring(L, -1), "holds itself"));
    lua_settop(L, 0);
    tt_buf_free(&out);
    lua_pushnil(L);
    struct tt_str text;
    assert_false(tt_value_file_text(L, -1, &text));
    lua_settop(L, 0);
}

static void memory_is_counted_and_given_back(void **state)
{
    lua_State *L = state_of(*state);
    lua_gc(L, LUA_GCCOLLECT);
    size_t before = tt_value_file_used();
    push_image(L);
    assert_true(tt_value_file_used() >= before + strlen(image));
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT);
    assert_int_equal(tt_value_file_used(), before);
}

static int setup(void **state)
{
    struct rig *rig = rig_new();
    *state = rig;
    rig_load_body(rig, "return 1");
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return tt_value_file_used() == 0 ? 0 : -1;
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bodies_hold_them_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_that_is_too_large_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_counted_and_given_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
