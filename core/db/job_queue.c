/* The thread takes all queued jobs and never waits for more: the next batch gathers while the last
 * one is committed. It sleeps on a semaphore: a condition variable takes the mutex back as one that
 * others wait for, which costs a system call more per wake. */
#include "db/job_queue.h"

#include <signal.h>

#define BATCH_BYTES (16u << 20)  /* keeps one commit, and the other jobs' wait, short */
#define QUEUE_BYTES (256u << 20) /* memory of all waiting jobs */

void tt_job_queue_create(struct tt_job_queue *queue, int batch_max, int queue_max)
{
    queue->batch_max = batch_max;
    queue->queue_max = queue_max;
    tt_list_init(&queue->jobs);
    pthread_mutex_init(&queue->mutex, NULL);
    sem_init(&queue->wake, 0, 0);
}

void tt_job_queue_destroy(struct tt_job_queue *queue)
{
    pthread_mutex_destroy(&queue->mutex);
    sem_destroy(&queue->wake);
}

/* ---- for other threads ---- */

static void deliver(struct tt_mail *mail)
{
    struct tt_db_job *job = TT_CONTAINER_OF(mail, struct tt_db_job, mail);
    job->on_done(job, job->arg);
    tt_db_job_free(job);
}

int tt_job_queue_push(struct tt_job_queue *queue, struct tt_db_job *job, struct tt_err *err)
{
    bool wake = false, full;
    job->mail.deliver = deliver;
    pthread_mutex_lock(&queue->mutex);
    full =
        queue->stopping || queue->stats.waiting >= queue->queue_max || queue->bytes > QUEUE_BYTES;
    if (!full) {
        tt_list_push_back(&queue->jobs, &job->node);
        queue->stats.waiting++;
        queue->bytes += job->arena.used;
        wake = queue->asleep;
        queue->asleep = false; /* one post is enough */
    }
    pthread_mutex_unlock(&queue->mutex);
    if (full)
        return tt_err_set(err, 503, "busy", "the database writer's queue is full");
    if (wake)
        sem_post(&queue->wake);
    return 0;
}

void tt_job_queue_stats(struct tt_job_queue *queue, struct tt_db_stats *out)
{
    pthread_mutex_lock(&queue->mutex);
    *out = queue->stats;
    pthread_mutex_unlock(&queue->mutex);
}

void tt_job_queue_stop(struct tt_job_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->stopping = true;
    pthread_mutex_unlock(&queue->mutex);
    sem_post(&queue->wake);
}

bool tt_job_queue_stopping(struct tt_job_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool stopping = queue->stopping;
    pthread_mutex_unlock(&queue->mutex);
    return stopping;
}

/* ---- the writer's thread ---- */

size_t tt_job_queue_take(struct tt_job_queue *queue, struct tt_db_job **batch)
{
    size_t count = 0, bytes = 0;

    pthread_mutex_lock(&queue->mutex);
    while (tt_list_empty(&queue->jobs) && !queue->stopping) {
        queue->asleep = true;
        pthread_mutex_unlock(&queue->mutex);
        sem_wait(&queue->wake); /* also when it ends for another reason, the loop looks again */
        pthread_mutex_lock(&queue->mutex);
        queue->asleep = false;
    }
    while (count < (size_t)queue->batch_max && bytes < BATCH_BYTES &&
           !tt_list_empty(&queue->jobs)) {
        struct tt_db_job *job =
            tt_list_entry(tt_list_pop_front(&queue->jobs), struct tt_db_job, node);
        bytes += job->arena.used;
        batch[count++] = job;
    }
    queue->bytes -= bytes;
    queue->stats.waiting -= (int)count;
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

void tt_job_queue_answer(struct tt_job_queue *queue, struct tt_db_job **batch, size_t count,
                         uint64_t commits)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < count; i++)
        failed += batch[i]->error.status != 0;
    pthread_mutex_lock(&queue->mutex);
    queue->stats.jobs += count;
    queue->stats.failed_jobs += failed;
    queue->stats.commits += commits;
    if (count > queue->stats.largest_batch)
        queue->stats.largest_batch = count;
    pthread_mutex_unlock(&queue->mutex);
    for (size_t i = 0; i < count; i++) /* a posted job is no longer ours */
        tt_loop_post(batch[i]->loop, &batch[i]->mail);
}

int tt_db_start_thread(pthread_t *thread, void *(*run)(void *), void *arg, struct tt_err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return tt_err_set(err, 503, "database_unavailable", "thread: errno %d", rc);
    return 0;
}
