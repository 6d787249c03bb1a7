/* JSON and texts read by a schema. What is JSON is judged as tt_json_check does it, whatever the
 * schema makes of the document. */
#include "base/cases.h"
#include "script/schema.h"
#include "script/support.h"

/* `body` has read, which is tide.schema's, texts, json and schema(fields, more). */
static void expect(struct rig *rig, const char *body, const char *want)
{
    struct tt_buf chunk = {0};

    tt_buf_printf(
        &chunk,
        "local core = require 'tide.schema'\n"
        "local function schema(fields, more)\n"
        "  more = more or {} more.fields = fields return more end\n"
        "local function told(value, refusal)\n"
        "  if not refusal then return value end\n"
        "  return table.concat({refusal.code, refusal.field or '-', refusal.reason or '-',"
        "    refusal.limit or 0, refusal.choices}, ' ') end\n"
        "local function read(s, text) return told(core.read(s, text)) end\n"
        "local function texts(s, values) return told(core.check_texts(s, values)) end\n"
        "%s",
        body);
    rig_expect(rig, chunk.data, want);
    tt_buf_free(&chunk);
}

static void declared_fields_are_read(void **state)
{
    expect(*state,
           "local s = schema{{name = 'n', type = 'integer'}, {name = 't', type = 'string'},"
           "  {name = 'b', type = 'boolean'}, {name = 'x'},"
           "  {name = 'l', type = 'array', items = {type = 'integer'}},"
           "  {name = 'o', type = 'object', fields = {{name = 'p', type = 'string'}}}}\n"
           "return {read(s, '{\"u\":[{}], \"n\" : 1.0,\"\\\\u0074\":\"a\\\\n\",\"b\":false,\"u\":1,"
           "  \"x\":{\"e\":[],\"f\":{}},\"l\":[],\"o\":{\"q\":1,\"p\":\"潮\"}}'),"
           "  math.type(read(s, '{\"n\":1e2}').n), read(s, '{\"n\":1,\"n\":2}'),"
           "  read(s, ' { } '), read(s, '{\"n\":null}')}",
           "[{\"b\":false,\"l\":[],\"n\":1,\"o\":{\"p\":\"潮\"},\"t\":\"a\\n\",\"x\":{\"e\":[],"
           "\"f\":{}}},\"integer\",{\"n\":2},{},{}]");
}

static void the_first_problem_in_the_order_of_fields_is_told(void **state)
{
    expect(*state,
           "local s = schema{{name = 'a', type = 'string', required = true, max = 3},"
           "  {name = 'b', type = 'array', max = 2, items = {type = 'object', fields = {"
           "    {name = 'c', type = 'string', enum = {'x', 'y'}}}}}}\n"
           "return {read(s, '{\"b\":5}'), read(s, '{\"b\":5,\"a\":\"1234\"}'),"
           "  read(s, '{\"a\":\"1\",\"b\":[{},{\"c\":\"z\"}]}'),"
           "  read(s, '{\"a\":\"1\",\"b\":[{\"c\":1},{},{}]}'),"
           "  read(s, '{\"a\":\"1\",\"b\":[{\"c\":1},7]}'), read(s, '{\"a\":1,\"a\":\"1\"}'),"
           "  read(s, '{\"a\":1,\"z\":}'), read(s, '[]'), read(s, '{\"a\":\"\"}')}",
           "[\"missing_field a - 0\",\"invalid_field a too_long 3\","
           "\"invalid_field b[2].c not_one_of 0 x, y\",\"invalid_field b too_many 2\","
           "\"invalid_field b[1].c must_be_string 0\",{\"a\":\"1\"},"
           "\"invalid_json - - 0\",\"invalid_field body must_be_object 0\","
           "\"missing_field a - 0\"]");
}

static void names_that_stand_for_others(void **state)
{
    expect(*state,
           "local s = schema{{name = 'a', type = 'string', aliases = {'b', 'c'}, default = 'd'}}\n"
           "return {read(s, '{\"c\":\"3\",\"b\":\"2\"}'), read(s, '{\"b\":5,\"a\":\"1\"}'),"
           "  read(s, '{\"a\":null,\"b\":\"2\"}'), read(s, '{\"b\":5}'), texts(s, {c = '3'}),"
           "  texts(s, {})}",
           "[{\"a\":\"2\"},{\"a\":\"1\"},{\"a\":\"d\"},\"invalid_field a must_be_string 0\","
           "{\"a\":\"3\"},{\"a\":\"d\"}]");
}

