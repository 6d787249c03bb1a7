/* The pool for blocking work: one fair queue under a mutex, some threads, answers by mail to the
 * loop that submitted. One lock is enough, since every job here costs far more than the lock (20 ms
 * of Argon2, a DNS lookup, a file). The bound is on the queue, so that the refusal comes at once
 * and not after a long wait; nothing is ever dropped silently while the pool lives. There are no
 * time limits: work that must not be delayed by another kind of work gets its own pool. */
#include "loop/aux.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/fair_queue.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AUX_THREADS_MAX 256

struct tt_aux {
    pthread_mutex_t lock;
    pthread_cond_t work;       /* a job is waiting, or closing */
    struct tt_fair_queue jobs; /* waiting ones, through mail.node */
    int running, posting;
    int threads, queue_max;
    bool closing;
    char name[12];
    struct tt_aux_job **current; /* [threads]: what runs there and has a `done` */
    int alive;                   /* threads that have not ended */
    pthread_cond_t ended;
    pthread_t thread[];
};

static void deliver(struct tt_mail *mail)
{
    struct tt_aux_job *job = TT_CONTAINER_OF(mail, struct tt_aux_job, mail);
    job->done(job);
}

/* Runs a job and gives the thread back before the answer is posted: a `done` that submits the next
 * job finds the place free. A job without `done` belongs to its run, which may have freed it: it is
 * not looked at after. */
static void run_job(struct tt_aux *aux, int thread, struct tt_aux_job *job,
                    struct tt_fair_lane *lane)
{
    bool answer = job->done != NULL;
    if (!answer || !tt_aux_cancelled(job))
        job->run(job);
    pthread_mutex_lock(&aux->lock);
    aux->current[thread] = NULL;
    tt_fair_queue_done(&aux->jobs, lane);
    aux->running--;
    aux->posting++;
    if (tt_fair_queue_ready(&aux->jobs))
        pthread_cond_signal(&aux->work); /* its owner may run one more */
    pthread_mutex_unlock(&aux->lock);
    if (answer)
        tt_loop_post(job->loop, &job->mail);
    pthread_mutex_lock(&aux->lock);
    aux->posting--;
    pthread_mutex_unlock(&aux->lock);
}

struct thread_start {
    struct tt_aux *aux;
    int number;
};

static void *thread_main(void *arg)
{
    struct thread_start start = *(struct thread_start *)arg;
    struct tt_aux *aux = start.aux;
    free(arg);
    pthread_mutex_lock(&aux->lock);
    for (;;) {
        while (!aux->closing && !tt_fair_queue_ready(&aux->jobs))
            pthread_cond_wait(&aux->work, &aux->lock);
        if (aux->closing)
            break;
        struct tt_fair_lane *lane;
        struct tt_list *node = tt_fair_queue_take(&aux->jobs, &lane);
        struct tt_aux_job *job = tt_list_entry(node, struct tt_aux_job, mail.node);
        aux->running++;
        aux->current[start.number] = job->done ? job : NULL;
        pthread_mutex_unlock(&aux->lock);
        run_job(aux, start.number, job, lane);
        pthread_mutex_lock(&aux->lock);
    }
    aux->alive--;
    pthread_cond_signal(&aux->ended);
    pthread_mutex_unlock(&aux->lock);
    return NULL;
}

/* Threads inherit the mask: no signal may land on one, they are read through signalfd. */
static int start_threads(struct tt_aux *aux, int threads, struct tt_err *err)
{
    sigset_t all, old;
    int failed = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (aux->threads < threads && !failed) {
        char name[16]; /* the kernel's limit */
        struct thread_start *start = TT_NEW(struct thread_start);
        *start = (struct thread_start){aux, aux->threads};
        aux->alive++;
        failed = pthread_create(&aux->thread[aux->threads], NULL, thread_main, start);
        if (failed) {
            aux->alive--;
            free(start);
            break;
        }
        snprintf(name, sizeof(name), "%.10s-%d", aux->name, aux->threads % 1000);
        pthread_setname_np(aux->thread[aux->threads], name);
        aux->threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed)
        return tt_err_set(err, 500, "thread_failed", "%s: pthread_create: %s", aux->name,
                          strerror(failed));
    return 0;
}

