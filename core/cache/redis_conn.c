/* One connection of hiredis 0.14, from the name to the answered probe. Traps of that library that
 * are handled here: it has no time limits; an answer that nobody requested is an assert, so the
 * reply functions refuse to build one; an array of a billion elements is a calloc that aborts, so
 * arrays are never built; it calls nothing but `cleanup` when a connection is freed; it reads as
 * much as a peer sends. A command requests EPOLLOUT: instead all of a tick's commands are written
 * at its end, and only a full socket is watched. */
#include "base/mem.h"
#include "cache/redis_internal.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define READ_SLACK ((size_t)64 << 10) /* unread bytes beside one value of the allowed size */
#define PROBE_KEY  "tide:1:probe"

/* ---- answers ---- */

static struct tt_redis_reply array_reply = {.base = {.type = REDIS_REPLY_ARRAY}, .taken = true};

void tt_redis_reply_free(struct tt_redis_reply *reply)
{
    if (reply != &array_reply)
        free(reply);
}

/* Some servers repeat a command that they do not know, and AUTH's password with it. */
void tt_redis_reply_why(const struct tt_redis *redis, const struct tt_redis_reply *reply, char *out,
                        size_t size)
{
    const char *password = redis->settings.url.password;
    if (strncmp(reply->text, UNKNOWN_COMMAND, strlen(UNKNOWN_COMMAND)) == 0)
        snprintf(out, size, UNKNOWN_COMMAND);
    else if (*password && strstr(reply->text, password))
        snprintf(out, size, "an error that repeats the password");
    else
        snprintf(out, size, "%s", reply->text);
}

static void reply_free(void *object)
{
    struct tt_redis_reply *reply = object;
    if (reply && !reply->taken)
        tt_redis_reply_free(reply);
}

/* NULL makes the library end the connection. Elements of arrays are not kept: nothing we ask is
 * answered with an array. */
static void *reply_new(const redisReadTask *task, int type, const char *text, size_t len)
{
    const struct tt_redis *redis = task->privdata;
    if (task->parent)
        return &array_reply;
    if (!redis->ac || !redis->ac->replies.head)
        return NULL;
    struct tt_redis_reply *reply = malloc(sizeof(*reply) + len + 1);
    if (!reply)
        return NULL;
    *reply = (struct tt_redis_reply){.base = {.type = type, .len = len}};
    reply->base.str = reply->text;
    if (len)
        memcpy(reply->text, text, len);
    reply->text[len] = '\0';
    return reply;
}

static void *reply_string(const redisReadTask *task, char *text, size_t len)
{
    return reply_new(task, task->type, text, len);
}

static void *reply_integer(const redisReadTask *task, long long value)
{
    struct tt_redis_reply *reply = reply_new(task, REDIS_REPLY_INTEGER, NULL, 0);
    if (reply && reply != &array_reply)
        reply->base.integer = value;
    return reply;
}

static void *reply_nil(const redisReadTask *task)
{
    return reply_new(task, REDIS_REPLY_NIL, NULL, 0); /* the task calls it a string */
}

static void *reply_array(const redisReadTask *task, int elements)
{
    const struct tt_redis *redis = task->privdata;
    (void)elements;
    return redis->ac && redis->ac->replies.head ? &array_reply : NULL;
}

static redisReplyObjectFunctions reply_functions = {
    reply_string, reply_array, reply_integer, reply_nil, reply_free,
};

/* ---- the loop's side ---- */

void tt_redis_conn_read(struct tt_redis *redis)
{
    redisAsyncContext *ac = redis->ac;
    redisAsyncHandleRead(ac);
    if (redis->ac != ac)
        return; /* it is gone */
    const redisReader *reader = ac->c.reader;
    if (reader->len - reader->pos > redis->settings.value_max + READ_SLACK)
        tt_redis_conn_end(redis, END_BAD, "an answer larger than any value may be");
}

static void on_ready(struct tt_watch *watch, uint32_t events)
{
    struct tt_redis *redis = TT_CONTAINER_OF(watch, struct tt_redis, watch);
    redisAsyncContext *ac = redis->ac;
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        tt_redis_conn_read(redis);
    if (redis->ac == ac && ac && (events & EPOLLOUT))
        redisAsyncHandleWrite(ac);
}

/* A watch that cannot be had (no memory in the kernel) ends the attempt by its time limit. */
static void want(struct tt_redis *redis, uint32_t events)
{
    if (!redis->watch.loop) {
        redis->watch.events = events;
        tt_watch_start(redis->loop, &redis->watch, NULL);
    } else {
        tt_watch_update(&redis->watch, events);
    }
}

