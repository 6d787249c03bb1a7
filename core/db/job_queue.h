/* The queue in front of an engine's writer thread: loops push jobs, the thread takes all that wait
 * as one batch and posts the answers back. Bounded in jobs and bytes. Private to db. */
#pragma once
#include "db/job.h"

#include <pthread.h>
#include <semaphore.h>

struct tt_job_queue {
    int batch_max;
    int queue_max;
    pthread_mutex_t mutex; /* guards everything below; never held across I/O */
    sem_t wake;
    struct tt_list jobs;
    size_t bytes;
    bool asleep;
    bool stopping;
    struct tt_db_stats stats; /* wal_size is unused */
};

void tt_job_queue_create(struct tt_job_queue *queue, int batch_max, int queue_max);
void tt_job_queue_destroy(struct tt_job_queue *queue);

/* Fails: "busy" if it is full or stopping; the caller then still owns the job. Thread: any. */
int tt_job_queue_push(struct tt_job_queue *queue, struct tt_db_job *job, struct tt_err *err);

/* Takes what waits, `batch_max` jobs at most; waits if there is nothing. 0: it is stopping and
 * nothing is left. Thread: writer. */
size_t tt_job_queue_take(struct tt_job_queue *queue, struct tt_db_job **batch);

/* Counts jobs that are done, and posts them to their loops: they are the caller's no more.
 * Thread: writer. */
void tt_job_queue_answer(struct tt_job_queue *queue, struct tt_db_job **batch, size_t count,
                         uint64_t commits);

/* Starts a thread that no signal interrupts. Fails: "database_unavailable". */
int tt_db_start_thread(pthread_t *thread, void *(*run)(void *), void *arg, struct tt_err *err);

/* Lets the thread end once nothing is left. Thread: any. */
void tt_job_queue_stop(struct tt_job_queue *queue);
bool tt_job_queue_stopping(struct tt_job_queue *queue);
void tt_job_queue_stats(struct tt_job_queue *queue, struct tt_db_stats *out);
