/* The dictionary: versions, use, expiry, the byte cap, and several threads at once. */
#include "base/mem.h"
#include "base/secret.h"
#include "cache/dict.h"
#include "unit_test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int setup(void **state)
{
    (void)state;
    tt_secret_setup();
    return 0;
}

static void put(struct tt_dict *dict, const char *key, int64_t version, const char *text,
                uint64_t ttl_ms)
{
    struct tt_cache_value *value = tt_cache_value_new(version, tt_str_from(text));
    tt_dict_put(dict, tt_str_from(key), value, ttl_ms);
    tt_cache_value_unref(value);
}

static bool has(struct tt_dict *dict, const char *key, int64_t version, const char *text)
{
    struct tt_cache_value *value = tt_dict_get(dict, tt_str_from(key), version);
    bool same = value && tt_str_eq(tt_cache_value_str(value), tt_str_from(text));
    tt_cache_value_unref(value);
    return same;
}

static struct tt_dict_stats stats_of(struct tt_dict *dict)
{
    struct tt_dict_stats stats;
    tt_dict_stats(dict, &stats);
    return stats;
}

static void test_only_the_asked_version(void **state)
{
    struct tt_dict *dict = tt_dict_new(1 << 20);
    (void)state;
    assert_false(has(dict, "a", 1, "one"));
    put(dict, "a", 1, "one", 0);
    assert_true(has(dict, "a", 1, "one"));
    assert_false(has(dict, "a", 0, "one")); /* an old snapshot of the row: the value stays */
    assert_true(has(dict, "a", 1, "one"));
    assert_false(has(dict, "a", 2, "one")); /* the row has moved on: the value goes */
    assert_int_equal(stats_of(dict).entries, 0);
    assert_int_equal(stats_of(dict).bytes, 0);
    put(dict, "a", 3, "three", 0);
    put(dict, "a", 2, "two", 0); /* a slow loader does not undo a fast one */
    assert_true(has(dict, "a", 3, "three"));
    put(dict, "a", 3, "again", 0);
    assert_true(has(dict, "a", 3, "again"));
    struct tt_dict_stats stats = stats_of(dict);
    assert_int_equal(stats.entries, 1);
    assert_int_equal(stats.misses, 1);
    assert_int_equal(stats.stale, 2);
    assert_int_equal(stats.hits, 4);
    assert_int_equal(stats.puts, 3);
    tt_dict_free(dict);
}

static void test_a_value_outlives_its_entry(void **state)
{
    struct tt_dict *dict = tt_dict_new(1 << 20);
    (void)state;
    put(dict, "a", 1, "text", 0);
    struct tt_cache_value *value = tt_dict_get(dict, TT_STR("a"), 1);
    assert_true(tt_dict_remove(dict, TT_STR("a")));
    assert_false(tt_dict_remove(dict, TT_STR("a")));
    tt_dict_free(dict);
    assert_true(tt_str_eq(tt_cache_value_str(value), TT_STR("text")));
    tt_cache_value_unref(value);
}

static void test_expiry(void **state)
{
    struct tt_dict *dict = tt_dict_new(1 << 20);
    (void)state;
    put(dict, "short", 1, "x", 20);
    put(dict, "long", 1, "x", UINT64_MAX);
    put(dict, "ever", 1, "x", 0);
    assert_true(has(dict, "short", 1, "x"));
    usleep(30000);
    assert_false(has(dict, "short", 1, "x"));
    assert_true(has(dict, "long", 1, "x"));
    assert_true(has(dict, "ever", 1, "x"));
    assert_int_equal(stats_of(dict).expired, 1);
    assert_int_equal(stats_of(dict).entries, 2);
    tt_dict_free(dict);

    dict = tt_dict_new(1 << 20); /* what nobody asks for any more leaves with later puts */
    put(dict, "a", 1, "x", 1);
    put(dict, "b", 1, "x", 1);
    usleep(5000);
    put(dict, "c", 1, "x", 0);
    assert_int_equal(stats_of(dict).entries, 1);
    tt_dict_free(dict);
}

