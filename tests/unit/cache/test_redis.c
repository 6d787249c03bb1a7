/* Commands against a real server that is well, or refuses some of them. */
#include "asks.h"

static struct world world;
static struct server server;

static int group_setup(void **state)
{
    (void)state;
    alarm(100);
    world_open(&world);
    server_start(&server);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    server_kill(&server);
    world_close(&world);
    return 0;
}

static int flush(void **state)
{
    (void)state;
    server_say(&server, "FLUSHALL");
    return 0;
}

static void test_get_set_unlink(void **state)
{
    struct client client;
    struct command command = {0};
    static const char binary[] = "a\r\n\0b";
    (void)state;
    client_start(&world, &client, &server);
    assert_int_equal(get_now(&world, client.redis, "k"), TT_REDIS_MISS);
    tt_redis_set(client.redis, TT_STR("k"), tt_str_of(binary, 5), 30000, on_done, &command);
    assert_int_equal(wait_for(&world, &command), TT_REDIS_DONE);
    int ttl = atoi(server_say(&server, "PTTL k"));
    assert_true(ttl > 20000 && ttl <= 30000);
    command = (struct command){0};
    get(client.redis, &command, "k");
    assert_int_equal(wait_for(&world, &command), TT_REDIS_VALUE);
    assert_int_equal(command.len, 5);
    assert_memory_equal(command.value, binary, 5);
    command = (struct command){0};
    del(client.redis, &command, "k");
    assert_int_equal(wait_for(&world, &command), TT_REDIS_DONE);
    assert_string_equal(server_say(&server, "EXISTS k"), "0");
    tt_redis_set(client.redis, TT_STR("e"), (struct tt_str){0}, 30000, NULL, NULL);
    command = (struct command){0};
    get(client.redis, &command, "e");
    assert_int_equal(wait_for(&world, &command), TT_REDIS_VALUE);
    assert_int_equal(command.len, 0);
    struct tt_redis_status status = status_of(&client);
    assert_int_equal(status.hits, 2);
    assert_int_equal(status.misses, 1);
    assert_int_equal(status.errors + status.skipped + status.timeouts + status.opened, 0);
    client_close(&client);
}

static void test_many_in_order(void **state)
{
    enum { COUNT = 1000 };
    static struct command commands[COUNT];
    struct client client;
    char text[16];
    int order = 0;
    (void)state;
    memset(commands, 0, sizeof(commands));
    client_start(&world, &client, &server);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < COUNT / 2; i++) {
            struct command *command = &commands[round * COUNT / 2 + i];
            command->order = &order;
            snprintf(text, sizeof(text), "%d", i);
            if (round == 0)
                set(client.redis, command, text, text);
            else
                get(client.redis, command, text);
        }
    TURN_UNTIL(&world, order == COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(commands[i].dones, 1);
        assert_int_equal(commands[i].number, i);
    }
    assert_int_equal(commands[COUNT - 1].result, TT_REDIS_VALUE);
    assert_memory_equal(commands[COUNT - 1].value, "499", 3);
    client_close(&client);
}

