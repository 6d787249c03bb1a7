/* Commands, their time limit and the meaning of their answers. Answers come in the order of the
 * commands and all limits are equal, so one timer on the oldest command is enough. A late answer
 * cannot be distinguished from the next command's: so a connection with one late command is given
 * up, with all commands in progress on it. Completions go through the ready list, so that neither
 * the library nor a caller is ever entered from within itself. */
#include "cache/redis.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cache/redis_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FULL_PAUSE_MS 1000 /* no SET after Redis refused one because it is full */

enum kind { KIND_GET, KIND_SET, KIND_UNLINK };

struct op {
    struct tt_list node;
    struct tt_redis *redis;
    enum kind kind;
    size_t size;          /* what it counts in in_flight_size */
    uint64_t deadline_ms; /* 0 = not written yet */
    enum tt_redis_result result;
    struct tt_redis_reply *reply; /* the value */
    tt_redis_done_fn *done;
    void *arg;
};

/* ---- the end of a command ---- */

static void tell_one(struct op *op)
{
    struct tt_str value = op->reply ? tt_str_of(op->reply->text, op->reply->base.len) : TT_STR("");
    if (op->done)
        op->done(op->result, value, op->arg);
    tt_redis_reply_free(op->reply);
    free(op);
}

/* Those that end meanwhile wait for the next round: `redis` outlives its completions. */
static void on_report(struct tt_deferred *deferred)
{
    struct tt_redis *redis = TT_CONTAINER_OF(deferred, struct tt_redis, report);
    struct tt_list now;
    struct tt_list *node;
    tt_list_init(&now);
    tt_list_splice(&now, &redis->done);
    while ((node = tt_list_pop_front(&now)))
        tell_one(tt_list_entry(node, struct op, node));
}

static void op_end(struct op *op, enum tt_redis_result result)
{
    struct tt_redis *redis = op->redis;
    op->result = result;
    tt_list_push_back(&redis->done, &op->node);
    tt_loop_defer(redis->loop, &redis->report);
}

static void op_answered(struct op *op, enum tt_redis_result result)
{
    struct tt_redis *redis = op->redis;
    tt_list_remove(&op->node);
    redis->in_flight--;
    redis->in_flight_size -= op->size;
    if (result == TT_REDIS_VALUE)
        tt_redis_health_count(redis->health, TT_REDIS_COUNT_HIT);
    else if (result == TT_REDIS_MISS)
        tt_redis_health_count(redis->health, TT_REDIS_COUNT_MISS);
    else if (result == TT_REDIS_ERROR)
        tt_redis_health_count(redis->health, TT_REDIS_COUNT_ERROR);
    op_end(op, result);
}

/* ---- answers ---- */

static bool begins(const struct tt_redis_reply *reply, const char *word)
{
    return strncmp(reply->text, word, strlen(word)) == 0;
}

/* Redis lives and reads, but does not write: full, a replica, its disk. */
static bool refuses_writes(const struct tt_redis_reply *reply)
{
    return begins(reply, "OOM") || begins(reply, "MISCONF") || begins(reply, "READONLY") ||
           begins(reply, "NOREPLICAS");
}

static enum tt_redis_result read_error(struct op *op, const struct tt_redis_reply *reply)
{
    struct tt_redis *redis = op->redis;
    char why[128];
    if (op->kind == KIND_GET && begins(reply, "WRONGTYPE"))
        return TT_REDIS_MISS; /* somebody else's key */
    tt_redis_reply_why(redis, reply, why, sizeof(why));
    tt_redis_health_note(redis->health, why);
    if (op->kind == KIND_UNLINK && begins(reply, UNKNOWN_COMMAND)) {
        redis->use_del = true; /* this one is lost; versions see to it that nothing comes back */
        return TT_REDIS_ERROR;
    }
    if (op->kind != KIND_GET && refuses_writes(reply)) {
        redis->writes_from_ms = tt_loop_now(redis->loop) + FULL_PAUSE_MS;
        /* After a failover the name stands for another server: it is looked up again. Because of
         * the pause this happens at most once per second. */
        if (begins(reply, "READONLY"))
            tt_redis_conn_end(redis, END_SOON, why);
        return TT_REDIS_ERROR;
    }
    if (++redis->errors >= redis->settings.errors_max)
        tt_redis_conn_end(redis, END_BAD, why);
    return TT_REDIS_ERROR;
}

