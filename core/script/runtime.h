/* A worker's Lua runtime: shared by its script states. It knows neither HTTP nor chat: the modules
 * that scripts can require come in as a list, and their data belongs to the owner of that list.
 * Code that embeds the runtime in something larger finds that again from a state (see tide/tide.h).
 * Thread: the worker's, once it runs. */
#pragma once
#include "base/list.h"
#include "script/resumes.h"

#include <lua.h>

struct tt_db;
struct tt_vm;

struct tt_script_module {
    const char *name;   /* as in require "tide.db" */
    lua_CFunction open; /* pushes the module's table */
};

struct tt_node;

/* Timers, see timers.h. */
struct tt_timers {
    struct tt_list named;  /* timer.every, those of this worker */
    struct tt_list single; /* timer.after, not due yet */
    int single_count;
    const struct tt_vm *active; /* whose timers run */
    bool stopped;
    bool named_off;                   /* in commands: what scripts declare does not run */
    uint64_t ticks, failures, missed; /* of named ones */
    /* The clock of calendars; tests have their own. It may be set, so it is looked at this often.
     */
    int64_t (*wall_us)(void);
    uint64_t look_ms;
};

struct tt_runtime {
    int worker;  /* this one's number, from 0 */
    int workers; /* how many there are */
    struct tt_loop *loop;
    struct tt_db *db;           /* where timers with a calendar are remembered; NULL: nowhere */
    const struct tt_node *node; /* of several servers one runs timers; NULL: alone */
    const struct tt_script_module *modules; /* ends with a NULL name */
    size_t memory_max;                      /* bytes per script state */
    bool prints;     /* `print` writes to the standard output, not to the log */
    int64_t time_ms; /* CPU time of a task between two waits; 0: the watchdog's default */
    int64_t load_ms; /* CPU time of building a state; 0: the watchdog's default for it */

    struct tt_timers timers;
    struct tt_resumes resumes;
    struct tt_list tasks; /* running ones */
    int task_count;
    bool drained; /* the drain limit has passed: nothing new begins */
    bool closing; /* the loop has ended: there is no later tick */
};

void tt_runtime_create(struct tt_runtime *runtime);
