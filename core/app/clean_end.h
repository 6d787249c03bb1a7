/* Whether the last server on this data folder ended in order. It leaves a file, `running`, which an
 * orderly end removes: if a start finds it, the process was killed or the machine went down, and
 * disks do not always keep what they promised. */
#pragma once
#include "app/settings/settings.h"

/* Examines the database if the last end was not clean, and creates the file. Fails:
 * "database_damaged" unless settings->accept_loss, "database_unavailable", "data_dir_failed".
 * Thread: main, with the folder locked, before the database is opened. */
int tt_clean_end_begin(const struct tt_settings *settings, struct tt_err *err);
/* The end was clean: nothing uses the database any more. */
void tt_clean_end_finish(const struct tt_settings *settings);