static void what_is_kept_besides(void **state)
{
    expect(*state,
           "local function once(text) return read(schema({{name = 'a', type = 'integer'},"
           "  {name = 'r', type = 'json'}, {name = 'm', type = 'array', raw = true, min = 1,"
           "    items = {type = 'object', fields = {{name = 'x', type = 'string', "
           "      required = true}}}}}, {once = true, whole = 'all'}), text) end\n"
           "local open = schema({{name = 'a', type = 'integer'}}, {open = true})\n"
           "return {once('{\"r\": [1.0],\"q\":1,\"m\":[ {\"x\":\"y\"} ],\"a\":1e0}'),"
           "  once('{\"q\":1,\"q\":2,\"a\":1,\"\\\\u0061\":1}'), once('{\"m\":[{\"x\":\"\"}]}'),"
           "  once('{\"m\":[]}'), once('{\"r\":null}'),"
           "  read(open, '{\"z\":{\"y\":[null]},\"a\":1}'), read(open, '{\"z\":1,\"z\":[]}')}",
           "[{\"a\":1,\"all\":{\"r\": [1.0],\"q\":1,\"m\":[ {\"x\":\"y\"} ],\"a\":1e0},"
           "\"m\":[ {\"x\":\"y\"} ],\"r\":[1.0]},\"invalid_field a given_twice 0\","
           "\"missing_field m[1].x - 0\",\"invalid_field m too_few 1\",{\"all\":{\"r\":null}},"
           "{\"a\":1,\"z\":{\"y\":[null]}},{\"z\":[]}]");
}

/* The members of a whole document are noted while it is read, up to a number of them. */
static void the_whole_is_looked_into(void **state)
{
    expect(*state,
           "local whole = schema({{name = 'a', type = 'json'}}, {once = true, whole = 'all'})\n"
           "local raw = read(whole, ' { \"q\" : {\"a\":7} ,\"a\":[1, {\"q\":2}],\"q\":3.0 ,"
           " \"\\\\u0078\": \"s\" } ').all\n"
           "local a, q, x = raw:members('a', 'q', 'x')\n"
           "local made = raw:with({q = 4}, {'x'})\n"
           "raw:set('q', 5)\n"
           "return {a, q, x, raw:get('a.1.q'), raw:get('q'), raw:type('b') == nil, made, raw}",
           "[[1, {\"q\":2}],3,\"s\",2,5,true,{\"q\":4,\"a\":[1, {\"q\":2}]},"
           "{\"q\":5,\"a\":[1, {\"q\":2}],\"\\u0078\":\"s\"}]");
    expect(*state,
           "local function all(text)\n"
           "  return read(schema({}, {once = true, whole = 'all'}), text).all end\n"
           "local parts = {}\n"
           "for i = 1, 40 do parts[i] = '\"m' .. i .. '\":' .. i end\n"
           "local many = all('{' .. table.concat(parts, ',') .. '}')\n"
           "return {all('{}'):with({b = 1}), many:get('m40'), many:with({}):get('m39'),"
           "  select(2, many:members('m1', 'm33'))}",
           "[{\"b\":1},40,39,33]");
}

static void texts_are_numbers_too(void **state)
{
    expect(*state,
           "local s = schema{{name = 'n', type = 'integer', min = 1, max = 9, default = 5,"
           "  clamp = true}, {name = 'id', type = 'integer'}, {name = 't', type = 'string',"
           "  pattern = '^%a*$'}}\n"
           "return {texts(s, {n = '7', id = '-12', t = 'abc', u = '1'}), texts(s, {n = '77'}),"
           "  texts(s, {n = 'x'}), texts(s, {id = '1.0'}), texts(s, {t = '1'}),"
           "  texts(s, {t = '\\xff'}), texts(s, {id = '99999999999999999999'})}",
           "[{\"id\":-12,\"n\":7,\"t\":\"abc\"},{\"n\":9},{\"n\":5},"
           "\"invalid_field id must_be_integer 0\",\"invalid_field t bad_form 0\","
           "\"invalid_field t not_utf8 0\",{\"id\":9007199254740992,\"n\":5}]");
}

/* ---- strictness ---- */

