/* The functions with patterns: as Lua's own, but they can be stopped. */
#include "script/strings.h"
#include "script/support.h"
#include "script/watchdog.h"

#include <lualib.h>

/* Both with the same arguments: results, error texts and counts must be equal. */
static const char compare[] =
    "local function pack(...) return {n = select('#', ...), ...} end\n"
    "local function same(name, ...)\n"
    "  local a, b = pack(pcall(string[name], ...)), pack(pcall(own[name], ...))\n"
    "  local ok = a.n == b.n\n"
    "  for i = 1, a.n do\n"
    "    local x, y = a[i], b[i]\n"
    "    if not a[1] and type(x) == 'string' then\n"
    "      x, y = x:gsub(\"to '[^']*' \", ''), tostring(y):gsub(\"to '[^']*' \", '')\n"
    "    end\n"
    "    ok = ok and (x == y or x ~= x and y ~= y)\n"
    "  end\n"
    "  if not ok then\n"
    "    local said = {}\n"
    "    for i, v in ipairs({...}) do said[i] = string.format('%q', tostring(v)) end\n"
    "    error(name .. '(' .. table.concat(said, ', ') .. '): ' .. tostring(a[2]) .. ' / ' ..\n"
    "      tostring(b[2]))\n"
    "  end\n"
    "end\n"
    "local function all(f, ...)\n"
    "  local out = {}\n"
    "  for a, b, c in f(...) do\n"
    "    out[#out + 1] = tostring(a) .. ':' .. tostring(b) .. ':' .. tostring(c)\n"
    "    if #out > 200 then break end\n"
    "  end\n"
    "  return table.concat(out, ' ')\n"
    "end\n"
    "string.each = function(...) return all(string.gmatch, ...) end\n"
    "own.each = function(...) return all(own.gmatch, ...) end\n";

static const char known[] =
    "local subjects = {'', 'a', 'hello world', 'THE (quick) fox', 'key = value', '  trim me  ',\n"
    "  'f(a(b)c)d', 'x\\0y\\0z', '2026-01-02', 'aaaa', '\\xe6\\xbd\\xae\\xe8\\x81\\x8a', '$%^[]'}\n"
    "local patterns = {'', 'a', '.', '%a+', '^%s*(.-)%s*$', '(%w+) = (%w+)', '%b()', '%f[%w]%w+',\n"
    "  '()ll()', '(.)%1', '[%a_][%w_]*', '[^a-c]', '[a-]', '[]]', '[^]]', 'a-', 'a*$', '^a', "
    "'%%',\n"
    "  '(%d+)-(%d+)', '%z', '[%z]', '\\0', 'x?y?z?', '%', '[a', '[%', '(', ')', '%1', '(()',\n"
    "  '%b', '%bx', '%f', '%g%p%c%l%u%x%S%D', '$', '^', '^$', 'a$b', '(a*(.)%w(%s*))', '[%w%]]'}\n"
    "for _, s in ipairs(subjects) do for _, p in ipairs(patterns) do\n"
    "  for _, at in ipairs({1, 2, -1, 0, 99, -99}) do\n"
    "    same('find', s, p, at) same('match', s, p, at) same('each', s, p, at)\n"
    "    same('find', s, p, at, true)\n"
    "  end\n"
    "  for _, r in ipairs({'', '<%0>', '%1%1', '%%', '%', '%x', '%2', 7,\n"
    "      {a = 'b', l = false, x = 1}, function(a, b) return b end,\n"
    "      function(a) return a == 'a' and {} or nil end, string.upper}) do\n"
    "    same('gsub', s, p, r) same('gsub', s, p, r, 1) same('gsub', s, p, r, 0)\n"
    "  end\n"
    "end end\n"
    "same('find') same('find', 'a') same('match', {}, 'a') same('gsub', 'a', 'a')\n"
    "same('gsub', 'a', 'a', true) same('find', 12, 2) same('gsub', 12, 2, 3) same('each', 12, "
    "'.')\n"
    "same('match', ('a'):rep(300), ('(a)'):rep(33)) same('match', ('a'):rep(300), "
    "('a?'):rep(300))\n"
    "same('find', ('a'):rep(1000) .. 'b', ('.-'):rep(3) .. 'b')\n";

static const char random_ones[] =
    "local bits = {'a', 'b', '.', '%a', '%d', '[ab]', '[^a]', '(', ')', '*', '+', '-', '?', '^',\n"
    "  '$', '%', '%b()', '%f[a]', '%1', '[a-b]', '()', '%w', ' ', '[', ']', '%s'}\n"
    "for round = 1, 4000 do\n"
    "  local p, s = {}, {}\n"
    "  for i = 1, math.random(0, 6) do p[i] = bits[math.random(#bits)] end\n"
    "  for i = 1, math.random(0, 8) do s[i] = ('ab( )1'):sub(math.random(6)):sub(1, 1) end\n"
    "  p, s = table.concat(p), table.concat(s)\n"
    "  same('find', s, p) same('match', s, p) same('each', s, p) same('gsub', s, p, '<%0>')\n"
    "end\n";

static lua_State *new_state(void)
{
    static const luaL_Reg own[] = {{"find", tt_strings_find},
                                   {"match", tt_strings_match},
                                   {"gmatch", tt_strings_gmatch},
                                   {"gsub", tt_strings_gsub},
                                   {NULL, NULL}};
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_newlib(L, own);
    lua_setglobal(L, "own");
    return L;
}

static void run(lua_State *L, const char *what)
{
    char text[8192];
    snprintf(text, sizeof(text), "%s%s", compare, what);
    if (luaL_dostring(L, text) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
}

static void equal_lua_s_own(void **state)
{
    lua_State *L = new_state();
    (void)state;
    run(L, known);
    lua_close(L);
}

static void equal_lua_s_own_at_random(void **state)
{
    lua_State *L = new_state();
    (void)state;
    run(L, random_ones);
    lua_close(L);
}

/* Each would take hours. */
static void bombs_are_stopped(void **state)
{
    struct rig *rig = *state;
    static const char *const bodies[] = {
        "return ('a'):rep(40):match(('a?'):rep(40) .. ('a'):rep(40))",
        "return ('a'):rep(200):find(('.-'):rep(20) .. 'b')",
        "return (('a'):rep(100000):gsub(('a*'):rep(6) .. 'b', ''))",
        "for _ in ('a'):rep(300):gmatch(('a*'):rep(20) .. 'b') do end",
        "return ('('):rep(1 << 20):find('%b()')",
        "while true do pcall(string.find, ('a'):rep(200), ('.-'):rep(20) .. 'b') end",
    };
    rig->tide.runtime.time_ms = 50;
    for (size_t i = 0; i < TT_COUNT(bodies); i++) {
        struct tt_watchdog_stats before, after;
        tt_watchdog_stats(&before);
        rig_load_body(rig, bodies[i]);
        rig_start(rig);
        assert_true(rig->ended);
        if (strcmp(rig->error.code, "script_timeout") != 0)
            fail_msg("%s: %s", bodies[i], rig->result);
        tt_watchdog_stats(&after);
        assert_int_equal(after.stuck, before.stuck);
    }
    rig->tide.runtime.time_ms = 10000;
    rig_expect(rig, "return ('key = value'):match('(%w+) = (%w+)')", "\"key\"");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_lua_s_own),
        cmocka_unit_test(equal_lua_s_own_at_random),
        RIG_TEST(bombs_are_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
