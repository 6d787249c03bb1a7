/* Something that listens where Redis should be and answers as it likes. Whatever comes, commands
 * end once and without a value, nothing crashes or grows, and attempts stay a probe apart. */
#include "asks.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#define GOOD_PROBE "+PONG\r\n$-1\r\n" /* to PING and GET */

/* What the server says: when somebody comes, to the first bytes, to all later ones. */
struct script {
    const char *name;
    const char *greeting, *first, *later;
    size_t first_len, later_len; /* 0: up to the NUL */
    int flood;                   /* how often `later` is sent */
    bool hang_up;                /* after `first` */
    bool comes_up;               /* the probe is good */
};

#define CLIENTS_MAX 64

struct madman {
    const struct script *script;
    pthread_t thread;
    int fds[CLIENTS_MAX], heard[CLIENTS_MAX], count, listener;
    atomic_int accepted;
    atomic_bool stop;
};

static void say(int fd, const char *text, size_t len, int times)
{
    len = text && len == 0 ? strlen(text) : len;
    for (int i = 0; text && i < times; i++)
        if (send(fd, text, len, MSG_NOSIGNAL) < 0)
            return;
}

static void hear(struct madman *man, int i)
{
    const struct script *script = man->script;
    char buf[65536];
    ssize_t n = recv(man->fds[i], buf, sizeof(buf), 0);
    if (n > 0 && man->heard[i]++ == 0) {
        say(man->fds[i], script->first, script->first_len, 1);
    } else if (n > 0) {
        say(man->fds[i], script->later, script->later_len, script->flood ? script->flood : 1);
    }
    if (n <= 0 || script->hang_up) {
        close(man->fds[i]);
        man->count--;
        man->fds[i] = man->fds[man->count];
        man->heard[i] = man->heard[man->count];
    }
}

static void *mad_life(void *arg)
{
    struct madman *man = arg;
    while (!atomic_load(&man->stop)) {
        struct pollfd polls[CLIENTS_MAX + 1];
        for (int i = 0; i < man->count; i++)
            polls[i] = (struct pollfd){.fd = man->fds[i], .events = POLLIN};
        int count = man->count;
        polls[count] = (struct pollfd){.fd = man->listener, .events = POLLIN};
        poll(polls, (nfds_t)count + 1, 5);
        for (int i = count - 1; i >= 0; i--)
            if (polls[i].revents)
                hear(man, i);
        if (polls[count].revents && man->count < CLIENTS_MAX) {
            int fd = accept(man->listener, NULL, NULL);
            atomic_fetch_add(&man->accepted, 1);
            say(fd, man->script->greeting, 0, 1);
            man->heard[man->count] = 0;
            man->fds[man->count++] = fd;
        }
    }
    for (int i = 0; i < man->count; i++)
        close(man->fds[i]);
    return NULL;
}

static int mad_start(struct madman *man, const struct script *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    memset(man, 0, sizeof(*man));
    man->script = script;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    man->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(man->listener, (void *)&address, len), 0);
    assert_int_equal(listen(man->listener, 64), 0);
    assert_int_equal(getsockname(man->listener, (void *)&address, &len), 0);
    assert_int_equal(pthread_create(&man->thread, NULL, mad_life, man), 0);
    return ntohs(address.sin_port);
}

static void mad_stop(struct madman *man)
{
    atomic_store(&man->stop, true);
    pthread_join(man->thread, NULL);
    close(man->listener);
}

/* ---- */

static struct world world;