static const char schemas[] =
    "return {\n"
    "  {fields = {}}, {fields = {}, open = true},\n"
    "  {fields = {{name = 'a', type = 'json'}, {name = 'b', type = 'integer'}}, whole = 'w'},\n"
    "  {fields = {{name = 'a', type = 'array', raw = true, items = {type = 'object', fields = {"
    "    {name = 'b', type = 'string', max = 2}}}}, {name = 'b', type = 'parts'},"
    "    {name = 'c', type = 'array', max = 1, items = {type = 'array', items = {}}}}},\n"
    "}\n";

#define SCHEMAS 4

struct judging {
    struct tt_str doc;
    int schema; /* index of the list of schemas, 1 on the stack */
    enum tt_schema_result result;
};

static int judge(lua_State *L)
{
    struct judging *judging = lua_touserdata(L, 1);
    struct tt_schema_source source = {.json = judging->doc, .max_depth = 64};
    struct tt_err err = {0};

    if (judging->schema > 0)
        lua_rawgeti(L, 2, judging->schema);
    else
        lua_pushnil(L);
    int top = lua_gettop(L);
    judging->result = tt_schema_read(L, -1, &source, &err);
    assert_int_equal(lua_gettop(L) - top, judging->result == TT_SCHEMA_FAILED ? 0
                                          : judging->result == TT_SCHEMA_FINE ? 1
                                                                              : 2);
    return 0;
}

/* Whether all schemas find the document to be JSON if, and only if, tt_json_check does. */
static void compare(lua_State *L, struct tt_str doc, int line)
{
    struct tt_err err = {0};
    bool valid = tt_json_check(doc, 64, &err) == 0;

    for (int i = 0; i <= SCHEMAS; i++) {
        struct judging judging = {.doc = doc, .schema = i};
        lua_pushcfunction(L, judge);
        lua_pushlightuserdata(L, &judging);
        lua_pushvalue(L, 1);
        if (lua_pcall(L, 2, 0, 0) != LUA_OK)
            fail_msg("line %d, schema %d: %s", line, i, lua_tostring(L, -1));
        if (valid != (judging.result != TT_SCHEMA_FAILED))
            fail_msg("line %d, schema %d judges differently: %.*s", line, i, TT_STR_ARG(doc));
    }
}

/* The document where a field, an item and what is skipped may be, and with single bytes of it
 * missing, doubled or changed. */
static void compare_all(lua_State *L, struct tt_str doc, int line)
{
    static const char *const places[] = {"%.*s", "{\"a\":%.*s}", "{\"u\":1,\"b\" :%.*s,\"z\":2}",
                                         "{\"a\":[{\"b\":%.*s}]}", "{\"c\":[[%.*s],1]}"};
    static const char changes[] = "{}[],:\"\\0-eE.\x01\x80\xff tnu";

    for (size_t i = 0; i < TT_COUNT(places); i++) {
        struct tt_buf text = {0};
        tt_buf_printf(&text, places[i], TT_STR_ARG(doc));
        struct tt_str exact = cases_exact(tt_buf_str(&text));
        compare(L, exact, line);
        for (size_t at = 0; exact.len <= 60 && at < exact.len; at++) {
            char *bytes = (char *)exact.data, before = bytes[at];
            bytes[at] = changes[(at + (size_t)line) % (sizeof(changes) - 1)];
            compare(L, exact, line);
            bytes[at] = before;
            compare(L, tt_str_of(exact.data, at), line);
        }
        free((char *)exact.data);
        tt_buf_free(&text);
    }
}

static void what_is_json_does_not_depend_on_the_schema(void **state)
{
    struct cases cases;
    struct tt_str line;
    int count = 0;

    rig_load_body(*state, "return 1");
    lua_State *L = ((struct rig *)*state)->generation->vms[0]->L;
    assert_int_equal(luaL_dostring(L, schemas), LUA_OK);
    cases_open(&cases, "json/cases.txt");
    for (; cases_line(&cases, &line); count++) {
        if (line.len < 3)
            continue;
        struct tt_buf doc = cases_bytes(tt_str_of(line.data + 2, line.len - 2));
        compare_all(L, tt_buf_str(&doc), cases.line);
        tt_buf_free(&doc);
    }
    cases_close(&cases);
    assert_true(count > 300);
    lua_settop(L, 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(declared_fields_are_read),
        RIG_TEST(the_first_problem_in_the_order_of_fields_is_told),
        RIG_TEST(names_that_stand_for_others),
        RIG_TEST(what_is_kept_besides),
        RIG_TEST(the_whole_is_looked_into),
        RIG_TEST(texts_are_numbers_too),
        RIG_TEST(what_is_json_does_not_depend_on_the_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
