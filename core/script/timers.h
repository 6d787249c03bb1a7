/* Timers of scripts: named timers, declared while modules load, and single calls later. A named
 * timer has an interval or a calendar. It runs on one worker only, selected by the hash of its
 * name, so nothing is shared, and of several servers with one database on one of them (of a
 * calendar: the one that is first to claim a time, see calendar_timers.c); at a reload that
 * worker's new vm continues with the old one's due times. Thread: the worker. */
#pragma once
#include "base/cron.h"
#include "script/detached.h"

#define TT_TIMER_NAME_MAX     64
#define TT_TIMERS_MAX         100   /* named timers of a bundle */
#define TT_TIMER_SINGLE_MAX   1000  /* single calls that wait, per worker */
#define TT_TIMER_SCHEDULE_MAX 200   /* bytes of a schedule with its zone */
#define TT_TIMER_MISSED_MAX   10000 /* missed times of a calendar are counted up to here */

/* When the first tick comes, after a start or when a reload brings the timer. */
enum tt_timers_first {
    TT_TIMER_FIRST_DUE,    /* after the interval; at the next time */
    TT_TIMER_FIRST_MISSED, /* at once, if times of the calendar passed while the server was down */
    TT_TIMER_FIRST_START   /* at once */
};

/* A declaration; in vm->timers of every worker's vm. */
struct tt_timers_declared {
    struct tt_list node;
    char name[TT_TIMER_NAME_MAX + 1];
    int function; /* registry reference */
    enum tt_timers_first first;
    bool each_node;                           /* not only on the node that keeps timers */
    uint64_t ms;                              /* the interval, or */
    const struct tt_zone *zone;               /* the calendar (NULL: none), */
    struct tt_cron cron;                      /* its times */
    char schedule[TT_TIMER_SCHEDULE_MAX + 1]; /* and its text */
};

/* What a tick's function gets: tide.Tick. */
struct tt_timers_tick {
    const char *name;
    uint64_t number, missed;
    int64_t at_us; /* of a calendar; -1: none */
};
int tt_timers_push_tick(lua_State *L, const struct tt_timers_tick *tick); /* 1 */

void tt_timers_create(struct tt_timers *timers);

/* Nothing becomes due any more; waiting single calls are dropped, running ticks continue. */
void tt_timers_stop(struct tt_timers *timers);

/* Frees the rest, after tt_timers_stop and after all tasks have ended. */
void tt_timers_destroy(struct tt_timers *timers);

/* At the swap: the vm becomes its worker's current one, or stops being it. Due times change hands
 * in these two, in either order and without a tick of the loop between them. Thread: the vm's
 * worker, or main before it starts. */
void tt_timers_adopt(struct tt_vm *vm);
void tt_timers_give_up(struct tt_vm *vm);

/* A single call. Shared by its script's handle and the list of waiting calls. */
struct tt_single;

/* Takes over the call and returns a reference for the caller. Fails: NULL ("busy": too many, or
 * stopping). */
struct tt_single *tt_single_start(struct tt_runtime *runtime, struct tt_detached *call, uint64_t ms,
                                  struct tt_err *err);
/* Cancels the call; false if it has already begun. */
bool tt_single_cancel(struct tt_single *single);
void tt_single_unref(struct tt_single *single);
