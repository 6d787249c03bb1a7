/* Tasks within a task: order of results, waiting in them, errors, linked cancellation, bounds. */
#include "script/support.h"
#include "script/task.h"

#define TASK "local task = require 'tide.task' "

static void results_come_in_order(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               TASK "return task.all{"
                    "function() time.sleep(20) return 'a' end,"
                    "function() return 'b', 'second values are dropped' end,"
                    "function() time.sleep(5) return 3 end}",
               "[\"a\",\"b\",3]");
    rig_expect(rig, TASK "return #task.all{}", "0");
    rig_expect(rig, TASK "return #task.all{function() end, function() return 2 end}", "2");
}

static void children_wait_at_the_same_time(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, TASK "local seen = {} local function f(n) return function()"
                            "  seen[#seen + 1] = n time.sleep(2) seen[#seen + 1] = n end end "
                            "task.all{f(1), f(2), f(3)} return seen");
    rig_start(rig);
    rig_ticks(rig, 1);
    assert_int_equal(rig->tide.runtime.task_count, 4);
    RIG_WAIT(rig, rig->ended);
    assert_true(strncmp(rig->result, "[1,2,3,", 7) == 0);
    assert_int_equal(rig->tide.runtime.task_count, 0);
}

/* Everything that waits works in a child. */
static void children_do_what_tasks_do(void **state)
{
    struct rig *rig = *state;

    rig_open_db(rig, NULL);
    rig_expect(rig,
               TASK "return task.all{"
                    "function() return db.one('SELECT 1 AS x').x end,"
                    "function() return #db.fetch('SELECT 1') end,"
                    "function() return #db.write({{'SELECT 1'}}) end,"
                    "function() return #crypto.password_hash('x') > 20 end,"
                    "function() return task.all{function() time.sleep(1) return 7 end}[1] end,"
                    "function() return llm.enter(1, 's') ~= nil end}",
               "[1,1,1,true,7,true]");
}

/* Inside of a script's own coroutines the waiting passes through them. */
static void coroutines_may_have_children(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               TASK "local f = coroutine.wrap(function() coroutine.yield(1) "
                    "local t = task.spawn(function() time.sleep(1) return 3 end) "
                    "coroutine.yield(task.all{function() time.sleep(2) return 2 end}[1]) "
                    "return (t:join()) end) return {f(), f(), f()}",
               "[1,2,3]");
    rig_expect(rig,
               TASK "return task.all{function() local f = coroutine.wrap(function() "
                    "time.sleep(1) return 4 end) return f() end}",
               "[4]");
}

static void an_error_of_one_ends_the_others(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               TASK "local n = 0 local r, e = task.all{"
                    "function() time.sleep(100000) n = n + 1 end,"
                    "function() time.sleep(1) return nil, {code = 'busy'} end,"
                    "function() time.sleep(100000) n = n + 1 end} return {r == nil, e.code, n}",
               "[true,\"busy\",0]");
    assert_int_equal(rig->tide.runtime.task_count, 0);
    rig_expect_in(rig,
                  TASK "task.all{function() time.sleep(100000) end, function() error('no') end}",
                  "app.lua:5: no");
    assert_non_null(strstr(rig->result, "stack traceback:"));
    rig_expect(rig,
               TASK "local ok, e = pcall(task.all, {function() time.sleep(1) error('no') end}) "
                    "time.sleep(1) return {ok, e:match('^app.lua:5: no') ~= nil}",
               "[false,true]");
}

static void children_are_joined(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               TASK "local t = task.spawn(function(a, b) time.sleep(2) return a + b, 'x' end, 1, 2)"
                    "local s, sum, x = t:state(), t:join() "
                    "local again = t:join() return {s, sum, x, again, t:state()}",
               "[\"running\",3,\"x\",3,\"returned\"]");
    /* Two wait for one. */
    rig_expect(rig,
               TASK "local t = task.spawn(function() time.sleep(2) return 4 end)"
                    "return task.all{function() return t:join() end, function() return t:join() "
                    "end, function() return (t:join()) end}",
               "[4,4,4]");
    rig_expect_in(rig, TASK "local t = task.spawn(error, 'oh') t:join()", "oh");
    rig_expect(rig,
               TASK "local t = task.spawn(error, 'oh') return {pcall(t.join, t), pcall(t.join, t),"
                    " t:state()}",
               "[false,false,\"failed\"]");
}

