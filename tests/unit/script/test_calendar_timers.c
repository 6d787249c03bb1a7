/* Timers with a calendar on a clock that the test sets: when they tick, what is remembered by the
 * next process, what a reload changes. */
#include "base/calendar.h"
#include "script/support.h"
#include "script/timers.h"

static int64_t now_us;

static int64_t test_clock(void)
{
    return now_us;
}

static void set_clock(int year, int month, int day, int hour, int minute)
{
    now_us =
        tt_calendar_seconds(&(struct tt_calendar){year, month, day, hour, minute, 0}) * 1000000;
}

#define CRON(more)                                                                                 \
    "timer.cron('0 3 * * *', 'UTC', function(tick) seen[#seen + 1] = tick.name .. ' ' .. "         \
    "tick.number .. ' ' .. tick.missed .. ' ' .. time.format(tick.at):sub(1, 16) " more            \
    " end, {name = 'night'"

static struct tt_generation *load(struct rig *rig, const char *timers, int number)
{
    struct tt_buf text = {0};

    tt_buf_printf(&text,
                  "local timer, time = require 'tide.timer', require 'tide.time'\n"
                  "local seen = require 'seen'\n%s\n"
                  "return {routes = {}, " RIG_ERRORS ", handle = function() return seen end}\n",
                  timers);
    rig_put(rig, "lua/app.lua", text.data);
    rig_put(rig, "lua/seen.lua", "return {}");
    tt_buf_free(&text);
    struct tt_generation *generation = rig_build(rig, number);
    if (!generation)
        fail_msg("%s", rig->errors.data);
    return generation;
}

static void adopt(struct rig *rig, const char *timers)
{
    struct tt_generation *old = rig->generation;

    struct tt_generation *next = load(rig, timers, 2);
    if (old)
        tt_timers_give_up(old->vms[0]);
    tt_timers_adopt(next->vms[0]);
    rig->generation = next;
    tt_generation_unref(old);
}

static void expect_seen(struct rig *rig, const char *want)
{
    rig_start(rig);
    RIG_WAIT(rig, rig->ended);
    assert_string_equal(rig->result, want);
}

static void wait_ticks(struct rig *rig, uint64_t ticks)
{
    RIG_WAIT(rig, rig->tide.runtime.timers.ticks >= ticks && rig->tide.runtime.task_count == 0);
    rig_ticks(rig, 5); /* the end of the tick is written */
}

static int64_t stored(struct rig *rig, const char *column)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT %s FROM timer_ticks WHERE name = 'night'", column);
    struct tt_db_query query = {.sql = tt_str_from(sql)};
    struct tt_db_rows *rows = tt_db_read_wait(rig->db, rig->loop, &query, &rig->err);
    assert_non_null(rows);
    int64_t value = tt_db_next(rows, &rig->err) == TT_DB_ROW ? rows->values[0].integer : -1;
    tt_db_rows_free(rows);
    return value;
}

/* As a process that starts: the records of timers are new, the database is the same. */
static void restart(struct rig *rig, const char *timers)
{
    tt_timers_give_up(rig->generation->vms[0]);
    adopt(rig, "");
    RIG_WAIT(rig, tt_list_empty(&rig->tide.runtime.timers.named));
    adopt(rig, timers);
}

/* Adopts, and waits until the timer knows since when nothing is missed. */
static void begin(struct rig *rig, const char *timers)
{
    adopt(rig, timers);
    RIG_WAIT(rig, stored(rig, "done_at") == now_us / 1000000);
    rig_ticks(rig, 5);
}

static int setup(void **state)
{
    rig_setup(state);
    struct rig *rig = *state;
    rig_open_db(rig, NULL);
    rig->tide.runtime.db = rig->db;
    rig->tide.runtime.timers.wall_us = test_clock;
    rig->tide.runtime.timers.look_ms = 3;
    set_clock(2026, 1, 10, 12, 0);
    return 0;
}

static void ticks_when_the_time_comes(void **state)
{
    struct rig *rig = *state;

    begin(rig, CRON("") "})");
    rig_ticks(rig, 20);
    assert_int_equal(rig->tide.runtime.timers.ticks, 0);
    set_clock(2026, 1, 11, 3, 0);
    wait_ticks(rig, 1);
    now_us -= 7200 * (int64_t)1000000; /* a clock that is put back brings no second one */
    rig_ticks(rig, 20);
    set_clock(2026, 1, 12, 3, 1);
    wait_ticks(rig, 2);
    expect_seen(rig, "[\"night 1 0 2026-01-11T03:00\",\"night 2 0 2026-01-12T03:00\"]");
}

