/* Scripts that run too long, wherever they do it: stopped, told, and the state goes on. */
#include "script/support.h"
#include "script/watchdog.h"

#include <pthread.h>

/* The whole CPU time that a stopped script may take here; generous, sanitizers are slow. */
#define STOPPED_WITHIN_NS 2000000000ull

/* Runs the body; then the same state must still be able to work and to stop a loop. */
static void expect_stopped(struct rig *rig, const char *body)
{
    struct tt_watchdog_stats before, after;

    tt_watchdog_stats(&before);
    uint64_t began = tt_clock_thread_cpu_ns();
    rig_load_body(rig, body);
    rig_start(rig);
    RIG_WAIT(rig, rig->ended);
    if (strcmp(rig->error.code, "script_timeout") != 0)
        fail_msg("%s\n-> %s: %s %s", body, rig->error.code, rig->error.message, rig->result);
    assert_int_equal(rig->error.status, 500);
    uint64_t used = tt_clock_thread_cpu_ns() - began;
    if (used > STOPPED_WITHIN_NS)
        fail_msg("%s\n-> took %d ms", body, (int)(used / 1000000));
    tt_watchdog_stats(&after);
    assert_true(after.timeouts > before.timeouts);
    assert_int_equal(rig->tide.runtime.task_count, 0);
    assert_null(rig->generation->vms[0]->current);
}

#define LOOP "while true do end"

static void loops_are_stopped(void **state)
{
    struct rig *rig = *state;
    static const char *const bodies[] = {
        LOOP,
        "repeat until false",
        "for i = 1, math.huge do end",
        "::again:: goto again",
        "local function f() return f() end f()",
        "while true do local s = ('x'):rep(10) end",
        "('y'):rep(2000):find('[' .. ('x'):rep(2 ^ 22) .. ']*z')",
        /* what catches errors */
        "while true do pcall(function() " LOOP " end) end",
        "local function f() pcall(f) end while true do pcall(f) end",
        "pcall(function() " LOOP " end) return 'swallowed'",
        "pcall(pcall, function() " LOOP " end) return 'swallowed'",
        "xpcall(error, function() " LOOP " end)",
        "xpcall(function() " LOOP " end, function() " LOOP " end)",
        "while true do xpcall(error, function() " LOOP " end) end",
        /* coroutines */
        "coroutine.wrap(function() " LOOP " end)()",
        "while true do coroutine.resume(coroutine.create(function() " LOOP " end)) end",
        "pcall(coroutine.wrap(function() " LOOP " end)) return 'swallowed'",
        "local f = coroutine.wrap(function() while true do coroutine.yield() end end) "
        "while true do f() end",
        "local function f() coroutine.wrap(f)() end while true do pcall(f) end",
        /* called by C */
        "return setmetatable({}, {__index = function() " LOOP " end}).x",
        "local m = setmetatable({}, {__lt = function() " LOOP " end}) return m < m",
        "return #setmetatable({}, {__len = function() " LOOP " end})",
        "return tostring(setmetatable({}, {__tostring = function() " LOOP " end}))",
        "return table.concat(setmetatable({}, {__len = function() return 9 end, "
        "__index = function() " LOOP " end}))",
        "table.sort({3, 2, 1}, function() " LOOP " end)",
        "pcall(table.sort, {3, 2, 1}, function() " LOOP " end) return 'swallowed'",
        "('abc'):gsub('.', function() " LOOP " end)",
        "for _ in setmetatable({}, {__call = function() " LOOP " end}) do end",
        "do local x <close> = setmetatable({}, {__close = function() " LOOP " end}) end",
        "local x <close> = setmetatable({}, {__close = function() " LOOP " end}) " LOOP,
        "pcall(function() local x <close> = setmetatable({}, {__close = function() " LOOP
        " end}) " LOOP " end) return 'swallowed'",
        "local c = coroutine.create(function() local x <close> = setmetatable({}, "
        "{__close = function() " LOOP " end}) coroutine.yield() end) coroutine.resume(c) "
        "coroutine.close(c)",
        /* after a wait, and a wait that comes too late */
        "time.sleep(1) " LOOP,
        "coroutine.wrap(function() time.sleep(1) " LOOP " end)()",
        "pcall(function() " LOOP " end) time.sleep(1) return 'swallowed'",
    };
    for (size_t i = 0; i < TT_COUNT(bodies); i++)
        expect_stopped(rig, bodies[i]);
}

