/* Timers: never early, in order, and indifferent to what callbacks do with them. A random run is
 * compared with a plain list. */
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_internal.h"
#include "unit_test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct test_timer {
    struct tt_timer timer;
    struct tt_loop *loop;
    char name;
    int runs;
    uint64_t due_ms; /* kept here, since the timer's own is 0 in the callback */
    uint64_t ran_ns;
    struct test_timer *other;
    void (*action)(struct test_timer *self);
};

static char trace[64];
static uint64_t last_due_ms;
static bool out_of_order;

static int new_loop(void **state)
{
    memset(trace, 0, sizeof(trace));
    last_due_ms = 0;
    out_of_order = false;
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

static void on_due(struct tt_timer *timer)
{
    struct test_timer *self = TT_CONTAINER_OF(timer, struct test_timer, timer);
    size_t len = strlen(trace);
    if (len < sizeof(trace) - 1)
        trace[len] = self->name;
    assert_true(timer->due_ms == 0);
    out_of_order |= self->due_ms < last_due_ms;
    last_due_ms = self->due_ms;
    self->runs++;
    self->ran_ns = tt_clock_mono_ns();
    if (self->action)
        self->action(self);
}

static struct test_timer timer_of(struct tt_loop *loop, char name)
{
    return (struct test_timer){.timer = {.on_due = on_due}, .loop = loop, .name = name};
}

static void start(struct test_timer *self, uint64_t delay_ms)
{
    tt_timer_start(self->loop, &self->timer, delay_ms);
    self->due_ms = self->timer.due_ms;
}

static void turn_until(struct tt_loop *loop, const int *runs, int wanted)
{
    for (int i = 0; i < 1000 && *runs < wanted; i++)
        tt_loop_tick(loop, 1000);
    assert_int_equal(*runs, wanted);
}

static void test_due_in_order(void **state)
{
    struct test_timer a = timer_of(*state, 'a'), b = timer_of(*state, 'b');
    struct test_timer c = timer_of(*state, 'c'), d = timer_of(*state, 'd');
    start(&d, 20);
    start(&a, 1);
    start(&c, 10);
    start(&b, 5);
    usleep(30000); /* all due in one tick */
    tt_loop_tick(*state, 0);
    assert_string_equal(trace, "abcd");
}

static void test_equal_times_in_order_of_starting(void **state)
{
    struct test_timer timers[20];
    char expected[21] = "";
    for (int i = 0; i < 20; i++) {
        timers[i] = timer_of(*state, (char)('a' + i));
        expected[i] = (char)('a' + i);
    }
    uint64_t due;
    do { /* all within one ms; starting anew moves */
        start(&timers[0], 5);
        due = timers[0].due_ms;
        for (int i = 1; i < 20; i++)
            start(&timers[i], 5);
    } while (timers[19].due_ms != due);
    usleep(10000);
    tt_loop_tick(*state, 0);
    assert_string_equal(trace, expected);
}

static void test_never_early_and_no_spinning(void **state)
{
    for (uint64_t delay = 1; delay <= 15; delay++) {
        struct test_timer t = timer_of(*state, 't');
        int turns = 0;
        usleep(137); /* another part of the ms each time */
        uint64_t begin = tt_clock_mono_ns();
        start(&t, delay);
        for (; !t.runs; turns++)
            tt_loop_tick(*state, -1);
        assert_true(t.ran_ns - begin >= delay * 1000000);
        assert_true(turns <= 2);
    }
}

/* Other work turns the loop all the time, so that rounding of the wait does not help. */
static void test_never_early_on_a_busy_loop(void **state)
{
    for (uint64_t delay = 1; delay <= 10; delay++) {
        struct test_timer t = timer_of(*state, 't');
        usleep(137);
        uint64_t begin = tt_clock_mono_ns();
        start(&t, delay);
        while (!t.runs)
            tt_loop_tick(*state, 0);
        assert_true(t.ran_ns - begin >= delay * 1000000);
    }
}

static void start_again_at_once(struct test_timer *self)
{
    start(self, 0);
}

static void test_restart_at_once_is_for_the_next_turn(void **state)
{
    struct test_timer t = timer_of(*state, 't');
    t.action = start_again_at_once;
    start(&t, 0);
    for (int i = 1; i <= 5; i++) {
        tt_loop_tick(*state, -1);
        assert_int_equal(t.runs, i);
    }
    tt_timer_stop(&t.timer);
}

static void work_then_start_other(struct test_timer *self)
{
    usleep(30000);
    start(self->other, 20);
}

static void test_delay_counts_from_now(void **state)
{
    struct test_timer a = timer_of(*state, 'a'), b = timer_of(*state, 'b');
    a.action = work_then_start_other;
    a.other = &b;
    start(&a, 0);
    uint64_t begin = tt_clock_mono_ns();
    turn_until(*state, &b.runs, 1);
    assert_true(b.ran_ns - begin >= 50 * 1000000);
}

static void stop_other(struct test_timer *self)
{
    tt_timer_stop(&self->other->timer);
}

static void test_stopped_by_another_in_the_same_turn(void **state)
{
    struct test_timer a = timer_of(*state, 'a'), b = timer_of(*state, 'b');
    a.action = stop_other;
    a.other = &b;
    start(&a, 1);
    start(&b, 2);
    usleep(5000);
    tt_loop_tick(*state, 0);
    tt_loop_tick(*state, 10);
    assert_string_equal(trace, "a");
    tt_timer_stop(&b.timer); /* not running: harmless */
}

static void free_self(struct test_timer *self)
{
    ++*(int *)(void *)self->other;
    free(self);
}

static void test_frees_itself(void **state)
{
    int freed = 0;
    struct test_timer *t = TT_NEW(struct test_timer);
    *t = timer_of(*state, 't');
    t->action = free_self;
    t->other = (void *)&freed;
    start(t, 1);
    turn_until(*state, &freed, 1);
    tt_loop_tick(*state, 5);
}

static void test_moved_earlier_and_later(void **state)
{
    struct test_timer a = timer_of(*state, 'a'), b = timer_of(*state, 'b');
    start(&a, 60000);
    start(&b, 5);
    start(&a, 1); /* earlier */
    start(&b, 10);
    turn_until(*state, &b.runs, 1);
    assert_string_equal(trace, "ab");
    start(&a, 1);
    start(&a, 60000); /* later */
    tt_loop_tick(*state, 20);
    assert_int_equal(a.runs, 1);
    tt_timer_stop(&a.timer);
}

static void test_huge_delay(void **state)
{
    struct test_timer t = timer_of(*state, 't'), soon = timer_of(*state, 's');
    start(&t, UINT64_MAX);
    assert_true(t.timer.due_ms == UINT64_MAX);
    start(&soon, 1);
    turn_until(*state, &soon.runs, 1);
    uint64_t begin = tt_clock_mono_ms();
    tt_loop_tick(*state, 20);
    assert_true(tt_clock_mono_ms() - begin >= 19);
    assert_int_equal(t.runs, 0);
    tt_timer_stop(&t.timer);
}

static void test_moves_to_another_loop(void **state)
{
    struct tt_loop *second = tt_loop_new(NULL);
    struct test_timer t = timer_of(*state, 't');
    start(&t, 1);
    t.loop = second;
    start(&t, 1);
    tt_loop_tick(*state, 10);
    assert_int_equal(t.runs, 0);
    turn_until(second, &t.runs, 1);
    tt_loop_free(second);
}

/* Thousands of starts, moves and stops: each left running fires once, none other, in order. */
static void test_random_against_a_list(void **state)
{
    enum { MANY = 3000 };
    struct test_timer *timers = tt_alloc(MANY * sizeof(*timers));
    unsigned seed = 1;
    int running = 0;
    for (int i = 0; i < MANY; i++)
        timers[i] = timer_of(*state, 0);
    for (int i = 0; i < 4 * MANY; i++) {
        struct test_timer *t = &timers[(unsigned)rand_r(&seed) % MANY];
        if (rand_r(&seed) % 4 == 0)
            tt_timer_stop(&t->timer);
        else
            start(t, 200 + (unsigned)rand_r(&seed) % 100);
    }
    for (int i = 0; i < MANY; i++) {
        if (!timers[i].timer.due_ms)
            continue;
        timers[i].name = 1;
        running++;
    }
    assert_int_equal(((struct tt_loop *)*state)->timers.count, running);
    while (((struct tt_loop *)*state)->timers.count > 0)
        tt_loop_tick(*state, -1);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(timers[i].runs, timers[i].name);
    assert_false(out_of_order);
    free(timers);
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, new_loop, free_loop)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_due_in_order),
        LOOP_TEST(test_equal_times_in_order_of_starting),
        LOOP_TEST(test_never_early_and_no_spinning),
        LOOP_TEST(test_never_early_on_a_busy_loop),
        LOOP_TEST(test_restart_at_once_is_for_the_next_turn),
        LOOP_TEST(test_delay_counts_from_now),
        LOOP_TEST(test_stopped_by_another_in_the_same_turn),
        LOOP_TEST(test_frees_itself),
        LOOP_TEST(test_moved_earlier_and_later),
        LOOP_TEST(test_huge_delay),
        LOOP_TEST(test_moves_to_another_loop),
        LOOP_TEST(test_random_against_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
