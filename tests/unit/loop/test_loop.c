/* The turn: what runs when, what must not run any more, and when the next turn may wait. Each test
 * has its own loop and pipes; time is only compared with wide margins. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_internal.h"

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

static void note(const char *what)
{
    strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
}

static int new_loop(void **state)
{
    trace[0] = '\0';
    alarm(30);
    *state = tt_loop_new(NULL);
    return *state ? 0 : -1;
}

static int free_loop(void **state)
{
    tt_loop_free(*state);
    alarm(0);
    return 0;
}

static void on_pipe(struct tt_watch *watch, uint32_t events)
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

static struct pipe_watch *pipe_new(struct tt_loop *loop, void (*action)(struct pipe_watch *))
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

static void pipe_free(struct pipe_watch *self)
{
    tt_watch_stop(&self->watch);
    close(self->watch.fd);
    close(self->write_fd);
    if (self->freed)
        *self->freed = true;
    free(self);
}

static void pipe_fill(struct pipe_watch *self)
{
    assert_int_equal(write(self->write_fd, "x", 1), 1);
}

/* ---- descriptors ---- */

static void test_watch_is_level_triggered(void **state)
{
    struct pipe_watch *p = pipe_new(*state, NULL);
    tt_loop_turn(*state, 0);
    assert_int_equal(p->calls, 0);
    pipe_fill(p);
    tt_loop_turn(*state, 1000);
    tt_loop_turn(*state, 1000);
    assert_int_equal(p->calls, 2);
    p->drain = true;
    tt_loop_turn(*state, 1000);
    tt_loop_turn(*state, 0);
    assert_int_equal(p->calls, 3);
    pipe_free(p);
}

static void free_other(struct pipe_watch *self)
{
    if (self->other)
        pipe_free(self->other);
    self->other = NULL;
}

/* Both are in one batch; whichever comes first frees the other (ASan sees a touch). */
static void test_freed_watch_does_not_fire(void **state)
{
    bool freed_a = false, freed_b = false;
    struct pipe_watch *a = pipe_new(*state, free_other);
    struct pipe_watch *b = pipe_new(*state, free_other);
    a->other = b;
    b->other = a;
    a->freed = &freed_a;
    b->freed = &freed_b;
    pipe_fill(a);
    pipe_fill(b);
    tt_loop_turn(*state, 1000);
    assert_true(freed_a != freed_b);
    struct pipe_watch *left = freed_a ? b : a;
    assert_int_equal(left->calls, 1);
    pipe_free(left);
}

static void stop_other(struct pipe_watch *self)
{
    tt_watch_stop(&self->other->watch);
}

static void test_stopped_watch_does_not_fire(void **state)
{
    struct pipe_watch *a = pipe_new(*state, stop_other);
    struct pipe_watch *b = pipe_new(*state, stop_other);
    a->other = b;
    b->other = a;
    pipe_fill(a);
    pipe_fill(b);
    tt_loop_turn(*state, 1000);
    assert_int_equal(a->calls + b->calls, 1);
    tt_watch_stop(&a->watch); /* once more is harmless */
    tt_watch_stop(&b->watch);
    pipe_free(a);
    pipe_free(b);
}

static struct pipe_watch *replacement;
static struct tt_loop *replacement_loop;

/* Closes the other's fds, which the new pipe then gets. */
static void replace_other(struct pipe_watch *self)
{
    if (!self->other)
        return;
    self->other->other = NULL;
    pipe_free(self->other);
    self->other = NULL;
    replacement = pipe_new(replacement_loop, NULL);
}

static void test_reused_fd_gets_no_stale_event(void **state)
{
    bool freed_a = false, freed_b = false;
    struct pipe_watch *a = pipe_new(*state, replace_other);
    struct pipe_watch *b = pipe_new(*state, replace_other);
    replacement_loop = *state;
    a->other = b;
    b->other = a;
    a->freed = &freed_a;
    b->freed = &freed_b;
    pipe_fill(a);
    pipe_fill(b);
    tt_loop_turn(*state, 1000);
    assert_true(freed_a != freed_b);
    assert_int_equal(replacement->calls, 0);
    pipe_fill(replacement);
    tt_loop_turn(*state, 1000);
    assert_int_equal(replacement->calls, 1);
    pipe_free(replacement);
    pipe_free(freed_a ? b : a);
}

static void test_watch_frees_itself(void **state)
{
    bool freed = false;
    struct pipe_watch *p = pipe_new(*state, pipe_free);
    p->freed = &freed;
    pipe_fill(p);
    tt_loop_turn(*state, 1000);
    assert_true(freed);
    tt_loop_turn(*state, 0);
}

static void mute_other(struct pipe_watch *self)
{
    assert_int_equal(tt_watch_update(&self->other->watch, 0), 0);
}

