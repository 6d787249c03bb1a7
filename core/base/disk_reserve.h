/* Room on the disk that is kept for what must go on when the disk is full: deleting, stopping, ends
 * of replies, logging out. A file in the data folder takes it. When a write finds no room, the file
 * is cut to nothing, and from then on only jobs that ask for it are done (tt_db_job_use_reserve),
 * until there is room for the file again. One per process. Thread: any. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Makes the file, or takes the one that is there. A disk with less room than `size` keeps a half or
 * less free; the log says so. 0: no reserve, and a file that was there goes. Fails: when the file
 * cannot be opened, "data_dir_failed". */
int tt_disk_reserve_open(const char *path, uint64_t size, struct tt_err *err);
void tt_disk_reserve_close(void); /* the file stays */

/* After a write found no room. True if there is room now that was not there. */
bool tt_disk_reserve_give_back(void);

/* Whether the reserve was given back and cannot be taken anew yet, which is tried once a second. */
bool tt_disk_is_full(void);
