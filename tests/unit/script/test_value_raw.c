/* JSON that is passed on as it came. */
#include "script/support.h"

static void bytes_are_spliced(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return json.raw('{\"b\":1.0,\"a\":1e2,\"c\":9007199254740993,\"b\" : [ ]}')",
               "{\"b\":1.0,\"a\":1e2,\"c\":9007199254740993,\"b\" : [ ]}");
    rig_expect(rig, "return {json.raw(' \"x\" '), {json.raw('{}')}, n = nil}", "[ \"x\" ,[{}]]");
    rig_expect(rig, "return tostring(json.raw('[1]'))", "\"[1]\"");
    rig_expect(rig, "return json.decode(json.raw('{\"b\":[1.0],\"a\":null}'))",
               "{\"a\":null,\"b\":[1]}");
    rig_expect_in(rig, "return json.raw('{')", "invalid_json");
    rig_expect_in(rig, "return json.raw('{\"a\":01}')", "invalid_json");
}

static void parts_are_read(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               "local raw = json.raw('{\"a\":[1,{\"b\":\"x\\\\n\"}],\"t\":true,\"n\":null,"
               "\"f\":1.50,\"a\\\\u0062\":2,\"two\":1,\"two\":2, \"e\":{}}')\n"
               "return {raw:get('a.0'), raw:get('a.1.b'), raw:get('t'), raw:get('n'),"
               "  raw:get('f'), raw:get('ab'), raw:get('two'), raw:get('a.1'), raw:get('e'),"
               "  raw:get('a.2') == nil, raw:get('x.y') == nil, raw:get('t.x') == nil,"
               "  math.type(raw:get('a.0'))}",
               "[1,\"x\\n\",true,null,1.5,2,2,{\"b\":\"x\\n\"},{},true,true,true,\"integer\"]");
    rig_expect(rig, "return {json.raw('[5,6]'):get(1), json.raw('5'):get(0) == nil}", "[6,true]");
    rig_expect(rig,
               "local types = {}\n"
               "for _, text in ipairs({'{}', '[]', '\"\"', '1', 'true', 'null'}) do\n"
               "  types[#types + 1] = json.raw(text):type() end\n"
               "local raw = json.raw('{\"a\":[true]}')\n"
               "return {types, raw:type('a.0'), raw:type('a'), raw:type('b') == nil}",
               "[[\"object\",\"array\",\"string\",\"number\",\"boolean\",\"null\"],\"boolean\","
               "\"array\",true]");
}

static void members_are_found_in_one_pass(void **state)
{
    struct rig *rig = *state;

    rig_expect(
        rig,
        "local raw = json.raw('{\"a\":1,\"b\":{\"x\":2.0},\"a\":\"last\",\"\\\\u0063\":null}')\n"
        "local a, d, b, c = raw:members('a', 'd', 'b', 'c')\n"
        "return {a, d == nil, b, c, select('#', raw:members()), json.raw('[1]'):members('0') == "
        "nil}",
        "[\"last\",true,{\"x\":2.0},null,0,true]");
    rig_expect_in(rig,
                  "local names = {}\n"
                  "for i = 1, 17 do names[i] = 'a' end\n"
                  "return json.raw('{}'):members(table.unpack(names))",
                  "too many names");
}

/* `with` refers to long values instead of copying them; nobody sees a difference. */
static void long_members_are_not_copied(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               "local long = '\"' .. string.rep('x', 300) .. '\"'\n"
               "local text = '{\"a\":1.0,\"b\" : ' .. long .. ' ,\"c\":[' .. long .. "
               "'],\"d\":2}'\n"
               "local raw = json.raw(text)\n"
               "local made = raw:with({a = 2, z = true}, {'d'})\n"
               "local twice = made:with({q = json.raw(long)})\n"
               "raw:set('b', 0)\n"
               "local want = '{\"a\":2,\"b\":' .. long .. ',\"c\":[' .. long .. '],\"z\":true'\n"
               "return {tostring(made) == want .. '}', made:get('c.0') == long:sub(2, -2),"
               "  tostring(twice) == want .. ',\"q\":' .. long .. '}', made:type('z'),"
               "  #json.encode(made) == #want + 1, made:set('c', nil), made:type('c') == nil}",
               "[true,true,true,\"boolean\",true,true,true]");
    rig_expect(rig,
               "local parts = {}\n"
               "for i = 1, 40 do parts[i] = ('\"m%d\":\"%s\"'):format(i, ('y'):rep(300)) end\n"
               "local text = '{' .. table.concat(parts, ',') .. '}'\n"
               "return {tostring(json.raw(text):with({})) == text,"
               "  tostring(json.raw(text):with({m1 = ('z'):rep(9000)})) =="
               "    (text:gsub('y+', ('z'):rep(9000), 1))}",
               "[true,true]");
}

static void parts_are_changed_in_place(void **state)
{
    struct rig *rig = *state;

    rig_expect(
        rig,
        "local raw = json.raw(' {\"b\": 1.0, \"a\": [1e2, {\"c\": 2}], \"z\" : 0}')\n"
        "local done = {raw:set('a.1.c', {y = 1, x = json.raw('1.0')}), raw:set('a.2', 'new'),"
        "  raw:set('b', nil), raw:set('a.0', nil), raw:set('q', false),"
        "  raw:set('a.9', 1), raw:set('no.such', 1), raw:set('z.x', 1)}\n"
        "return {raw, done}",
        "[{\"a\":[{\"c\":{\"x\":1.0,\"y\":1}},\"new\"],\"z\":0,\"q\":false},"
        "[true,true,true,true,true,false,false,false]]");
    rig_expect(rig,
               "return json.raw('{\"m\":1,\"x\":2.0,\"m\":3,\"y\":4}'):with({m = 5, n = 6, a = 7},"
               " {'y'})",
               "{\"m\":5,\"x\":2.0,\"a\":7,\"n\":6}");
    rig_expect(rig, "local raw = json.raw('{}') raw:with({a = 1}) return raw", "{}");
    rig_expect_in(rig, "return json.raw('[]'):with({})", "'with' is for objects");
    rig_expect_in(rig,
                  "local raw = json.raw('[]')\n"
                  "for _ = 1, 100 do raw:set(0, raw) end return raw",
                  "nested too deeply");
}

static void members_and_items_are_walked(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               "local seen = {}\n"
               "for key, part in json.raw('{\"b\":1,\"a\":[1.0],\"b\":\"x\"}'):each() do\n"
               "  seen[#seen + 1] = key seen[#seen + 1] = part end\n"
               "for i, part in json.raw('[7,{}]'):each() do\n"
               "  seen[#seen + 1] = i seen[#seen + 1] = part end\n"
               "for _ in json.raw('5'):each() do seen[#seen + 1] = 'never' end\n"
               "return seen",
               "[\"b\",1,\"a\",[1.0],\"b\",\"x\",0,7,1,{}]");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(bytes_are_spliced),
        RIG_TEST(parts_are_read),
        RIG_TEST(members_are_found_in_one_pass),
        RIG_TEST(long_members_are_not_copied),
        RIG_TEST(parts_are_changed_in_place),
        RIG_TEST(members_and_items_are_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