static void test_update_counts_in_the_same_batch(void **state)
{
    struct pipe_watch *a = pipe_new(*state, mute_other);
    struct pipe_watch *b = pipe_new(*state, mute_other);
    a->other = b;
    b->other = a;
    pipe_fill(a);
    pipe_fill(b);
    tt_loop_turn(*state, 1000);
    assert_int_equal(a->calls + b->calls, 1);
    struct pipe_watch *muted = a->calls ? b : a;
    tt_watch_stop(&muted->other->watch);
    tt_loop_turn(*state, 0);
    assert_int_equal(muted->calls, 0);
    muted->action = NULL;
    assert_int_equal(tt_watch_update(&muted->watch, EPOLLIN), 0);
    tt_loop_turn(*state, 1000);
    assert_int_equal(muted->calls, 1);
    pipe_free(a);
    pipe_free(b);
}

static void test_edge_triggered_update_rearms(void **state)
{
    struct pipe_watch *p = pipe_new(*state, NULL);
    assert_int_equal(tt_watch_update(&p->watch, EPOLLIN | EPOLLET), 0);
    pipe_fill(p);
    tt_loop_turn(*state, 1000);
    tt_loop_turn(*state, 0);
    assert_int_equal(p->calls, 1);
    assert_int_equal(tt_watch_update(&p->watch, EPOLLIN | EPOLLET), 0);
    tt_loop_turn(*state, 0);
    assert_int_equal(p->calls, 2);
    pipe_free(p);
}

static void test_watch_errors(void **state)
{
    struct tt_err err = {0};
    struct tt_watch bad = {.fd = -1, .events = EPOLLIN};
    struct pipe_watch *p = pipe_new(*state, NULL);
    assert_int_equal(tt_watch_start(*state, &bad, &err), -1);
    assert_string_equal(err.code, "watch_failed");
    assert_null(bad.loop);
    tt_watch_stop(&bad);
    assert_int_equal(tt_watch_update(&bad, EPOLLIN), -1);
    assert_int_equal(tt_watch_start(*state, &p->watch, &err), -1);
    pipe_free(p);
}

static void test_more_events_than_a_batch(void **state)
{
    enum { MANY = TT_LOOP_BATCH + 50 };
    static struct pipe_watch *pipes[MANY];
    for (int i = 0; i < MANY; i++) {
        pipes[i] = pipe_new(*state, NULL);
        pipes[i]->drain = true;
        pipe_fill(pipes[i]);
    }
    tt_loop_turn(*state, 1000);
    tt_loop_turn(*state, 1000);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(pipes[i]->calls, 1);
        pipe_free(pipes[i]);
    }
}

/* ---- ready list ---- */

struct work {
    struct tt_deferred deferred;
    struct tt_loop *loop;
    const char *name;
    int runs;
    int again; /* times that it defers itself */
    struct work *victim;
};

static void on_work(struct tt_deferred *deferred)
{
    struct work *self = TT_CONTAINER_OF(deferred, struct work, deferred);
    self->runs++;
    note(self->name);
    if (self->victim)
        tt_loop_undefer(&self->victim->deferred);
    if (self->again-- > 0)
        tt_loop_defer(self->loop, &self->deferred);
}

static struct work work_of(struct tt_loop *loop, const char *name)
{
    return (struct work){.deferred = {.run = on_work}, .loop = loop, .name = name};
}

static void test_deferred_runs_once_in_order(void **state)
{
    struct work a = work_of(*state, "a"), b = work_of(*state, "b");
    tt_loop_defer(*state, &a.deferred);
    tt_loop_defer(*state, &b.deferred);
    tt_loop_defer(*state, &a.deferred);
    assert_int_equal(a.runs, 0);
    tt_loop_turn(*state, -1); /* does not wait */
    tt_loop_turn(*state, 0);
    assert_string_equal(trace, "ab");
}

static void test_deferred_meanwhile_runs_in_the_same_turn(void **state)
{
    struct work a = work_of(*state, "a"), b = work_of(*state, "b");
    a.again = 2;
    tt_loop_defer(*state, &a.deferred);
    tt_loop_defer(*state, &b.deferred);
    tt_loop_turn(*state, -1);
    assert_string_equal(trace, "abaa");
}

static void test_endless_work_gives_way(void **state)
{
    struct work a = work_of(*state, "");
    struct pipe_watch *p = pipe_new(*state, NULL);
    a.again = 1000000;
    tt_loop_defer(*state, &a.deferred);
    tt_loop_turn(*state, -1);
    assert_int_equal(a.runs, TT_LOOP_ROUNDS);
    pipe_fill(p);
    tt_loop_turn(*state, -1);
    assert_int_equal(a.runs, 2 * TT_LOOP_ROUNDS);
    assert_int_equal(p->calls, 1);
    pipe_free(p);
    tt_loop_undefer(&a.deferred);
}