static void init_conditions(struct tt_aux *aux)
{
    pthread_condattr_t attributes;
    pthread_cond_init(&aux->work, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&aux->ended, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct tt_aux *tt_aux_new(const char *name, int threads, int queue_max, struct tt_err *err)
{
    if (threads < 1 || threads > AUX_THREADS_MAX || queue_max < 0) {
        tt_err_set(err, 500, "thread_failed", "%s: %d threads, queue of %d", name, threads,
                   queue_max);
        return NULL;
    }
    struct tt_aux *aux = tt_alloc(sizeof(*aux) + (size_t)threads * sizeof(aux->thread[0]));
    pthread_mutex_init(&aux->lock, NULL);
    init_conditions(aux);
    tt_fair_queue_create(&aux->jobs, threads > 1 ? threads / 2 : 1,
                         queue_max > 2 ? queue_max / 2 : 1);
    aux->current = tt_alloc((size_t)threads * sizeof(struct tt_aux_job *));
    aux->queue_max = queue_max;
    snprintf(aux->name, sizeof(aux->name), "%s", name);
    if (start_threads(aux, threads, err) != 0) {
        tt_aux_free(aux);
        return NULL;
    }
    return aux;
}

/* What runs is told that nobody waits for it any more. */
static void close_queue(struct tt_aux *aux)
{
    pthread_mutex_lock(&aux->lock);
    aux->closing = true;
    for (int i = 0; i < aux->threads; i++)
        if (aux->current[i])
            tt_aux_cancel(aux->current[i]);
    pthread_cond_broadcast(&aux->work);
    pthread_mutex_unlock(&aux->lock);
}

/* No thread takes a job any more. */
static void drop_waiting(struct tt_aux *aux)
{
    struct tt_list *node;
    pthread_mutex_lock(&aux->lock);
    while ((node = tt_fair_queue_drain(&aux->jobs))) {
        struct tt_aux_job *job = tt_list_entry(node, struct tt_aux_job, mail.node);
        pthread_mutex_unlock(&aux->lock);
        if (job->drop)
            job->drop(job);
        pthread_mutex_lock(&aux->lock);
    }
    pthread_mutex_unlock(&aux->lock);
}

void tt_aux_free(struct tt_aux *aux)
{
    if (!aux)
        return;
    close_queue(aux);
    for (int i = 0; i < aux->threads; i++)
        pthread_join(aux->thread[i], NULL);
    drop_waiting(aux);
    tt_fair_queue_destroy(&aux->jobs);
    pthread_cond_destroy(&aux->ended);
    pthread_cond_destroy(&aux->work);
    pthread_mutex_destroy(&aux->lock);
    free(aux->current);
    free(aux);
}

void tt_aux_free_within(struct tt_aux *aux, unsigned ms)
{
    uint64_t until = tt_clock_mono_ms() + ms;
    const struct timespec end = {.tv_sec = (time_t)(until / 1000),
                                 .tv_nsec = (long)(until % 1000) * 1000000};
    if (!aux)
        return;
    close_queue(aux);
    pthread_mutex_lock(&aux->lock);
    while (aux->alive > 0 && pthread_cond_timedwait(&aux->ended, &aux->lock, &end) == 0)
        continue;
    bool blocked = aux->alive > 0;
    pthread_mutex_unlock(&aux->lock);
    if (!blocked) {
        tt_aux_free(aux);
        return;
    }
    for (int i = 0; i < aux->threads; i++)
        pthread_detach(aux->thread[i]);
    drop_waiting(aux);
}

/* A free thread's next job is not a waiting one: with n threads and a queue of m, job n + m + 1 is
 * the first refused, however the threads are scheduled. */
int tt_aux_submit(struct tt_aux *aux, struct tt_loop *loop, struct tt_aux_job *job,
                  struct tt_err *err)
{
    int status = 0;
    pthread_mutex_lock(&aux->lock);
    int room = aux->threads + aux->queue_max + (job->first ? aux->queue_max / 4 + 1 : 0);
    job->loop = loop;
    job->cancelled = false;
    job->mail.deliver = deliver;
    if (aux->closing || aux->jobs.waiting + aux->running >= room ||
        !tt_fair_queue_push(&aux->jobs, job->owner, job->first, &job->mail.node))
        status =
            tt_err_set(err, 503, "busy", "%s: %d jobs are waiting", aux->name, aux->jobs.waiting);
    else
        pthread_cond_signal(&aux->work);
    pthread_mutex_unlock(&aux->lock);
    return status;
}

void tt_aux_cancel(struct tt_aux_job *job)
{
    __atomic_store_n(&job->cancelled, true, __ATOMIC_RELEASE);
}

bool tt_aux_cancelled(const struct tt_aux_job *job)
{
    return __atomic_load_n(&job->cancelled, __ATOMIC_ACQUIRE);
}

int tt_aux_waiting(struct tt_aux *aux)
{
    pthread_mutex_lock(&aux->lock);
    int waiting = aux->jobs.waiting;
    pthread_mutex_unlock(&aux->lock);
    return waiting;
}

int tt_aux_busy(struct tt_aux *aux)
{
    pthread_mutex_lock(&aux->lock);
    int busy = aux->jobs.waiting + aux->running + aux->posting;
    pthread_mutex_unlock(&aux->lock);
    return busy;
}