/* A script that errs in the usual way while a __close of it loops: it may be told either way, but
 * it ends. */
static void loops_while_an_error_is_handled_end(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, "local x <close> = setmetatable({}, {__close = function() " LOOP
                       " end}) error('first')");
    for (int i = 0; i < 3; i++) {
        rig_start(rig);
        assert_true(rig->ended);
        assert_int_equal(rig->error.status, 500);
    }
}

static void the_state_goes_on(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/app.lua",
            "local n, kept = 0, nil\n"
            "return {routes = {}, " RIG_ERRORS ", handle = function()\n"
            "  n = n + 1\n"
            "  if n == 3 then\n"
            "    kept = coroutine.create(function() while true do end end)\n"
            "    pcall(coroutine.resume, kept)\n"
            "  end\n"
            "  if n == 4 then return {coroutine.status(kept), coroutine.resume(kept), "
            "coroutine.close(kept)} end\n"
            "  if n % 2 == 1 then while true do pcall(function() while true do end end) end end\n"
            "  return n\n"
            "end}");
    rig_load(rig);
    for (int i = 1; i <= 8; i++) {
        rig_start(rig);
        assert_true(rig->ended);
        if (i % 2 == 1)
            assert_string_equal(rig->error.code, "script_timeout");
        else
            assert_string_equal(rig->error.code, "");
        if (i == 4)
            assert_string_equal(rig->result, "[\"dead\",false,true]");
        if (i == 6)
            assert_string_equal(rig->result, "6");
    }
}

/* Sections in sections in C, where no hook is. */
static void a_template_is_stopped(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(
        rig,
        "local t = require('tide.template').new(('{{#a}}'):rep(20) .. ('{{/a}}'):rep(20)) "
        "local a = {} for i = 1, 10 do a[i] = i end return t:render({a = a})",
        "the script ran");
}

static void the_place_is_told(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(rig, "\nwhile true do end",
                  "script_timeout: app.lua:6: the script ran for more than 50 ms of CPU time");
    /* Not that of the pcall, which is stopped next. */
    rig_expect_in(rig, "\npcall(function()\nwhile true do end end)\nreturn 1",
                  "script_timeout: app.lua:7: the script ran for more than 50 ms of CPU time");
    rig->tide.runtime.time_ms = 20;
    rig_expect_in(rig, "while true do end", "more than 20 ms");
}

/* Each resume has the whole budget, and waiting takes none of it. */
static void the_budget_is_for_one_resume(void **state)
{
    struct rig *rig = *state;

    rig->tide.runtime.time_ms = 400;
    rig_expect(rig,
               "for i = 1, 6 do local t = time.unix_ns() "
               "while time.unix_ns() - t < 100e6 do end time.sleep(1) end return 'done'",
               "\"done\"");
}

static void loading_is_stopped(void **state)
{
    struct rig *rig = *state;
    static const char *const apps[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "return {routes = setmetatable({}, {__index = function() while true do end end, "
        "__len = function() while true do end end}), errors = {}, handle = function() end}",
        "return setmetatable({}, {__index = function() while true do end end})",
    };
    rig->tide.runtime.load_ms = 100;
    for (size_t i = 0; i < TT_COUNT(apps); i++) {
        rig_put(rig, "lua/app.lua", apps[i]);
        uint64_t began = tt_clock_thread_cpu_ns();
        rig_try_load(rig);
        if (i != 3) { /* there, the length is asked without metamethods */
            assert_null(rig->generation);
            assert_non_null(strstr(rig->errors.data, "the script ran for more than 100 ms"));
        }
        assert_true(tt_clock_thread_cpu_ns() - began < STOPPED_WITHIN_NS);
    }
    rig_expect(rig, "return 1", "1");
}

static void cancelling_is_stopped(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, "local x <close> = setmetatable({}, {__close = function() " LOOP
                       " end}) time.sleep(100000)");
    rig_start(rig);
    assert_false(rig->ended);
    tt_task_cancel(rig->task);
    assert_int_equal(rig->tide.runtime.task_count, 0);
    rig_load_body(rig, "return 1");
    rig_start(rig);
    assert_string_equal(rig->result, "1");
}

