/* What the tests of the cache share: a loop with a resolver, and a real redis-server on a free port
 * of the loopback that can be frozen, killed and started again. */
#pragma once
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "loop/resolve.h"
#include "unit_test.h"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the loop ---- */

struct world {
    struct tt_loop *loop;
    struct tt_aux *aux;
    struct tt_resolver *resolver;
};

static inline void world_open(struct world *world)
{
    signal(SIGPIPE, SIG_IGN);
    tt_secret_setup();
    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    world->loop = tt_loop_new(NULL);
    world->aux = tt_aux_new("dns", 1, 16, NULL);
    world->resolver = tt_resolver_new(world->aux);
    assert_true(world->loop && world->aux && world->resolver);
}

static inline void world_close(struct world *world)
{
    tt_aux_free(world->aux);
    tt_resolver_free(world->resolver);
    tt_loop_free(world->loop);
}

/* Turns until the condition holds; fails the test after 10 s. */
#define TURN_UNTIL(world, condition)                                                               \
    do {                                                                                           \
        uint64_t end_ms_ = tt_clock_mono_ms() + 10000;                                             \
        while (!(condition) && tt_clock_mono_ms() < end_ms_)                                       \
            tt_loop_tick((world)->loop, 10);                                                       \
        if (!(condition))                                                                          \
            fail_msg("never came: %s", #condition);                                                \
    } while (0)

static inline void turn_for(struct world *world, uint64_t ms)
{
    uint64_t end_ms = tt_clock_mono_ms() + ms;
    while (tt_clock_mono_ms() < end_ms)
        tt_loop_tick(world->loop, 5);
}

/* ---- the server ---- */

#define SERVER_ARGS_MAX 8

struct server {
    int port;
    pid_t pid;                         /* 0 = not running */
    const char *args[SERVER_ARGS_MAX]; /* besides the usual ones */
};

static inline bool can_bind(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool bound = bind(fd, (void *)&address, sizeof(address)) == 0;
    close(fd);
    return bound;
}

/* Among the ports of this suite (scripts/suites.sh); by itself, among those that the system does
 * not hand out to any connection. */
static inline int free_port(void)
{
    static int next;
    if (next == 0)
        next = getenv("TEST_PORTS") ? atoi(getenv("TEST_PORTS")) : 10000 + getpid() % 22000;
    while (!can_bind(next))
        next++;
    return next++;
}

static inline redisContext *server_connect(const struct server *server)
{
    const struct timeval limit = {.tv_sec = 5};
    redisContext *context = redisConnectWithTimeout("127.0.0.1", server->port, limit);
    assert_non_null(context);
    redisSetTimeout(context, limit);
    return context;
}

static inline bool server_answers(const struct server *server)
{
    redisContext *context = server_connect(server);
    redisReply *reply = context->err ? NULL : redisCommand(context, "PING");
    bool answers = reply != NULL; /* an error is an answer too: it may want a password */
    if (reply)
        freeReplyObject(reply);
    redisFree(context);
    return answers;
}

static inline void server_exec(const struct server *server)
{
    char port[16];
    const char *argv[16 + SERVER_ARGS_MAX] = {
        "redis-server", "--port", port,        "--bind",    "127.0.0.1", "--save", "",
        "--appendonly", "no",     "--logfile", "/dev/null", "--dir",     "/tmp"};
    int count = 13;
    snprintf(port, sizeof(port), "%d", server->port);
    for (int i = 0; i < SERVER_ARGS_MAX && server->args[i]; i++)
        argv[count++] = server->args[i];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[0], (char **)(void *)argv);
    _exit(127);
}

/* Starts it, on the port that it had before, if any. */
static inline void server_start(struct server *server)
{
    if (!server->port)
        server->port = free_port();
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0)
        server_exec(server);
    for (int i = 0; i < 500 && !server_answers(server); i++)
        usleep(10000);
    assert_true(server_answers(server));
}

static inline void server_kill(struct server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
}

/* Returns when it stands still. */
static inline void server_freeze(struct server *server)
{
    int status = 0;
    kill(server->pid, SIGSTOP);
    assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
    assert_true(WIFSTOPPED(status));
}

static inline void server_thaw(struct server *server)
{
    kill(server->pid, SIGCONT);
}

/* One command from outside, such as "SET %s %b"; the text or the number of the answer. */
static inline const char *server_say(const struct server *server, const char *format, ...)
{
    static char text[256];
    redisContext *context = server_connect(server);
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(context, format, args);
    va_end(args);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(text, sizeof(text), "%lld", reply->integer);
    else
        snprintf(text, sizeof(text), "%s", reply->str ? reply->str : "(nil)");
    freeReplyObject(reply);
    redisFree(context);
    return text;
}
