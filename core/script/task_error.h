/* What a coroutine that failed is told as. Private to tasks. */
#pragma once
#include "base/err.h"
#include "script/vm.h"

/* `status` is lua_resume's; `stopped`: by the watchdog. The codes are those of tt_task_end_fn. */
void tt_task_read_error(struct tt_vm *vm, lua_State *failed, int status, bool stopped,
                        struct tt_err *err);
