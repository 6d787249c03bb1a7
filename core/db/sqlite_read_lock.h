/* A VFS for connections that read on a loop: the lock that SQLite takes and drops around each read
 * stays until the end of the tick, so that the reads of a tick (of many requests) share one. Only
 * the lock is shared: each read still begins at the newest commit. Private to db. */
#pragma once
#include <sqlite3.h>
#include <stdbool.h>

#define TT_READ_LOCK_VFS "tidetalk-read"

/* Thread: any, once, before any connection is opened by this name. */
void tt_read_lock_setup(void);

/* From now on locks of reads stay until tt_read_lock_release. What it returns is for that call, and
 * as good as the handle; NULL: the handle was not opened with this VFS. */
sqlite3_file *tt_read_lock_keep(sqlite3 *handle);
/* Drops the lock that was kept, if any. While one is kept the log cannot be begun anew: never wait
 * for events with it. NULL is fine. */
void tt_read_lock_release(sqlite3_file *file);
