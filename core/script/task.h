/* A task: one Lua coroutine that runs a handler and may wait. A C function that must wait makes a
 * tt_wait, starts its operation and yields; when the operation is through it calls tt_wait_done,
 * which puts the task on the loop's ready list: it is never resumed from inside the call that
 * started it. Thread for all: the worker of the task. */
#pragma once
#include "script/vm.h"

struct tt_task;
struct tt_wait;

/* How to wait for an operation: one constant for each kind of operation. All may be NULL. */
struct tt_wait_type {
    /* Pushes the results of an operation that did not fail and returns how many. NULL: none. */
    int (*push)(struct tt_wait *wait, lua_State *L);
    /* Stops the operation, unless `done`, and releases what the struct holds, before it is freed.
     * An operation whose task is gone ends this way too. */
    void (*close)(struct tt_wait *wait);
    /* For an operation that cannot be stopped: its task is gone, so it may hurry. It is closed when
     * it has reached tt_wait_done. */
    void (*abandon)(struct tt_wait *wait);
    /* The client that the task works for has left. */
    void (*on_left)(struct tt_wait *wait);
};

/* What a task waits for: the first member of the operation's own struct, which tt_wait_new made. */
struct tt_wait {
    const struct tt_wait_type *type;
    struct tt_task *task; /* NULL when nobody waits */
    struct tt_err err;    /* set: the call returns nil and this instead of results */
    int arguments;        /* of the C function that waits: so many stay on the stack for `push` */
    bool done;
};

/* Something that a task owns and that ends with the task at the latest (a place in a queue of
 * turns). */
struct tt_owned {
    struct tt_list node;
    void (*close)(struct tt_owned *owned);
    void (*on_left)(struct tt_owned *owned); /* as of tt_wait; must not disown */
};

/* Called once, when the coroutine has returned (NULL) or failed; not for a cancelled task. Errors:
 * "script_timeout" (stopped by the watchdog), "script_memory" (its limit), "no_memory" (the
 * system's end), else "internal_error". */
typedef void tt_task_end_fn(const struct tt_err *error, void *arg);

/* Makes a task in the vm, with a coroutine from its pool. Owns: itself; gone after on_end or
 * cancel. Fails: NULL when the state is out of memory. */
struct tt_task *tt_task_new(struct tt_vm *vm, tt_task_end_fn *on_end, void *arg);

/* Runs `entry` in the coroutine, with `arg` as its one argument (a light userdata), until the first
 * wait or the end; on_end may come before this returns. */
void tt_task_start(struct tt_task *task, lua_CFunction entry);

/* The same; later, in turn with those that are ready, when the worker is behind. */
void tt_task_start_in_turn(struct tt_task *task, lua_CFunction entry);

/* Drops a task that waits, or has not begun: its operation is cancelled, to-be-closed variables are
 * closed, its children are cancelled. */
void tt_task_cancel(struct tt_task *task);

void tt_task_cancel_all(struct tt_runtime *runtime);

/* ---- tasks within tasks ---- */

#define TT_TASK_CHILDREN_MAX 256 /* alive at once below one task, their children counted */

/* As tt_task_new, but the task ends with `parent` at the latest: it is cancelled when the parent
 * ends, fails or is cancelled. Fails: NULL ("busy": too many, or no memory). */
struct tt_task *tt_task_new_child(struct tt_task *parent, tt_task_end_fn *on_end, void *arg,
                                  struct tt_err *err);

/* As tt_task_start, in the loop's next tick; `arguments` values from the top of L are passed and
 * follow the light userdata. Fails: -1 when the coroutine's stack cannot take them. */
int tt_task_start_later(struct tt_task *task, lua_CFunction entry, lua_State *L, int arguments);

/* The outermost task that `task` runs within; itself if it is nobody's child. */
struct tt_task *tt_task_root(struct tt_task *task);

/* Whether `task` is `outer`, or runs within it. */
bool tt_task_is_within(const struct tt_task *task, const struct tt_task *outer);

/* The client that the task works for has left. The task continues: only its waits, the things it
 * owns and the tasks within it are notified. */
void tt_task_client_left(struct tt_task *task);
bool tt_task_has_client(const struct tt_task *task);

/* Whose work a task does, for the turns that users take on shared threads (loop/aux.h): a user's
 * id, 0 = the server itself, or what tt_http_owner tells of a client that is nobody yet. Tasks
 * within it do the same one's. */
void tt_task_set_owner(struct tt_task *task, uint64_t owner);
uint64_t tt_task_owner(lua_State *L); /* of the running task; 0 when none runs */

/* ---- the scripts' fault ---- */

/* Notes that the running task (if any) received bytes that the scripts did not make: a request's
 * body, rows, an answer from elsewhere. */
void tt_task_take(lua_State *L, size_t bytes);
/* Pushes such bytes as a string. */
void tt_task_push_taken(lua_State *L, struct tt_str bytes);

/* Whether a failure of the task (not of one of its children), as on_end gets it, is the scripts'
 * own fault. An error that was raised always is. Running out of time or memory is not, if the task
 * (time) or all tasks of its state (memory) had received much data: then a client, or stored or
 * foreign data, may be the cause. */
bool tt_task_is_own_fault(const struct tt_task *task, const struct tt_err *error);

/* ---- for bindings ---- */

/* The task that runs now; raises a Lua error when there is none ("while a module loads"). */
struct tt_task *tt_task_check(lua_State *L, const char *function);
/* The same for functions that wait: also raises where Lua cannot yield (in a comparator of sort, a
 * callback of gsub, a metamethod called by C). Must come before the operation is started. */
struct tt_task *tt_task_check_wait(lua_State *L, const char *function);
/* Whether it would not raise. */
bool tt_task_can_wait(lua_State *L);
struct tt_runtime *tt_task_runtime(struct tt_task *task);

void tt_task_own(struct tt_task *task, struct tt_owned *owned);
void tt_task_disown(struct tt_owned *owned);

/* Zeroed memory of `size` bytes that begins with a tt_wait. Owns: the caller, until the yield. */
void *tt_wait_new(size_t size, const struct tt_wait_type *type);
/* Ends a C function that must wait, after tt_task_check_wait: `return tt_task_yield(L, wait)`. */
int tt_task_yield(lua_State *L, struct tt_wait *wait);
/* The same when the operation could not be started: frees, and returns nil and wait->err. */
int tt_wait_refuse(lua_State *L, struct tt_wait *wait);
/* Closes and frees a wait that was not yielded. */
void tt_wait_free(struct tt_wait *wait);

/* For coroutines.c. Whether the running task yields in order to wait, which must go through to the
 * loop whatever coroutine of the script it happens in. */
bool tt_task_waits(lua_State *L);
/* A coroutine of the script begins to run in L, or ends: where L cannot yield, waiting is not
 * possible inside. Both do nothing while no task runs. */
void tt_task_enter_coroutine(lua_State *L);
void tt_task_leave_coroutine(lua_State *L);

/* The operation has finished. If nobody waits any more, this frees it. */
void tt_wait_done(struct tt_wait *wait);
/* The same when its loop has ended: whoever still waits is about to be cancelled. Thread: any. */
void tt_wait_drop(struct tt_wait *wait);
