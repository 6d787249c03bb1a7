/* Several workers over one store while Redis freezes, comes back, dies and is started again: each
 * asks, puts and removes as fast as it can, and every answer is the right one or none. */
#include "cache/tier.h"
#include "redis_test.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKERS    3
#define KEYS       50
#define TIMEOUT_MS 150

struct worker {
    struct tt_cache_store *store;
    struct tt_resolver *resolver;
    struct tt_cache *cache;
    pthread_t thread;
    unsigned seed;
    atomic_int answers;
    int hits, wrong;
};

static atomic_bool stop;

struct question {
    struct tt_cache_lookup ask;
    struct worker *worker;
    int number;
    int64_t version;
    bool answered;
};

static void check(struct worker *worker, int number, int64_t version,
                  const struct tt_cache_value *value)
{
    char text[32];
    atomic_fetch_add(&worker->answers, 1);
    if (!value)
        return;
    snprintf(text, sizeof(text), "%d at %d", number, (int)version);
    worker->hits++;
    if (!tt_str_eq(tt_cache_value_str(value), tt_str_from(text)))
        worker->wrong++;
}

static void on_answer(struct tt_cache_lookup *ask, struct tt_cache_value *value)
{
    struct question *question = TT_CONTAINER_OF(ask, struct question, ask);
    check(question->worker, question->number, question->version, value);
    question->answered = true;
}

static void one_request(struct worker *worker, struct tt_loop *loop)
{
    struct question question = {.ask = {.on_answer = on_answer}, .worker = worker};
    struct tt_cache_value *value;
    char key[16], text[32];
    question.number = (int)(rand_r(&worker->seed) % KEYS);
    question.version = rand_r(&worker->seed) % 3;
    snprintf(key, sizeof(key), "k%d", question.number);
    snprintf(text, sizeof(text), "%d at %d", question.number, (int)question.version);
    struct tt_str name = tt_str_from(key);
    enum tt_cache_answer answer = tt_cache_get(worker->cache, name, question.version, &value);
    if (answer == TT_CACHE_LOOKUP)
        tt_cache_lookup(worker->cache, name, question.version, &question.ask);
    else
        check(worker, question.number, question.version, value);
    while (answer == TT_CACHE_LOOKUP && !question.answered)
        tt_loop_tick(loop, 100);
    if (rand_r(&worker->seed) % 4 == 0)
        tt_cache_remove(worker->cache, name);
    else
        tt_cache_put(worker->cache, name, question.version, tt_str_from(text), 10000);
    tt_loop_tick(loop, 0);
}

static void *worker_life(void *arg)
{
    struct worker *worker = arg;
    struct tt_loop *loop = tt_loop_new(NULL);
    worker->cache = tt_cache_new(worker->store, loop, worker->resolver);
    while (!atomic_load(&stop)) {
        one_request(worker, loop);
        usleep(500);
    }
    tt_cache_free(worker->cache);
    tt_loop_free(loop);
    return NULL;
}

static struct tt_redis_status status_of(struct tt_cache_store *store)
{
    struct tt_cache_stats stats;
    tt_cache_store_stats(store, &stats);
    return stats.redis;
}

static void wait_until(struct tt_cache_store *store, enum tt_redis_state state)
{
    for (int i = 0; i < 1000 && status_of(store).state != state; i++)
        usleep(10000);
    assert_int_equal(status_of(store).state, state);
}

/* Each worker answers that many more. */
static void wait_for_answers(struct worker workers[WORKERS], int more)
{
    for (int i = 0; i < WORKERS; i++) {
        int want = atomic_load(&workers[i].answers) + more;
        for (int j = 0; j < 1000 && atomic_load(&workers[i].answers) < want; j++)
            usleep(10000);
        assert_true(atomic_load(&workers[i].answers) >= want);
    }
}

static void test_workers(void **state)
{
    struct world world;
    struct server server = {0};
    struct worker workers[WORKERS] = {0};
    char url[64];
    (void)state;
    alarm(60);
    world_open(&world);
    server_start(&server);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", server.port);
    struct tt_cache_settings settings = {
        .memory = 16 << 10, .redis_url = tt_str_from(url), .redis_timeout_ms = TIMEOUT_MS};
    struct tt_cache_store *store = tt_cache_store_new(&settings, NULL);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){store, world.resolver, .seed = (unsigned)i + 1};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_life, &workers[i]), 0);
    }
    wait_until(store, TT_REDIS_UP);
    usleep(200000);
    assert_int_equal(status_of(store).opened, 0);
    server_freeze(&server);
    wait_until(store, TT_REDIS_DOWN);
    wait_for_answers(workers, 100);
    usleep(1500000);                /* over a probe of each worker */
    wait_for_answers(workers, 100); /* still frozen: nobody waits for it */
    assert_int_equal(status_of(store).opened, 1);
    server_thaw(&server);
    wait_until(store, TT_REDIS_UP);
    usleep(200000);
    server_kill(&server);
    wait_until(store, TT_REDIS_DOWN);
    server_start(&server);
    wait_until(store, TT_REDIS_UP);
    usleep(200000);
    atomic_store(&stop, true);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].wrong, 0);
        assert_true(workers[i].hits > 10);
    }
    assert_true(status_of(store).hits > 0);
    tt_cache_store_free(store);
    server_kill(&server);
    world_close(&world);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_workers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
