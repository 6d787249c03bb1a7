/* A worker: one thread with its loop, dispatcher and listeners, upstream client, database reader
 * and script states. Workers share nothing but what app.h holds. */
#pragma once
#include "app/app.h"
#include "node/relay.h"
#include "serve/dispatch.h"

#include <pthread.h>

struct tt_worker {
    struct tt_app *app;
    int number;
    pthread_t thread;
    struct tt_loop *loop;
    struct tt_tide tide;
    struct tt_dispatcher dispatcher;
    struct tt_relay relay; /* {0}: there are no other nodes */
    bool running;          /* the thread has started */
};

/* Sets up everything except scripts and listeners. Thread: main, before the worker's own starts. */
int tt_worker_create(struct tt_worker *worker, struct tt_app *app, int number, struct tt_err *err);

/* Opens the public listener; `address` may have port 0 for the first worker. */
int tt_worker_listen(struct tt_worker *worker, const char *address, struct tt_err *err);

/* Opens the private listener, for other nodes. */
int tt_worker_listen_nodes(struct tt_worker *worker, const char *address, struct tt_err *err);

int tt_worker_start(struct tt_worker *worker, struct tt_err *err);

/* Orderly end, from any thread: no new connections, replies may continue within the drain limit,
 * then the loop stops by itself. Join afterwards. */
void tt_worker_stop(struct tt_worker *worker, uint64_t drain_ms);
void tt_worker_join(struct tt_worker *worker);

/* Ends what is left: tasks, connections, replies, its reader. Do this for all workers before the
 * database is closed; then run the loops, so that what was stopped and answered is released.
 * Thread: main. */
void tt_worker_close(struct tt_worker *worker);
void tt_worker_destroy(struct tt_worker *worker);