static void add_read(void *data)
{
    struct tt_redis *redis = data;
    want(redis, redis->watch.events | EPOLLIN);
}

static void del_read(void *data)
{
    struct tt_redis *redis = data;
    want(redis, redis->watch.events & ~(uint32_t)EPOLLIN);
}

static void add_write(void *data)
{
    struct tt_redis *redis = data;
    if (redis->connected && !redis->writing)
        tt_loop_defer(redis->loop, &redis->flush);
    else
        want(redis, redis->watch.events | EPOLLOUT);
}

static void del_write(void *data)
{
    struct tt_redis *redis = data;
    want(redis, redis->watch.events & ~(uint32_t)EPOLLOUT);
}

static void on_flush(struct tt_deferred *deferred)
{
    struct tt_redis *redis = TT_CONTAINER_OF(deferred, struct tt_redis, flush);
    if (!redis->ac)
        return;
    redis->writing = true;
    redisAsyncHandleWrite(redis->ac);
    redis->writing = false;
    if (redis->ac && redis->phase == PHASE_UP)
        tt_redis_commands_sent(redis);
}

/* The library frees the connection, because of us or of itself; the descriptor is still open. */
static void cleanup(void *data)
{
    struct tt_redis *redis = data;
    redisAsyncContext *ac = redis->ac;
    char why[128];
    tt_watch_stop(&redis->watch);
    tt_loop_undefer(&redis->flush);
    if (!ac)
        return; /* we gave it up ourselves */
    redis->ac = NULL;
    snprintf(why, sizeof(why), "%s", ac->errstr && *ac->errstr ? ac->errstr : "connection lost");
    /* An idle connection that Redis closes (its setting `timeout`, a restart) tells nothing yet. */
    uint64_t up_ms = tt_loop_now(redis->loop) - redis->up_since_ms;
    bool idle = redis->phase == PHASE_UP && redis->dropped == 0 && up_ms > redis->settings.probe_ms;
    tt_redis_conn_end(redis, idle ? END_SOON : END_BAD, why);
}

/* ---- the probe ---- */

/* True when the probe goes on. Called by the library, also with NULL when all is over anyway. */
static bool probe_answered(struct tt_redis *redis, const struct tt_redis_reply *reply, bool good)
{
    char why[128];
    if (!reply || redis->phase != PHASE_PROBING)
        return false;
    if (good)
        return true;
    if (reply->base.type == REDIS_REPLY_ERROR)
        tt_redis_reply_why(redis, reply, why, sizeof(why));
    else
        snprintf(why, sizeof(why), "the probe got an answer that is not Redis's");
    tt_redis_conn_end(redis, END_BAD, why);
    return false;
}

static bool is_status(const struct tt_redis_reply *reply, const char *text)
{
    return reply && reply->base.type == REDIS_REPLY_STATUS && strcmp(reply->text, text) == 0;
}

static void on_probe_ok(redisAsyncContext *ac, void *reply, void *data)
{
    (void)ac;
    probe_answered(data, reply, is_status(reply, "OK"));
}

static void on_probe_pong(redisAsyncContext *ac, void *reply, void *data)
{
    (void)ac;
    probe_answered(data, reply, is_status(reply, "PONG"));
}

/* PING is answered even to a user who may read nothing, or by a cluster's wrong node: so a GET too.
 */
static void on_probe_get(redisAsyncContext *ac, void *object, void *data)
{
    const struct tt_redis_reply *reply = object;
    struct tt_redis *redis = data;
    int type = reply ? reply->base.type : 0;
    (void)ac;
    if (!probe_answered(redis, reply, type == REDIS_REPLY_NIL || type == REDIS_REPLY_STRING))
        return;
    tt_timer_stop(&redis->limit);
    redis->phase = PHASE_UP;
    redis->was_up = true;
    redis->errors = 0;
    redis->dropped = 0;
    redis->up_since_ms = tt_loop_now(redis->loop);
    redis->epoch = tt_redis_health_close(redis->health);
}

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct tt_redis *redis = ac->data;
    const struct tt_redis_url *url = &redis->settings.url;
    redisAsyncContext *mine = redis->ac;
    if (status != REDIS_OK || !mine)
        return; /* cleanup follows */
    redis->connected = true;
    redis->phase = PHASE_PROBING;
    if (*url->password && *url->user)
        redisAsyncCommand(mine, on_probe_ok, redis, "AUTH %s %s", url->user, url->password);
    else if (*url->password)
        redisAsyncCommand(mine, on_probe_ok, redis, "AUTH %s", url->password);
    if (url->database)
        redisAsyncCommand(mine, on_probe_ok, redis, "SELECT %d", url->database);
    redisAsyncCommand(mine, on_probe_pong, redis, "PING");
    redisAsyncCommand(mine, on_probe_get, redis, "GET " PROBE_KEY);
    tt_timer_start(redis->loop, &redis->limit, redis->settings.timeout_ms);
}

