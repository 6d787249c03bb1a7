/* Stops scripts that run too long. Every entry into Lua is between tt_budget_begin and
 * tt_budget_end. One thread of the process checks the CPU clocks of the threads that are inside and
 * sends a signal to a thread whose budget is used up. The signal's handler sets a count hook, which
 * raises at the next instruction. The hook stays set until the entry ends, so it raises again after
 * every pcall that catches it: not even __close runs any more. A hook that is always set would
 * halve the speed of tight loops; this costs nothing while no script is late.
 *
 * It cannot interrupt C functions. Those that could take long are bounded in sandbox.c or, like
 * pattern.c, check tt_budget_stopped now and then; one that still takes long is logged and counted.
 */
#pragma once
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#define TT_BUDGET_RESUME_MS 50   /* a task, from one wait to the next */
#define TT_BUDGET_LOAD_MS   2000 /* building a script state */

struct tt_budget {
    lua_State *inner, *outer;
};

/* From here to tt_budget_end the calling thread may run Lua in L for budget_ms of its CPU time (0:
 * TT_BUDGET_RESUME_MS). Inside another budget there is no new one: the outer one continues. Thread:
 * any; the watchdog knows it from its first budget to its end. */
void tt_budget_begin(struct tt_budget *guard, lua_State *L, int64_t budget_ms);
/* Returns whether the script was stopped. A coroutine in which that raised has its hooks off for
 * good: it must not run again, not even to close its variables. */
bool tt_budget_end(struct tt_budget *guard);

/* lua_pcall with a budget around it. Returns its status, or TT_BUDGET_STOPPED. */
#define TT_BUDGET_STOPPED 100
int tt_budget_call(lua_State *L, int arguments, int results, int handler, int64_t budget_ms);

/* Inside a budget another coroutine runs: `inner`, until tt_budget_leave with the result of this
 * call. */
lua_State *tt_budget_enter(lua_State *inner);
void tt_budget_leave(lua_State *outer);

/* Between these two calls the thread's work is not the script's: no budget runs, and a fresh one
 * begins afterwards. For core work that has its own bound and that a script can request only once.
 * Code between them must not run Lua or leave by an error. */
void tt_budget_pause(void);
void tt_budget_renew(void);
/* The same for work that a script may request again and again: the first of it in a budget is free.
 * False: it was not the first, and nothing is paused. */
bool tt_budget_pause_once(void);

/* Whether the script that runs on this thread is being stopped. */
bool tt_budget_stopped(void);
/* For C functions that may take long: raises when it is. */
void tt_budget_raise_if_stopped(lua_State *L, const char *function);

/* For profile.c: while `sample` is not NULL, it is a hook that each script thread runs once after
 * every tt_watchdog_sample, at its next instruction, if it is inside a budget then. It must not
 * raise; it takes itself away. Thread: any. */
void tt_watchdog_set_sampler(lua_Hook sample);
void tt_watchdog_sample(void);
/* Ends a sampling hook, in it. */
void tt_watchdog_end_sample(lua_State *L);

struct tt_watchdog_stats {
    uint64_t timeouts; /* scripts that were stopped */
    uint64_t stuck;    /* scripts that could not be stopped for 200 ms, because a C function ran */
    int stuck_now;
};
void tt_watchdog_stats(struct tt_watchdog_stats *out);
