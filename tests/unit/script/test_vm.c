/* The state that scripts live in: what they get of Lua, require, limits. */
#include "script/support.h"

static void the_machine_is_out_of_reach(void **state)
{
    struct rig *rig = *state;
    static const char *const hidden[] = {"dofile", "loadfile", "collectgarbage"};
    static const char *const empty[] = {
        "io.open", "io.popen",  "debug.sethook",  "debug.getregistry", "os.execute", "os.getenv",
        "os.exit", "os.remove", "package.loaded", "package.loadlib",   "loadstring"};
    for (size_t i = 0; i < TT_COUNT(hidden); i++) {
        char body[128], want[128];
        snprintf(body, sizeof(body), "local ok, e = pcall(function() return %s end) return e",
                 hidden[i]);
        snprintf(want, sizeof(want), "'%s' is not defined", hidden[i]);
        rig_expect_in(rig, body, want);
    }
    for (size_t i = 0; i < TT_COUNT(empty); i++) {
        char body[128];
        snprintf(body, sizeof(body), "return %s == nil", empty[i]);
        rig_expect(rig, body, "true");
    }
    rig_expect(rig, "return string.dump == nil", "true");
    rig_expect_in(rig, "return select(2, pcall(require, 'cjson'))", "module 'cjson' not found");
    rig_expect_in(rig, "return select(2, pcall(require, 'io'))", "module 'io' not found");
    rig_expect(rig, "local n = 0 for _ in pairs(io) do n = n + 1 end return n", "3");
}

static void globals_and_libraries_are_frozen(void **state)
{
    struct rig *rig = *state;
    static const char *const bodies[] = {
        "x = 1",
        "string.rep = nil",
        "math.huge = 1",
        "table.insert(string, 1)",
        "utf8.x = 1",
        "setmetatable(string, {})",
        "getmetatable('').__index = nil",
        "json.array(string)",
        "json.array(table)",
    };
    for (size_t i = 0; i < TT_COUNT(bodies); i++) {
        char body[256];
        snprintf(body, sizeof(body), "return pcall(function() %s end)", bodies[i]);
        rig_expect(rig, body, "false");
    }
    rig_expect(rig, "return string.format('%d', 1) .. ('x'):upper() .. math.tointeger(2.0)",
               "\"1X2\"");
}

static void single_calls_cannot_eat_everything(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return #string.rep('ab', 1000, ',')", "2999");
    rig_expect(rig, "return string.rep('x', -1) .. string.rep('', 1 << 40)", "\"\"");
    rig_expect_in(rig, "return select(2, pcall(string.rep, 'x', 17 << 20))", "larger than 16 MiB");
    rig_expect_in(rig, "return select(2, pcall(string.rep, 'x', math.maxinteger))",
                  "larger than 16 MiB");
    rig_expect_in(rig, "return select(2, pcall(('').rep, 'x', 1 << 20, ('y'):rep(100)))",
                  "larger than 16 MiB");
}

static void scripts_have_no_finalizers(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(rig, "setmetatable({}, {__gc = function() end})", "__gc is not available");
    rig_expect_in(rig, "setmetatable({}, {__gc = true})", "__gc is not available");
    rig_expect(rig, "return setmetatable({}, {__index = {a = 1}}).a", "1");
    rig_expect(rig, "return getmetatable(setmetatable({}, nil)) == nil", "true");
    rig_expect_in(rig, "setmetatable(1, {})", "bad argument");
    rig_expect_in(rig, "setmetatable({})", "bad argument");
}

static void metatables_of_the_core_are_hidden(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "return getmetatable(json.array())", "false");
    rig_expect(rig, "return getmetatable(crypto.unseal(crypto.seal('k', 'b'), 'b'))", "false");
    rig_expect(rig, "return getmetatable(llm.enter(1, 's'))", "false");
}

static void memory_has_a_limit(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(rig, "local t = {}\n for i = 1, 1e9 do t[i] = {i} end",
                  "script_memory: app.lua:6: the state's memory limit");
    /* The state lives on. */
    rig_start(rig);
    assert_true(rig->ended);
    rig_expect(rig,
               "local ok, e = pcall(function() local s = 'x' while true do s = s .. s end end) "
               "return {ok, (e:gsub('.*: ', ''))}",
               "[false,\"not enough memory\"]");
    rig_expect(rig, "return 1", "1");
    assert_true(rig->generation->vms[0]->allocator.used < 2u << 20);
}

static void endless_recursion_is_an_error(void **state)
{
    struct rig *rig = *state;

    rig->tide.runtime.memory_max = 256u << 20; /* the stack's limit comes first */
    rig_expect_in(rig, "local function f() return 1 + f() end return f()", "stack overflow");
    rig_expect_in(rig,
                  "local t = {} t = setmetatable(t, {__index = function(_, k) return t[k] end})"
                  " return t.x",
                  "stack overflow");
}

static void modules_are_loaded_once(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/lib/counter.lua", "local n = {n = 0} n.n = n.n + 1 return n");
    rig_put(rig, "lua/lib/other.lua", "return require 'lib.counter'");
    rig_put(rig, "lua/app.lua",
            "local a, b = require 'lib.counter', require 'lib.other'\n"
            "return {routes = {}, " RIG_ERRORS ", handle = function()\n"
            "  return {a == b, a == require 'lib.counter', a.n}\n"
            "end}");
    rig_load(rig);
    rig_start(rig);
    assert_string_equal(rig->result, "[true,true,1]");
}

