/* One thread waits once until another has done something: main, for what it has posted to a worker
 * (`tidetalk test` and `repl`). */
#pragma once
#include <pthread.h>
#include <stdbool.h>

struct tt_latch {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool open;
};

static inline void tt_latch_create(struct tt_latch *latch)
{
    pthread_mutex_init(&latch->lock, NULL);
    pthread_cond_init(&latch->opened, NULL);
    latch->open = false;
}

static inline void tt_latch_open(struct tt_latch *latch)
{
    pthread_mutex_lock(&latch->lock);
    latch->open = true;
    pthread_cond_signal(&latch->opened);
    pthread_mutex_unlock(&latch->lock);
}

/* Waits, and destroys the latch. */
static inline void tt_latch_wait(struct tt_latch *latch)
{
    pthread_mutex_lock(&latch->lock);
    while (!latch->open)
        pthread_cond_wait(&latch->opened, &latch->lock);
    pthread_mutex_unlock(&latch->lock);
    pthread_cond_destroy(&latch->opened);
    pthread_mutex_destroy(&latch->lock);
}
