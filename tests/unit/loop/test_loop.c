/* The tick: what runs when, and when the next tick may wait. Each test has its own loop and pipes;
 * time is only compared with wide margins. */
#include "loop_test.h"

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
    tt_loop_tick(*state, -1); /* does not wait */
    tt_loop_tick(*state, 0);
    assert_string_equal(trace, "ab");
}

static void test_deferred_meanwhile_runs_in_the_same_turn(void **state)
{
    struct work a = work_of(*state, "a"), b = work_of(*state, "b");
    a.again = 2;
    tt_loop_defer(*state, &a.deferred);
    tt_loop_defer(*state, &b.deferred);
    tt_loop_tick(*state, -1);
    assert_string_equal(trace, "abaa");
}

static void test_endless_work_gives_way(void **state)
{
    struct work a = work_of(*state, "");
    struct pipe_watch *p = pipe_new(*state, NULL);
    a.again = 1000000;
    tt_loop_defer(*state, &a.deferred);
    tt_loop_tick(*state, -1);
    assert_int_equal(a.runs, TT_LOOP_ROUNDS);
    pipe_fill(p);
    tt_loop_tick(*state, -1);
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
    tt_loop_tick(*state, -1);
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
        .hook = {.rank = rank, .on_tick_end = on_hook}, .name = name, .loop = loop};
}

static void test_hooks_by_rank_then_age(void **state)
{
    struct test_hook http = hook_of(*state, "h", TT_RANK_HTTP);
    struct test_hook llm = hook_of(*state, "l", TT_RANK_REPLY);
    struct test_hook one = hook_of(*state, "1", TT_RANK_STREAM);
    struct test_hook two = hook_of(*state, "2", TT_RANK_STREAM);
    tt_loop_hook(*state, &http.hook);
    tt_loop_hook(*state, &one.hook);
    tt_loop_hook(*state, &llm.hook);
    tt_loop_hook(*state, &two.hook);
    tt_loop_hook(*state, &one.hook); /* changes nothing */
    tt_loop_tick(*state, 0);
    tt_loop_tick(*state, 0);
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
    tt_loop_tick(*state, 0);
    tt_loop_tick(*state, 0);
    assert_string_equal(trace, "acdd");
}

static void test_hooks_added_in_the_walk(void **state)
{
    struct test_hook a = hook_of(*state, "a", 5), b = hook_of(*state, "b", 5);
    struct test_hook c = hook_of(*state, "c", 1), z = hook_of(*state, "z", 9);
    tt_loop_hook(*state, &a.hook);
    tt_loop_hook(*state, &z.hook);
    a.add = &b.hook; /* still to come in this tick */
    z.add = &c.hook; /* too late for this one */
    tt_loop_tick(*state, 0);
    assert_string_equal(trace, "abz");
    tt_loop_tick(*state, 0);
    assert_string_equal(trace, "abzcabz");
}

static void test_work_of_a_hook_is_for_the_next_turn(void **state)
{
    struct work work = work_of(*state, "w");
    struct test_hook hook = hook_of(*state, "h", 1);
    hook.work = &work;
    tt_loop_hook(*state, &hook.hook);
    tt_loop_tick(*state, 0);
    assert_string_equal(trace, "h");
    tt_loop_tick(*state, -1); /* does not wait */
    assert_string_equal(trace, "hwh");
}

/* ---- the tick ---- */

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
    tt_loop_tick(*state, 1000);
    if (!strchr(trace, 't')) /* the clock went on by a ms inside the tick */
        assert_string_equal(trace, "imwh");
    else
        assert_string_equal(trace, "imtwh");
    tt_timer_stop(&order.timer);
    pipe_free(p);
}

#define LONG_MS 20000 /* a wait that must not last to its end */

static double ms_of_turn(struct tt_loop *loop, int max_wait_ms)
{
    uint64_t start = tt_clock_mono_ns();
    tt_loop_tick(loop, max_wait_ms);
    return (double)(tt_clock_mono_ns() - start) / 1e6;
}

static void test_wait_and_again(void **state)
{
    assert_true(ms_of_turn(*state, 40) >= 40);
    tt_loop_again(*state);
    assert_true(ms_of_turn(*state, LONG_MS) < LONG_MS);
    assert_true(ms_of_turn(*state, 40) >= 40); /* asked once, not for ever */
}

static void test_now_is_read_once_a_turn(void **state)
{
    uint64_t before = tt_loop_now(*state);
    usleep(20000);
    assert_true(tt_loop_now(*state) == before);
    tt_loop_tick(*state, 30);
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
    assert_true(ms_of_turn(*state, LONG_MS) < LONG_MS);
    action.sa_handler = SIG_DFL;
    sigaction(SIGALRM, &action, NULL);
}

static void test_stop_before_run(void **state)
{
    tt_loop_stop(*state);
    tt_loop_tick(*state, -1); /* does not wait; eats the signal, not the stop */
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

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
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