static void children_are_cancelled(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               TASK "local t = task.spawn(time.sleep, 100000) time.sleep(1) t:cancel() t:cancel()"
                    "local r, e = t:join() return {r == nil, e.code, t:state()}",
               "[true,\"cancelled\",\"cancelled\"]");
    /* Before it has begun, and together with what it started. */
    rig_expect(rig,
               TASK "local n = 0 local t = task.spawn(function() n = 1 end) t:cancel()"
                    "local u = task.spawn(function() task.all{function() time.sleep(100000) n = 2 "
                    "end} end) time.sleep(2) u:cancel() time.sleep(1) return n",
               "0");
    assert_int_equal(rig->tide.runtime.task_count, 0);
    /* One that is waited for by somebody else. */
    rig_expect(rig,
               TASK "local t = task.spawn(time.sleep, 100000)"
                    "local u = task.spawn(function() return select(2, t:join()).code end)"
                    "time.sleep(1) t:cancel() return (u:join())",
               "\"cancelled\"");
    rig_expect(rig,
               TASK "local seen local t = task.spawn(function()"
                    "  local x <close> = setmetatable({}, {__close = function() seen = 1 end})"
                    "  time.sleep(100000) end) time.sleep(1) t:cancel() return seen",
               "1");
}

static void nobody_ends_what_he_runs_in(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(rig, TASK "local t t = task.spawn(function() t:cancel() end) t:join()",
                  "a task cannot cancel itself");
    rig_expect_in(rig, TASK "local t t = task.spawn(function() t:join() end) t:join()",
                  "a task cannot wait for itself");
    rig_expect_in(rig,
                  TASK "local t t = task.spawn(function() task.spawn(function() t:cancel() end)"
                       ":join() end) t:join()",
                  "a task cannot cancel itself or what it runs in");
}

/* The parent returns, fails, or is cancelled: its children go with it. */
static void children_end_with_their_parent(void **state)
{
    struct rig *rig = *state;
    static const char *const bodies[] = {
        TASK "task.spawn(time.sleep, 100000) return 1",
        TASK "task.spawn(time.sleep, 100000) time.sleep(1) error('x')",
        TASK "task.spawn(function() task.spawn(time.sleep, 100000) time.sleep(100000) end) "
             "time.sleep(5)",
    };
    for (size_t i = 0; i < TT_COUNT(bodies); i++) {
        rig_eval(rig, bodies[i]);
        assert_int_equal(rig->tide.runtime.task_count, 0);
    }
    rig_load_body(rig, TASK "task.spawn(time.sleep, 1) task.all{function() time.sleep(100000) end,"
                            "function() task.spawn(time.sleep, 100000):join() end}");
    for (int turns = 0; turns < 5; turns++) {
        rig_start(rig);
        rig_ticks(rig, turns);
        tt_task_cancel(rig->task);
        assert_int_equal(rig->tide.runtime.task_count, 0);
        rig_ticks(rig, 2);
        assert_false(rig->ended);
    }
    /* All at once, as at the end of the process. */
    rig_start(rig);
    rig_ticks(rig, 3);
    tt_task_cancel_all(&rig->tide.runtime);
    assert_int_equal(rig->tide.runtime.task_count, 0);
}

static void their_number_is_bounded(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               TASK "local n, e = 0 while not e do local t t, e = task.spawn(time.sleep, 100000)"
                    " n = n + 1 end return {n, e.code}",
               "[257,\"busy\"]");
    rig_expect(
        rig,
        TASK
        "local list = {} for i = 1, 200 do list[i] = function() time.sleep(50) return i end end "
        "local a = task.spawn(function() return task.all(list) end)"
        "local b = task.spawn(function() return task.all(list) end)"
        "a, b = {a:join()}, {b:join()} return {#a[1], b[1] == nil, b[2].code}",
        "[200,true,\"busy\"]");
    rig_expect_in(rig,
                  TASK "local list = {} for i = 1, 257 do list[i] = time.sleep end "
                       "task.all(list)",
                  "at most 256 functions");
    /* Those that are over make room. */
    rig_expect(rig,
               TASK "local n = 0 for i = 1, 600 do assert(task.spawn(function() n = n + 1 end))"
                    " if i % 100 == 0 then time.sleep(1) end end time.sleep(1) return n",
               "600");
    assert_int_equal(rig->tide.runtime.task_count, 0);
}

static void what_is_wrong_is_told(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(rig, TASK "task.all{1}", "task.all: entry 1 is a number, not a function");
    rig_expect_in(rig, TASK "task.all()", "bad argument");
    rig_expect_in(rig, TASK "task.spawn('x')", "bad argument");
    rig_expect_in(rig, TASK "table.sort({3, 1, 2}, function() task.all{} end)",
                  "task.all waits, which is not possible here");
    rig_expect_in(rig, TASK "table.sort({3, 1}, function() task.spawn(next, {}):join() end)",
                  "task:join waits, which is not possible here");
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(results_come_in_order),           RIG_TEST(children_wait_at_the_same_time),
        RIG_TEST(coroutines_may_have_children),    RIG_TEST(children_do_what_tasks_do),
        RIG_TEST(an_error_of_one_ends_the_others), RIG_TEST(children_are_joined),
        RIG_TEST(children_are_cancelled),          RIG_TEST(nobody_ends_what_he_runs_in),
        RIG_TEST(children_end_with_their_parent),  RIG_TEST(their_number_is_bounded),
        RIG_TEST(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
