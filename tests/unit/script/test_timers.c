/* Named timers and single calls: when they run, what survives a swap of vms, errors, the end. */
#include "script/support.h"
#include "script/timers.h"

/* Each app keeps the numbers of its ticks, and its handler returns them. */
static void put_app(struct rig *rig, const char *timers)
{
    struct tt_buf text = {0};

    tt_buf_printf(&text,
                  "local timer, time, seen = require 'tide.timer', require 'tide.time', {}\n"
                  "local function note(tick) seen[#seen + 1] = tick.number end\n"
                  "%s\n"
                  "return {routes = {}, " RIG_ERRORS ", handle = function() return seen end}\n",
                  timers);
    rig_put(rig, "lua/app.lua", text.data);
    tt_buf_free(&text);
}

/* Loads beside the generation that is there, as a reload does. */
static struct tt_generation *load_next(struct rig *rig, const char *timers)
{
    put_app(rig, timers);
    struct tt_generation *next = rig_build(rig, 2);
    if (!next)
        fail_msg("%s", rig->errors.data);
    return next;
}

static void begin(struct rig *rig, const char *timers)
{
    put_app(rig, timers);
    rig_load(rig);
    tt_timers_adopt(rig->generation->vms[0]);
}

enum order { ACTIVATE_FIRST, RETIRE_FIRST };

static void swap_to(struct rig *rig, struct tt_generation *next, enum order order)
{
    struct tt_generation *old = rig->generation;

    if (order == RETIRE_FIRST)
        tt_timers_give_up(old->vms[0]);
    tt_timers_adopt(next->vms[0]);
    if (order == ACTIVATE_FIRST)
        tt_timers_give_up(old->vms[0]);
    rig->generation = next;
    tt_generation_unref(old);
}

static const char *seen(struct rig *rig)
{
    rig_start(rig);
    RIG_WAIT(rig, rig->ended);
    return rig->result;
}

static void wait_ticks(struct rig *rig, uint64_t ticks)
{
    RIG_WAIT(rig, rig->tide.runtime.timers.ticks >= ticks && rig->tide.runtime.task_count == 0);
}

static void ticks_come_again_and_again(void **state)
{
    struct rig *rig = *state;

    begin(rig, "timer.every('a', 10, note)");
    wait_ticks(rig, 3);
    int64_t numbers[3];
    assert_int_equal(sscanf(seen(rig), "[%ld,%ld,%ld", &numbers[0], &numbers[1], &numbers[2]), 3);
    assert_true(numbers[0] >= 1 && numbers[1] > numbers[0] && numbers[2] > numbers[1]);
    assert_int_equal(rig->tide.runtime.timers.failures, 0);
}

static void a_vm_that_is_not_current_has_no_ticks(void **state)
{
    struct rig *rig = *state;

    put_app(rig, "timer.every('a', 10, note)");
    rig_load(rig);
    rig_ticks(rig, 30);
    assert_int_equal(rig->tide.runtime.timers.ticks, 0);
}

/* The due time goes from one generation to the next, in whatever order they are told. */
static void due_times_survive_a_swap(void **state)
{
    struct rig *rig = *state;

    begin(rig, "timer.every('a', 60, note)");
    uint64_t began = tt_clock_mono_ms();
    for (int i = 0; rig->tide.runtime.timers.ticks < 4; i++) {
        swap_to(rig, load_next(rig, "timer.every('a', 60, note)"), i % 2);
        tt_loop_tick(rig->loop, 1);
        assert_true(tt_clock_mono_ms() - began < 20000);
    }
    /* With a new start at each swap it would never have come to a tick. */
    uint64_t slots = (tt_clock_mono_ms() - began) / 60;
    uint64_t told = rig->tide.runtime.timers.ticks + rig->tide.runtime.timers.missed;
    assert_true(told >= 4 && told <= slots + 1);
}

static void a_new_interval_holds_at_once(void **state)
{
    struct rig *rig = *state;

    begin(rig, "timer.every('a', 86400000, note)");
    swap_to(rig, load_next(rig, "timer.every('a', 10, note)"), RETIRE_FIRST);
    wait_ticks(rig, 2);
}

