/* Where scripts spend their time: a thread interrupts those that run, every few milliseconds, and
 * notes the line and the functions that they are in. Nothing of it is there while nobody asks. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define TT_PROFILE_SECONDS_MAX 60

/* Begins a profile of all script threads, which ends by itself. Fails: -1 ("busy": one runs).
 * Thread: one, at any time: that of the admin listener. */
int tt_profile_start(int seconds, struct tt_err *err);

/* Ends it, if one runs, and forgets what it has found. Thread: main, when nobody begins one. */
void tt_profile_stop(void);

/* Appends the members of a JSON object, without its braces: whether one runs, and what the last one
 * has found: functions by their own time, and lines. Thread: any. */
struct tt_json_writer;
void tt_profile_put(struct tt_json_writer *w);