static void refuses_to_load(struct rig *rig, const char *app, const char *part)
{
    rig_put(rig, "lua/app.lua", app);
    assert_null(rig_try_load(rig));
    assert_string_equal(rig->err.code, "script_error");
    if (!rig->errors.data || !strstr(rig->errors.data, part))
        fail_msg("\"%s\" is not in \"%s\"", part, rig->errors.data ? rig->errors.data : "");
}

static void require_tells_what_is_wrong(void **state)
{
    struct rig *rig = *state;
    static const char *const wrong[] = {"lua/a.lua", "lua/b.lua", "lua/nothing.lua", "lua/bad.lua",
                                        "lua/object.lua"};

    refuses_to_load(rig, "\nrequire 'nowhere'",
                    "app.lua:2: module 'nowhere' not found: no lua/nowhere.lua");
    refuses_to_load(rig, "\nrequire 'lib/errors'", "names have dots, not slashes");
    rig_put(rig, "lua/a.lua", "return require 'b'");
    rig_put(rig, "lua/b.lua", "return require 'a'");
    refuses_to_load(rig, "require 'a'", "b.lua:1: module 'a' requires itself");
    rig_put(rig, "lua/nothing.lua", "");
    refuses_to_load(rig, "require 'nothing'", "app.lua:1: module 'nothing' returned nothing");
    rig_put(rig, "lua/bad.lua", "\n\nerror('no')");
    refuses_to_load(rig, "require 'bad'", "bad.lua:3: no");
    rig_put(rig, "lua/object.lua", "error({})");
    refuses_to_load(rig, "require 'object'", "(the error value is a table)");
    refuses_to_load(rig, "require(('x'):rep(1000))", "module name too long");
    refuses_to_load(rig, "require({})", "bad argument");
    /* A module that nobody requires is looked at as well; each is told once, its users are not. */
    refuses_to_load(rig, "return {}", "object.lua:1: (the error value is a table)");
    assert_null(strstr(rig->errors.data, "app.lua"));
    assert_non_null(strstr(rig->errors.data, "bad.lua:3: no"));
    assert_non_null(strstr(rig->errors.data, "module 'nothing' returned nothing"));
    rig_put(rig, "lua/old.app.lua", "return 1");
    refuses_to_load(rig, "return {}", "old.app.lua:1: a name with a dot in it cannot be required");
    rig_remove(rig, "lua/old.app.lua");
    for (size_t i = 0; i < TT_COUNT(wrong); i++)
        rig_remove(rig, wrong[i]);
    rig_put(rig, "lua/late.lua", "return 1");
    rig_expect(rig, "return require 'late'", "1"); /* loaded by then, like all */
}

static void waiting_is_for_tasks(void **state)
{
    struct rig *rig = *state;
    static const char *const calls[] = {
        "require('tide.time').sleep(1)",
        "require('tide.db').query('SELECT 1')",
        "require('tide.db').write({})",
        "require('tide.crypto').password_hash('x')",
        "require('tide.crypto').seal('x', 'y')",
        "require('tide.llm').enter(1, 's')",
        "require('tide.llm').find(1, 's')",
        "require('tide.llm').find_message(1, 2)",
        "require('tide.llm').stop(1, 's')",
        "require('tide.llm').check_url('https://example.org')",
        "require('tide.llm').start({})",
    };
    for (size_t i = 0; i < TT_COUNT(calls); i++)
        refuses_to_load(rig, calls[i], "cannot be called while a module loads");
}

static void all_syntax_errors_are_told(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/a.lua", "return {");
    rig_put(rig, "lua/lib/b.lua", "\n\nlocal x = = 1");
    rig_put(rig, "lua/c.lua", "\x1bLua");
    refuses_to_load(rig, "if", "a.lua:1: ");
    assert_non_null(strstr(rig->errors.data, "\napp.lua:1: "));
    if (!strstr(rig->errors.data, "\nlib/b.lua:3: unexpected symbol near "))
        fail_msg("%s", rig->errors.data);
    assert_non_null(strstr(rig->errors.data, "\nc.lua:1: ")); /* bytecode */
}

static void the_app_table_is_checked(void **state)
{
    struct rig *rig = *state;

    refuses_to_load(rig, "return 1", "app.lua:1: must return a table, not a number");
    refuses_to_load(rig, "return {}", "app.lua:1: 'handle' must be a function");
    refuses_to_load(rig, "return {handle = function() end}", "app.lua:1: 'routes' must be a table");
    refuses_to_load(rig, "local t = {} for i = 1, 1e9 do t[i] = {} end", "not enough memory");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(the_machine_is_out_of_reach),        RIG_TEST(globals_and_libraries_are_frozen),
        RIG_TEST(single_calls_cannot_eat_everything), RIG_TEST(scripts_have_no_finalizers),
        RIG_TEST(metatables_of_the_core_are_hidden),  RIG_TEST(memory_has_a_limit),
        RIG_TEST(endless_recursion_is_an_error),      RIG_TEST(modules_are_loaded_once),
        RIG_TEST(require_tells_what_is_wrong),        RIG_TEST(waiting_is_for_tasks),
        RIG_TEST(all_syntax_errors_are_told),         RIG_TEST(the_app_table_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
