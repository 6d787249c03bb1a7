/* At start: bytes of files that no row knows are removed. */
#pragma once
#include "app/app.h"

/* Begins the sweep in the background; what it finds is logged. The store, the database and the
 * file pool must be open and outlive it: tt_aux_free of the pool waits for it. Thread: main. */
int tt_app_sweep_files(struct tt_app *app, struct tt_err *err);
