/* Questions that end early or are shared: cancelled ones, the resolver's own end, several loops. */
#include "resolve_test.h"

/* ---- cancel ---- */

static void test_cancel_before_during_and_after(void **state)
{
    struct ask direct = {0}, waiting = {0}, shared = {0}, arrived = {0}, none = {0};
    (void)state;
    start(&direct, "127.0.0.1", 1);
    tt_resolve_cancel(&direct.resolve);
    tt_resolve_cancel(&direct.resolve);
    tt_resolve_cancel(&none.resolve);

    pthread_mutex_lock(&gate);
    start(&waiting, "slow.test", 1);
    start(&shared, "slow.test", 1);
    tt_resolve_cancel(&waiting.resolve); /* the other one still gets its answer */
    pthread_mutex_unlock(&gate);
    turn_until(&shared.dones, 1);
    assert_int_equal(shared.count, 2);

    start(&arrived, "arrived.test", 1);
    while (tt_resolver_cached(world.resolver) < 2)
        usleep(1000); /* its mail lies in the box, or will in a moment */
    tt_resolve_cancel(&arrived.resolve);
    tt_loop_tick(world.loop, 20);
    tt_loop_tick(world.loop, 20);
    assert_int_equal(direct.dones + waiting.dones + arrived.dones, 0);
}

/* Both answers are in the box when the first is delivered. */
static void test_cancelled_by_another_answer(void **state)
{
    struct ask a = {0}, b = {0};
    (void)state;
    a.cancel = &b;
    b.cancel = &a;
    pthread_mutex_lock(&gate);
    start(&a, "slow.test", 1);
    start(&b, "slow.test", 1);
    pthread_mutex_unlock(&gate);
    while (tt_resolver_cached(world.resolver) < 1)
        usleep(1000);
    for (int i = 0; i < 3; i++)
        tt_loop_tick(world.loop, 20);
    assert_int_equal(a.dones + b.dones, 1);
}

static void test_nobody_waits_any_more(void **state)
{
    struct tt_aux *aux = tt_aux_new("dns", 1, 10, NULL);
    struct tt_resolver *resolver = tt_resolver_new(aux);
    struct ask slow = {.resolve = {.on_done = on_done}}, gone = slow, back = slow;
    (void)state;
    pthread_mutex_lock(&gate);
    tt_resolve_start(resolver, world.loop, &slow.resolve, "slow.test", 1, NULL);
    tt_resolve_start(resolver, world.loop, &gone.resolve, "gone.test", 1, NULL);
    tt_resolve_cancel(&gone.resolve);
    pthread_mutex_unlock(&gate);
    turn_until(&slow.dones, 1);
    tt_resolve_start(resolver, world.loop, &back.resolve, "127.1", 1, NULL);
    turn_until(&back.dones, 1); /* one thread: by now gone.test's tick was over */
    assert_int_equal(atomic_load(&lookups), 2);
    tt_resolve_start(resolver, world.loop, &gone.resolve, "gone.test", 1, NULL);
    turn_until(&gone.dones, 1);
    assert_int_equal(gone.count, 2);
    assert_int_equal(atomic_load(&lookups), 3);
    tt_aux_free(aux);
    tt_resolver_free(resolver);
}

static void test_on_done_may_ask_again_and_free(void **state)
{
    struct ask *self = TT_NEW(struct ask);
    struct ask next = {0};
    int freed = 0;
    (void)state;
    self->free_self = true;
    self->freed = &freed;
    self->next = &next;
    start(self, "host.test", 1);
    turn_until(&freed, 1);
    turn_until(&next.dones, 1);
    assert_int_equal(next.count, 2);
}

/* ---- the end ---- */

static void test_free_in_either_order(void **state)
{
    (void)state;
    for (int resolver_first = 0; resolver_first < 2; resolver_first++) {
        struct tt_aux *aux = tt_aux_new("dns", 1, 10, NULL);
        struct tt_resolver *resolver = tt_resolver_new(aux);
        struct ask running = {.resolve = {.on_done = on_done}}, waiting = running, gone = running;
        pthread_mutex_lock(&gate);
        tt_resolve_start(resolver, world.loop, &running.resolve, "slow.test", 1, NULL);
        tt_resolve_start(resolver, world.loop, &waiting.resolve, "waiting.test", 1, NULL);
        tt_resolve_start(resolver, world.loop, &gone.resolve, "gone.test", 1, NULL);
        tt_resolve_cancel(&gone.resolve);
        if (resolver_first)
            tt_resolver_free(resolver);
        pthread_mutex_unlock(&gate);
        tt_aux_free(aux);
        if (!resolver_first)
            tt_resolver_free(resolver);
        for (int i = 0; i < 3; i++)
            tt_loop_tick(world.loop, 0); /* dropped lookups are failures; ASan sees any leak */
        assert_true(running.dones <= 1 && waiting.dones == 1);
        assert_int_equal(gone.dones, 0);
        assert_int_equal(running.dones, 1);
    }
    tt_resolver_free(NULL);
}

