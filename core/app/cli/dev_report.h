/* What `tidetalk dev` tells its developer about the scripts, on standard output. Paths are such
 * that an editor can open them. Thread: first() on main, then only the builder's. */
#pragma once
#include "app/app.h"
#include "app/reload/builder.h"

struct tt_dev_report {
    const struct tt_settings *settings;
    bool refused; /* the files on the disk, when they were looked at last */
};

/* The server is ready: where, and what its scripts' warnings are. */
void tt_dev_report_ready(struct tt_dev_report *report, const struct tt_app *app);

/* A tt_reload_done_fn; `arg` is the report. */
void tt_dev_report_reload(const struct tt_reload_result *result, void *arg);
