/* A small pool of threads for blocking work: DNS, Argon2, files, text extraction, long reads. A job
 * runs there and is delivered back to the loop that submitted it. Users take turns (fair_queue.h).
 * The queue is bounded: a full queue refuses at once, so that a flood of expensive work is answered
 * with 503 and does not pile up. */
#pragma once
#include "loop/loop.h"

struct tt_aux;

/* `name` appears in thread names; `threads` >= 1; `queue_max` jobs may wait. One owner has at most
 * half of either. Owns: the caller. */
struct tt_aux *tt_aux_new(const char *name, int threads, int queue_max, struct tt_err *err);

/* Cancels what runs and lets it end, drops what waits undelivered (see `drop`), joins the threads.
 * Call it before tt_loop_free of the loops that submitted: running jobs still post to them. */
void tt_aux_free(struct tt_aux *aux);

/* The same for a pool of jobs without `done`, which may block for longer than an end may take: what
 * still runs after `ms` is left alone with the pool's memory, because the process ends. */
void tt_aux_free_within(struct tt_aux *aux, unsigned ms);

struct tt_aux_job {
    struct tt_mail mail;                  /* internal */
    struct tt_loop *loop;                 /* internal */
    bool cancelled;                       /* internal, see tt_aux_cancel */
    uint64_t owner;                       /* whose turn it takes: a user; 0 = the server's own */
    bool first;                           /* before jobs that are not; has room in a full queue */
    void (*run)(struct tt_aux_job *job);  /* aux thread */
    void (*done)(struct tt_aux_job *job); /* loop thread, always called after a submit that
                                           * returned 0, also when cancelled; frees the job.
                                           * NULL: the job is run's own, which may free it */
    void (*drop)(struct tt_aux_job *job); /* optional; tt_aux_free calls it, on its own thread,
                                           * for a job that will never run; frees the job */
};
/* -1 with code "busy" (503) when the queue is full, or the owner's part of it. Thread: loop. */
int tt_aux_submit(struct tt_aux *aux, struct tt_loop *loop, struct tt_aux_job *job,
                  struct tt_err *err);

/* A cancelled job still calls `done`; `run` is skipped if it has not begun. `done` calls
 * tt_aux_cancelled to find out that nobody waits. Thread: the submitting loop. */
void tt_aux_cancel(struct tt_aux_job *job);
bool tt_aux_cancelled(const struct tt_aux_job *job);

int tt_aux_waiting(struct tt_aux *aux); /* jobs in the queue; any thread */
/* Jobs that wait or run, or whose answer is not posted yet. Thread: any. */
int tt_aux_busy(struct tt_aux *aux);
