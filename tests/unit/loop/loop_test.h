/* What the tests of the loop share: a loop for each test, pipes that are watched, and a trace of
 * what ran. */
#pragma once
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_internal.h"
#include "unit_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

struct pipe_watch {
    struct tt_watch watch;
    int write_fd;
    int calls;
    bool drain;
    bool *freed;
    struct pipe_watch *other;
    void (*action)(struct pipe_watch *self);
};

static char trace[256];

static inline void note(const char *what)
{
    strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
}

static inline int new_loop(void **state)
{
    trace[0] = '\0';
    alarm(30);
    *state = tt_loop_new(NULL);
    return *state ? 0 : -1;
}

static inline int free_loop(void **state)
{
    tt_loop_free(*state);
    alarm(0);
    return 0;
}

static inline void on_pipe(struct tt_watch *watch, uint32_t events)
{
    struct pipe_watch *self = TT_CONTAINER_OF(watch, struct pipe_watch, watch);
    char byte;
    assert_true(events & EPOLLIN);
    self->calls++;
    if (self->drain)
        assert_int_equal(read(watch->fd, &byte, 1), 1);
    if (self->action)
        self->action(self);
}

static inline struct pipe_watch *pipe_new(struct tt_loop *loop, void (*action)(struct pipe_watch *))
{
    struct pipe_watch *self = TT_NEW(struct pipe_watch);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    self->watch.fd = fds[0];
    self->watch.events = EPOLLIN;
    self->watch.on_ready = on_pipe;
    self->write_fd = fds[1];
    self->action = action;
    assert_int_equal(tt_watch_start(loop, &self->watch, NULL), 0);
    return self;
}

static inline void pipe_free(struct pipe_watch *self)
{
    tt_watch_stop(&self->watch);
    close(self->watch.fd);
    close(self->write_fd);
    if (self->freed)
        *self->freed = true;
    free(self);
}

static inline void pipe_fill(struct pipe_watch *self)
{
    assert_int_equal(write(self->write_fd, "x", 1), 1);
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, new_loop, free_loop)
