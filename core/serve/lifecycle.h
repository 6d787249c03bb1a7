/* A script state from being built to being replaced: the state that one generation hands to the
 * next, and the moments at which a state begins and ends to serve. */
#pragma once
#include "serve/generation.h"

/* Calls app.export_state for the data that the next generation should know and appends it as JSON;
 * nothing when there is no such function or it returned nil. It is pure: it must not wait. -1 with
 * "script_error" and the message "file:line: …". Thread: the vm's worker. */
int tt_lifecycle_export_state(struct tt_vm *vm, struct tt_buf *state, struct tt_err *err);

/* Passes `state` (JSON, "" = none) to app.on_start. -1 when that raises or returns false and a
 * reason: the generation is refused then. Thread: the builder, before the state serves. */
int tt_lifecycle_start(struct tt_vm *vm, struct tt_str state, struct tt_diagnostics *diagnostics);

/* Runs app.on_stop as a task: another generation serves, and nothing can be refused any more. The
 * state lives until the task has ended. Thread: the vm's worker. */
void tt_lifecycle_stop(struct tt_vm *vm);
