/* The pool for blocking work: one queue under a mutex, some threads, answers by mail to the loop
 * that submitted. One lock is enough, since every job here costs far more than the lock (20 ms of
 * Argon2, a DNS lookup, a file). The bound is on the queue, so that the refusal comes at once and
 * not after a long wait; nothing is ever dropped silently while the pool lives. There are no
 * priorities and no time limits: work that must not be delayed by other work gets its own pool. */
#include "loop/aux.h"

#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AUX_THREADS_MAX 256

struct tt_aux {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a job is waiting, or closing */
    struct tt_list jobs; /* waiting ones, through mail.node */
    int waiting, running, posting;
    int threads, queue_max;
    bool closing;
    char name[12];
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
static void run_job(struct tt_aux *aux, struct tt_aux_job *job)
{
    bool answer = job->done != NULL;
    if (!answer || !tt_aux_cancelled(job))
        job->run(job);
    pthread_mutex_lock(&aux->lock);
    aux->running--;
    aux->posting++;
    pthread_mutex_unlock(&aux->lock);
    if (answer)
        tt_loop_post(job->loop, &job->mail);
    pthread_mutex_lock(&aux->lock);
    aux->posting--;
    pthread_mutex_unlock(&aux->lock);
}

static void *thread_main(void *arg)
{
    struct tt_aux *aux = arg;
    pthread_mutex_lock(&aux->lock);
    for (;;) {
        while (!aux->closing && aux->waiting == 0)
            pthread_cond_wait(&aux->work, &aux->lock);
        if (aux->closing)
            break;
        struct tt_list *node = tt_list_pop_front(&aux->jobs);
        aux->waiting--;
        aux->running++;
        pthread_mutex_unlock(&aux->lock);
        run_job(aux, tt_list_entry(node, struct tt_aux_job, mail.node));
        pthread_mutex_lock(&aux->lock);
    }
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
        failed = pthread_create(&aux->thread[aux->threads], NULL, thread_main, aux);
        if (failed)
            break;
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

struct tt_aux *tt_aux_new(const char *name, int threads, int queue_max, struct tt_err *err)
{
    if (threads < 1 || threads > AUX_THREADS_MAX || queue_max < 0) {
        tt_err_set(err, 500, "thread_failed", "%s: %d threads, queue of %d", name, threads,
                   queue_max);
        return NULL;
    }
    struct tt_aux *aux = tt_alloc(sizeof(*aux) + (size_t)threads * sizeof(aux->thread[0]));
    pthread_mutex_init(&aux->lock, NULL);
    pthread_cond_init(&aux->work, NULL);
    tt_list_init(&aux->jobs);
    aux->queue_max = queue_max;
    snprintf(aux->name, sizeof(aux->name), "%s", name);
    if (start_threads(aux, threads, err) != 0) {
        tt_aux_free(aux);
        return NULL;
    }
    return aux;
}

void tt_aux_free(struct tt_aux *aux)
{
    struct tt_list *node;
    if (!aux)
        return;
    pthread_mutex_lock(&aux->lock);
    aux->closing = true;
    pthread_cond_broadcast(&aux->work);
    pthread_mutex_unlock(&aux->lock);
    for (int i = 0; i < aux->threads; i++)
        pthread_join(aux->thread[i], NULL);
    while ((node = tt_list_pop_front(&aux->jobs))) {
        struct tt_aux_job *job = tt_list_entry(node, struct tt_aux_job, mail.node);
        if (job->drop)
            job->drop(job);
    }
    pthread_cond_destroy(&aux->work);
    pthread_mutex_destroy(&aux->lock);
    free(aux);
}

/* A free thread's next job is not a waiting one: with n threads and a queue of m, job n + m + 1 is
 * the first refused, however the threads are scheduled. */
int tt_aux_submit(struct tt_aux *aux, struct tt_loop *loop, struct tt_aux_job *job,
                  struct tt_err *err)
{
    int status = 0;
    pthread_mutex_lock(&aux->lock);
    if (aux->closing || aux->waiting + aux->running >= aux->threads + aux->queue_max) {
        status = tt_err_set(err, 503, "busy", "%s: %d jobs are waiting", aux->name, aux->waiting);
    } else {
        job->loop = loop;
        job->cancelled = false;
        job->mail.deliver = deliver;
        tt_list_push_back(&aux->jobs, &job->mail.node);
        aux->waiting++;
        pthread_cond_signal(&aux->work);
    }
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
    int waiting = aux->waiting;
    pthread_mutex_unlock(&aux->lock);
    return waiting;
}

int tt_aux_busy(struct tt_aux *aux)
{
    pthread_mutex_lock(&aux->lock);
    int busy = aux->waiting + aux->running + aux->posting;
    pthread_mutex_unlock(&aux->lock);
    return busy;
}