static void test_caps(void **state)
{
    struct tt_redis_settings settings = client_settings(&server, "", "");
    struct command commands[20] = {0};
    struct client client;
    int order = 0;
    (void)state;
    settings.in_flight_max = 10;
    settings.in_flight_size = 100000;
    settings.value_max = 60000;
    client_open(&world, &client, &settings);
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    for (int i = 0; i < 20; i++) {
        commands[i].order = &order;
        get(client.redis, &commands[i], "none");
    }
    TURN_UNTIL(&world, order == 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(commands[i].result, i < 10 ? TT_REDIS_MISS : TT_REDIS_ERROR);
    assert_int_equal(status_of(&client).skipped, 10);

    char *large = calloc(1, 60002);
    memset(large, 'x', 60001);
    memset(commands, 0, sizeof(commands));
    set(client.redis, &commands[0], "large", large); /* a byte too long */
    set(client.redis, &commands[1], "large", large + 1);
    set(client.redis, &commands[2], "large", large + 1); /* two do not go at once */
    set(client.redis, &commands[3], "small", "x");
    assert_int_equal(wait_for(&world, &commands[3]), TT_REDIS_DONE);
    assert_int_equal(commands[0].result, TT_REDIS_ERROR);
    assert_int_equal(commands[1].result, TT_REDIS_DONE);
    assert_int_equal(commands[2].result, TT_REDIS_ERROR);
    assert_int_equal(get_now(&world, client.redis, "large"), TT_REDIS_VALUE);
    assert_int_equal(status_of(&client).opened, 0);
    free(large);
    client_close(&client);
}

static void test_a_value_that_is_far_too_large(void **state)
{
    struct tt_redis_settings settings = client_settings(&server, "", "");
    struct client client;
    (void)state;
    settings.timeout_ms = 5000;
    client_open(&world, &client, &settings);
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    server_say(&server, "SETRANGE huge 50000000 x");
    assert_int_equal(get_now(&world, client.redis, "huge"), TT_REDIS_ERROR);
    assert_non_null(strstr(status_of(&client).last_error, "larger"));
    assert_int_equal(status_of(&client).opened, 1);
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    assert_int_equal(get_now(&world, client.redis, "other"), TT_REDIS_MISS);
    client_close(&client);
}

static void test_somebody_elses_key(void **state)
{
    struct client client;
    (void)state;
    client_start(&world, &client, &server);
    server_say(&server, "LPUSH list a");
    for (int i = 0; i < 20; i++)
        assert_int_equal(get_now(&world, client.redis, "list"), TT_REDIS_MISS);
    assert_int_equal(status_of(&client).opened, 0);
    client_close(&client);
}

/* Full: it still reads, so it stays in use, and writes rest for a second. */
static void test_full(void **state)
{
    struct client client;
    struct command commands[10] = {0};
    (void)state;
    server_say(&server, "SET old value");
    client_start(&world, &client, &server);
    server_say(&server, "CONFIG SET maxmemory-policy noeviction");
    server_say(&server, "CONFIG SET maxmemory 1");
    for (int i = 0; i < 8; i++) {
        set(client.redis, &commands[i], "new", "value");
        assert_int_equal(wait_for(&world, &commands[i]), TT_REDIS_ERROR);
    }
    assert_int_equal(get_now(&world, client.redis, "old"), TT_REDIS_VALUE);
    del(client.redis, &commands[8], "old");
    assert_int_equal(wait_for(&world, &commands[8]), TT_REDIS_DONE);
    struct tt_redis_status status = status_of(&client);
    assert_int_equal(status.errors, 1);
    assert_int_equal(status.skipped, 7);
    assert_int_equal(status.opened, 0);
    assert_int_equal(status.state, TT_REDIS_UP);
    assert_non_null(strstr(status.last_error, "OOM"));
    server_say(&server, "CONFIG SET maxmemory 0");
    turn_for(&world, 1050);
    set(client.redis, &commands[9], "new", "value");
    assert_int_equal(wait_for(&world, &commands[9]), TT_REDIS_DONE);
    client_close(&client);
}

/* After a failover the address may be another server's: the connection is made anew, and writes go
 * on as soon as the server takes them. */
static void test_a_primary_that_became_a_replica(void **state)
{
    struct server demoted = {0};
    struct client client;
    struct command commands[3] = {0};
    char before[32];
    (void)state;
    server_start(&demoted);
    client_start(&world, &client, &demoted);
    snprintf(before, sizeof(before), "%s", server_say(&demoted, "CLIENT ID"));
    server_say(&demoted, "REPLICAOF 127.0.0.1 1");
    set(client.redis, &commands[0], "k", "v");
    assert_int_equal(wait_for(&world, &commands[0]), TT_REDIS_ERROR);
    assert_non_null(strstr(status_of(&client).last_error, "READONLY"));
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    /* Since then: REPLICAOF, what the server makes itself for that, our new one, CLIENT ID. */
    assert_int_equal(atoi(server_say(&demoted, "CLIENT ID")) - atoi(before), 4);
    assert_int_equal(status_of(&client).opened, 0);
    server_say(&demoted, "REPLICAOF NO ONE");
    turn_for(&world, 1050);
    set(client.redis, &commands[1], "k", "v");
    assert_int_equal(wait_for(&world, &commands[1]), TT_REDIS_DONE);
    client_close(&client);
    server_kill(&demoted);
}

static void test_a_socket(void **state)
{
    char path[64], url[80];
    struct server local = {.args = {"--unixsocket", path}};
    struct tt_redis_settings settings = client_settings(&server, "", "");
    struct client client;
    struct command command = {0};
    (void)state;
    snprintf(path, sizeof(path), "/tmp/redis-test-%d.sock", (int)getpid());
    snprintf(url, sizeof(url), "unix://%s?db=3", path);
    server_start(&local);
    assert_int_equal(tt_redis_url_parse(tt_str_from(url), &settings.url, NULL), 0);
    client_open(&world, &client, &settings);
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    set(client.redis, &command, "k", "v");
    assert_int_equal(wait_for(&world, &command), TT_REDIS_DONE);
    assert_int_equal(get_now(&world, client.redis, "k"), TT_REDIS_VALUE);
    assert_string_equal(server_say(&local, "EXISTS k"), "0"); /* it is in the third database */
    server_kill(&local);
    TURN_UNTIL(&world, status_of(&client).state == TT_REDIS_DOWN);
    client_close(&client);
    unlink(path);
    client_open(&world, &client, &settings); /* nothing is there */
    TURN_UNTIL(&world, status_of(&client).state == TT_REDIS_DOWN);
    client_close(&client);
}

static void test_errors_in_a_row(void **state)
{
    struct tt_redis_settings settings = client_settings(&server, "guest:guestpw@", "");
    struct client client;
    (void)state;
    server_say(&server, "ACL SETUSER guest reset on >guestpw ~* +@all");
    client_open(&world, &client, &settings);
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    server_say(&server, "ACL SETUSER guest -get");
    for (int i = 0; i < 4; i++)
        assert_int_equal(get_now(&world, client.redis, "k"), TT_REDIS_ERROR);
    server_say(&server, "ACL SETUSER guest +get");
    assert_int_equal(get_now(&world, client.redis, "k"), TT_REDIS_MISS); /* not in a row */
    server_say(&server, "ACL SETUSER guest -get");
    assert_int_equal(status_of(&client).opened, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(get_now(&world, client.redis, "k"), TT_REDIS_ERROR);
    assert_int_equal(status_of(&client).opened, 1);
    turn_for(&world, 350); /* the probe does not fall for a PING */
    assert_false(tt_redis_usable(client.redis));
    assert_int_equal(status_of(&client).opened, 1);
    assert_non_null(strstr(status_of(&client).last_error, "NOPERM"));
    server_say(&server, "ACL SETUSER guest +get");
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    assert_int_equal(get_now(&world, client.redis, "k"), TT_REDIS_MISS);
    client_close(&client);
}

static void test_databases(void **state)
{
    struct tt_redis_settings settings = client_settings(&server, "", "/3");
    struct client client;
    struct command command = {0};
    (void)state;
    client_open(&world, &client, &settings);
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    set(client.redis, &command, "k", "v");
    assert_int_equal(wait_for(&world, &command), TT_REDIS_DONE);
    assert_string_equal(server_say(&server, "EXISTS k"), "0");
    client_close(&client);

    settings = client_settings(&server, "", "/9999");
    client_open(&world, &client, &settings);
    TURN_UNTIL(&world, status_of(&client).state == TT_REDIS_DOWN);
    assert_non_null(strstr(status_of(&client).last_error, "DB index"));
    assert_int_equal(status_of(&client).opened, 0);
    client_close(&client);
}

static void test_a_name_with_several_addresses(void **state)
{
    struct tt_redis_settings settings = client_settings(&server, "", "");
    struct client client;
    (void)state;
    strcpy(settings.url.host, "localhost"); /* also ::1, where nobody listens */
    client_open(&world, &client, &settings);
    TURN_UNTIL(&world, tt_redis_usable(client.redis));
    client_close(&client);
    strcpy(settings.url.host, "127.0.0.1.nowhere.invalid");
    client_open(&world, &client, &settings);
    TURN_UNTIL(&world, status_of(&client).state == TT_REDIS_DOWN);
    client_close(&client);
    client_open(&world, &client, &settings); /* freed at every stage */
    for (int i = 0; i < 5; i++) {
        client_close(&client);
        client_open(&world, &client, &settings);
        for (int turn = 0; turn <= i; turn++)
            tt_loop_tick(world.loop, 1);
    }
    client_close(&client);
}

static void test_an_old_server_without_unlink(void **state)
{
    struct server old = {.args = {"--rename-command", "UNLINK", ""}};
    struct client client;
    struct command command[2] = {0};
    (void)state;
    server_start(&old);
    client_start(&world, &client, &old);
    server_say(&old, "SET private:key v");
    del(client.redis, &command[0], "private:key");
    assert_int_equal(wait_for(&world, &command[0]), TT_REDIS_ERROR);
    assert_null(strstr(status_of(&client).last_error, "private")); /* Redis repeats the key */
    del(client.redis, &command[1], "private:key");
    assert_int_equal(wait_for(&world, &command[1]), TT_REDIS_DONE);
    assert_string_equal(server_say(&old, "EXISTS private:key"), "0");
    client_close(&client);
    server_kill(&old);
}

static void test_free_answers_everybody(void **state)
{
    struct command commands[30] = {0};
    struct client client;
    (void)state;
    client_start(&world, &client, &server);
    for (int i = 0; i < 10; i++)
        get(client.redis, &commands[i], "k");
    tt_loop_tick(world.loop, 0); /* written, perhaps answered */
    for (int i = 10; i < 20; i++)
        get(client.redis, &commands[i], "k");
    client_close(&client);
    for (int i = 0; i < 20; i++)
        assert_int_equal(commands[i].dones, 1);
    tt_loop_tick(world.loop, 0);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_get_set_unlink, flush),
        cmocka_unit_test_setup(test_many_in_order, flush),
        cmocka_unit_test_setup(test_caps, flush),
        cmocka_unit_test_setup(test_a_value_that_is_far_too_large, flush),
        cmocka_unit_test_setup(test_somebody_elses_key, flush),
        cmocka_unit_test_setup(test_full, flush),
        cmocka_unit_test_setup(test_a_primary_that_became_a_replica, flush),
        cmocka_unit_test_setup(test_a_socket, flush),
        cmocka_unit_test_setup(test_errors_in_a_row, flush),
        cmocka_unit_test_setup(test_databases, flush),
        cmocka_unit_test(test_a_name_with_several_addresses),
        cmocka_unit_test(test_an_old_server_without_unlink),
        cmocka_unit_test(test_free_answers_everybody),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
