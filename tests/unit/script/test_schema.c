/* Answers written by a schema. */
#include "script/schema.h"
#include "script/support.h"

/* 1 = schema, 2 = value; returns the text and, as a list, what was undeclared. */
static struct tt_buf heard;

static void on_undeclared(void *arg, struct tt_str place)
{
    (void)arg;
    tt_buf_printf(&heard, "%s%.*s", heard.len ? " " : "", TT_STR_ARG(place));
}

static int write_by(lua_State *L)
{
    const struct tt_schema_listener listener = {on_undeclared, NULL};

    tt_buf_clear(&heard);
    const struct tt_schema *schema = tt_schema_of(L, 1);
    struct tt_buf *out = tt_value_push_buf(L, 0);
    tt_schema_write(L, schema, 2, &listener, out);
    lua_pushlstring(L, out->data, out->len);
    lua_pushlstring(L, heard.len ? heard.data : "", heard.len);
    return 2;
}

static int run(lua_State *L)
{
    lua_pushcfunction(L, write_by);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "tide.json");
    lua_call(L, 1, 1);
    lua_call(L, 2, 1);
    struct tt_buf *out = tt_value_push_buf(L, 0);
    tt_value_encode(L, -2, out);
    lua_pushlstring(L, out->data, out->len);
    return 1;
}

/* `body` has write_by and json; it returns a value that is `want` as JSON. */
static void expect(struct rig *rig, const char *body, const char *want)
{
    struct tt_buf chunk = {0};

    rig_load_body(rig, "return 1");
    lua_State *L = rig->generation->vms[0]->L;
    tt_buf_printf(&chunk, "local write_by, json = ...\n%s", body);
    lua_pushcfunction(L, run);
    assert_int_equal(luaL_loadstring(L, chunk.data), LUA_OK);
    lua_pcall(L, 1, 1, 0);
    assert_string_equal(lua_tostring(L, -1), want);
    lua_settop(L, 0);
    tt_buf_free(&chunk);
    tt_buf_free(&heard);
}

#define ROWS                                                                                       \
    "local rows = {type = 'object', fields = {{name = 'z', type = 'integer'},"                     \
    "  {name = 'list', type = 'array', items = {type = 'object', fields ="                         \
    "    {{name = 'b', type = 'string'}, {name = 'a', type = 'string'}}}},"                        \
    "  {name = 'any', type = 'object'}}}\n"

static void members_come_as_declared(void **state)
{
    expect(*state,
           ROWS "return (write_by(rows, {any = {y = 1, x = 2}, z = 1,"
                "  list = {{a = 'A', b = 'B'}, {a = 'only'}}}))",
           "\"{\\\"z\\\":1,\\\"list\\\":[{\\\"b\\\":\\\"B\\\",\\\"a\\\":\\\"A\\\"},"
           "{\\\"a\\\":\\\"only\\\"}],\\\"any\\\":{\\\"x\\\":2,\\\"y\\\":1}}\"");
}

static void undeclared_members_follow_and_are_told(void **state)
{
    expect(*state,
           ROWS "local text, heard = write_by(rows, {q = 1, z = 2, d = {f = 1, e = 2},"
                "  list = {{c = 1, a = 'A'}}})\n"
                "local told = {}\n"
                "for place in heard:gmatch('%S+') do told[#told + 1] = place end\n"
                "table.sort(told)\n"
                "return {text = (text:gsub('\"', \"'\")), told = told}",
           "{\"text\":\"{'z':2,'list':[{'a':'A','c':1}],'d':{'e':2,'f':1},'q':1}\","
           "\"told\":[\"d\",\"list[].c\",\"q\"]}");
}

static void what_is_open_has_no_undeclared_members(void **state)
{
    expect(*state,
           "local text, heard = write_by({open = true, fields = {{name = 'b', type = 'string'}}},"
           "  {a = 1, b = 2})\n"
           "return {text:gsub('\"', \"'\"), heard}",
           "[\"{'b':2,'a':1}\",\"\"]");
}

static void values_of_other_types_are_written_as_they_are(void **state)
{
    expect(*state,
           ROWS "return {write_by(rows, {z = json.null, list = {}, any = json.array()}),"
                "  write_by(rows, {1, 2}), write_by(rows, 'text'),"
                "  write_by({type = 'what'}, {b = 1, a = 2})}",
           "[\"{\\\"z\\\":null,\\\"list\\\":{},\\\"any\\\":[]}\",\"[1,2]\",\"\\\"text\\\"\","
           "\"{\\\"a\\\":2,\\\"b\\\":1}\",\"\"]");
}

static void wrong_schemas_do_no_harm(void **state)
{
    expect(*state,
           "return {write_by({fields = {5, {name = 'a'}, {type = 'string'}, {name = 'a'}}},"
           "  {a = 1, b = 2}), (write_by({fields = 7}, {a = 1})),"
           "  (write_by({type = 'array'}, {1, {b = 1, a = 2}}))}",
           "[\"{\\\"a\\\":1,\\\"b\\\":2}\",\"{\\\"a\\\":1}\",\"[1,{\\\"a\\\":2,\\\"b\\\":1}]\"]");
    expect(*state,
           "local own = {type = 'array'}\nown.items = own\n"
           "return select(2, pcall(write_by, own, {}))",
           "\"a schema is nested deeper than 64 (one that holds itself?)\"");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(members_come_as_declared),
        RIG_TEST(undeclared_members_follow_and_are_told),
        RIG_TEST(what_is_open_has_no_undeclared_members),
        RIG_TEST(values_of_other_types_are_written_as_they_are),
        RIG_TEST(wrong_schemas_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
