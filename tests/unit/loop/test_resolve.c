/* Names to addresses: what needs no lookup, what a lookup answers, what is kept and how long. */
#include "resolve_test.h"

/* ---- without a lookup ---- */

static void test_literal_addresses(void **state)
{
    struct ask v4 = {0}, v6 = {0};
    (void)state;
    start(&v4, "192.0.2.1", 443);
    start(&v6, "2001:DB8::5", 8080);
    tt_loop_tick(world.loop, -1); /* the same tick, which does not wait */
    assert_int_equal(v4.dones + v6.dones, 2);
    assert_int_equal(v4.count, 1);
    assert_string_equal(v4.text[0], "192.0.2.1");
    assert_int_equal(v4.port, 443);
    assert_int_equal(v6.count, 1);
    assert_string_equal(v6.text[0], "2001:db8::5");
    assert_int_equal(v6.port, 8080);
    assert_int_equal(atomic_load(&lookups), 0);
}

static void test_localhost_is_the_loopback(void **state)
{
    const char *const names[] = {"localhost", "LocalHost", "api.localhost"};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(names); i++) {
        struct ask ask = {0};
        ask_and_wait(&ask, names[i], 80);
        assert_int_equal(ask.count, 2);
        assert_string_equal(ask.text[0], "127.0.0.1");
        assert_string_equal(ask.text[1], "::1");
        assert_int_equal(ask.port, 80);
    }
    assert_int_equal(atomic_load(&lookups), 0);
    struct ask other = {0};
    ask_and_wait(&other, "notlocalhost", 80);
    assert_int_equal(atomic_load(&lookups), 1);
}

static void test_impossible_names_fail_at_once(void **state)
{
    char name[300];
    struct ask ask = {.resolve = {.on_done = on_done}};
    struct tt_err err = {0};
    (void)state;
    memset(name, 'a', sizeof(name));
    name[256] = '\0';
    assert_int_equal(tt_resolve_start(world.resolver, world.loop, &ask.resolve, name, 1, &err), -1);
    assert_string_equal(err.code, "dns_failed");
    assert_int_equal(err.status, 502);
    assert_int_equal(tt_resolve_start(world.resolver, world.loop, &ask.resolve, "", 1, NULL), -1);
    tt_resolve_cancel(&ask.resolve); /* harmless */
    tt_loop_tick(world.loop, 0);
    assert_int_equal(ask.dones, 0);
    name[255] = '\0';
    ask_and_wait(&ask, name, 1);
    assert_int_equal(ask.count, 2);
}

/* ---- lookups ---- */

static void test_the_real_one(void **state)
{
    struct ask ask = {0};
    (void)state;
    ask_and_wait(&ask, "127.1", 7);
    assert_int_equal(ask.count, 1);
    assert_string_equal(ask.text[0], "127.0.0.1");
    assert_int_equal(ask.port, 7);
}

static void test_answers_are_kept(void **state)
{
    struct ask ask = {0};
    (void)state;
    for (int i = 0; i < 3; i++) {
        ask_and_wait(&ask, i == 1 ? "HOST.test" : "host.test", (uint16_t)(1000 + i));
        assert_int_equal(ask.count, 2); /* the double is gone, the order is kept */
        assert_string_equal(ask.text[0], "192.0.2.7");
        assert_string_equal(ask.text[1], "2001:db8::1");
        assert_int_equal(ask.port, 1000 + i);
    }
    assert_int_equal(atomic_load(&lookups), 1);
    assert_true(atomic_load(&hints_right));
    assert_true(pthread_equal(ask.done_on, pthread_self()));
}

static void test_answers_and_failures_expire(void **state)
{
    struct ask ask = {0};
    (void)state;
    tt_resolver_set_ttl(world.resolver, 60000, 20);
    ask_and_wait(&ask, "host.test", 1);
    ask_and_wait(&ask, "missing.test", 1);
    assert_int_equal(ask.count, 0);
    ask_and_wait(&ask, "missing.test", 1); /* most likely in time; never more than one anew */
    assert_in_range(atomic_load(&lookups), 2, 3);
    usleep(30000);
    int before = atomic_load(&lookups);
    ask_and_wait(&ask, "missing.test", 1);
    assert_int_equal(atomic_load(&lookups), before + 1);
    ask_and_wait(&ask, "host.test", 1); /* the other span */
    assert_int_equal(atomic_load(&lookups), before + 1);

    tt_resolver_set_ttl(world.resolver, 20, 60000);
    ask_and_wait(&ask, "short.test", 1);
    usleep(30000);
    ask_and_wait(&ask, "short.test", 1);
    assert_int_equal(atomic_load(&lookups), before + 3);
    assert_int_equal(ask.count, 2);
}