static enum tt_redis_result read_answer(struct op *op, struct tt_redis_reply *reply)
{
    struct tt_redis *redis = op->redis;
    int type = reply->base.type;
    enum tt_redis_result result = TT_REDIS_ERROR;
    if (type == REDIS_REPLY_ERROR)
        return read_error(op, reply);
    if (op->kind == KIND_GET && type == REDIS_REPLY_STRING)
        result = TT_REDIS_VALUE;
    else if (op->kind == KIND_GET && type == REDIS_REPLY_NIL)
        result = TT_REDIS_MISS;
    else if (op->kind == KIND_SET && type == REDIS_REPLY_STATUS)
        result = TT_REDIS_DONE;
    else if (op->kind == KIND_UNLINK && type == REDIS_REPLY_INTEGER)
        result = TT_REDIS_DONE;
    if (result == TT_REDIS_ERROR) /* the order of answers is not ours any more */
        tt_redis_conn_end(redis, END_BAD, "an answer that is not Redis's");
    else
        redis->errors = 0;
    return result;
}

/* The library's callback: NULL when the connection is gone. */
static void on_reply(redisAsyncContext *ac, void *object, void *data)
{
    struct tt_redis_reply *reply = object;
    struct op *op = data;
    (void)ac;
    if (!reply) {
        op->redis->dropped++;
        op_answered(op, TT_REDIS_ERROR);
        return;
    }
    enum tt_redis_result result = read_answer(op, reply);
    if (result == TT_REDIS_VALUE) {
        reply->taken = true;
        op->reply = reply;
    }
    op_answered(op, result);
}

/* ---- time ---- */

static struct op *oldest(struct tt_redis *redis)
{
    return tt_list_empty(&redis->sent) ? NULL : tt_list_entry(redis->sent.next, struct op, node);
}

/* Time runs from the writing on, not from the asking: a script that computes for 50 ms between the
 * two says nothing of Redis. */
void tt_redis_commands_sent(struct tt_redis *redis)
{
    uint64_t deadline_ms = tt_clock_mono_ms() + redis->settings.timeout_ms;
    for (struct tt_list *node = redis->sent.prev; node != &redis->sent; node = node->prev) {
        struct op *op = tt_list_entry(node, struct op, node);
        if (op->deadline_ms)
            break;
        op->deadline_ms = deadline_ms;
    }
    if (redis->limit.due_ms == 0 && !tt_list_empty(&redis->sent))
        tt_timer_start(redis->loop, &redis->limit, redis->settings.timeout_ms);
}

/* True: nothing is late, and the timer is set for what is under way. */
static bool in_time(struct tt_redis *redis)
{
    struct op *op = oldest(redis);
    uint64_t now_ms = tt_clock_mono_ms();
    if (!op || !op->deadline_ms)
        return true; /* the next writing starts the timer */
    if (op->deadline_ms <= now_ms)
        return false;
    tt_timer_start(redis->loop, &redis->limit, op->deadline_ms - now_ms);
    return true;
}

void tt_redis_commands_late(struct tt_redis *redis)
{
    char why[64];
    if (in_time(redis))
        return;
    tt_redis_conn_read(redis); /* the answer may have come while the loop was busy */
    if (redis->phase != PHASE_UP || in_time(redis))
        return;
    snprintf(why, sizeof(why), "no answer within %" PRIu64 " ms", redis->settings.timeout_ms);
    tt_redis_health_count(redis->health, TT_REDIS_COUNT_TIMEOUT);
    tt_redis_conn_end(redis, END_BAD, why);
}

/* ---- commands ---- */

bool tt_redis_usable(struct tt_redis *redis)
{
    if (redis->phase != PHASE_UP)
        return false;
    if (redis->epoch == tt_redis_health_epoch(redis->health))
        return true;
    /* Another worker found Redis dead since: this connection has to be probed again. */
    tt_redis_conn_end(redis, END_SOON, "");
    redis->was_up = false;
    return false;
}

