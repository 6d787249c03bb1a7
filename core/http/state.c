/* An exchange's state and memory, on which the other files build. Every change of state goes
 * through move() below, which has all transitions (http_internal.h explains them) and maintains the
 * list of exchanges that the handler has. A state in which the library is suspended is entered and
 * left only together with the library. */
#include "http/http_internal.h"

#include <assert.h>

#define BIT(state)  (1u << TT_HTTP_##state)
#define SUSPENDED   (BIT(PAUSED) | BIT(WAITING) | BIT(STREAMING))
#define OVER_OR_CUT (BIT(IDLE) | BIT(CUT))

static const unsigned next_states[TT_HTTP_STATE_COUNT] = {
    [TT_HTTP_IDLE] = BIT(HEAD),
    [TT_HTTP_HEAD] = BIT(BODY) | BIT(BYPASS) | BIT(IDLE),
    [TT_HTTP_BODY] = BIT(BYPASS) | BIT(PAUSED) | BIT(REQUESTED) | BIT(ANSWERED) | OVER_OR_CUT,
    [TT_HTTP_BYPASS] = BIT(BODY) | BIT(PAUSED) | BIT(ANSWERED) | BIT(WRITTEN) | OVER_OR_CUT,
    [TT_HTTP_PAUSED] = BIT(BODY) | BIT(ANSWERED) | BIT(WRITTEN) | BIT(CUT),
    [TT_HTTP_REQUESTED] = BIT(WAITING) | BIT(ANSWERED) | OVER_OR_CUT,
    [TT_HTTP_WAITING] = BIT(SENDING) | BIT(STREAMING) | BIT(CUT),
    [TT_HTTP_ANSWERED] = BIT(SENDING) | OVER_OR_CUT,
    [TT_HTTP_SENDING] = BIT(STREAMING) | OVER_OR_CUT,
    [TT_HTTP_STREAMING] = BIT(FINISHED) | BIT(CUT),
    [TT_HTTP_FINISHED] = OVER_OR_CUT,
    [TT_HTTP_WRITTEN] = OVER_OR_CUT,
    [TT_HTTP_CUT] = BIT(IDLE),
};

static bool is_suspended(enum tt_http_state state)
{
    return SUSPENDED >> state & 1;
}

static void move(struct tt_http_exchange *exchange, enum tt_http_state to)
{
    struct tt_http_server *server = exchange->server;
    bool was_known = tt_exchange_is_known(exchange);
    assert(next_states[exchange->state] >> to & 1);
    exchange->state = to;
    if (tt_exchange_is_known(exchange) == was_known)
        return;
    server->active += was_known ? -1 : 1;
    if (was_known)
        tt_list_remove(&exchange->node);
    else
        tt_list_push_back(&server->exchanges, &exchange->node);
}

void tt_exchange_move(struct tt_http_exchange *exchange, enum tt_http_state to)
{
    assert(is_suspended(exchange->state) == is_suspended(to));
    move(exchange, to);
}

void tt_exchange_suspend(struct tt_http_exchange *exchange, enum tt_http_state to)
{
    assert(!is_suspended(exchange->state) && is_suspended(to));
    move(exchange, to);
    MHD_suspend_connection(exchange->mhd);
}

void tt_exchange_resume(struct tt_http_exchange *exchange, enum tt_http_state to)
{
    assert(is_suspended(exchange->state) && !is_suspended(to));
    move(exchange, to);
    MHD_resume_connection(exchange->mhd);
    tt_server_run_soon(exchange->server);
}

void tt_exchange_cut(struct tt_http_exchange *exchange)
{
    if (is_suspended(exchange->state))
        tt_exchange_resume(exchange, TT_HTTP_CUT);
    else if (exchange->state != TT_HTTP_CUT)
        tt_exchange_move(exchange, TT_HTTP_CUT);
}

bool tt_exchange_is_known(const struct tt_http_exchange *exchange)
{
    return exchange->state >= TT_HTTP_BODY;
}

bool tt_exchange_is_answered(const struct tt_http_exchange *exchange)
{
    return exchange->state >= TT_HTTP_ANSWERED;
}

void tt_exchange_stream_due(struct tt_http_exchange *exchange)
{
    struct tt_http_server *server = exchange->server;
    if (exchange->state != TT_HTTP_STREAMING || !tt_list_empty(&exchange->stream.node))
        return;
    tt_list_push_back(&server->streams, &exchange->stream.node);
    tt_loop_again(server->loop);
}

/* ---- memory ---- */

char *tt_exchange_copy(struct tt_http_exchange *exchange, const char *data, size_t len)
{
    size_t room = sizeof(exchange->scratch) - exchange->scratch_used;
    char *to = NULL;
    if (len >= room)
        return tt_arena_strndup(&exchange->arena, data, len);
    to = exchange->scratch + exchange->scratch_used;
    exchange->scratch_used += len + 1;
    if (len > 0)
        memcpy(to, data, len);
    to[len] = '\0';
    return to;
}

void tt_exchange_reset(struct tt_http_exchange *exchange)
{
    struct tt_http_server *server = exchange->server;
    struct tt_buf body = exchange->body;
    memset(exchange, 0, offsetof(struct tt_http_exchange, scratch));
    exchange->server = server;
    exchange->fields_end = &exchange->fields;
    tt_buf_clear(&body);
    body.max = 0;
    if (body.cap > TT_KEEP_BODY_MAX)
        tt_buf_free(&body);
    exchange->body = body;
}