/* A child's variables are closed within its parent's time; whatever ends the child, the loop in
 * them ends as well, and the state goes on. */
static void cancelling_children_is_stopped(void **state)
{
    struct rig *rig = *state;
    struct tt_watchdog_stats before, after;
    static const char looping[] =
        "local task, left = require 'tide.task', 0 local function child() "
        "local x <close> = setmetatable({}, {__close = function() left = left + 1 " LOOP " end}) "
        "time.sleep(100000) end ";
    char body[1024];

    /* Cancelled by the script, which runs meanwhile: its time is up. */
    snprintf(body, sizeof(body),
             "%s local t = task.spawn(child) time.sleep(1) t:cancel() return 'went on'", looping);
    expect_stopped(rig, body);
    snprintf(body, sizeof(body),
             "%s task.all{child, function() time.sleep(1) return nil, 'failed' end} "
             "return 'went on'",
             looping);
    expect_stopped(rig, body);

    /* With its parent, which has its result by then; all of them within one time. */
    snprintf(body, sizeof(body),
             "%s for _ = 1, 20 do task.spawn(child) end time.sleep(1) return 'result'", looping);
    tt_watchdog_stats(&before);
    rig_expect(rig, body, "\"result\"");
    tt_watchdog_stats(&after);
    assert_int_equal(rig->tide.runtime.task_count, 0);
    assert_int_equal(after.timeouts, before.timeouts + 1);

    /* With a parent that is cancelled while it waits. */
    snprintf(body, sizeof(body), "%s task.spawn(child) task.spawn(child):join()", looping);
    rig_load_body(rig, body);
    rig_start(rig);
    RIG_WAIT(rig, rig->tide.runtime.task_count == 3);
    rig_ticks(rig, 3);
    tt_task_cancel(rig->task);
    assert_int_equal(rig->tide.runtime.task_count, 0);
    assert_false(rig->ended);
    tt_watchdog_stats(&before);
    assert_int_equal(before.timeouts, after.timeouts + 1);
    rig_expect(rig, "return 1", "1");
}

/* ---- C functions that take long ---- */

static int burn(lua_State *L)
{
    uint64_t until = tt_clock_thread_cpu_ns() + (uint64_t)lua_tointeger(L, 1) * 1000000;
    while (tt_clock_thread_cpu_ns() < until)
        continue;
    return 0;
}

/* It ends by itself here; what comes after it in Lua does not run. */
static void a_stuck_c_function_is_counted(void **state)
{
    struct tt_watchdog_stats before, after;
    lua_State *L = luaL_newstate();
    (void)state;

    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT);
    tt_watchdog_stats(&before);
    lua_register(L, "burn", burn);
    assert_int_equal(luaL_loadstring(L, "burn(600) reached = true"), LUA_OK);
    assert_int_equal(tt_budget_call(L, 0, 0, 0, 50), TT_BUDGET_STOPPED);
    tt_watchdog_stats(&after);
    assert_int_equal(after.timeouts, before.timeouts + 1);
    assert_int_equal(after.stuck, before.stuck + 1);
    lua_getglobal(L, "reached");
    assert_true(lua_isnil(L, -1));
    /* Within the budget nothing happens. */
    assert_int_equal(luaL_loadstring(L, "burn(20) reached = true"), LUA_OK);
    assert_int_equal(tt_budget_call(L, 0, 0, 0, 1000), LUA_OK);
    lua_close(L);
}

static int pause_and_burn(lua_State *L)
{
    tt_budget_pause();
    burn(L);
    tt_budget_renew();
    return 0;
}

/* What the core does of its own is not the script's time; afterwards a whole budget is there. */
static void paused_time_is_not_counted(void **state)
{
    lua_State *L = luaL_newstate();
    (void)state;

    lua_register(L, "burn", burn);
    lua_register(L, "pause_and_burn", pause_and_burn);
    assert_int_equal(luaL_loadstring(L, "burn(300) pause_and_burn(900) burn(300)"), LUA_OK);
    assert_int_equal(tt_budget_call(L, 0, 0, 0, 500), LUA_OK);
    assert_int_equal(luaL_loadstring(L, "pause_and_burn(20) while true do end"), LUA_OK);
    assert_int_equal(tt_budget_call(L, 0, 0, 0, 50), TT_BUDGET_STOPPED);
    lua_close(L);
}

