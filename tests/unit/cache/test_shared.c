/* What scripts share: values and names, counting, expiry, the byte cap, several threads at once. */
#include "base/mem.h"
#include "base/secret.h"
#include "cache/shared.h"
#include "unit_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int setup(void **state)
{
    tt_secret_setup();
    *state = tt_shared_new(1 << 20);
    return 0;
}

static int teardown(void **state)
{
    tt_shared_free(*state);
    return 0;
}

static struct tt_shared_key key_of(const char *name, const char *key)
{
    return (struct tt_shared_key){tt_str_from(name), tt_str_from(key)};
}

static struct tt_shared_value number(int64_t n)
{
    return (struct tt_shared_value){.is_integer = true, .integer = n};
}

static struct tt_shared_value text(const char *s)
{
    return (struct tt_shared_value){.text = tt_str_from(s)};
}

static void expect_text(struct tt_shared *shared, const char *name, const char *key,
                        const char *want)
{
    struct tt_shared_key full = key_of(name, key);
    struct tt_shared_value value;

    assert_int_equal(tt_shared_get(shared, &full, &value), want != NULL);
    if (!want)
        return;
    assert_false(value.is_integer);
    assert_true(tt_str_eq(value.text, tt_str_from(want)));
    tt_cache_value_unref(value.held);
}

static int64_t integer_of(struct tt_shared *shared, const struct tt_shared_key *key)
{
    struct tt_shared_value value;

    assert_true(tt_shared_get(shared, key, &value));
    assert_true(value.is_integer);
    tt_cache_value_unref(value.held);
    return value.integer;
}

static void values_are_kept_by_name(void **state)
{
    struct tt_shared *shared = *state;
    struct tt_shared_key a = key_of("a", "k"), b = key_of("b", "k");
    struct tt_shared_value one = text("one"), empty = text(""), two = number(-2);

    expect_text(shared, "a", "k", NULL);
    assert_int_equal(tt_shared_set(shared, &a, &one, 0, NULL), 0);
    assert_int_equal(tt_shared_set(shared, &b, &two, 0, NULL), 0);
    expect_text(shared, "a", "k", "one");
    assert_int_equal(integer_of(shared, &b), -2);
    assert_int_equal(tt_shared_set(shared, &a, &empty, 0, NULL), 0);
    expect_text(shared, "a", "k", "");
    assert_true(tt_shared_delete(shared, &a));
    assert_false(tt_shared_delete(shared, &a));
    expect_text(shared, "a", "k", NULL);
    assert_int_equal(integer_of(shared, &b), -2);
}

static void only_one_adds(void **state)
{
    struct tt_shared *shared = *state;
    struct tt_shared_key key = key_of("a", "k");
    struct tt_shared_value one = text("one"), two = text("two");
    bool added;

    assert_int_equal(tt_shared_add(shared, &key, &one, 20, &added, NULL), 0);
    assert_true(added);
    assert_int_equal(tt_shared_add(shared, &key, &two, 0, &added, NULL), 0);
    assert_false(added);
    expect_text(shared, "a", "k", "one");
    usleep(25000);
    assert_int_equal(tt_shared_add(shared, &key, &two, 0, &added, NULL), 0);
    assert_true(added);
    expect_text(shared, "a", "k", "two");
}

static void counting(void **state)
{
    struct tt_shared *shared = *state;
    struct tt_shared_key key = key_of("a", "k");
    struct tt_shared_value word = text("one"), most = number(INT64_MAX);
    struct tt_err err = {0};
    int64_t sum;

    assert_int_equal(tt_shared_incr(shared, &key, 5, 100000, &sum, &err), 0);
    assert_int_equal(sum, 5);
    /* What is there keeps its time. */
    assert_int_equal(tt_shared_incr(shared, &key, -7, 0, &sum, &err), 0);
    assert_int_equal(sum, -2);
    int64_t ttl_ms = tt_shared_ttl(shared, &key);
    assert_true(ttl_ms > 0 && ttl_ms <= 100000);
    assert_int_equal(tt_shared_set(shared, &key, &most, 0, &err), 0);
    assert_int_equal(tt_shared_ttl(shared, &key), 0);
    assert_int_equal(tt_shared_incr(shared, &key, 1, 0, &sum, &err), -1);
    assert_string_equal(err.code, "shared_not_integer");
    assert_int_equal(integer_of(shared, &key), INT64_MAX);
    assert_int_equal(tt_shared_set(shared, &key, &word, 0, &err), 0);
    assert_int_equal(tt_shared_incr(shared, &key, 1, 0, &sum, &err), -1);
    expect_text(shared, "a", "k", "one");
}