static void test_the_byte_cap_takes_the_least_used(void **state)
{
    struct tt_dict *dict = tt_dict_new(64 << 10);
    char key[16], text[1000];
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        put(dict, key, 1, text, 0);
        assert_true(has(dict, "key0", 1, text)); /* always used */
        assert_true(stats_of(dict).bytes <= 64 << 10);
    }
    struct tt_dict_stats stats = stats_of(dict);
    assert_true(stats.entries > 50 && stats.entries < 64);
    assert_int_equal(stats.entries + stats.evicted, 1000);
    assert_true(has(dict, "key999", 1, text));
    assert_false(has(dict, "key1", 1, text));
    tt_dict_free(dict);
}

static void test_too_large_and_none(void **state)
{
    struct tt_dict *dict = tt_dict_new(64 << 10);
    char *large = malloc((64 << 10) + 1);
    (void)state;
    memset(large, 'x', 64 << 10);
    large[64 << 10] = '\0';
    put(dict, "small", 1, "x", 0);
    put(dict, "large", 1, large, 0);
    assert_true(has(dict, "small", 1, "x"));
    assert_false(has(dict, "large", 1, large));
    tt_dict_free(dict);

    dict = tt_dict_new(0);
    put(dict, "a", 1, "x", 0);
    assert_false(has(dict, "a", 1, "x"));
    assert_false(tt_dict_remove(dict, TT_STR("a")));
    assert_int_equal(tt_dict_remove_prefix(dict, TT_STR("")), 0);
    tt_dict_free(dict);
    free(large);
}

static void test_prefix(void **state)
{
    struct tt_dict *dict = tt_dict_new((size_t)64 << 20); /* all shards */
    char key[32];
    (void)state;
    for (int user = 1; user <= 20; user++)
        for (int i = 0; i < 500; i++) {
            snprintf(key, sizeof(key), "u%d:%d", user, i);
            put(dict, key, 1, "x", 0);
        }
    assert_int_equal(stats_of(dict).entries, 10000);
    assert_int_equal(tt_dict_remove_prefix(dict, TT_STR("u1:")), 500);
    assert_int_equal(tt_dict_remove_prefix(dict, TT_STR("u1:")), 0);
    assert_false(has(dict, "u1:7", 1, "x"));
    assert_true(has(dict, "u10:7", 1, "x"));
    assert_int_equal(tt_dict_remove_prefix(dict, TT_STR("")), 9500);
    assert_int_equal(stats_of(dict).bytes, 0);
    tt_dict_free(dict);
}

/* ---- several threads ---- */

#define KEYS   64
#define ROUNDS 20000

static struct tt_dict *shared;

static void *worker(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        char key[16], text[400];
        int number = (int)(rand_r(&seed) % KEYS);
        int64_t version = (int64_t)(rand_r(&seed) % 3);
        int choice = (int)(rand_r(&seed) % 100);
        snprintf(key, sizeof(key), "%d:x", number);
        snprintf(text, sizeof(text), "%d/%d/%0300d", number, (int)version, number);
        if (choice < 30) {
            put(shared, key, version, text, choice < 5 ? 1 : 0);
        } else if (choice < 40) {
            tt_dict_remove(shared, tt_str_from(key));
        } else if (choice == 40) {
            tt_dict_remove_prefix(shared, tt_str_from(key));
            stats_of(shared);
        } else {
            struct tt_cache_value *value = tt_dict_get(shared, tt_str_from(key), version);
            if (value && !tt_str_eq(tt_cache_value_str(value), tt_str_from(text)))
                return "another value";
            tt_cache_value_unref(value);
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    (void)state;
    shared = tt_dict_new(16 << 10); /* small, so that it evicts */
    for (uintptr_t i = 0; i < TT_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, worker, (void *)(i + 1)), 0);
    for (size_t i = 0; i < TT_COUNT(threads); i++) {
        void *diagnostic = NULL;
        pthread_join(threads[i], &diagnostic);
        assert_null(diagnostic);
    }
    struct tt_dict_stats stats = stats_of(shared);
    assert_true(stats.hits > 0 && stats.stale > 0 && stats.evicted > 0);
    tt_dict_remove_prefix(shared, TT_STR(""));
    assert_int_equal(stats_of(shared).bytes, 0);
    assert_int_equal(stats_of(shared).entries, 0);
    tt_dict_free(shared);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_asked_version),
        cmocka_unit_test(test_a_value_outlives_its_entry),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_the_byte_cap_takes_the_least_used),
        cmocka_unit_test(test_too_large_and_none),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
