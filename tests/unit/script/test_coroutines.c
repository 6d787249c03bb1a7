/* The coroutine library of scripts: as Lua's own, and what it adds. */
#include "script/support.h"

static void works_as_lua_s_own(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               "local c = coroutine.create(function(a, b) local x, y = coroutine.yield(a + b) "
               "return x * y end) "
               "return {coroutine.status(c), select('#', coroutine.resume(c, 1, 2)), "
               "select(2, coroutine.resume(c, 3, 4)), coroutine.status(c), coroutine.resume(c)}",
               "[\"suspended\",2,12,\"dead\",false,\"cannot resume dead coroutine\"]");
    rig_expect(rig,
               "local sum = 0 for i in coroutine.wrap(function() for i = 1, 10 do "
               "coroutine.yield(i) end end) do sum = sum + i end return sum",
               "55");
    rig_expect(rig,
               "local c c = coroutine.create(function() return coroutine.status(c), "
               "coroutine.isyieldable(), coroutine.running() == c end) "
               "return {coroutine.isyieldable(), select(2, coroutine.running()), "
               "coroutine.resume(c)}",
               "[false,true,true,\"running\",true,true]");
    rig_expect(rig,
               "local outer = coroutine.create(function(c) return coroutine.wrap(function() "
               "return coroutine.status(c) end)() end) return select(2, coroutine.resume(outer, "
               "outer))",
               "\"normal\"");
    rig_expect_in(rig, "coroutine.wrap(function() error('inside') end)()", "inside");
    rig_expect(rig,
               "local ok, e = coroutine.resume(coroutine.create(function() error({1}) end)) "
               "return {ok, e[1]}",
               "[false,1]");
    rig_expect_in(rig, "coroutine.yield()", "attempt to yield from outside a coroutine");
    rig_expect_in(rig, "coroutine.resume(1)", "coroutine expected");
    rig_expect(rig, "return {pcall(coroutine.wrap(function() return pcall(coroutine.yield) end))}",
               "[true]");
}

static void closing_runs_close(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               "local seen = {} local c = coroutine.create(function() local x <close> = "
               "setmetatable({}, {__close = function() seen[1] = 'closed' end}) "
               "coroutine.yield() end) coroutine.resume(c) "
               "return {coroutine.close(c), seen[1], coroutine.status(c), coroutine.close(c)}",
               "[true,\"closed\",\"dead\",true]");
    rig_expect(rig,
               "local c = coroutine.create(function() local x <close> = setmetatable({}, {__close "
               "= function() error('closing', 0) end}) coroutine.yield() end) coroutine.resume(c) "
               "return {coroutine.close(c)}",
               "[false,\"closing\"]");
    rig_expect(rig,
               "local n = 0 local f = coroutine.wrap(function() local x <close> = "
               "setmetatable({}, {__close = function() n = n + 1 end}) error('x') end) "
               "pcall(f) return n",
               "1");
    /* A chain of them would use up the C stack. */
    rig_expect(rig,
               "local last = false for i = 1, 1000 do local inner = last "
               "local c = coroutine.create(function() local x <close> = setmetatable({}, "
               "{__close = function() if inner then local ok, why = coroutine.close(inner) "
               "if not ok then error(why, 0) end end end}) "
               "coroutine.yield() end) coroutine.resume(c) last = c end "
               "return {coroutine.close(last)}",
               "[false,\"app.lua:5: too many coroutines close one another\"]");
}

static void waiting_goes_through(void **state)
{
    struct rig *rig = *state;

    rig_open_db(rig, NULL);
    rig_expect(rig,
               "local out = {} for v in coroutine.wrap(function() for i = 1, 3 do "
               "local row = db.one('SELECT ? AS x', {i}) time.sleep(1) "
               "coroutine.yield(row.x) end end) do out[#out + 1] = v end return out",
               "[1,2,3]");
    rig_expect(rig,
               "local function deep(n) if n == 0 then time.sleep(1) return 'bottom' end "
               "return coroutine.wrap(deep)(n - 1) end return deep(20)",
               "\"bottom\"");
    rig_expect(rig,
               "local c = coroutine.create(function() time.sleep(1) local a = coroutine.yield(1) "
               "time.sleep(1) error(a, 0) end) local r = {coroutine.resume(c)} "
               "local s = {coroutine.resume(c, 'late')} return {r[1], r[2], s[1], s[2]}",
               "[true,1,false,\"late\"]");
    rig_expect(rig,
               "return {pcall(function() return coroutine.wrap(function() time.sleep(1) "
               "return 'x' end)() end)}",
               "[true,\"x\"]");
}