static void windows_end(void **state)
{
    struct tt_shared *shared = *state;
    struct tt_shared_key key = key_of("a", "k");
    int64_t sum;

    assert_int_equal(tt_shared_ttl(shared, &key), -1);
    assert_int_equal(tt_shared_incr(shared, &key, 1, 30, &sum, NULL), 0);
    for (int i = 0; i < 50 && tt_shared_ttl(shared, &key) >= 0; i++)
        usleep(10000);
    assert_int_equal(tt_shared_ttl(shared, &key), -1);
    assert_int_equal(tt_shared_incr(shared, &key, 1, 30, &sum, NULL), 0);
    assert_int_equal(sum, 1);
}

static void memory_is_bounded(void **state)
{
    struct tt_shared *shared = *state;
    struct tt_shared_key first = key_of("a", "first");
    struct tt_shared_value large = {0}, small = text("small");
    struct tt_dict_stats stats;
    struct tt_err err = {0};
    char *bytes = tt_alloc(1 << 20);
    bool added;

    large.text = tt_str_of(bytes, 1 << 20);
    assert_int_equal(tt_shared_set(shared, &first, &small, 0, &err), 0);
    assert_int_equal(tt_shared_set(shared, &first, &large, 0, &err), -1);
    assert_string_equal(err.code, "shared_too_large");
    expect_text(shared, "a", "first", "small");
    err = (struct tt_err){0};
    assert_int_equal(tt_shared_add(shared, &first, &large, 0, &added, &err), -1);
    assert_string_equal(err.code, "shared_too_large");
    large.text.len = 10000;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "k%d", i);
        struct tt_shared_key key = key_of("a", name);
        assert_int_equal(tt_shared_set(shared, &key, &large, 0, &err), 0);
    }
    tt_shared_stats(shared, &stats);
    assert_true(stats.bytes <= 1 << 20 && stats.entries > 50);
    assert_true(stats.evicted > 0);
    expect_text(shared, "a", "first", NULL);
    free(bytes);
}

#define THREADS 4
#define ROUNDS  5000

static atomic_int adders;

static void *count_up(void *arg)
{
    struct tt_shared *shared = arg;
    struct tt_shared_value mark = text("mine");
    int64_t sum;
    bool added;

    for (int i = 0; i < ROUNDS; i++) {
        char name[32];
        struct tt_shared_key counter = key_of("a", i % 2 ? "odd" : "even");
        snprintf(name, sizeof(name), "mark%d", i);
        struct tt_shared_key mark_key = key_of("b", name);
        tt_shared_incr(shared, &counter, 1, 0, &sum, NULL);
        tt_shared_add(shared, &mark_key, &mark, 0, &added, NULL);
        atomic_fetch_add(&adders, added);
    }
    return NULL;
}

static void no_count_is_lost(void **state)
{
    struct tt_shared *shared = tt_shared_new(16 << 20);
    struct tt_shared_key odd = key_of("a", "odd"), even = key_of("a", "even");
    pthread_t threads[THREADS];
    (void)state;

    atomic_store(&adders, 0);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count_up, shared);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(integer_of(shared, &odd), THREADS * ROUNDS / 2);
    assert_int_equal(integer_of(shared, &even), THREADS * ROUNDS / 2);
    assert_int_equal(atomic_load(&adders), ROUNDS);
    tt_shared_free(shared);
}

#define SHARED_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        SHARED_TEST(values_are_kept_by_name),
        SHARED_TEST(only_one_adds),
        SHARED_TEST(counting),
        SHARED_TEST(windows_end),
        SHARED_TEST(memory_is_bounded),
        SHARED_TEST(no_count_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
