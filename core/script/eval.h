/* `tidetalk repl`: a line of Lua run in a ready script state, as a task, so that it may do
 * everything that a handler may. */
#pragma once
#include "script/vm.h"

enum tt_eval_result {
    TT_EVAL_DONE,       /* text: the results, one per line */
    TT_EVAL_FAILED,     /* text: the error with its traceback */
    TT_EVAL_UNFINISHED, /* more lines are needed */
};

/* Runs `source`, an expression or statements. Values that it assigns to names that are not local
 * remain for the next call, and so do its own locals. Modules of the core are available by their
 * short names (db for tide.db), and inspect(value). `done` comes when it has ended; `text` lives
 * until that returns. Thread: the state's.
 */
void tt_eval(struct tt_vm *vm, struct tt_str source,
             void (*done)(void *arg, enum tt_eval_result result, struct tt_str text), void *arg);