static void test_failures_are_kept_too(void **state)
{
    struct ask ask = {0};
    (void)state;
    for (int i = 0; i < 3; i++) {
        ask_and_wait(&ask, "missing.test", 1);
        assert_int_equal(ask.count, 0);
    }
    assert_int_equal(atomic_load(&lookups), 1);
}

static void test_at_most_16_addresses(void **state)
{
    struct ask ask = {0};
    (void)state;
    ask_and_wait(&ask, "many.test", 1);
    assert_int_equal(ask.count, TT_RESOLVE_MAX);
    assert_string_equal(ask.text[0], "192.0.2.1");
    assert_string_equal(ask.text[15], "192.0.2.16");
}

static void test_the_least_recently_used_goes(void **state)
{
    struct ask ask = {0};
    char name[32];
    (void)state;
    for (int i = 0; i < 1024; i++) {
        snprintf(name, sizeof(name), "host%d.test", i);
        ask_and_wait(&ask, name, 1);
    }
    ask_and_wait(&ask, "host0.test", 1); /* used again */
    assert_int_equal(atomic_load(&lookups), 1024);
    ask_and_wait(&ask, "one-more.test", 1);
    assert_int_equal(tt_resolver_cached(world.resolver), 1024);
    ask_and_wait(&ask, "host0.test", 1);
    assert_int_equal(atomic_load(&lookups), 1025);
    ask_and_wait(&ask, "host1.test", 1); /* was the oldest */
    assert_int_equal(atomic_load(&lookups), 1026);
}

static void test_equal_questions_share_a_lookup(void **state)
{
    struct ask asks[10] = {0};
    (void)state;
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 10; i++)
        start(&asks[i], "slow.test", (uint16_t)(i + 1));
    tt_loop_tick(world.loop, 10);
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 10; i++) {
        turn_until(&asks[i].dones, 1);
        assert_int_equal(asks[i].count, 2);
        assert_int_equal(asks[i].port, i + 1);
    }
    assert_int_equal(atomic_load(&lookups), 1);
}

static void test_full_pool_is_busy(void **state)
{
    struct tt_aux *aux = tt_aux_new("dns", 1, 0, NULL);
    struct tt_resolver *resolver = tt_resolver_new(aux);
    struct ask first = {.resolve = {.on_done = on_done}}, second = first, joined = first;
    struct tt_err err = {0};
    (void)state;
    pthread_mutex_lock(&gate);
    assert_int_equal(tt_resolve_start(resolver, world.loop, &first.resolve, "slow.test", 1, NULL),
                     0);
    assert_int_equal(tt_resolve_start(resolver, world.loop, &second.resolve, "host.test", 1, &err),
                     -1);
    assert_string_equal(err.code, "busy");
    assert_int_equal(err.status, 503);
    assert_int_equal(tt_resolve_start(resolver, world.loop, &joined.resolve, "slow.test", 1, NULL),
                     0); /* needs no place */
    pthread_mutex_unlock(&gate);
    turn_until(&first.dones, 1);
    turn_until(&joined.dones, 1);
    tt_loop_tick(world.loop, 0);
    assert_int_equal(second.dones, 0);
    tt_aux_free(aux);
    tt_resolver_free(resolver);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        RESOLVE_TEST(test_literal_addresses),
        RESOLVE_TEST(test_localhost_is_the_loopback),
        RESOLVE_TEST(test_impossible_names_fail_at_once),
        RESOLVE_TEST(test_the_real_one),
        RESOLVE_TEST(test_answers_are_kept),
        RESOLVE_TEST(test_answers_and_failures_expire),
        RESOLVE_TEST(test_failures_are_kept_too),
        RESOLVE_TEST(test_at_most_16_addresses),
        RESOLVE_TEST(test_the_least_recently_used_goes),
        RESOLVE_TEST(test_equal_questions_share_a_lookup),
        RESOLVE_TEST(test_full_pool_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
