/* A real server that is absent, frozen, killed, restarted, or wants another password. */
#include "asks.h"

static struct world world;

static int setup(void **state)
{
    (void)state;
    alarm(60);
    world_open(&world);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static void test_absent_then_there(void **state)
{
    struct server server = {.port = free_port()};
    struct tt_redis_settings settings = client_settings(&server, "", "");
    struct client client;
    (void)state;
    client_open(&world, &client, &settings);
    assert_int_equal(status_of(&client).state, TT_REDIS_CONNECTING);
    TURN_UNTIL(&world, status_of(&client).state == TT_REDIS_DOWN);
    assert_int_equal(status_of(&client).opened, 0);
    assert_non_null(strstr(status_of(&client).last_error, "refused"));
    assert_int_equal(get_now(&world, client.redis, "k"), TT_REDIS_ERROR);
    turn_for(&world, 250);
    server_start(&server);
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    assert_int_equal(status_of(&client).state, TT_REDIS_UP);
    assert_int_equal(get_now(&world, client.redis, "k"), TT_REDIS_MISS);
    client_close(&client);
    server_kill(&server);
}

static void test_a_frozen_one_costs_one_timeout(void **state)
{
    enum { UNDER_WAY = 10, LATER = 1000 };
    static struct command commands[UNDER_WAY + LATER];
    struct server server = {0};
    struct client client;
    (void)state;
    memset(commands, 0, sizeof(commands));
    server_start(&server);
    client_start(&world, &client, &server);
    server_say(&server, "SET a 1");
    server_say(&server, "SET b 2");
    server_freeze(&server);
    uint64_t began_ms = tt_clock_mono_ms();
    for (int i = 0; i < UNDER_WAY; i++)
        get(client.redis, &commands[i], "a");
    TURN_UNTIL(&world, commands[UNDER_WAY - 1].dones);
    assert_true(tt_clock_mono_ms() - began_ms >= TIMEOUT_MS);
    for (int i = 0; i < UNDER_WAY; i++)
        assert_int_equal(commands[i].result, TT_REDIS_ERROR);

    for (int i = UNDER_WAY; i < UNDER_WAY + LATER; i++) { /* over many probes that fail */
        get(client.redis, &commands[i], "a");
        tt_loop_tick(world.loop, 0); /* waits for nothing */
        assert_int_equal(commands[i].dones, 1);
        assert_int_equal(commands[i].result, TT_REDIS_ERROR);
        if (i % 100 == 0)
            turn_for(&world, 100);
    }
    struct tt_redis_status status = status_of(&client);
    assert_int_equal(status.opened, 1);
    assert_int_equal(status.timeouts, 1);
    assert_int_equal(status.errors, UNDER_WAY);
    assert_int_equal(status.skipped, LATER);
    assert_int_equal(status.state, TT_REDIS_DOWN);
    assert_non_null(strstr(status.last_error, "no answer"));

    server_thaw(&server);
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    struct command b = {0};
    get(client.redis, &b, "b"); /* and not the late answers to "a" */
    assert_int_equal(wait_for(&world, &b), TT_REDIS_VALUE);
    assert_int_equal(b.value[0], '2');
    assert_int_equal(status_of(&client).opened, 1);
    client_close(&client);
    server_kill(&server);
}

/* What one worker finds out, the others believe. */
static void test_two_workers_one_opening(void **state)
{
    struct server server = {0};
    struct client first, second;
    struct command slow = {0}, fast = {0};
    (void)state;
    server_start(&server);
    client_start(&world, &first, &server);
    struct tt_redis_settings settings = client_settings(&server, "", "");
    second.health = first.health;
    second.redis = tt_redis_new(world.loop, &settings, world.resolver, first.health);
    TURN_UNTIL(&world, tt_redis_usable(second.redis));
    server_freeze(&server);
    get(first.redis, &slow, "k");
    assert_int_equal(wait_for(&world, &slow), TT_REDIS_ERROR);
    assert_false(tt_redis_usable(second.redis));
    get(second.redis, &fast, "k");
    tt_loop_tick(world.loop, 0);
    assert_int_equal(fast.dones, 1);
    turn_for(&world, 600);
    assert_int_equal(status_of(&first).opened, 1);
    assert_int_equal(status_of(&first).timeouts, 1);
    server_thaw(&server);
    TURN_UNTIL(&world, tt_redis_usable(first.redis));
    TURN_UNTIL(&world, tt_redis_usable(second.redis));
    assert_int_equal(get_now(&world, second.redis, "k"), TT_REDIS_MISS);
    assert_int_equal(status_of(&first).opened, 1);
    tt_redis_free(second.redis);
    client_close(&first);
    server_kill(&server);
}

static void test_killed_under_way_and_started_again(void **state)
{
    struct server server = {0};
    struct client client;
    struct command command = {0};
    (void)state;
    server_start(&server);
    client_start(&world, &client, &server);
    server_freeze(&server);
    get(client.redis, &command, "k");
    tt_loop_tick(world.loop, 0);
    server_kill(&server);
    assert_int_equal(wait_for(&world, &command), TT_REDIS_ERROR);
    assert_int_equal(status_of(&client).opened, 1);
    turn_for(&world, 250);
    assert_int_equal(status_of(&client).opened, 1);
    server_start(&server);
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    assert_int_equal(get_now(&world, client.redis, "k"), TT_REDIS_MISS);
    client_close(&client);
    server_kill(&server);
}

static void test_an_idle_connection_that_ends(void **state)
{
    struct server server = {0};
    struct client client;
    (void)state;
    server_start(&server);
    client_start(&world, &client, &server);
    turn_for(&world, 150);
    server_say(&server, "CLIENT KILL TYPE normal SKIPME yes"); /* as its setting `timeout` does */
    turn_for(&world, 150);
    assert_true(tt_redis_usable(client.redis));
    assert_int_equal(status_of(&client).opened, 0);
    server_kill(&server);
    TURN_UNTIL(&world, status_of(&client).state == TT_REDIS_DOWN);
    assert_int_equal(status_of(&client).opened, 1);
    client_close(&client);
}

static void test_passwords(void **state)
{
    struct server server = {.args = {"--requirepass", "rightpw"}};
    static const struct {
        const char *login, *error; /* NULL = it works */
    } cases[] = {
        {":rightpw@", NULL},
        {"default:rightpw@", NULL},
        {":wrongpw@", "WRONGPASS"},
        {"nobody:rightpw@", "WRONGPASS"},
        {"", "NOAUTH"},
    };
    (void)state;
    server_start(&server);
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        struct tt_redis_settings settings = client_settings(&server, cases[i].login, "");
        struct client client;
        client_open(&world, &client, &settings);
        TURN_UNTIL(&world, status_of(&client).state != TT_REDIS_CONNECTING);
        struct tt_redis_status status = status_of(&client);
        assert_int_equal(status.state, cases[i].error ? TT_REDIS_DOWN : TT_REDIS_UP);
        assert_int_equal(get_now(&world, client.redis, "k"),
                         cases[i].error ? TT_REDIS_ERROR : TT_REDIS_MISS);
        assert_non_null(strstr(status.last_error, cases[i].error ? cases[i].error : ""));
        assert_null(strstr(status.last_error, "wrongpw"));
        assert_null(strstr(status.last_error, "rightpw"));
        assert_int_equal(status.opened, 0);
        client_close(&client);
    }
    server_kill(&server);
}

/* A script that computes for long between asking and waiting does not make Redis late. */
static void test_a_busy_loop_is_not_a_slow_redis(void **state)
{
    struct server server = {0};
    struct client client;
    (void)state;
    server_start(&server);
    client_start(&world, &client, &server);
    for (int i = 0; i < 3; i++) {
        struct command command = {0};
        get(client.redis, &command, "k");
        usleep(TIMEOUT_MS * 2000);
        if (i == 1) { /* or between writing and reading */
            tt_loop_tick(world.loop, 0);
            usleep(TIMEOUT_MS * 2000);
        }
        assert_int_equal(wait_for(&world, &command), TT_REDIS_MISS);
    }
    assert_int_equal(status_of(&client).opened, 0);
    client_close(&client);
    server_kill(&server);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_absent_then_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_frozen_one_costs_one_timeout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_workers_one_opening, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_under_way_and_started_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_idle_connection_that_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passwords, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_busy_loop_is_not_a_slow_redis, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