/* ---- attempts ---- */

static void adopt(struct tt_redis *redis, redisAsyncContext *ac)
{
    if (!ac || ac->err) {
        char why[128];
        snprintf(why, sizeof(why), "%s", ac ? ac->errstr : "out of memory");
        if (ac)
            redisAsyncFree(ac);
        tt_redis_conn_end(redis, END_BAD, why);
        return;
    }
    redis->ac = ac;
    redis->connected = false;
    redis->watch = (struct tt_watch){.fd = ac->c.fd, .on_ready = on_ready};
    ac->c.reader->fn = &reply_functions;
    ac->c.reader->privdata = redis;
    ac->data = ac->ev.data = redis;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup;
    redisAsyncSetConnectCallback(ac, on_connect);
}

static void open_to(struct tt_redis *redis, const struct tt_address *address)
{
    char host[NI_MAXHOST];
    if (getnameinfo((const void *)&address->storage, address->len, host, sizeof(host), NULL, 0,
                    NI_NUMERICHOST) != 0)
        tt_redis_conn_end(redis, END_BAD, "an odd address");
    else
        adopt(redis, redisAsyncConnect(host, redis->settings.url.port));
}

static void on_resolved(struct tt_resolve *resolve, const struct tt_address *addresses,
                        size_t count)
{
    struct tt_redis *redis = TT_CONTAINER_OF(resolve, struct tt_redis, resolve);
    if (count == 0)
        tt_redis_conn_end(redis, END_BAD, "the host name is not known");
    else
        open_to(redis, &addresses[redis->attempts++ % count]);
}

static void on_retry(struct tt_timer *timer)
{
    struct tt_redis *redis = TT_CONTAINER_OF(timer, struct tt_redis, retry);
    const struct tt_redis_url *url = &redis->settings.url;
    struct tt_err err = {0};
    redis->phase = PHASE_CONNECTING;
    redis->resolve = (struct tt_resolve){.on_done = on_resolved};
    tt_timer_start(redis->loop, &redis->limit, redis->settings.connect_ms);
    if (*url->path)
        adopt(redis, redisAsyncConnectUnix(url->path));
    else if (tt_resolve_start(redis->resolver, redis->loop, &redis->resolve, url->host, url->port,
                              &err) != 0)
        tt_redis_conn_end(redis, END_BAD, err.message);
}

static void on_limit(struct tt_timer *timer)
{
    struct tt_redis *redis = TT_CONTAINER_OF(timer, struct tt_redis, limit);
    char why[96];
    if (redis->phase == PHASE_UP) {
        tt_redis_commands_late(redis);
        return;
    }
    bool probing = redis->phase == PHASE_PROBING;
    uint64_t ms = probing ? redis->settings.timeout_ms : redis->settings.connect_ms;
    if (probing)
        tt_redis_conn_read(redis); /* the answer may have come while the loop was busy */
    if (redis->phase == PHASE_UP || redis->phase == PHASE_DOWN)
        return;
    snprintf(why, sizeof(why), "%s within %llu ms", probing ? "no answer" : "no connection",
             (unsigned long long)ms);
    tt_redis_conn_end(redis, END_BAD, why);
}

void tt_redis_conn_start(struct tt_redis *redis)
{
    redis->flush.run = on_flush;
    redis->limit.on_due = on_limit;
    redis->retry.on_due = on_retry;
    tt_timer_start(redis->loop, &redis->retry, 0);
}

/* A new attempt only ever starts from the timer: inside one of the library's callbacks the old
 * connection still lives, with our watch. */
void tt_redis_conn_end(struct tt_redis *redis, enum tt_redis_end how, const char *why)
{
    redisAsyncContext *ac = redis->ac;
    tt_resolve_cancel(&redis->resolve);
    tt_timer_stop(&redis->limit);
    redis->phase = PHASE_DOWN;
    if (how == END_BAD && redis->was_up)
        tt_redis_health_open(redis->health, why);
    else if (how == END_BAD)
        tt_redis_health_failed(redis->health, why);
    if (how == END_BAD)
        redis->was_up = false;
    if (how == END_LAST)
        tt_timer_stop(&redis->retry);
    else
        tt_timer_start(redis->loop, &redis->retry, how == END_SOON ? 0 : redis->settings.probe_ms);
    redis->ac = NULL;
    if (ac)
        redisAsyncFree(ac);
}
