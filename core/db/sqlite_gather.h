/* A VFS for the writer's connection that joins the writes of a commit: SQLite writes the frames of
 * its log one by one, each in two calls; here they are gathered and leave in one, before the sync
 * that ends the commit. Temporary files are memory (sqlite_memory_file.h). Everything else is
 * SQLite's own VFS. Private to db. */
#pragma once
#include <sqlite3.h>

#define TT_GATHER_VFS "tidetalk-gather"

/* For connections with synchronous=FULL or above only: what a commit wrote reaches the file at its
 * sync, and only with a sync in each commit is that before others may see the commit. Thread: any,
 * once, before any connection is opened by this name. */
void tt_gather_setup(void);