static void test_undefer(void **state)
{
    struct work a = work_of(*state, "a"), b = work_of(*state, "b"), c = work_of(*state, "c");
    a.victim = &b; /* it is on the list that runs */
    tt_loop_undefer(&a.deferred);
    tt_loop_defer(*state, &a.deferred);
    tt_loop_defer(*state, &b.deferred);
    tt_loop_defer(*state, &c.deferred);
    tt_loop_turn(*state, -1);
    assert_string_equal(trace, "ac");
}

/* ---- hooks ---- */

struct test_hook {
    struct tt_hook hook;
    const char *name;
    struct tt_hook *unhook;
    struct tt_hook *add;
    struct tt_loop *loop;
    struct work *work;
};

static void on_hook(struct tt_hook *hook)
{
    struct test_hook *self = TT_CONTAINER_OF(hook, struct test_hook, hook);
    note(self->name);
    if (self->unhook)
        tt_loop_unhook(self->unhook);
    if (self->add)
        tt_loop_hook(self->loop, self->add);
    if (self->work)
        tt_loop_defer(self->loop, &self->work->deferred);
    self->work = NULL;
}

static struct test_hook hook_of(struct tt_loop *loop, const char *name, int rank)
{
    return (struct test_hook){
        .hook = {.rank = rank, .on_turn_end = on_hook}, .name = name, .loop = loop};
}

static void test_hooks_by_rank_then_age(void **state)
{
    struct test_hook http = hook_of(*state, "h", TT_RANK_HTTP);
    struct test_hook llm = hook_of(*state, "l", TT_RANK_LLM);
    struct test_hook one = hook_of(*state, "1", TT_RANK_STREAM);
    struct test_hook two = hook_of(*state, "2", TT_RANK_STREAM);
    tt_loop_hook(*state, &http.hook);
    tt_loop_hook(*state, &one.hook);
    tt_loop_hook(*state, &llm.hook);
    tt_loop_hook(*state, &two.hook);
    tt_loop_hook(*state, &one.hook); /* changes nothing */
    tt_loop_turn(*state, 0);
    tt_loop_turn(*state, 0);
    assert_string_equal(trace, "l12hl12h");
}

static void test_hooks_unhook_in_the_walk(void **state)
{
    struct test_hook a = hook_of(*state, "a", 1), b = hook_of(*state, "b", 2);
    struct test_hook c = hook_of(*state, "c", 3), d = hook_of(*state, "d", 4);
    tt_loop_hook(*state, &a.hook);
    tt_loop_hook(*state, &b.hook);
    tt_loop_hook(*state, &c.hook);
    tt_loop_hook(*state, &d.hook);
    a.unhook = &b.hook; /* the next */
    c.unhook = &c.hook; /* itself */
    d.unhook = &a.hook; /* one that ran */
    tt_loop_turn(*state, 0);
    tt_loop_turn(*state, 0);
    assert_string_equal(trace, "acdd");
}

static void test_hooks_added_in_the_walk(void **state)
{
    struct test_hook a = hook_of(*state, "a", 5), b = hook_of(*state, "b", 5);
    struct test_hook c = hook_of(*state, "c", 1), z = hook_of(*state, "z", 9);
    tt_loop_hook(*state, &a.hook);
    tt_loop_hook(*state, &z.hook);
    a.add = &b.hook; /* still to come in this turn */
    z.add = &c.hook; /* too late for this one */
    tt_loop_turn(*state, 0);
    assert_string_equal(trace, "abz");
    tt_loop_turn(*state, 0);
    assert_string_equal(trace, "abzcabz");
}

static void test_work_of_a_hook_is_for_the_next_turn(void **state)
{
    struct work work = work_of(*state, "w");
    struct test_hook hook = hook_of(*state, "h", 1);
    hook.work = &work;
    tt_loop_hook(*state, &hook.hook);
    tt_loop_turn(*state, 0);
    assert_string_equal(trace, "h");
    tt_loop_turn(*state, -1); /* does not wait */
    assert_string_equal(trace, "hwh");
}

/* ---- the turn ---- */

struct order {
    struct tt_watch watch;
    struct tt_mail mail;
    struct tt_timer timer;
    struct work work;
    struct test_hook hook;
};

static void order_io(struct tt_watch *watch, uint32_t events)
{
    struct order *order = TT_CONTAINER_OF(watch, struct order, watch);
    (void)events;
    note("i");
    tt_loop_defer(order->work.loop, &order->work.deferred);
    tt_loop_post(order->work.loop, &order->mail);
    tt_timer_start(order->work.loop, &order->timer, 0);
    tt_watch_stop(watch);
}

