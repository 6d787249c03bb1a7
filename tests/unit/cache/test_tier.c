/* The cache as a whole. Two stores stand for two processes (or one before and after a restart):
 * what one puts, the other can only have through Redis. */
#include "cache/tier.h"
#include "redis_test.h"

#define SECRET     TT_STR("the data folder's")
#define TTL        60000
#define TIMEOUT_MS 150

static struct world world;
static struct server server;

static int setup(void **state)
{
    (void)state;
    alarm(60);
    world_open(&world);
    server_start(&server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_kill(&server);
    world_close(&world);
    return 0;
}

struct process {
    struct tt_cache_store *store;
    struct tt_cache *cache;
};

static struct tt_cache_stats stats_of(const struct process *process)
{
    struct tt_cache_stats stats;
    tt_cache_store_stats(process->store, &stats);
    return stats;
}

static void process_open(struct process *process, bool with_redis, struct tt_str secret)
{
    char url[64];
    struct tt_err err = {0};
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", server.port);
    struct tt_cache_settings settings = {
        .memory = 1 << 20, .secret = secret, .redis_timeout_ms = TIMEOUT_MS};
    if (with_redis)
        settings.redis_url = tt_str_from(url);
    process->store = tt_cache_store_new(&settings, &err);
    assert_non_null(process->store);
    process->cache = tt_cache_new(process->store, world.loop, world.resolver);
    if (with_redis)
        TURN_UNTIL(&world, stats_of(process).redis.state == TT_REDIS_UP);
}

static void process_close(struct process *process)
{
    tt_cache_free(process->cache);
    tt_cache_store_free(process->store);
}

static void put(struct process *process, const char *key, int64_t version, const char *text)
{
    tt_cache_put(process->cache, tt_str_from(key), version, tt_str_from(text), TTL);
}

struct question {
    struct tt_cache_lookup ask;
    int answers;
    bool hit, inside;
    char text[64];
    struct question *cancel;
};

static void on_answer(struct tt_cache_lookup *ask, struct tt_cache_value *value)
{
    struct question *question = TT_CONTAINER_OF(ask, struct question, ask);
    assert_false(question->inside);
    question->answers++;
    question->hit = value != NULL;
    if (value)
        snprintf(question->text, sizeof(question->text), "%.*s",
                 TT_STR_ARG(tt_cache_value_str(value)));
    if (question->cancel)
        tt_cache_lookup_cancel(&question->cancel->ask);
}

static void ask(struct process *process, struct question *question, const char *key,
                int64_t version)
{
    *question = (struct question){.ask = {.on_answer = on_answer}, .inside = true};
    tt_cache_lookup(process->cache, tt_str_from(key), version, &question->ask);
    question->inside = false;
}

/* As a script does it: NULL = a miss. */
static const char *get(struct process *process, const char *key, int64_t version)
{
    static struct question question;
    struct tt_cache_value *value;
    question = (struct question){0};
    switch (tt_cache_get(process->cache, tt_str_from(key), version, &value)) {
    case TT_CACHE_HIT:
        snprintf(question.text, sizeof(question.text), "%.*s",
                 TT_STR_ARG(tt_cache_value_str(value)));
        return question.text;
    case TT_CACHE_MISS:
        return NULL;
    case TT_CACHE_LOOKUP:
        break;
    }
    ask(process, &question, key, version);
    TURN_UNTIL(&world, question.answers);
    return question.hit ? question.text : NULL;
}

/* ---- */

static void test_without_redis(void **state)
{
    struct process one;
    struct tt_cache_value *value;
    char long_key[TT_CACHE_KEY_MAX + 2];
    (void)state;
    process_open(&one, false, SECRET);
    assert_null(get(&one, "k", 1));
    put(&one, "k", 1, "text");
    assert_string_equal(get(&one, "k", 1), "text");
    assert_int_equal(tt_cache_get(one.cache, TT_STR("k"), 2, &value), TT_CACHE_MISS);
    put(&one, "u1:a", 1, "a");
    put(&one, "u1:b", 1, "b");
    put(&one, "u2:a", 1, "c");
    tt_cache_remove(one.cache, TT_STR("u2:a"));
    assert_null(get(&one, "u2:a", 1));
    assert_int_equal(tt_cache_remove_prefix(one.cache, TT_STR("u1:")), 2);
    memset(long_key, 'k', sizeof(long_key));
    long_key[TT_CACHE_KEY_MAX + 1] = '\0';
    put(&one, long_key, 1, "x");
    assert_null(get(&one, long_key, 1));
    tt_cache_remove(one.cache, tt_str_from(long_key));
    long_key[TT_CACHE_KEY_MAX] = '\0';
    put(&one, long_key, 1, "x");
    assert_string_equal(get(&one, long_key, 1), "x");
    tt_cache_put(one.cache, TT_STR("never"), 1, TT_STR("x"), 0);
    assert_null(get(&one, "never", 1));
    assert_int_equal(stats_of(&one).redis.state, TT_REDIS_OFF);
    process_close(&one);

    struct tt_cache_settings wrong = {.redis_url = TT_STR("redis://:hunter2@")};
    struct tt_err err = {0};
    assert_null(tt_cache_store_new(&wrong, &err));
    assert_string_equal(err.code, "invalid_setting");
    assert_null(strstr(err.message, "hunter2"));
}

static void test_through_redis(void **state)
{
    struct process one, two;
    char long_key[TT_CACHE_KEY_MAX + 1] = {0};
    (void)state;
    process_open(&one, true, SECRET);
    process_open(&two, true, SECRET);
    memset(long_key, 'k', TT_CACHE_KEY_MAX);
    put(&one, "k", 7, "text");
    put(&one, "empty", 7, "");
    put(&one, long_key, 7, "long");
    assert_string_equal(get(&one, "other", 1) ? "hit" : "miss", "miss"); /* the puts are through */
    assert_string_equal(server_say(&server, "EXISTS tide:1:k"), "1");
    assert_string_equal(get(&two, "k", 7), "text");
    assert_string_equal(get(&two, "empty", 7), "");
    assert_string_equal(get(&two, long_key, 7), "long");
    assert_int_equal(stats_of(&two).redis.hits, 3);
    assert_string_equal(get(&two, "k", 7), "text"); /* from its own dictionary now */
    assert_int_equal(stats_of(&two).redis.hits, 3);
    assert_null(get(&two, "k", 8));
    assert_null(get(&two, "k", 6));
    tt_cache_remove(one.cache, TT_STR("k"));
    assert_null(get(&one, "k", 7));
    assert_string_equal(server_say(&server, "EXISTS tide:1:k"), "0");
    process_close(&one);
    process_close(&two);
}

static void test_the_rest_of_its_life(void **state)
{
    struct process one, two;
    (void)state;
    process_open(&one, true, SECRET);
    process_open(&two, true, SECRET);
    tt_cache_put(one.cache, TT_STR("k"), 1, TT_STR("text"), 300);
    assert_null(get(&one, "other", 1));
    server_say(&server, "PERSIST tide:1:k"); /* Redis forgets when it ends */
    assert_string_equal(get(&two, "k", 1), "text");
    turn_for(&world, 350);
    assert_null(get(&one, "k", 1));
    assert_null(get(&two, "k", 1));
    process_close(&one);
    process_close(&two);
}

static void test_foreign_values_are_misses(void **state)
{
    struct process one, other;
    (void)state;
    process_open(&one, true, SECRET);
    process_open(&other, true, TT_STR("another folder's"));
    put(&one, "k", 1, "text");
    assert_null(get(&one, "none", 1));
    assert_null(get(&other, "k", 1)); /* two installations, one Redis */
    server_say(&server, "SET tide:1:a garbage");
    server_say(&server, "LPUSH tide:1:b x");
    server_say(&server, "COPY tide:1:k tide:1:c");
    server_say(&server, "APPEND tide:1:k x");
    const char *const keys[] = {"a", "b", "c"};
    for (size_t i = 0; i < TT_COUNT(keys); i++)
        assert_null(get(&one, keys[i], 1));
    tt_cache_remove_prefix(one.cache, TT_STR(""));
    assert_null(get(&one, "k", 1));
    assert_int_equal(stats_of(&one).redis.opened, 0);
    process_close(&one);
    process_close(&other);
}

static void test_one_question_for_all(void **state)
{
    enum { COUNT = 50 };
    static struct question questions[COUNT];
    struct process one, two;
    (void)state;
    process_open(&one, true, SECRET);
    process_open(&two, true, SECRET);
    put(&one, "k", 5, "text");
    assert_null(get(&one, "none", 1));
    for (int i = 0; i < COUNT; i++)
        ask(&two, &questions[i], "k", i % 3 == 2 ? 4 : 5);
    questions[0].cancel = &questions[3]; /* by the first one's answer */
    tt_cache_lookup_cancel(&questions[1].ask);
    TURN_UNTIL(&world, questions[COUNT - 1].answers);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(questions[i].answers, i == 1 || i == 3 ? 0 : 1);
        if (i != 1 && i != 3)
            assert_int_equal(questions[i].hit, i % 3 != 2);
    }
    assert_int_equal(stats_of(&two).redis.hits, 1);
    assert_string_equal(get(&two, "k", 5), "text");
    assert_int_equal(stats_of(&two).redis.hits, 1);
    process_close(&one);
    process_close(&two);
}