static void what_is_not_declared_any_more_stops(void **state)
{
    struct rig *rig = *state;

    for (int order = ACTIVATE_FIRST; order <= RETIRE_FIRST; order++) {
        begin(rig, "timer.every('a', 10, note)");
        wait_ticks(rig, rig->tide.runtime.timers.ticks + 1);
        swap_to(rig, load_next(rig, ""), order);
        uint64_t ticks = rig->tide.runtime.timers.ticks;
        rig_ticks(rig, 40);
        assert_int_equal(rig->tide.runtime.timers.ticks, ticks);
        assert_true(tt_list_empty(&rig->tide.runtime.timers.named));
        /* Coming back it begins anew. */
        uint64_t missed = rig->tide.runtime.timers.missed;
        char first[32];
        swap_to(rig, load_next(rig, "timer.every('a', 50, note)"), order);
        wait_ticks(rig, ticks + 1);
        snprintf(first, sizeof(first), "[%d", (int)(1 + rig->tide.runtime.timers.missed - missed));
        assert_true(strncmp(seen(rig), first, strlen(first)) == 0);
        tt_timers_give_up(rig->generation->vms[0]);
    }
}

/* A tick of the old code is awaited by the new code's, and finds its own code alive. */
static void ticks_never_overlap(void **state)
{
    struct rig *rig = *state;
    const char *slow = "local n = 0 timer.every('a', 10, function() n = n + 1 assert(n == 1) "
                       "time.sleep(60) n = n - 1 end)";

    begin(rig, slow);
    wait_ticks(rig, 2);
    RIG_WAIT(rig, rig->tide.runtime.task_count == 1);
    swap_to(rig, load_next(rig, slow), RETIRE_FIRST);
    uint64_t ticks = rig->tide.runtime.timers.ticks;
    rig_ticks(rig, 3);
    assert_int_equal(rig->tide.runtime.task_count, 1);
    assert_int_equal(rig->tide.runtime.timers.ticks, ticks);
    RIG_WAIT(rig, rig->tide.runtime.timers.ticks >= ticks + 2);
    assert_int_equal(rig->tide.runtime.timers.failures, 0);
    assert_true(rig->tide.runtime.timers.missed > 0);
    /* Gone while it runs. */
    RIG_WAIT(rig, rig->tide.runtime.task_count == 1);
    swap_to(rig, load_next(rig, ""), ACTIVATE_FIRST);
    RIG_WAIT(rig,
             rig->tide.runtime.task_count == 0 && tt_list_empty(&rig->tide.runtime.timers.named));
}

static void an_error_does_not_end_a_timer(void **state)
{
    struct rig *rig = *state;

    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT);
    begin(rig, "timer.every('a', 10, function(tick) note(tick) error('no') end)");
    RIG_WAIT(rig, rig->tide.runtime.timers.failures >= 3);
    assert_true(rig->tide.runtime.timers.ticks >= 3);
}

static void each_name_is_one_workers(void **state)
{
    struct rig *rig = *state;
    int ran = 0;

    rig->tide.runtime.workers = 3;
    for (int worker = 0; worker < 3; worker++) {
        rig->tide.runtime.worker = worker;
        begin(rig, "timer.every('only once', 10, note)");
        uint64_t before = rig->tide.runtime.timers.ticks;
        for (int i = 0; i < 40 && rig->tide.runtime.timers.ticks == before; i++)
            tt_loop_tick(rig->loop, 2);
        ran += rig->tide.runtime.timers.ticks > before;
        tt_timers_give_up(rig->generation->vms[0]);
        RIG_WAIT(rig, rig->tide.runtime.task_count == 0);
    }
    rig->tide.runtime.worker = 0;
    assert_int_equal(ran, 1);
}

