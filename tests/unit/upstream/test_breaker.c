/* Breakers and caps of upstreams: when they open, whom they let pass, how they close. */
#include "base/mem.h"
#include "unit_test.h"
#include "upstream/breaker.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define PAUSE_MS 700

static struct tt_breakers *breakers;

static int set_up(void **state)
{
    (void)state;
    breakers = tt_breakers_new(&(struct tt_breaker_settings){
        .failures = 3, .window_ms = 100000, .pause_ms = PAUSE_MS, .in_flight_max = 2});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tt_breakers_free(breakers);
    return 0;
}

static const char *enter(uint64_t key, struct tt_breaker_permit *permit)
{
    static _Thread_local struct tt_err err;
    int64_t retry_after = 0;
    err = (struct tt_err){0};
    if (tt_breaker_enter(breakers, TT_STR("https://a:443"), key, false, permit, &retry_after,
                         &err) == 0)
        return "";
    assert_int_equal(err.status, 503);
    assert_true(retry_after >= 1);
    return err.code;
}

/* One call: what it says of the breaker, or why it was refused. */
static const char *call(uint64_t key, bool failed)
{
    struct tt_breaker_permit permit = {0};
    const char *code = enter(key, &permit);
    tt_breaker_report(&permit, failed);
    tt_breaker_leave(&permit);
    assert_null(permit.breaker);
    return code;
}

static void open_it(uint64_t key)
{
    for (int i = 0; i < 3; i++)
        assert_string_equal(call(key, true), "");
    assert_string_equal(call(key, true), "upstream_circuit_open");
}

struct seen {
    int count;
    struct tt_breaker_status last;
};

static void see(const struct tt_breaker_status *status, void *arg)
{
    struct seen *seen = arg;
    assert_string_equal(status->upstream.len == 13 ? "ok" : "bad", "ok");
    seen->count++;
    seen->last = *status;
}

static struct tt_breaker_status status_of_one(void)
{
    struct seen seen = {0};
    tt_breakers_each(breakers, see, &seen);
    assert_int_equal(seen.count, 1);
    return seen.last;
}

static void opens_after_failures_in_a_row(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) { /* an answer between them starts the count anew */
        assert_string_equal(call(1, true), "");
        assert_string_equal(call(1, true), "");
        assert_string_equal(call(1, false), "");
    }
    open_it(1);
    struct tt_breaker_status status = status_of_one();
    assert_string_equal(status.state, "open");
    assert_int_equal(status.opened, 1);
    assert_int_equal(status.refused, 1);
    assert_int_equal(status.failed, 23);
    assert_true(status.retry_ms > 0 && status.retry_ms <= PAUSE_MS);
    assert_string_equal(call(2, false), ""); /* another key is another matter */
}

static void one_probe_finds_out(void **state)
{
    struct tt_breaker_permit probe = {0}, other = {0};
    (void)state;
    open_it(1);
    usleep((PAUSE_MS + 5) * 1000);
    assert_string_equal(status_of_one().state, "half_open");
    assert_string_equal(enter(1, &probe), "");
    assert_string_equal(enter(1, &other), "upstream_circuit_open");
    tt_breaker_report(&probe, true); /* still down: the pause begins anew */
    tt_breaker_leave(&probe);
    assert_string_equal(enter(1, &other), "upstream_circuit_open");
    assert_int_equal(status_of_one().opened, 2);
    usleep((PAUSE_MS + 5) * 1000);
    assert_string_equal(enter(1, &probe), "");
    tt_breaker_leave(&probe); /* stopped by its user: the next one finds out */
    assert_string_equal(enter(1, &probe), "");
    tt_breaker_report(&probe, false);
    assert_string_equal(enter(1, &other), ""); /* closed, though the probe still runs */
    tt_breaker_leave(&probe);
    tt_breaker_leave(&other);
    assert_string_equal(status_of_one().state, "closed");
    assert_int_equal(status_of_one().failures, 0);
}