static void test_nobody_waits_any_more(void **state)
{
    struct process one, two;
    struct question question;
    (void)state;
    process_open(&one, true, SECRET);
    process_open(&two, true, SECRET);
    put(&one, "k", 1, "text");
    assert_null(get(&one, "none", 1));
    ask(&two, &question, "k", 1);
    tt_cache_lookup_cancel(&question.ask);
    TURN_UNTIL(&world, stats_of(&two).redis.hits == 1);
    assert_int_equal(question.answers, 0);
    ask(&two, &question, "k", 1);
    process_close(&two); /* answers who waits */
    assert_int_equal(question.answers, 1);
    assert_false(question.hit);
    process_close(&one);
}

/* What is on its way when the key is removed does not come into the dictionary. */
static void test_removed_meanwhile(void **state)
{
    struct process one, two;
    struct question question;
    (void)state;
    process_open(&one, true, SECRET);
    process_open(&two, true, SECRET);
    put(&one, "k", 1, "text");
    assert_null(get(&one, "none", 1));
    ask(&two, &question, "k", 1);
    tt_cache_remove(two.cache, TT_STR("k"));
    TURN_UNTIL(&world, question.answers);
    assert_int_equal(stats_of(&two).dict.entries, 0);
    process_close(&one);
    process_close(&two);
}

