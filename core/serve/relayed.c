/* The signature is checked before the body is read, the body's digest when it is there. */
#include "serve/relayed.h"

#include "base/clock.h"
#include "base/log.h"
#include "node/relay.h"
#include "serve/answer.h"
#include "serve/dispatch.h"

static bool refuse(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange,
                   const struct tt_err *err)
{
    struct tt_request *request = tt_http_user(exchange);

    dispatcher->relay->stats.refused++;
    request->status = err->status;
    snprintf(request->code, sizeof(request->code), "%s", err->code);
    tt_log(TT_LOG_WARN, "a request at the private listener was refused",
           TT_F_STR("remote", tt_http_remote(exchange)), TT_F_Z("error", err->message));
    tt_answer_error(dispatcher, exchange, err, NULL, NULL);
    return true;
}

/* Whether the token was made for this request. */
static int check_fit(const struct tt_relay *relay, struct tt_http_exchange *exchange,
                     const struct tt_request *request, const struct tt_relay_token *token,
                     struct tt_err *err)
{
    if (token->to != relay->self) /* one that was here before, at the same address */
        return tt_err_set(err, 421, "not_owner", "a relayed request: it is for another node");
    if (!tt_str_eq(token->method, tt_http_method(exchange)) ||
        !tt_str_eq(token->target, tt_relay_target(exchange)))
        return tt_err_set(err, 403, "forbidden",
                          "a relayed request: it was signed for another one");
    if (!request->core)
        return 0;
    return tt_err_set(err, 403, "forbidden", "a relayed request: no node answers this for others");
}

static bool refuses(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    struct tt_relay *relay = dispatcher->relay;
    struct tt_request *request = tt_http_user(exchange);
    struct tt_relay_token *token = tt_arena_alloc(tt_http_arena(exchange), sizeof(*token));
    struct tt_buf text = {0};
    struct tt_err err = {0};

    int failed = tt_relay_token_verify(relay->key, tt_http_header(exchange, TT_RELAY_HEADER),
                                       tt_clock_wall_us() / 1000, &text, token, &err);
    if (!failed)
        failed = check_fit(relay, exchange, request, token, &err);
    if (!failed) {
        token->digest = tt_arena_str(tt_http_arena(exchange), token->digest);
        token->user = tt_arena_str(tt_http_arena(exchange), token->user);
        tt_http_set_sender(exchange, token->remote, token->request_id);
        request->caller = token;
        relay->stats.received++;
    }
    tt_buf_free(&text);
    return failed && refuse(dispatcher, exchange, &err);
}

static bool refuses_body(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange)
{
    const struct tt_request *request = tt_http_user(exchange);
    char digest[TT_RELAY_DIGEST];
    struct tt_err err = {0};

    tt_relay_digest(tt_http_body(exchange), digest);
    if (tt_str_eq(request->caller->digest, tt_str_from(digest)))
        return false;
    tt_err_set(&err, 403, "forbidden",
               "a relayed request: its body is not the one that was signed");
    return refuse(dispatcher, exchange, &err);
}

const struct tt_listener_guard tt_relayed_guard = {.refuses = refuses,
                                                   .refuses_body = refuses_body};
