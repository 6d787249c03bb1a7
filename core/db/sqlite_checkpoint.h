/* Copies the pages of the write-ahead log into the database file, in a thread with a connection of
 * its own: a commit never waits until the disk has taken the database file, which can last seconds
 * on a busy one. What it cannot do is to make the log short again: a log starts anew only when
 * nothing is left in it, and that needs the writer (tt_writer). Private to db. */
#pragma once
#include "base/err.h"

#include <stdbool.h>

struct tt_checkpointer;

/* Starts the thread for the database file at `path`. Owns: the caller, tt_checkpointer_free. Fails:
 * when the file cannot be opened or there is no thread. Thread: any. */
struct tt_checkpointer *tt_checkpointer_new(const char *path, struct tt_err *err);

/* Ends the thread after the pass that is under way; NULL is fine. */
void tt_checkpointer_free(struct tt_checkpointer *checkpointer);

/* Says that the log has this many pages, after each commit. A pass begins when enough are not
 * copied yet, `soon`, or when nothing more is committed for a second. Never waits. Thread: writer.
 */
void tt_checkpointer_committed(struct tt_checkpointer *checkpointer, int pages, bool soon);

/* Keeps passes from running, so that the writer may copy the rest itself: when there is little of
 * it and no pass runs, or `at_any_cost`, after the pass that runs. False if not held.
 * tt_checkpointer_unhold ends it. Thread: writer. */
bool tt_checkpointer_hold(struct tt_checkpointer *checkpointer, bool at_any_cost);
void tt_checkpointer_unhold(struct tt_checkpointer *checkpointer);