static struct op *op_new(struct tt_redis *redis, enum kind kind, size_t size,
                         tt_redis_done_fn *done, void *arg)
{
    struct op *op = TT_NEW(struct op);
    op->redis = redis;
    op->kind = kind;
    op->size = size;
    op->done = done;
    op->arg = arg;
    return op;
}

static void skip(struct op *op)
{
    tt_redis_health_count(op->redis->health, TT_REDIS_COUNT_SKIPPED);
    op_end(op, TT_REDIS_ERROR);
}

static void send_op(struct op *op, int argc, const char **argv, const size_t *lengths)
{
    struct tt_redis *redis = op->redis;
    if (!tt_redis_usable(redis) || redis->in_flight >= redis->settings.in_flight_max ||
        redis->in_flight_size + op->size > redis->settings.in_flight_size ||
        redisAsyncCommandArgv(redis->ac, on_reply, op, argc, argv, lengths) != REDIS_OK) {
        skip(op);
        return;
    }
    redis->in_flight++;
    redis->in_flight_size += op->size;
    tt_list_push_back(&redis->sent, &op->node);
}

void tt_redis_get(struct tt_redis *redis, struct tt_str key, tt_redis_done_fn *done, void *arg)
{
    const char *argv[] = {"GET", key.data};
    const size_t lengths[] = {3, key.len};
    send_op(op_new(redis, KIND_GET, key.len, done, arg), 2, argv, lengths);
}

void tt_redis_set(struct tt_redis *redis, struct tt_str key, struct tt_str value, uint64_t ttl_ms,
                  tt_redis_done_fn *done, void *arg)
{
    struct op *op = op_new(redis, KIND_SET, key.len + value.len, done, arg);
    char ttl[24];
    int ttl_len = snprintf(ttl, sizeof(ttl), "%" PRIu64, ttl_ms);
    const char *argv[] = {"SET", key.data, value.data ? value.data : "", "PX", ttl};
    const size_t lengths[] = {3, key.len, value.len, 2, (size_t)ttl_len};
    if (ttl_ms == 0 || value.len > redis->settings.value_max ||
        tt_loop_now(redis->loop) < redis->writes_from_ms)
        skip(op);
    else
        send_op(op, 5, argv, lengths);
}

void tt_redis_unlink(struct tt_redis *redis, struct tt_str key, tt_redis_done_fn *done, void *arg)
{
    const char *argv[] = {redis->use_del ? "DEL" : "UNLINK", key.data};
    const size_t lengths[] = {strlen(argv[0]), key.len};
    send_op(op_new(redis, KIND_UNLINK, key.len, done, arg), 2, argv, lengths);
}

/* ---- the whole ---- */

struct tt_redis *tt_redis_new(struct tt_loop *loop, const struct tt_redis_settings *settings,
                              struct tt_resolver *resolver, struct tt_redis_health *health)
{
    struct tt_redis *redis = TT_NEW(struct tt_redis);
    struct tt_redis_settings *used = &redis->settings;
    *used = *settings;
    used->timeout_ms = used->timeout_ms ? used->timeout_ms : 20;
    used->connect_ms = used->connect_ms ? used->connect_ms : 1000;
    used->probe_ms = used->probe_ms ? used->probe_ms : 1000;
    used->errors_max = used->errors_max ? used->errors_max : 5;
    used->value_max = used->value_max ? used->value_max : (size_t)1 << 20;
    used->in_flight_max = used->in_flight_max ? used->in_flight_max : 1024;
    used->in_flight_size = used->in_flight_size ? used->in_flight_size : (size_t)16 << 20;
    redis->loop = loop;
    redis->resolver = resolver;
    redis->health = health;
    redis->report.run = on_report;
    tt_list_init(&redis->sent);
    tt_list_init(&redis->done);
    tt_redis_conn_start(redis);
    return redis;
}

void tt_redis_free(struct tt_redis *redis)
{
    if (!redis)
        return;
    tt_redis_conn_end(redis, END_LAST, "");
    while (!tt_list_empty(&redis->done))
        on_report(&redis->report);
    tt_loop_undefer(&redis->report);
    explicit_bzero(&redis->settings.url, sizeof(redis->settings.url));
    free(redis);
}
