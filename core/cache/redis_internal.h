/* Shared by redis.c (commands, their time limit, the meaning of answers) and redis_conn.c (one
 * connection: hiredis, its place in the loop, attempts and probes). Private to cache. */
#pragma once
#include "base/list.h"
#include "cache/redis.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

enum tt_redis_phase {
    PHASE_DOWN,       /* no connection; the retry timer runs */
    PHASE_CONNECTING, /* name, TCP */
    PHASE_PROBING,    /* AUTH, SELECT, PING, GET are under way */
    PHASE_UP
};

/* What hiredis hands over for an answer. It begins like hiredis's own replies, because the library
 * reads the type of answers that nobody requested. */
struct tt_redis_reply {
    redisReply base; /* type, integer, str, len */
    bool taken;      /* a command owns it: the library must not free it */
    char text[];
};
void tt_redis_reply_free(struct tt_redis_reply *reply); /* NULL is allowed */

struct tt_redis {
    struct tt_loop *loop;
    struct tt_redis_settings settings;
    struct tt_resolver *resolver;
    struct tt_redis_health *health;
    enum tt_redis_phase phase;
    uint64_t epoch; /* the breaker's when this connection came up */
    uint64_t up_since_ms;
    bool was_up; /* the last attempt that ended had been up: its loss is news */

    redisAsyncContext *ac; /* NULL: none, or given up */
    struct tt_watch watch;
    bool connected, writing;
    struct tt_deferred flush;
    struct tt_timer limit; /* of the attempt, or of the oldest command */
    struct tt_timer retry;
    struct tt_resolve resolve;
    unsigned attempts; /* which of several addresses is next */

    struct tt_list sent; /* commands, oldest first */
    struct tt_list done; /* ended, not reported yet */
    struct tt_deferred report;
    size_t in_flight, in_flight_size;
    size_t dropped;          /* commands that were lost with this connection */
    int errors;              /* in a row */
    bool use_del;            /* Redis before 4.0 has no UNLINK */
    uint64_t writes_from_ms; /* Redis is full: no SET before this time */
};

/* ---- redis_conn.c ---- */

#define UNKNOWN_COMMAND "ERR unknown command"

/* An error answer as text that may be shown: without keys and passwords. */
void tt_redis_reply_why(const struct tt_redis *redis, const struct tt_redis_reply *reply, char *out,
                        size_t size);

void tt_redis_conn_start(struct tt_redis *redis); /* the first attempt, soon */

enum tt_redis_end {
    END_BAD,  /* Redis has a problem: opens the breaker if it was up, tries again in a second */
    END_SOON, /* the connection cannot be trusted, Redis may be fine: tries again at once */
    END_LAST  /* no more attempts */
};
/* Gives up the connection; all commands in progress end with an error. Harmless without one. */
void tt_redis_conn_end(struct tt_redis *redis, enum tt_redis_end how, const char *why);

/* Reads the bytes that have arrived, without waiting for the loop to report them. */
void tt_redis_conn_read(struct tt_redis *redis);

/* ---- redis.c ---- */

void tt_redis_commands_sent(
    struct tt_redis *redis); /* the library has written: the time limit starts */
void tt_redis_commands_late(struct tt_redis *redis); /* the limit timer, while up */
