/* `tidetalk repl`: a line of Lua run in a ready script state, as a task, so that it may do all that
 * a handler may. */
#pragma once
#include "script/vm.h"

enum tt_eval_result {
    TT_EVAL_DONE,       /* text: the results, one a line */
    TT_EVAL_FAILED,     /* text: the error with its traceback */
    TT_EVAL_UNFINISHED, /* more lines are needed */
};

/* Runs `source`, an expression or statements. What it assigns to names that are not local stays for
 * the next one; modules of the core are there by their short names (db for tide.db). `done` comes
 * when it has ended; `text` lives until it returns. Thread: the state's. */
void tt_eval(struct tt_vm *vm, struct tt_str source,
             void (*done)(void *arg, enum tt_eval_result result, struct tt_str text), void *arg);