/* Of calls that were under way when it opened, a failure is no news, an answer is. */
static void calls_from_before(void **state)
{
    struct tt_breaker_permit early[2] = {{0}, {0}};
    (void)state;
    assert_string_equal(enter(1, &early[0]), "");
    open_it(1);
    tt_breaker_report(&early[0], true);
    tt_breaker_leave(&early[0]);
    assert_int_equal(status_of_one().opened, 1);
    usleep((PAUSE_MS + 5) * 1000);
    assert_string_equal(call(1, false), "");
    assert_string_equal(enter(1, &early[0]), "");
    open_it(1);
    tt_breaker_report(&early[0], false);
    tt_breaker_leave(&early[0]);
    assert_string_equal(status_of_one().state, "closed");
}

static void force_passes(void **state)
{
    struct tt_breaker_permit permit = {0};
    int64_t retry_after;
    (void)state;
    open_it(1);
    assert_int_equal(
        tt_breaker_enter(breakers, TT_STR("https://a:443"), 1, true, &permit, &retry_after, NULL),
        0);
    tt_breaker_report(&permit, false);
    tt_breaker_leave(&permit);
    assert_string_equal(call(1, false), "");
}

static void calls_at_the_same_time_are_capped(void **state)
{
    struct tt_breaker_permit permits[3] = {{0}, {0}, {0}};
    (void)state;
    assert_string_equal(enter(1, &permits[0]), "");
    assert_string_equal(enter(1, &permits[1]), "");
    assert_string_equal(enter(1, &permits[2]), "busy");
    assert_null(permits[2].breaker);
    assert_int_equal(status_of_one().in_flight, 2);
    tt_breaker_leave(&permits[0]);
    assert_string_equal(enter(1, &permits[2]), "");
    tt_breaker_leave(&permits[1]);
    tt_breaker_leave(&permits[2]);
    assert_int_equal(status_of_one().in_flight, 0);
}

static void old_failures_do_not_count(void **state)
{
    (void)state;
    tt_breakers_free(breakers);
    breakers = tt_breakers_new(
        &(struct tt_breaker_settings){.failures = 2, .window_ms = 20, .pause_ms = 100000});
    for (int i = 0; i < 3; i++) {
        assert_string_equal(call(1, true), "");
        usleep(30000);
    }
    assert_string_equal(call(1, true), "");
    tt_breakers_free(breakers);
    breakers = tt_breakers_new(&(struct tt_breaker_settings){.window_ms = 1000});
    for (int i = 0; i < 100; i++) /* 0: never */
        assert_string_equal(call(1, true), "");
}

/* Keys come from users: what is at rest is forgotten, what runs is not. */
static void memory_is_bounded(void **state)
{
    struct tt_breaker_permit running = {0};
    struct seen seen = {0};
    (void)state;
    assert_string_equal(enter(7, &running), "");
    for (uint64_t key = 100; key < 20100; key++)
        assert_string_equal(call(key, false), "");
    tt_breakers_each(breakers, see, &seen);
    assert_true(seen.count <= 16 * 256);
    assert_string_equal(call(7, false), "");
    tt_breaker_report(&running, false);
    tt_breaker_leave(&running);
    tt_breaker_report(&running, true); /* harmless afterwards */
    tt_breaker_leave(&running);
}

static void *hammer(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20000; i++)
        call((uint64_t)i % 5, i % 3 == 0);
    return NULL;
}

static void threads_share_them(void **state)
{
    pthread_t threads[4];
    struct seen seen = {0};
    (void)state;
    for (size_t i = 0; i < TT_COUNT(threads); i++)
        pthread_create(&threads[i], NULL, hammer, NULL);
    for (size_t i = 0; i < TT_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    tt_breakers_each(breakers, see, &seen);
    assert_int_equal(seen.count, 5);
    assert_int_equal(seen.last.in_flight, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        TEST(opens_after_failures_in_a_row),
        TEST(one_probe_finds_out),
        TEST(calls_from_before),
        TEST(force_passes),
        TEST(calls_at_the_same_time_are_capped),
        TEST(old_failures_do_not_count),
        TEST(memory_is_bounded),
        TEST(threads_share_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