static void declarations_are_checked(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *body, *diagnostic;
    } cases[] = {
        {"timer.every('a', 10, note) timer.every('a', 20, note)", "'a' is declared twice"},
        {"timer.every('', 10, note)", "a name of 1 to 64 bytes"},
        {"timer.every(('x'):rep(65), 10, note)", "a name of 1 to 64 bytes"},
        {"timer.every('a\\0b', 10, note)", "a name of 1 to 64 bytes"},
        {"timer.every('a', 9, note)", "10 ms to 30 days"},
        {"timer.every('a', 10)", "function expected"},
        {"for i = 1, 101 do timer.every('t' .. i, 10, note) end", "more than 100 timers"},
        {"timer.after(1, note)", "timer.after cannot be called while a module loads"},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        put_app(rig, cases[i].body);
        assert_null(rig_try_load(rig));
        if (!strstr(rig->errors.data, cases[i].diagnostic))
            fail_msg("%s", rig->errors.data);
    }
    rig_expect_in(rig, "require('tide.timer').every('a', 10, next)",
                  "timer.every can only be called while a module loads");
}

/* ---- single calls ---- */

#define TIMER "local timer = require 'tide.timer' "

static void a_call_later_outlives_its_task(void **state)
{
    struct rig *rig = *state;

    rig_put(rig, "lua/kept.lua", "return {}");
    rig_put(rig, "lua/app.lua",
            "local timer, time, kept = require 'tide.timer', require 'tide.time', require 'kept'\n"
            "return {routes = {}, " RIG_ERRORS ", handle = function()\n"
            "  if kept.value then return kept.value end\n"
            "  timer.after(5, function() time.sleep(1) kept.value = 'ran' end)\n"
            "end}");
    rig_load(rig);
    rig_start(rig);
    assert_true(rig->ended);
    RIG_WAIT(rig, strcmp(seen(rig), "\"ran\"") == 0);
}

static void a_call_later_may_be_cancelled(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               TIMER "local n = 0 local t = timer.after(5, function() n = 1 end)"
                     "local a, b = t:cancel(), t:cancel() time.sleep(20) return {a, b, n}",
               "[true,false,0]");
    rig_expect(rig,
               TIMER "local n = 0 local t = timer.after(0, function() n = 1 end)"
                     "time.sleep(10) return {t:cancel(), n}",
               "[false,1]");
    assert_int_equal(rig->tide.runtime.timers.single_count, 0);
}

static void calls_later_are_bounded(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               TIMER "local n, e = 0 while not e do local t t, e = timer.after(100000, next)"
                     " n = n + 1 end return {n, e.code}",
               "[1001,\"busy\"]");
    rig_expect_in(rig, TIMER "timer.after(3600001, next)", "0 ms to 1 hour");
    /* They keep their generation until they are dropped. */
    tt_generation_ref(rig->generation);
    tt_timers_stop(&rig->tide.runtime.timers);
    assert_int_equal(rig->tide.runtime.timers.single_count, 0);
    assert_int_equal(atomic_load(&rig->generation->references), 2);
    tt_generation_unref(rig->generation);
    rig_expect(rig, TIMER "local t, e = timer.after(1, next) return e.code", "\"busy\"");
}

/* The old generation lives until its call has run. */
static void a_call_later_runs_its_own_code(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, TIMER "timer.after(20, function() time.sleep(5) error('told') end)");
    rig_start(rig);
    struct tt_generation *old = tt_generation_ref(rig->generation);
    rig_load_body(rig, "return 1");
    assert_int_equal(atomic_load(&old->references), 2);
    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT);
    RIG_WAIT(rig, atomic_load(&old->references) == 1);
    tt_generation_unref(old);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(ticks_come_again_and_again),
        RIG_TEST(a_vm_that_is_not_current_has_no_ticks),
        RIG_TEST(due_times_survive_a_swap),
        RIG_TEST(a_new_interval_holds_at_once),
        RIG_TEST(what_is_not_declared_any_more_stops),
        RIG_TEST(ticks_never_overlap),
        RIG_TEST(an_error_does_not_end_a_timer),
        RIG_TEST(each_name_is_one_workers),
        RIG_TEST(declarations_are_checked),
        RIG_TEST(a_call_later_outlives_its_task),
        RIG_TEST(a_call_later_may_be_cancelled),
        RIG_TEST(calls_later_are_bounded),
        RIG_TEST(a_call_later_runs_its_own_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