static void missed_ticks_are_told(void **state)
{
    struct rig *rig = *state;

    begin(rig, CRON("") "})");
    set_clock(2026, 1, 11, 3, 0);
    wait_ticks(rig, 1);
    /* Four nights without the server. Nothing comes at once. */
    set_clock(2026, 1, 15, 12, 0);
    restart(rig, CRON("") "})");
    rig_ticks(rig, 30);
    assert_int_equal(rig->tide.runtime.timers.ticks, 1);
    set_clock(2026, 1, 16, 3, 0);
    wait_ticks(rig, 2);
    expect_seen(rig, "[\"night 6 4 2026-01-16T03:00\"]");
}

static void a_missed_tick_may_come_at_once(void **state)
{
    struct rig *rig = *state;

    begin(rig, CRON("") "})");
    set_clock(2026, 1, 12, 12, 0);
    restart(rig, CRON("") ", first = 'missed'})");
    wait_ticks(rig, 1);
    expect_seen(rig, "[\"night 2 1 2026-01-12T03:00\"]");
    /* Nothing was missed: nothing comes. */
    restart(rig, CRON("") ", first = 'missed'})");
    rig_ticks(rig, 30);
    assert_int_equal(rig->tide.runtime.timers.ticks, 1);
    restart(rig, CRON("") ", first = 'start'})");
    wait_ticks(rig, 2);
    expect_seen(rig, "[\"night 3 0 2026-01-12T12:00\"]");
}

/* A crash in a tick: the row says that it began, not that it ended. */
static void a_tick_that_was_cut_off_is_missed(void **state)
{
    struct rig *rig = *state;

    begin(rig, CRON("time.sleep(60000)") "})");
    set_clock(2026, 1, 11, 3, 0);
    RIG_WAIT(rig, rig->tide.runtime.timers.ticks == 1);
    assert_true(stored(rig, "begun_at") > stored(rig, "done_at"));
    rig->tide.runtime.timers.stopped = true;
    tt_task_cancel_all(&rig->tide.runtime);
    RIG_WAIT(rig, rig->tide.runtime.task_count == 0);
    rig_ticks(rig, 5);
    assert_true(stored(rig, "begun_at") > stored(rig, "done_at"));
    rig->tide.runtime.timers.stopped = false;
    restart(rig, CRON("") ", first = 'missed'})");
    wait_ticks(rig, 2);
    expect_seen(rig, "[\"night 2 0 2026-01-11T03:00\"]");
    assert_true(stored(rig, "begun_at") >= stored(rig, "done_at"));
}

/* Another server has taken the tick. */
static void one_of_several_servers_has_a_tick(void **state)
{
    struct rig *rig = *state;
    struct tt_db_job *job = tt_db_job_new();

    begin(rig, CRON("") "})");
    int64_t due = tt_calendar_seconds(&(struct tt_calendar){2026, 1, 11, 3, 0, 0});
    const struct tt_db_value values[] = {tt_db_int(due)};
    tt_db_job_add(job, TT_STR("UPDATE timer_ticks SET begun_at = ?1, done_at = ?1, number = 7"),
                  values, 1, 1);
    assert_int_equal(tt_db_submit_wait(rig->db, rig->loop, job, &rig->err), 0);
    set_clock(2026, 1, 11, 3, 0);
    rig_ticks(rig, 30);
    assert_int_equal(rig->tide.runtime.timers.ticks, 0);
    set_clock(2026, 1, 12, 3, 0);
    wait_ticks(rig, 1);
    expect_seen(rig, "[\"night 8 0 2026-01-12T03:00\"]");
}

static void a_reload_changes_the_schedule(void **state)
{
    struct rig *rig = *state;

    begin(rig, CRON("") "})");
    set_clock(2026, 1, 10, 13, 0);
    begin(rig, "timer.cron('30 * * * *', 'Asia/Kathmandu', function(tick) seen[#seen + 1] = "
               "tick.missed end, {name = 'night'})");
    set_clock(2026, 1, 10, 13, 45); /* 19:30 there */
    wait_ticks(rig, 1);
    expect_seen(rig, "[0]");
    /* From a calendar to an interval and back. */
    adopt(rig, "timer.every('night', 10, function(tick) seen[#seen + 1] = tostring(tick.at) end)");
    RIG_WAIT(rig, rig->tide.runtime.timers.ticks >= 3);
    begin(rig, CRON("") "})");
    set_clock(2026, 1, 11, 3, 0);
    uint64_t ticks = rig->tide.runtime.timers.ticks;
    RIG_WAIT(rig, rig->tide.runtime.timers.ticks > ticks);
}

