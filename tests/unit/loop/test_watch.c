/* Watched descriptors: what fires, what must not fire any more, and what an update changes. */
#include "loop_test.h"

static void test_watch_is_level_triggered(void **state)
{
    struct pipe_watch *p = pipe_new(*state, NULL);
    tt_loop_tick(*state, 0);
    assert_int_equal(p->calls, 0);
    pipe_fill(p);
    tt_loop_tick(*state, 1000);
    tt_loop_tick(*state, 1000);
    assert_int_equal(p->calls, 2);
    p->drain = true;
    tt_loop_tick(*state, 1000);
    tt_loop_tick(*state, 0);
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
    tt_loop_tick(*state, 1000);
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
    tt_loop_tick(*state, 1000);
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
    tt_loop_tick(*state, 1000);
    assert_true(freed_a != freed_b);
    assert_int_equal(replacement->calls, 0);
    pipe_fill(replacement);
    tt_loop_tick(*state, 1000);
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
    tt_loop_tick(*state, 1000);
    assert_true(freed);
    tt_loop_tick(*state, 0);
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
    tt_loop_tick(*state, 1000);
    assert_int_equal(a->calls + b->calls, 1);
    struct pipe_watch *muted = a->calls ? b : a;
    tt_watch_stop(&muted->other->watch);
    tt_loop_tick(*state, 0);
    assert_int_equal(muted->calls, 0);
    muted->action = NULL;
    assert_int_equal(tt_watch_update(&muted->watch, EPOLLIN), 0);
    tt_loop_tick(*state, 1000);
    assert_int_equal(muted->calls, 1);
    pipe_free(a);
    pipe_free(b);
}

static void test_edge_triggered_update_rearms(void **state)
{
    struct pipe_watch *p = pipe_new(*state, NULL);
    assert_int_equal(tt_watch_update(&p->watch, EPOLLIN | EPOLLET), 0);
    pipe_fill(p);
    tt_loop_tick(*state, 1000);
    tt_loop_tick(*state, 0);
    assert_int_equal(p->calls, 1);
    assert_int_equal(tt_watch_update(&p->watch, EPOLLIN | EPOLLET), 0);
    tt_loop_tick(*state, 0);
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
    tt_loop_tick(*state, 1000);
    tt_loop_tick(*state, 1000);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(pipes[i]->calls, 1);
        pipe_free(pipes[i]);
    }
}

TEST_GROUP
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
