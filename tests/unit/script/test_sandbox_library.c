/* What libraries written for plain Lua expect. */
#include "script/support.h"

static void globals_can_be_looked_at(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return _G.string == string and rawget(_G, 'type') == type", "true");
    rig_expect(rig, "return _G.nowhere == nil and rawget(_G, 'nowhere') == nil", "true");
    rig_expect(rig, "return _G.unpack == nil and unpack == nil and setfenv == nil", "true");
    rig_expect(rig, "return _G._G == _G", "true");
    rig_expect(rig,
               "local names = {} for name in pairs(_G) do names[name] = true end "
               "return names.pairs and names.string and not names.dofile",
               "true");
    rig_expect(rig,
               "local n = 0 for _ in pairs(string) do n = n + 1 end return n > 10 and "
               "next(string) == nil",
               "true");
    rig_expect_in(rig, "return select(2, pcall(function() _G.x = 1 end))", "'x' cannot be set");
    rig_expect_in(rig, "return select(2, pcall(function() return nowhere end))",
                  "'nowhere' is not defined");
    /* What pairs walks over is a copy. */
    rig_expect(rig, "local _, copy = pairs(string) copy.rep = nil return string.rep ~= nil",
               "true");
}

static void raw_access_is_for_own_tables(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               "local t = setmetatable({}, { __newindex = error }) rawset(t, 'a', 1) "
               "return rawget(t, 'a') + rawlen({ 1, 2 })",
               "3");
    rig_expect_in(rig, "return select(2, pcall(rawset, string, 'rep', 1))", "protected metatable");
    rig_expect_in(rig, "return select(2, pcall(rawset, _G, 'x', 1))", "protected metatable");
    rig_expect_in(rig, "return select(2, pcall(rawset, json.array({}), 1, 1))",
                  "protected metatable");
    rig_expect(rig, "return rawget(string, 'rep') == string.rep", "true");
}

static void load_compiles_text_in_the_sandbox(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return load('return 1 + ...')(2)", "3");
    rig_expect(rig,
               "return load('return string.rep(x, 2)', 'name', 't', { string = string, "
               "x = 'a' })()",
               "\"aa\"");
    rig_expect(rig,
               "local parts = { 'return ', '7' } local i = 0 "
               "return load(function() i = i + 1 return parts[i] end)()",
               "7");
    rig_expect_in(rig, "return select(2, load('return +'))", "[string \\\"return +\\\"]:1:");
    rig_expect_in(rig, "return select(2, pcall(load('return dofile')))", "'dofile' is not defined");
    rig_expect_in(rig, "return select(2, pcall(load('x = 1')))", "'x' cannot be set");
    rig_expect_in(rig, "return select(2, load('\\27Lua', 'b', 'b'))", "attempt to load a binary");
    rig_expect_in(rig, "return select(2, load('error(1', '@plugins/a/x.lua'))",
                  "plugins/a/x.lua:1: ");
    rig_expect_in(rig, "return select(2, pcall(load, ('x'):rep((1 << 20) + 1)))",
                  "more than 1 MiB");
    rig_expect_in(rig, "return select(2, pcall(load, function() return ('-'):rep(70000) end))",
                  "more than 1 MiB");
    rig_expect_in(rig, "return select(2, pcall(load, function() return {} end))",
                  "the reader must return texts");
}

static void os_tells_the_time_only(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return os.date('!%Y-%m-%d', 86400)", "\"1970-01-02\"");
    rig_expect(rig, "return os.time({ year = 2026, month = 1, day = 2 }) > 0", "true");
    rig_expect(rig, "return os.clock() >= 0 and os.difftime(3, 1) == 2", "true");
    rig_expect(rig, "return os.execute == nil and os.tmpname == nil and os.setlocale == nil",
               "true");
    rig_expect_in(rig, "return select(2, pcall(function() os.time = 1 end))", "cannot be set");
    rig_expect(rig, "return package.config:sub(1, 1) .. tostring(package.searchpath('x', '?'))",
               "\"/nil\"");
    rig_expect(rig, "return require 'string' == string and require('os') == os", "true");
}

/* The log goes to the standard error, which is the test's; a table's text is made by __tostring. */
static void print_takes_anything(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               "print() print(nil, 1, {}, setmetatable({}, { __tostring = function() "
               "return 'x' end })) print(('x'):rep(100000)) warn('careful') io.write('x') "
               "io.stdout:write('y', 1) "
               "return 'done'",
               "\"done\"");
    rig_expect_in(rig,
                  "return select(2, pcall(print, setmetatable({}, { __tostring = function() "
                  "return {} end })))",
                  "'__tostring' must return a string");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(globals_can_be_looked_at),
        RIG_TEST(raw_access_is_for_own_tables),
        RIG_TEST(load_compiles_text_in_the_sandbox),
        RIG_TEST(os_tells_the_time_only),
        RIG_TEST(print_takes_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
