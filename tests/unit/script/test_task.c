/* Tasks: waiting, cancelling, errors, what they own, the pool of coroutines. */
#include "script/support.h"
#include "script/task.h"

static void a_task_may_end_at_once(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, "return 1");
    rig_start(rig);
    assert_true(rig->ended);
    assert_string_equal(rig->result, "1");
    assert_int_equal(rig->tide.runtime.task_count, 0);
}

static void waiting_lets_others_run(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, "local n = 0 for i = 1, 3 do time.sleep(i) n = n + i end return n");
    rig_start(rig);
    assert_false(rig->ended);
    assert_int_equal(rig->tide.runtime.task_count, 1);
    assert_null(rig->generation->vms[0]->current);
    RIG_WAIT(rig, rig->ended);
    assert_string_equal(rig->result, "6");
}

struct told {
    struct tt_owned owned;
    int left;
};

static void close_nothing(struct tt_owned *owned)
{
    (void)owned;
}

static void note_left(struct tt_owned *owned)
{
    TT_CONTAINER_OF(owned, struct told, owned)->left++;
}

/* The task goes on; what it owns hears of it, and those within it. */
static void a_client_that_leaves_is_told_on(void **state)
{
    struct rig *rig = *state;
    struct told told = {.owned = {.close = close_nothing, .on_left = note_left}}, silent = told;
    struct tt_err err = {0};

    silent.owned.on_left = NULL;
    rig_load_body(rig, "time.sleep(5) return 1");
    rig_start(rig);
    tt_task_own(rig->task, &told.owned);
    tt_task_own(rig->task, &silent.owned);
    struct tt_task *child = tt_task_new_child(rig->task, rig_on_end, rig, &err);
    assert_true(tt_task_has_client(child));
    tt_task_client_left(rig->task);
    assert_int_equal(told.left, 1);
    assert_false(tt_task_has_client(rig->task));
    assert_false(tt_task_has_client(child));
    RIG_WAIT(rig, rig->ended);
    assert_string_equal(rig->result, "1");
}

static void errors_tell_the_place(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(rig, "\nlocal t = nil\nreturn t.x",
                  "internal_error: app.lua:7: attempt to index");
    assert_int_equal(rig->error.status, 500);
    assert_non_null(strstr(rig->error.message, "stack traceback:"));
    rig_expect_in(rig, "error({})", "(the error value is a table)");
    rig_expect_in(rig, "error()", "(the error value is a nil)");
    rig_expect_in(rig, "error(12)", "internal_error: 12");
    rig_expect_in(rig, "time.sleep(1)\nerror('late')", "app.lua:6: late");
    rig_expect_in(rig, "error(('x'):rep(5000))", "xxxx");
    /* A caught error is none. */
    rig_expect(rig, "return pcall(function() time.sleep(1) error('x') end)", "false");
}

static void coroutines_are_used_again(void **state)
{
    struct rig *rig = *state;
    struct tt_vm *vm;

    rig_load_body(rig, "time.sleep(1) return 1");
    vm = rig->generation->vms[0];
    rig_start(rig);
    RIG_WAIT(rig, rig->ended);
    assert_int_equal(vm->idle_count, 1);
    for (int i = 0; i < 5; i++) {
        rig_start(rig);
        assert_int_equal(vm->idle_count, 0);
        RIG_WAIT(rig, rig->ended);
        assert_string_equal(rig->result, "1");
    }
    assert_int_equal(vm->idle_count, 1);
}

static void failed_coroutines_are_not(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, "error('x')");
    for (int i = 0; i < 3; i++) {
        rig_start(rig);
        assert_true(rig->ended);
    }
    assert_int_equal(rig->generation->vms[0]->idle_count, 0);
}

/* Many at once, more than the pool keeps. */
static void many_tasks_at_once(void **state)
{
    struct rig *rig = *state;
    struct tt_vm *vm;

    rig_load_body(rig, "time.sleep(5) return 1");
    vm = rig->generation->vms[0];
    for (int i = 0; i < 200; i++)
        rig_start(rig);
    assert_int_equal(rig->tide.runtime.task_count, 200);
    RIG_WAIT(rig, rig->tide.runtime.task_count == 0);
    assert_int_equal(vm->idle_count, TT_COUNT(vm->idle_threads));
}