/* A row changes and another one goes while Redis is frozen: the removals are lost, and yet nothing
 * old comes back. One time-out is paid, once. */
static void test_a_lost_removal_brings_nothing_back(void **state)
{
    struct process one, two;
    struct tt_cache_value *value;
    (void)state;
    process_open(&one, true, SECRET);
    process_open(&two, true, SECRET);
    put(&one, "changed", 1, "old");
    put(&one, "same", 1, "kept");
    assert_null(get(&one, "none", 1));
    server_freeze(&server);
    uint64_t began_ms = tt_clock_mono_ms();
    assert_null(get(&one, "none", 1));
    assert_true(tt_clock_mono_ms() - began_ms >= TIMEOUT_MS);
    tt_cache_remove(one.cache, TT_STR("changed")); /* never reaches Redis */
    put(&one, "changed", 2, "new");
    for (int i = 0; i < 200; i++) {
        assert_string_equal(get(&one, "changed", 2), "new");
        assert_string_equal(get(&one, "same", 1), "kept");
        /* nobody is asked, so nothing is waited for */
        assert_int_equal(tt_cache_get(one.cache, TT_STR("none"), 1, &value), TT_CACHE_MISS);
        tt_loop_tick(world.loop, 0);
    }
    assert_int_equal(stats_of(&one).redis.opened, 1);
    assert_int_equal(stats_of(&one).redis.timeouts, 1);
    process_close(&one);
    server_thaw(&server);
    process_open(&one, true, SECRET); /* a restart: the dictionary is empty */
    assert_string_equal(server_say(&server, "EXISTS tide:1:changed"), "1");
    assert_null(get(&one, "changed", 2));
    assert_string_equal(get(&one, "same", 1), "kept");
    process_close(&one);
    process_close(&two);
}

/* Traffic over a kill and a restart of Redis: every answer is the right one or none. */
static void test_killed_in_the_middle(void **state)
{
    struct process one;
    char key[16], text[32];
    int hits = 0, misses = 0;
    (void)state;
    process_open(&one, true, SECRET);
    for (int i = 0; i < 3000; i++) {
        int number = i % 97;
        int64_t version = i / 300;
        if (i == 1000)
            server_kill(&server);
        if (i == 2000)
            server_start(&server);
        snprintf(key, sizeof(key), "k%d", number);
        snprintf(text, sizeof(text), "%d at %d", number, (int)version);
        if (i % 5 == 0)
            tt_cache_remove_prefix(one.cache, tt_str_from(key)); /* so that Redis is asked */
        const char *found = get(&one, key, version);
        if (found)
            assert_string_equal(found, text);
        else
            put(&one, key, version, text);
        *(found ? &hits : &misses) += 1;
    }
    assert_true(hits > 1000 && misses > 900);
    assert_int_equal(stats_of(&one).redis.opened, 1);
    process_close(&one);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_without_redis, setup, teardown),
        cmocka_unit_test_setup_teardown(test_through_redis, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_rest_of_its_life, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_values_are_misses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_question_for_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_waits_any_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_lost_removal_brings_nothing_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_in_the_middle, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
