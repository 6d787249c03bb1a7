/*
 * The loop of one worker. Pacing needs better than epoll_wait's millisecond: one timerfd is set to
 * the earliest wake time, and the thread's timer slack is taken away.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_EVENTS 256

uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

void worker_queue(struct worker *w, struct conn *c)
{
    if (c->queued)
        return;
    c->queued = true;
    c->next_queued = NULL;
    *w->queue_tail = c;
    w->queue_tail = &c->next_queued;
}

static int watch(struct worker *w, int fd, uint32_t events, void *tag)
{
    struct epoll_event ev = {events, {.ptr = tag}};

    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

struct worker *worker_new(int listen_fd, int stop_fd)
{
    struct worker *w = mem_alloc(sizeof *w);

    w->queue_tail = &w->queue_head;
    w->listen_fd = listen_fd;
    w->stop_fd = stop_fd;
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (w->epoll_fd < 0 || w->timer_fd < 0 || watch(w, listen_fd, EPOLLIN, &w->listen_fd) ||
        watch(w, stop_fd, EPOLLIN, &w->stop_fd) ||
        watch(w, w->timer_fd, EPOLLIN | EPOLLET, &w->timer_fd)) {
        worker_free(w);
        return NULL;
    }
    return w;
}

static void accept_all(struct worker *w)
{
    for (;;) {
        int fd = accept4(w->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_open(w, fd);
            continue;
        }
        if (errno != EMFILE || w->spare_fd < 0)
            return;
        /* Out of descriptors: without this the listener stays readable and the loop spins. */
        close(w->spare_fd);
        fd = accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
        w->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0) /* EMFILE is also said when nobody waits */
            return;
    }
}

static void arm_timer(struct worker *w)
{
    uint64_t first = w->timers.n ? w->timers.heap[0]->wake_ns : 0;
    struct itimerspec spec = {{0, 0}, {(time_t)(first / 1000000000U), (long)(first % 1000000000U)}};

    if (!first || first == w->armed_ns)
        return;
    timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    w->armed_ns = first;
}

static void run_timers(struct worker *w)
{
    if (!w->timers.n)
        return;
    uint64_t now = now_ns();
    while (w->timers.n && w->timers.heap[0]->wake_ns <= now) {
        struct conn *c = w->timers.heap[0];
        timers_remove(&w->timers, c);
        conn_serve(w, c);
    }
    /* an expired timer that is set to the same time again must be armed again */
    if (w->armed_ns <= now)
        w->armed_ns = 0;
}

/* Only what was queued before this turn; whoever queues again waits for the next one. */
static void run_queue(struct worker *w)
{
    struct conn *last = NULL;

    for (struct conn *c = w->queue_head; c; c = c->next_queued)
        last = c;
    while (w->queue_head && last) {
        struct conn *c = w->queue_head;
        w->queue_head = c->next_queued;
        if (!w->queue_head)
            w->queue_tail = &w->queue_head;
        c->queued = false;
        if (c == last)
            last = NULL;
        conn_serve(w, c);
    }
}

static void handle(struct worker *w, const struct epoll_event *ev)
{
    if (ev->data.ptr == &w->listen_fd)
        accept_all(w);
    else if (ev->data.ptr == &w->stop_fd)
        w->stop = true;
    else if (ev->data.ptr != &w->timer_fd)
        conn_event(w, ev->data.ptr, ev->events);
}

void worker_run(struct worker *w)
{
    struct epoll_event events[MAX_EVENTS];

    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    while (!w->stop) {
        bool queued = w->queue_head != NULL;
        arm_timer(w);
        if (queued)
            sched_yield(); /* a split answer's reader should see the piece alone */
        int n = epoll_wait(w->epoll_fd, events, MAX_EVENTS, queued ? 0 : -1);
        for (int i = 0; i < n; i++)
            handle(w, &events[i]);
        run_timers(w);
        run_queue(w);
    }
}

void worker_free(struct worker *w)
{
    int fds[] = {w->listen_fd, w->epoll_fd, w->timer_fd, w->spare_fd};

    while (w->conns)
        conn_close(w, w->conns);
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    router_free(&w->router);
    free(w->timers.heap);
    free(w);
}