/* ---- threads ---- */

/* An allocator that places small blocks far from each other, as an old heap does. */
struct scattered {
    char (*slots)[64];
    size_t taken;
};

enum { SLOTS = 1 << 20, LEVELS = 900000 };

static void *scattered_alloc(void *arg, void *block, size_t old_size, size_t size)
{
    struct scattered *heap = arg;
    bool inside = (char *)block >= heap->slots[0] && (char *)block < heap->slots[SLOTS];
    if (!inside && block)
        return size ? realloc(block, size) : (free(block), NULL);
    void *fresh = NULL;
    if (size > 0 && size <= sizeof(heap->slots[0]) && heap->taken < SLOTS)
        fresh = heap->slots[heap->taken++ * 611953 % SLOTS]; /* odd: each slot once */
    else if (size > 0)
        fresh = malloc(size);
    if (inside && fresh)
        memcpy(fresh, block, old_size < size ? old_size : size);
    return fresh;
}

/* To set a hook takes longer here than from one look of the watchdog to the next. */
static void a_loop_under_many_levels_is_stopped(void **state)
{
    struct scattered heap = {.slots = calloc(SLOTS, sizeof(heap.slots[0]))};
    lua_State *L = lua_newstate(scattered_alloc, &heap);
    char code[160];
    (void)state;
    snprintf(code, sizeof(code),
             "local n = %d local function f() n = n - 1 if n == 0 then while true do end end "
             "return 1 + f() end f()",
             LEVELS);
    assert_int_equal(luaL_loadstring(L, code), LUA_OK);
    assert_int_equal(tt_budget_call(L, 0, 0, 0, 2000), TT_BUDGET_STOPPED);
    assert_non_null(strstr(lua_tostring(L, -1), "the script ran for more than 2000 ms"));
    lua_close(L);
    free(heap.slots);
}

static void *loop_in_thread(void *arg)
{
    lua_State *L = luaL_newstate();

    for (int i = 0; i < 3; i++) {
        if (luaL_loadstring(L, "while true do end") != LUA_OK ||
            tt_budget_call(L, 0, 0, 0, 30) != TT_BUDGET_STOPPED)
            *(int *)arg = -1;
        lua_settop(L, 0);
    }
    lua_close(L);
    return NULL;
}

static void threads_come_and_go(void **state)
{
    struct tt_watchdog_stats before, after;
    pthread_t threads[3];
    int failed[3] = {0};
    (void)state;

    tt_watchdog_stats(&before);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, loop_in_thread, &failed[i]), 0);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(failed[i], 0);
    tt_watchdog_stats(&after);
    assert_int_equal(after.timeouts, before.timeouts + 18);
}

/* After a pause the watchdog sleeps; whoever comes then wakes it. */
static void it_wakes_up(void **state)
{
    struct rig *rig = *state;

    expect_stopped(rig, LOOP);
    usleep(1500 * 1000);
    expect_stopped(rig, LOOP);
}

static int setup(void **state)
{
    struct rig *rig = rig_new();

    rig->tide.runtime.time_ms = 50;
    *state = rig;
    return 0;
}

#define WATCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        WATCH_TEST(loops_are_stopped),
        WATCH_TEST(loops_while_an_error_is_handled_end),
        WATCH_TEST(the_state_goes_on),
        WATCH_TEST(a_template_is_stopped),
        WATCH_TEST(the_place_is_told),
        WATCH_TEST(the_budget_is_for_one_resume),
        WATCH_TEST(loading_is_stopped),
        WATCH_TEST(cancelling_is_stopped),
        WATCH_TEST(cancelling_children_is_stopped),
        cmocka_unit_test(a_stuck_c_function_is_counted),
        cmocka_unit_test(paused_time_is_not_counted),
        cmocka_unit_test(a_loop_under_many_levels_is_stopped),
        cmocka_unit_test(threads_come_and_go),
        WATCH_TEST(it_wakes_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