static void the_first_tick_of_an_interval_may_come_at_once(void **state)
{
    struct rig *rig = *state;

    adopt(rig, "timer.every('a', 86400000, function(tick) seen[1] = tick.number end, "
               "{first = 'start'})");
    wait_ticks(rig, 1);
    expect_seen(rig, "[1]");
    adopt(rig, "timer.every('a', 86400000, function() end, {first = 'start'})");
    rig_ticks(rig, 20);
    assert_int_equal(rig->tide.runtime.timers.ticks, 1);
}

static void a_database_that_fails_is_waited_for(void **state)
{
    struct rig *rig = *state;
    struct tt_db_job *job = tt_db_job_new();

    tt_log_setup(TT_LOG_ERROR + 1, TT_LOG_TEXT);
    begin(rig, CRON("") "})");
    tt_db_job_add(job, TT_STR("DROP TABLE timer_ticks"), NULL, 0, -1);
    assert_int_equal(tt_db_submit_wait(rig->db, rig->loop, job, &rig->err), 0);
    set_clock(2026, 1, 11, 3, 0);
    rig_ticks(rig, 50);
    assert_int_equal(rig->tide.runtime.timers.ticks, 0);
}

static void declarations_are_checked(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *body, *diagnostic;
    } cases[] = {
        {"timer.cron('0 3 * *', 'UTC', print)", "timer.cron: a schedule has five fields"},
        {"timer.cron('@daily', 'Mars/Base', print)", "there is no time zone 'Mars/Base'"},
        {"timer.cron('@daily', 'UTC')", "function expected"},
        {"timer.cron('@daily', 'UTC', print, {frist = 'start'})", "there is no option 'frist'"},
        {"timer.cron('@daily', 'UTC', print, {first = 'now'})", "'first' is 'due', 'missed' or"},
        {"timer.every('a', 10, print, {first = 'missed'})", "'first' is 'due' or 'start'"},
        {"timer.every('a', 10, print, {name = 'b'})", "there is no option 'name'"},
        {"for i = 1, 2 do timer.cron('@daily', 'UTC', print) end",
         "timer '@daily UTC' is declared twice"},
        {"timer.cron(('1,'):rep(40) .. '1 * * * *', 'UTC', print)", "needs the option 'name'"},
        {"timer.cron(('1,'):rep(120) .. '1 * * * *', 'UTC', print)", "a schedule that is shorter"},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char app[512];
        snprintf(app, sizeof(app),
                 "local timer = require 'tide.timer' %s return {routes = {}, errors = {}, handle = "
                 "print}",
                 cases[i].body);
        rig_put(rig, "lua/app.lua", app);
        assert_null(rig_try_load(rig));
        if (!strstr(rig->errors.data, cases[i].diagnostic))
            fail_msg("%s", rig->errors.data);
    }
    rig_expect_in(rig, "require('tide.timer').cron('@daily', 'UTC', next)",
                  "timer.cron can only be called while a module loads");
    rig_expect(rig,
               "local timer = require 'tide.timer' local t = time.parse('2026-03-29T00:00:00Z')"
               "local _, e = timer.next('x', 'UTC') local _, f = timer.next('@daily', 'x')"
               "return {time.format(timer.next('30 2 * * *', 'Europe/Berlin', t)), e.code, f.code}",
               "[\"2026-03-29T01:00:00.000000Z\",\"invalid_schedule\",\"unknown_zone\"]");
}

#define CALENDAR_TEST(function) cmocka_unit_test_setup_teardown(function, setup, rig_teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        CALENDAR_TEST(ticks_when_the_time_comes),
        CALENDAR_TEST(missed_ticks_are_told),
        CALENDAR_TEST(a_missed_tick_may_come_at_once),
        CALENDAR_TEST(a_tick_that_was_cut_off_is_missed),
        CALENDAR_TEST(one_of_several_servers_has_a_tick),
        CALENDAR_TEST(a_reload_changes_the_schedule),
        CALENDAR_TEST(the_first_tick_of_an_interval_may_come_at_once),
        CALENDAR_TEST(a_database_that_fails_is_waited_for),
        RIG_TEST(declarations_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
