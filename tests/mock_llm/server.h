/*
 * The event loop's shape: one worker a thread, with its own epoll, timers and connections. conn.c
 * drives one connection, timers.c keeps who waits for when, server.c turns the loop.
 */
#ifndef MOCK_SERVER_H
#define MOCK_SERVER_H

#include "route.h"

#define SCRATCH_SIZE (64u << 10)

struct conn {
    int fd;
    bool readable, peer_closed; /* edge-triggered, so what epoll said is remembered */
    bool busy;                  /* an answer is running */
    bool counted;               /* it is not one of the mock's own pages */
    bool blocked;               /* the socket takes no more for now */
    bool starved;               /* `in` holds no whole request */
    bool sent_continue, queued;
    uint64_t id;
    struct buf in;
    size_t scan;
    struct program *program;
    size_t step, pos, end; /* the step under way, and its bytes that are still to be sent */
    struct buf stamped;    /* a private copy of them when they carry times */
    size_t stamped_from;
    uint64_t due_ns, started_ns, wake_ns;
    size_t timer; /* index in the heap + 1, 0 = none */
    struct conn *next_queued, *next, **link;
};

struct timers {
    struct conn **heap;
    size_t n, cap;
};

struct worker {
    int epoll_fd, listen_fd, timer_fd, stop_fd, spare_fd;
    bool stop;
    uint64_t armed_ns;
    struct timers timers;
    struct conn *conns, *queue_head, **queue_tail;
    struct router router;
    char scratch[SCRATCH_SIZE];
};

uint64_t now_ns(void);

void timers_set(struct timers *t, struct conn *c, uint64_t wake_ns);
void timers_remove(struct timers *t, struct conn *c);

void conn_open(struct worker *w, int fd);
void conn_close(struct worker *w, struct conn *c);
void conn_event(struct worker *w, struct conn *c, uint32_t events);
/* Goes on with whatever can go on: the answer under way, then the next request. */
void conn_serve(struct worker *w, struct conn *c);

/* Has conn_serve called in the next turn of the loop. */
void worker_queue(struct worker *w, struct conn *c);
struct worker *worker_new(int listen_fd, int stop_fd);
void worker_run(struct worker *w);
void worker_free(struct worker *w);

#endif