static int group_setup(void **state)
{
    (void)state;
    alarm(100);
    world_open(&world);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static const char zeros[4096];
static char line[4097]; /* without an end */

static const struct script scripts[] = {
    {.name = "silence"},
    {.name = "web server", .first = "HTTP/1.1 400 Bad Request\r\n\r\n"},
    {.name = "mail server", .greeting = "220 mail.example ESMTP\r\n"},
    {.name = "zeros", .first = zeros, .first_len = sizeof(zeros)},
    {.name = "hangs up", .hang_up = true},
    {.name = "speaks unasked", .greeting = "+OK\r\n"},
    {.name = "fails unasked",
     .greeting = "-ERR max number of clients reached\r\n",
     .hang_up = true},
    {.name = "too many answers", .first = GOOD_PROBE "+OK\r\n+OK\r\n+OK\r\n", .comes_up = true},
    {.name = "too many errors", .first = GOOD_PROBE "-ERR a\r\n-ERR b\r\n", .comes_up = true},
    {.name = "agrees to everything", .first = "+OK\r\n+OK\r\n+OK\r\n"},
    {.name = "numbers", .first = ":1\r\n:2\r\n"},
    {.name = "broken number", .first = ":x\r\n"},
    {.name = "loading", .first = "-LOADING Redis is loading the dataset in memory\r\n"},
    {.name = "cluster", .first = "+PONG\r\n-MOVED 3999 127.0.0.1:6381\r\n"},
    {.name = "endless array", .first = "*2147483647\r\n"},
    {.name = "array", .first = "*2\r\n$1\r\na\r\n*1\r\n:1\r\n"},
    {.name = "negative array", .first = "*-5\r\n"},
    {.name = "deep array",
     .first = "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"},
    {.name = "large promise", .first = "$536870912\r\n"},
    {.name = "negative string", .first = "$-7\r\n"},
    {.name = "up, then hangs up", .first = GOOD_PROBE, .hang_up = true, .comes_up = true},
    {.name = "up, then silence", .first = GOOD_PROBE, .comes_up = true},
    {.name = "up, then +OK", .first = GOOD_PROBE, .later = "+OK\r\n", .comes_up = true},
    {.name = "up, then noise", .first = GOOD_PROBE, .later = "!?\r\n", .comes_up = true},
    {.name = "up, then number", .first = GOOD_PROBE, .later = ":5\r\n", .comes_up = true},
    {.name = "up, then arrays",
     .first = GOOD_PROBE,
     .later = "*1\r\n$1\r\na\r\n",
     .comes_up = true},
    {.name = "up, then many errors",
     .first = GOOD_PROBE,
     .later = "-MOVED 1 127.0.0.1:1\r\n",
     .flood = 100,
     .comes_up = true},
    {.name = "up, then a promise",
     .first = GOOD_PROBE,
     .later = "$999999\r\nabc",
     .comes_up = true},
    {.name = "up, then a line",
     .first = GOOD_PROBE,
     .later = line,
     .flood = 1000,
     .comes_up = true},
};

/* Asks all the time for 0.3 s; every command must end without a value. */
static void live_with(const struct script *script)
{
    enum { COUNT = 60 };
    static struct command commands[COUNT];
    static struct madman man;
    struct server server = {.port = mad_start(&man, script)};
    struct tt_redis_settings settings = client_settings(&server, "", "");
    struct client client;
    int order = 0;
    settings.timeout_ms = 50;
    memset(commands, 0, sizeof(commands));
    client_open(&world, &client, &settings);
    uint64_t began_ms = tt_clock_mono_ms();
    for (int i = 0; i < COUNT; i++) {
        commands[i].order = &order;
        get(client.redis, &commands[i], "key");
        turn_for(&world, 4);
    }
    TURN_UNTIL(&world, order == COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(commands[i].dones, 1);
        assert_true(commands[i].result != TT_REDIS_VALUE);
    }
    struct tt_redis_status status = status_of(&client);
    bool was_up = status.opened > 0 || status.state == TT_REDIS_UP;
    if (was_up != script->comes_up)
        fail_msg("%s: was%s up", script->name, was_up ? "" : " never");
    if (status.state != TT_REDIS_DOWN && !script->comes_up)
        fail_msg("%s: state %s", script->name, tt_redis_state_name(status.state));
    if (!*status.last_error)
        fail_msg("%s: no error is shown", script->name);
    if (atomic_load(&man.accepted) > (int)((tt_clock_mono_ms() - began_ms) / settings.probe_ms) + 2)
        fail_msg("%s: %d attempts", script->name, atomic_load(&man.accepted));
    client_close(&client);
    mad_stop(&man);
}

static void test_madmen(void **state)
{
    (void)state;
    memset(line, '+', sizeof(line) - 1);
    for (size_t i = 0; i < TT_COUNT(scripts); i++)
        live_with(&scripts[i]);
}

/* AUTH's password comes back in the error of a server that does not know the command. */
static void test_a_repeated_password_is_not_shown(void **state)
{
    static const struct script repeats[] = {
        {.name = "unknown",
         .first = "-ERR unknown command `AUTH`, with args beginning with: `hunter2`\r\n"},
        {.name = "echo", .first = "-what is AUTH hunter2?\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < TT_COUNT(repeats); i++) {
        static struct madman man;
        struct server server = {.port = mad_start(&man, &repeats[i])};
        struct tt_redis_settings settings = client_settings(&server, ":hunter2@", "");
        struct client client;
        client_open(&world, &client, &settings);
        TURN_UNTIL(&world, status_of(&client).state == TT_REDIS_DOWN);
        assert_null(strstr(status_of(&client).last_error, "hunter2"));
        assert_true(*status_of(&client).last_error);
        client_close(&client);
        mad_stop(&man);
    }
}

/* Bytes by chance, after a good probe or instead of it. */
static void test_noise(void **state)
{
    unsigned seed = 1;
    (void)state;
    for (int round = 0; round < 12; round++) {
        static const char alphabet[] = "+-:$*0123456789\r\n\r\n\r\nOKab\xFF";
        static char noise[2000];
        struct script script = {.name = "noise", .first = noise, .later = noise, .comes_up = true};
        size_t start = round % 2 ? sizeof(GOOD_PROBE) - 1 : 0;
        memcpy(noise, GOOD_PROBE, sizeof(GOOD_PROBE) - 1);
        for (size_t i = start; i < sizeof(noise); i++)
            noise[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        script.first_len = round % 2 ? start : sizeof(noise);
        script.later_len = sizeof(noise);
        static struct madman man;
        struct server server = {.port = mad_start(&man, &script)};
        struct tt_redis_settings settings = client_settings(&server, "", "");
        struct client client;
        struct command commands[50] = {0};
        client_open(&world, &client, &settings);
        for (size_t i = 0; i < TT_COUNT(commands); i++) {
            get(client.redis, &commands[i], "key");
            tt_loop_tick(world.loop, 2);
        }
        client_close(&client);
        for (size_t i = 0; i < TT_COUNT(commands); i++)
            assert_int_equal(commands[i].dones, 1);
        mad_stop(&man);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_madmen),
        cmocka_unit_test(test_a_repeated_password_is_not_shown),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
