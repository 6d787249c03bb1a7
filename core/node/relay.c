/* What of a request and its answer passes, and how the call is made. Nothing of the client's
 * credentials passes: the other node believes the token, and a node that is not one of ours gets
 * nothing that it could use elsewhere. */
#include "node/relay.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define CONNECT_MS  2000
#define SILENT_MS   25000 /* a stream has a sign of life each 10 s */
#define HEADERS_MAX 100

/* ---- which headers pass ---- */

/* RFC 9110, 7.6.1, and what only a node that clients talk to can judge. */
static const char *const request_stops[] = {"connection",
                                            "keep-alive",
                                            "proxy-authorization",
                                            "proxy-connection",
                                            "te",
                                            "trailer",
                                            "transfer-encoding",
                                            "upgrade",
                                            "expect",
                                            "content-length",
                                            "host",
                                            "authorization",
                                            "cookie",
                                            "x-api-key",
                                            "origin",
                                            "forwarded",
                                            "accept-encoding",
                                            TT_RELAY_HEADER};
static const char *const answer_stops[] = {"connection",
                                           "keep-alive",
                                           "transfer-encoding",
                                           "trailer",
                                           "upgrade",
                                           "content-length",
                                           "date",
                                           "x-request-id",
                                           "x-script-generation",
                                           "x-content-type-options"};

static bool is_among(struct tt_str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tt_str_eq_nocase(name, tt_str_from(names[i])))
            return true;
    return false;
}

static bool passes_request(struct tt_str name)
{
    return !is_among(name, request_stops, TT_COUNT(request_stops)) &&
           !tt_str_starts_nocase(name, TT_STR("x-forwarded-")) &&
           !tt_str_starts_nocase(name, TT_STR("sec-"));
}

bool tt_relay_passes(struct tt_str name)
{
    return !is_among(name, answer_stops, TT_COUNT(answer_stops)) &&
           !tt_str_starts_nocase(name, TT_STR("access-control-"));
}

struct tt_str tt_relay_target(struct tt_http_exchange *exchange)
{
    struct tt_str path = tt_http_path(exchange), query = tt_http_query(exchange);
    size_t len = path.len + (query.data ? query.len + 1 : 0);
    char *target = tt_arena_alloc(tt_http_arena(exchange), len + 1);

    snprintf(target, len + 1, "%.*s%s%.*s", TT_STR_ARG(path), query.data ? "?" : "",
             query.data ? (int)query.len : 0, query.data ? query.data : "");
    return tt_str_of(target, len);
}

/* ---- the call ---- */

struct lines {
    struct tt_arena *arena;
    struct tt_str line[HEADERS_MAX];
    size_t count;
};

static void add_line(void *arg, struct tt_str name, struct tt_str value)
{
    struct lines *lines = arg;

    if (lines->count == HEADERS_MAX || value.len == 0 || !passes_request(name))
        return;
    size_t len = name.len + 2 + value.len;
    char *line = tt_arena_alloc(lines->arena, len + 1);
    snprintf(line, len + 1, "%.*s: %.*s", TT_STR_ARG(name), TT_STR_ARG(value));
    lines->line[lines->count++] = tt_str_of(line, len);
}

static int add_token(struct tt_relay *relay, struct tt_http_exchange *exchange,
                     const struct tt_relay_request *request, struct tt_str body,
                     struct lines *lines, struct tt_err *err)
{
    char digest[TT_RELAY_DIGEST];
    struct tt_buf line = {0};

    tt_relay_digest(body, digest);
    tt_buf_append_z(&line, TT_RELAY_HEADER ": ");
    int failed =
        tt_relay_token_sign(relay->key,
                            &(struct tt_relay_token){.at_ms = tt_clock_wall_us() / 1000,
                                                     .to = request->to,
                                                     .method = request->method,
                                                     .target = request->target,
                                                     .digest = tt_str_from(digest),
                                                     .request_id = tt_http_request_id(exchange),
                                                     .remote = tt_http_remote(exchange),
                                                     .chinese = request->chinese,
                                                     .secure = request->secure,
                                                     .user = request->user},
                            &line);
    if (!failed)
        lines->line[lines->count++] = tt_arena_str(lines->arena, tt_buf_str(&line));
    tt_buf_free(&line);
    return failed ? tt_err_set(err, 400, "invalid_header", "a field cannot be signed") : 0;
}

struct tt_call *tt_relay_start(struct tt_relay *relay, struct tt_http_exchange *exchange,
                               const struct tt_relay_request *request,
                               const struct tt_call_handler *handler, struct tt_err *err)
{
    struct tt_str body = request->anew ? TT_STR("") : request->body;
    struct lines *lines = tt_alloc(sizeof(*lines));
    struct tt_buf text = {0}, url = {0};
    struct tt_call *call = NULL;
    char method[16];

    lines->arena = tt_http_arena(exchange);
    if (add_token(relay, exchange, request, body, lines, err) != 0)
        goto out;
    if (!request->anew)
        tt_http_each_header(exchange, add_line, lines);
    snprintf(method, sizeof(method), "%.*s", TT_STR_ARG(request->method));
    tt_buf_printf(&url, "http://%.*s%.*s", TT_STR_ARG(request->address),
                  TT_STR_ARG(request->target));
    tt_buf_append_str(&text, body);
    struct tt_call_body *sent = body.len > 0 ? tt_call_body_new(&text) : NULL;
    call = tt_call_start(relay->client,
                         &(struct tt_call_request){
                             .method = method,
                             .url = url.data,
                             .headers = lines->line,
                             .header_count = lines->count,
                             .body = sent,
                             .deadlines = {.connect = CONNECT_MS, .between = SILENT_MS},
                         },
                         handler, err);
    tt_call_body_unref(sent);
    relay->stats.sent += call != NULL;
out:
    tt_buf_free(&text);
    tt_buf_free(&url);
    free(lines);
    return call;
}

/* ---- of a worker ---- */

int tt_relay_create(struct tt_relay *relay, const struct tt_relay_parts *parts, struct tt_err *err)
{
    relay->key = parts->key;
    relay->self = parts->self;
    tt_relay_watch_create(&relay->watch, parts->loop, parts->db, parts->lease_ms);
    relay->egress = tt_egress_new(NULL, 0, err);
    if (!relay->egress)
        return -1;
    tt_egress_open(relay->egress);
    relay->client = tt_client_new(
        parts->loop,
        &(struct tt_client_settings){.egress = relay->egress, .resolver = parts->resolver}, err);
    return relay->client ? 0 : -1;
}

void tt_relay_stop(struct tt_relay *relay)
{
    tt_relay_watch_destroy(&relay->watch);
}

void tt_relay_destroy(struct tt_relay *relay)
{
    tt_relay_stop(relay);
    if (relay->client)
        tt_client_free(relay->client);
    tt_egress_free(relay->egress);
    *relay = (struct tt_relay){0};
}