static void order_mail(struct tt_mail *mail)
{
    (void)mail;
    note("m");
}

static void order_timer(struct tt_timer *timer)
{
    (void)timer;
    note("t");
}

static void test_order_of_a_turn(void **state)
{
    struct pipe_watch *p = pipe_new(*state, NULL);
    struct order order = {.work = work_of(*state, "w"), .hook = hook_of(*state, "h", 1)};
    tt_watch_stop(&p->watch);
    order.watch = (struct tt_watch){.fd = p->watch.fd, .events = EPOLLIN, .on_ready = order_io};
    order.mail.deliver = order_mail;
    order.timer.on_due = order_timer;
    tt_loop_hook(*state, &order.hook.hook);
    assert_int_equal(tt_watch_start(*state, &order.watch, NULL), 0);
    pipe_fill(p);
    tt_loop_turn(*state, 1000);
    if (!strchr(trace, 't')) /* the clock went on by a ms inside the turn */
        assert_string_equal(trace, "imwh");
    else
        assert_string_equal(trace, "imtwh");
    tt_timer_stop(&order.timer);
    pipe_free(p);
}

static double ms_of_turn(struct tt_loop *loop, int max_wait_ms)
{
    uint64_t start = tt_clock_mono_ns();
    tt_loop_turn(loop, max_wait_ms);
    return (double)(tt_clock_mono_ns() - start) / 1e6;
}

static void test_wait_and_again(void **state)
{
    double took = ms_of_turn(*state, 40);
    assert_true(took >= 40 && took < 5000);
    tt_loop_again(*state);
    assert_true(ms_of_turn(*state, 5000) < 2500);
    took = ms_of_turn(*state, 40); /* asked once, not for ever */
    assert_true(took >= 40);
}

static void test_now_is_read_once_a_turn(void **state)
{
    uint64_t before = tt_loop_now(*state);
    usleep(20000);
    assert_true(tt_loop_now(*state) == before);
    tt_loop_turn(*state, 30);
    assert_true(tt_loop_now(*state) >= before + 50); /* read after the wait */
}

static void on_signal(int number)
{
    (void)number;
}

static void test_signal_ends_the_wait_quietly(void **state)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval timer = {.it_value = {.tv_usec = 30000}};
    alarm(0); /* shares the timer */
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    assert_true(ms_of_turn(*state, 5000) < 4000);
    action.sa_handler = SIG_DFL;
    sigaction(SIGALRM, &action, NULL);
}

static void test_stop_before_run(void **state)
{
    tt_loop_stop(*state);
    tt_loop_turn(*state, -1); /* does not wait; eats the signal, not the stop */
    tt_loop_run(*state);
}

static void *stop_soon(void *loop)
{
    usleep(30000);
    tt_loop_stop(loop);
    return NULL;
}

static void test_stop_from_another_thread(void **state)
{
    for (int i = 0; i < 2; i++) { /* it can run again */
        pthread_t thread;
        uint64_t start = tt_clock_mono_ms();
        assert_int_equal(pthread_create(&thread, NULL, stop_soon, *state), 0);
        tt_loop_run(*state);
        assert_true(tt_clock_mono_ms() >= start + 29);
        pthread_join(thread, NULL);
    }
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, new_loop, free_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_watch_is_level_triggered),
        LOOP_TEST(test_freed_watch_does_not_fire),
        LOOP_TEST(test_stopped_watch_does_not_fire),
        LOOP_TEST(test_reused_fd_gets_no_stale_event),
        LOOP_TEST(test_watch_frees_itself),
        LOOP_TEST(test_update_counts_in_the_same_batch),
        LOOP_TEST(test_edge_triggered_update_rearms),
        LOOP_TEST(test_watch_errors),
        LOOP_TEST(test_more_events_than_a_batch),
        LOOP_TEST(test_deferred_runs_once_in_order),
        LOOP_TEST(test_deferred_meanwhile_runs_in_the_same_turn),
        LOOP_TEST(test_endless_work_gives_way),
        LOOP_TEST(test_undefer),
        LOOP_TEST(test_hooks_by_rank_then_age),
        LOOP_TEST(test_hooks_unhook_in_the_walk),
        LOOP_TEST(test_hooks_added_in_the_walk),
        LOOP_TEST(test_work_of_a_hook_is_for_the_next_turn),
        LOOP_TEST(test_order_of_a_turn),
        LOOP_TEST(test_wait_and_again),
        LOOP_TEST(test_now_is_read_once_a_turn),
        LOOP_TEST(test_signal_ends_the_wait_quietly),
        LOOP_TEST(test_stop_before_run),
        LOOP_TEST(test_stop_from_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