static void cancelled_tasks_are_gone(void **state)
{
    struct rig *rig = *state;
    static const char *const waits[] = {
        "time.sleep(100000)",
        "db.write({{'SELECT 1'}})",
        "crypto.password_hash('secret')",
        "crypto.password_verify(nil, 'secret')",
        "llm.enter(1, 'other')",
        "local t = llm.enter(1, 's') llm.enter(1, 's')",
    };
    rig_open_db(rig, NULL);
    for (size_t i = 0; i < TT_COUNT(waits); i++) {
        rig_load_body(rig, waits[i]);
        rig_start(rig);
        assert_false(rig->ended);
        tt_task_cancel(rig->task);
        assert_int_equal(rig->tide.runtime.task_count, 0);
        for (int turn = 0; turn < 3; turn++)
            tt_loop_tick(rig->loop, 20);
        assert_false(rig->ended); /* nobody is told */
    }
}

/* What was cancelled when it was through already. */
static void cancelled_between_answer_and_resume(void **state)
{
    struct rig *rig = *state;

    rig_open_db(rig, NULL);
    rig_load_body(rig, "db.write({{'SELECT 1'}})");
    for (int i = 0; i < 20; i++) {
        rig_start(rig);
        usleep(500);
        tt_task_cancel(rig->task);
        tt_loop_tick(rig->loop, 1);
    }
}

static void cancelling_closes_variables(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/seen.lua", "return {n = 0}");
    rig_put(rig, "lua/app.lua",
            "local seen, time = require 'seen', require 'tide.time'\n"
            "return {routes = {}, " RIG_ERRORS ", handle = function()\n"
            "  if seen.n > 0 then return seen.n end\n"
            "  local x <close> = setmetatable({}, {__close = function()\n"
            "    seen.n = 5\n"
            "    local ok, e = pcall(time.sleep, 1)\n"
            "    if ok then seen.n = 6 end\n"
            "  end})\n"
            "  time.sleep(100000)\n"
            "end}");
    rig_load(rig);
    rig_start(rig);
    tt_task_cancel(rig->task);
    rig_start(rig);
    assert_true(rig->ended);
    assert_string_equal(rig->result, "5");
}

/* Where Lua cannot yield the operation is not even begun. */
static void waiting_in_wrong_places_is_an_error(void **state)
{
    struct rig *rig = *state;
    static const char *const bodies[] = {
        "table.sort({3, 1, 2}, function(a, b) WAIT return a < b end)",
        "string.gsub('abc', '.', function() WAIT end)",
        "tostring(setmetatable({}, {__tostring = function() WAIT return 'x' end}))",
        "local s = setmetatable({}, {__index = function() WAIT end}) table.concat(s, '', 1, 1)",
    };
    static const char *const waits[] = {
        "time.sleep(0)",
        "db.write({{'SELECT 1'}})",
        "crypto.password_hash('x')",
        "llm.enter(1, 's')",
    };
    rig_open_db(rig, NULL);
    for (size_t i = 0; i < TT_COUNT(bodies); i++) {
        for (size_t j = 0; j < TT_COUNT(waits); j++) {
            char body[512];
            const char *wait = strstr(bodies[i], "WAIT");
            snprintf(body, sizeof(body), "%.*s%s%s", (int)(wait - bodies[i]), bodies[i], waits[j],
                     wait + 4);
            rig_expect_in(rig, body, "waits, which is not possible here");
            /* A script that swallows it goes on without harm. */
            char caught[600];
            snprintf(caught, sizeof(caught), "pcall(function() %s end) time.sleep(1) return 'on'",
                     body);
            rig_expect(rig, caught, "\"on\"");
        }
    }
    rig_expect(rig,
               "local t = setmetatable({}, {__index = function() time.sleep(1) return 7 end}) "
               "return t.x",
               "7");
    rig_expect(rig, "for _ in function() time.sleep(1) end do end return 'ok'", "\"ok\"");
}