/* ---- two loops ---- */

#define SIDES 2
#define TIMES 400

struct side {
    pthread_t thread;
    unsigned seed;
    int answers, cancels;
    bool wrong;
};

static void *side_main(void *arg)
{
    struct side *side = arg;
    struct tt_loop *loop = tt_loop_new(NULL);
    struct ask asks[8] = {0};
    char name[32];
    for (int i = 0; i < TIMES; i++) {
        for (size_t k = 0; k < TT_COUNT(asks); k++) {
            const char *kind = rand_r(&side->seed) % 4 ? "host" : "missing";
            snprintf(name, sizeof(name), "%s%d.test", kind, rand_r(&side->seed) % 3);
            asks[k] = (struct ask){.resolve = {.on_done = on_done}};
            tt_resolve_start(world.resolver, loop, &asks[k].resolve, name, 9, NULL);
        }
        for (size_t k = 0; k < TT_COUNT(asks); k += 3, side->cancels++) {
            if (rand_r(&side->seed) % 2)
                usleep(50);
            tt_resolve_cancel(&asks[k].resolve);
        }
        for (size_t k = 0; k < TT_COUNT(asks); k++) {
            while (k % 3 && !asks[k].dones)
                tt_loop_tick(loop, 1000);
            side->answers += asks[k].dones;
            side->wrong |= asks[k].dones && !pthread_equal(asks[k].done_on, pthread_self());
            side->wrong |= asks[k].dones && asks[k].count != 0 && asks[k].count != 2;
        }
    }
    for (int i = 0; i < 50; i++)
        tt_loop_tick(loop, 1); /* cancelled ones that were on their way are freed by their mail */
    tt_loop_free(loop);
    return NULL;
}

static void test_two_loops(void **state)
{
    struct side sides[SIDES] = {{.seed = 1}, {.seed = 2}};
    (void)state;
    tt_resolver_set_ttl(world.resolver, 1, 0); /* mostly real lookups */
    for (int i = 0; i < SIDES; i++)
        assert_int_equal(pthread_create(&sides[i].thread, NULL, side_main, &sides[i]), 0);
    for (int i = 0; i < SIDES; i++) {
        pthread_join(sides[i].thread, NULL);
        assert_false(sides[i].wrong);
        assert_int_equal(sides[i].answers + sides[i].cancels, TIMES * 8);
    }
}

static void *other_loop(void *arg)
{
    struct tt_loop *loop = arg;
    tt_loop_run(loop);
    return NULL;
}

struct message {
    struct tt_mail mail;
    struct tt_loop *loop;
    struct ask ask;
};

static void ask_there(struct tt_mail *mail)
{
    struct message *message = TT_CONTAINER_OF(mail, struct message, mail);
    start_on(message->loop, &message->ask, "slow.test", 2);
}

/* Two loops ask the same while it is under way: one lookup, each answered on its own thread. */
static void test_loops_share_a_lookup(void **state)
{
    struct message message = {.mail = {.deliver = ask_there}, .loop = tt_loop_new(NULL)};
    struct ask mine = {0};
    pthread_t thread;
    (void)state;
    message.ask.stop = message.loop;
    pthread_mutex_lock(&gate);
    start(&mine, "slow.test", 1);
    pthread_create(&thread, NULL, other_loop, message.loop);
    tt_loop_post(message.loop, &message.mail);
    usleep(50000);
    pthread_mutex_unlock(&gate);
    turn_until(&mine.dones, 1);
    pthread_join(thread, NULL);
    assert_int_equal(message.ask.dones, 1);
    assert_int_equal(message.ask.port, 2);
    assert_true(pthread_equal(message.ask.done_on, thread));
    assert_true(pthread_equal(mine.done_on, pthread_self()));
    assert_int_equal(atomic_load(&lookups), 1);
    tt_loop_free(message.loop);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RESOLVE_TEST(test_cancel_before_during_and_after),
        RESOLVE_TEST(test_cancelled_by_another_answer),
        RESOLVE_TEST(test_nobody_waits_any_more),
        RESOLVE_TEST(test_on_done_may_ask_again_and_free),
        RESOLVE_TEST(test_free_in_either_order),
        RESOLVE_TEST(test_two_loops),
        RESOLVE_TEST(test_loops_share_a_lookup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
