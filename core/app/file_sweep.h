/* At start: removes the bytes of files that have no row. */
#pragma once
#include "db/db.h"
#include "files/store.h"
#include "loop/aux.h"

/* Begins the sweep in the background; what it finds is logged. It runs on `aux`, and tt_aux_free of
 * that pool waits for it; store and database must outlive it. Thread: main. */
int tt_app_sweep_files(struct tt_store *store, struct tt_db *db, struct tt_aux *aux,
                       struct tt_err *err);