static void waiting_needs_a_way_out(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(rig,
                  "table.sort({2, 1}, function() coroutine.wrap(function() time.sleep(1) end)() "
                  "return false end)",
                  "waits, which is not possible here");
    rig_expect(rig,
               "local ok = pcall(string.gsub, 'a', '.', function() "
               "coroutine.wrap(function() coroutine.wrap(time.sleep)(1) end)() end) "
               "time.sleep(1) return ok",
               "false");
    /* Yields of its own are fine there. */
    rig_expect(rig,
               "return (string.gsub('ab', '.', function(c) local f = coroutine.wrap(function() "
               "coroutine.yield(c .. c) end) return f() end))",
               "\"aabb\"");
}

/* Two requests share a coroutine through a module: what one waits in, the other leaves alone. */
static void others_cannot_go_on_with_it(void **state)
{
    struct rig *rig = *state;

    rig_put(
        rig, "lua/app.lua",
        "local time = require 'tide.time'\n"
        "local n, kept, main = 0, nil, nil\n"
        "return {routes = {}, " RIG_ERRORS ", handle = function()\n"
        "  n = n + 1\n"
        "  if n == 1 then\n"
        "    main = coroutine.running()\n"
        "    kept = coroutine.create(function() time.sleep(30) return 'slept' end)\n"
        "    return select(2, coroutine.resume(kept))\n"
        "  end\n"
        "  return {(coroutine.resume(kept)), (pcall(coroutine.close, kept)),\n"
        "    (coroutine.resume(main)), (pcall(coroutine.close, main)), coroutine.status(kept)}\n"
        "end}");
    rig_load(rig);
    rig_start(rig);
    assert_false(rig->ended);
    rig_start(rig);
    assert_string_equal(rig->result, "[false,false,false,false,\"suspended\"]");
    rig->ended = false;
    RIG_WAIT(rig, rig->ended);
    assert_string_equal(rig->result, "\"slept\"");
    rig_start(rig);
    assert_string_equal(rig->result, "[false,true,false,false,\"dead\"]");
}

/* A request is cancelled while it waits in a coroutine, which a module still holds. */
static void cancelled_ones_stay_where_they_are(void **state)
{
    struct rig *rig = *state;

    rig_open_db(rig, NULL);
    rig_put(rig, "lua/app.lua",
            "local time, db = require 'tide.time', require 'tide.db'\n"
            "local n, kept = 0, {}\n"
            "return {routes = {}, " RIG_ERRORS ", handle = function()\n"
            "  n = n + 1\n"
            "  if n % 2 == 1 then\n"
            "    local c = coroutine.create(function()\n"
            "      local x <close> = setmetatable({}, {__close = function() time.sleep(1) end})\n"
            "      return coroutine.wrap(function()\n"
            "        if n % 4 == 1 then time.sleep(100000) else db.write({{'SELECT 1'}}) end\n"
            "      end)()\n"
            "    end)\n"
            "    kept[#kept + 1] = c\n"
            "    return coroutine.resume(c)\n"
            "  end\n"
            "  local resumed = 0\n"
            "  for _, c in ipairs(kept) do\n"
            "    if coroutine.resume(c) then resumed = resumed + 1 end\n"
            "    pcall(coroutine.close, c)\n"
            "  end\n"
            "  return resumed\n"
            "end}");
    rig_load(rig);
    for (int i = 0; i < 20; i++) {
        rig_start(rig);
        assert_false(rig->ended);
        struct tt_task *waiting = rig->task;
        if (i % 3 == 0)
            rig_ticks(rig, 1);
        if (!rig->ended)
            tt_task_cancel(waiting);
        rig_start(rig);
        assert_true(rig->ended);
        assert_string_equal(rig->result, "0");
        rig_ticks(rig, 1);
    }
}

static void while_modules_load(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/app.lua",
            "local sum = 0\n"
            "for i in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do\n"
            "  sum = sum + i\n"
            "end\n"
            "local ok, why = coroutine.resume(coroutine.create(require('tide.time').sleep), 1)\n"
            "local main = coroutine.running()\n"
            "return {routes = {}, " RIG_ERRORS ", handle = function()\n"
            "  return {sum, ok, why, (coroutine.resume(main)), (pcall(coroutine.close, main))}\n"
            "end}");
    rig_load(rig);
    rig_start(rig);
    assert_string_equal(rig->result, "[6,false,\"time.sleep cannot be called while a module "
                                     "loads\",false,false]");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(works_as_lua_s_own),          RIG_TEST(closing_runs_close),
        RIG_TEST(waiting_goes_through),        RIG_TEST(waiting_needs_a_way_out),
        RIG_TEST(others_cannot_go_on_with_it), RIG_TEST(cancelled_ones_stay_where_they_are),
        RIG_TEST(while_modules_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