static void turns_end_with_their_task(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig, "llm.enter(1, 's') return 1", "1");
    rig_expect(rig, "llm.enter(1, 's') return 1", "1");
    rig_expect_in(rig, "llm.enter(1, 's') error('x')", "x");
    rig_expect(rig,
               "local t = llm.enter(1, 's') t:leave() t:leave() return llm.enter(1, 's') ~= nil",
               "true");
    rig_expect(rig, "do local t <close> = llm.enter(1, 's') end return llm.enter(1, 's') ~= nil",
               "true");
    rig_expect_in(rig, "llm.enter('x', 's')", "bad argument");
    /* Collected ones leave too. */
    rig_expect(rig,
               "llm.enter(1, 's') local s = {} for i = 1, 2e5 do s = {i} end "
               "return llm.enter(1, 's') ~= nil",
               "true");
}

static void only_some_turns_may_wait(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, "local t, e = llm.enter(1, 's') if e then return e.code end "
                       "time.sleep(3) return 'done'");
    for (int i = 0; i < 5; i++)
        rig_start(rig);
    rig_ticks(rig, 1);
    rig_start(rig);
    assert_true(rig->ended);
    assert_string_equal(rig->result, "\"session_busy\"");
    RIG_WAIT(rig, rig->tide.runtime.task_count == 0);
    assert_string_equal(rig->result, "\"done\"");
}

static void no_turn_begins_when_the_drain_is_over(void **state)
{
    struct rig *rig = *state;

    rig->tide.runtime.drained = true;
    rig_expect(rig, "local t, e = llm.enter(1, 's') return e.code", "\"shutting_down\"");
}

static void passwords_take_their_time_elsewhere(void **state)
{
    struct rig *rig = *state;

    rig_open_aux(rig);
    rig_expect(rig,
               "local h = crypto.password_hash('high tide') "
               "return {h:sub(1, 10), crypto.password_verify(h, 'high tide'), "
               "crypto.password_verify(h, 'x'), crypto.password_verify(nil, 'x'), "
               "crypto.password_verify('garbage', 'x')}",
               "[\"$argon2id$\",true,false,false,false]");
    /* The hash that stands for nobody costs what a real one costs. */
    rig_expect(rig,
               "local h = crypto.password_hash('x') local a = time.unix_ns() "
               "for _ = 1, 3 do crypto.password_verify(h, 'y') end local b = time.unix_ns() "
               "for _ = 1, 3 do crypto.password_verify(nil, 'y') end local c = time.unix_ns() "
               "local r = (c - b) / (b - a) return r > 0.3 and r < 3 or r",
               "true");
}

/* The pool ends while jobs wait: those tasks are let go of as well. */
static void a_closed_pool_leaves_nothing_behind(void **state)
{
    struct rig *rig = *state;

    rig_open_aux(rig);
    rig_load_body(rig, "crypto.password_hash('x')");
    for (int i = 0; i < 10; i++)
        rig_start(rig);
    tt_aux_free(rig->aux);
    rig->aux = NULL;
    tt_task_cancel_all(&rig->tide.runtime);
    rig_ticks(rig, 2);
}

static void full_pools_answer_busy(void **state)
{
    struct rig *rig = *state;

    rig_open_aux(rig);
    rig_load_body(rig, "local h, e = crypto.password_hash('x') if not h then return e.code end "
                       "return 'made'");
    for (int i = 0; i < 18; i++)
        rig_start(rig);
    rig_start(rig);
    assert_true(rig->ended);
    assert_string_equal(rig->result, "\"busy\"");
    RIG_WAIT(rig, rig->tide.runtime.task_count == 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_task_may_end_at_once),
        RIG_TEST(waiting_lets_others_run),
        RIG_TEST(a_client_that_leaves_is_told_on),
        RIG_TEST(errors_tell_the_place),
        RIG_TEST(coroutines_are_used_again),
        RIG_TEST(failed_coroutines_are_not),
        RIG_TEST(many_tasks_at_once),
        RIG_TEST(cancelled_tasks_are_gone),
        RIG_TEST(cancelled_between_answer_and_resume),
        RIG_TEST(cancelling_closes_variables),
        RIG_TEST(waiting_in_wrong_places_is_an_error),
        RIG_TEST(turns_end_with_their_task),
        RIG_TEST(only_some_turns_may_wait),
        RIG_TEST(no_turn_begins_when_the_drain_is_over),
        RIG_TEST(passwords_take_their_time_elsewhere),
        RIG_TEST(a_closed_pool_leaves_nothing_behind),
        RIG_TEST(full_pools_answer_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
