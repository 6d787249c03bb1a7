/* Named timers: timers.c has the records and intervals, calendar_timers.c the calendars. Nothing
 * else includes this. Thread: the worker. */
#pragma once
#include "script/timers.h"

struct tt_db_pending;

/* Times are seconds since 1970. */
struct tt_timers_calendar {
    const struct tt_zone *zone; /* NULL: the timer has an interval */
    struct tt_cron cron;
    char schedule[TT_TIMER_SCHEDULE_MAX + 1];
    enum tt_timers_first first; /* until the first tick is planned, then TT_TIMER_FIRST_DUE */
    bool known;                 /* the next three have been read */
    int64_t begun_s, done_s;    /* as in the table timer_ticks */
    int64_t due_s;
    int64_t at_s;      /* the time that the last tick stands for */
    uint64_t retry_ms; /* wait so long, because the database failed */
    struct tt_db_pending *reading;
};

struct tt_named_timer {
    struct tt_list node; /* runtime->timers.named */
    struct tt_runtime *runtime;
    char name[TT_TIMER_NAME_MAX + 1];
    struct tt_vm *vm; /* whose function it calls; NULL = given up */
    int function;     /* registry reference of that vm */
    uint64_t ms, due_ms;
    bool each_node;
    struct tt_timers_calendar calendar;
    uint64_t number; /* of the last tick, from 1 */
    uint64_t missed; /* before that one */
    bool cut_off;    /* by the end of the server: it counts as missed */
    struct tt_timer timer;
    bool
        busy; /* its tick runs, or the database works for it: the record stays until that is over */
};

/* Waits for the next tick, unless it is busy. */
void tt_named_timer_arm(struct tt_named_timer *named);
/* Runs the tick that number and missed tell of. */
void tt_named_timer_tick(struct tt_named_timer *named);
/* It is not busy any more; the record may be gone afterwards. */
void tt_named_timer_free_again(struct tt_named_timer *named);

/* ---- calendar_timers.c ---- */

void tt_timers_calendar_set(struct tt_named_timer *named,
                            const struct tt_timers_declared *declared);
uint64_t tt_timers_calendar_wait(const struct tt_named_timer *named); /* ms */
void tt_timers_calendar_due(struct tt_named_timer *named);
void tt_timers_calendar_done(struct tt_named_timer *named); /* a tick has ended */
void tt_timers_calendar_stop(struct tt_named_timer *named);
