/* The life of a request, in the order in which the library calls us: target -> first call (head;
 * guard, on_head) -> body calls -> last call (on_request) -> completed (on_end). Two traps. An
 * answer queued in the first call makes the library close the connection even if there is no body,
 * so the answer is held until the last call, unless a body comes first (body.c). And the last call
 * suspends only if the handler did not answer, because suspending costs two changes of the
 * library's epoll set. */
#include "http/http_internal.h"
#include "http/library_memory.h"

#define BODY_FIRST_MAX (64 * 1024) /* allocated at once for a body of announced length */

/* splitmix64 from a random start: unique, and cheaper than asking the kernel for every request. */
static void make_id(struct tt_http_exchange *exchange)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t x = exchange->server->id_state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    for (int i = 0; i < 16; i++, x >>= 4)
        exchange->id[i] = digits[x & 15];
    exchange->id[16] = '\0';
}

static struct tt_str below(struct tt_str base, struct tt_str path)
{
    if (base.len == 0 || !tt_str_starts(path, base) ||
        (path.len > base.len && path.data[base.len] != '/'))
        return path;
    return tt_str_of(path.data + base.len, path.len - base.len);
}

/* The path of a target without its query. In absolute form (RFC 9112, 3.2.2: a server must accept
 * it, and its host replaces the Host header) the authority comes first. */
static struct tt_str path_of(struct tt_http_exchange *exchange, struct tt_str target)
{
    size_t scheme = tt_str_starts_nocase(target, TT_STR("http://"))    ? 7
                    : tt_str_starts_nocase(target, TT_STR("https://")) ? 8
                                                                       : 0;

    if (scheme == 0)
        return target;
    struct tt_str rest = tt_str_of(target.data + scheme, target.len - scheme);
    ptrdiff_t slash = tt_str_find(rest, '/');
    exchange->authority = tt_str_of(rest.data, slash < 0 ? rest.len : (size_t)slash);
    return slash < 0 ? TT_STR("/") : tt_str_of(rest.data + slash, rest.len - (size_t)slash);
}

void *tt_exchange_on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
    struct tt_http_conn *conn =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct tt_http_exchange *exchange = &conn->exchange;
    (void)arg;
    tt_exchange_move(exchange, TT_HTTP_HEAD);
    exchange->mhd = mhd;
    make_id(exchange);
    size_t len = strlen(target);
    exchange->raw_target = target;
    exchange->target = tt_str_of(tt_exchange_copy(exchange, target, len), len);
    struct tt_str before_query = exchange->target;
    ptrdiff_t mark = tt_str_find(exchange->target, '?');
    if (mark >= 0) {
        before_query.len = (size_t)mark;
        exchange->query = tt_str_of(exchange->target.data + mark + 1, len - (size_t)mark - 1);
        tt_library_hide_query(target, (size_t)mark + 1);
    }
    exchange->path = below(exchange->server->settings.base_path, path_of(exchange, before_query));
    tt_phase_enter(conn, TT_PHASE_HEAD);
    return exchange;
}

static enum MHD_Result refuse_early(struct tt_http_exchange *exchange, int status, const char *code)
{
    tt_http_refuse(exchange, status, code);
    return tt_body_answer_early(exchange);
}

/* Where such a body ends is what two parsers may see differently: not all of its lines can be
 * checked (library_memory.h), so nothing behind it is read as a request. */
static void expect_chunks(struct tt_http_exchange *exchange, const char *method)
{
    exchange->chunks.begin = method + tt_library_head_size(exchange->mhd);
    exchange->chunks.end = exchange->chunks.begin;
    exchange->close = true;
}

static enum MHD_Result first_call(struct tt_http_exchange *exchange, const char *method,
                                  const char *version)
{
    const struct tt_http_handler *handler = &exchange->server->handler;
    const char *code = NULL;
    int status = 0;
    exchange->method = tt_str_from(method);
    struct tt_http_conn *conn = tt_exchange_conn(exchange);
    if (!conn->pool)
        conn->pool = tt_library_pool_of(method, exchange->server->pool_size);
    exchange->is_head = tt_str_eq(exchange->method, TT_STR("HEAD"));
    status = tt_guard_check(exchange, method, version, &code);
    tt_exchange_move(exchange, TT_HTTP_BODY);
    if (status == 431) /* the library's pool has no room for an answer */
        tt_exchange_move(exchange, TT_HTTP_BYPASS);
    if (status != 0)
        return refuse_early(exchange, status, code);
    if (exchange->chunked)
        expect_chunks(exchange, method);
    handler->on_head(handler->arg, exchange, &exchange->body_max);
    bool has_body = exchange->chunked || exchange->content_length > 0;
    if (!has_body)
        return MHD_YES; /* answered or not: the last call follows at once */
    if (tt_exchange_is_answered(exchange))
        return tt_body_answer_early(exchange);
    if (exchange->content_length > exchange->body_max)
        return refuse_early(exchange, 413, "body_too_large");
    exchange->body.max = exchange->body_max;
    size_t room = exchange->content_length;
    if (room > 0 && !exchange->on_piece)
        tt_buf_reserve(&exchange->body, room < BODY_FIRST_MAX ? room : BODY_FIRST_MAX);
    tt_phase_enter(tt_exchange_conn(exchange), TT_PHASE_BODY);
    return MHD_YES;
}

static enum MHD_Result ask_handler(struct tt_http_exchange *exchange)
{
    const struct tt_http_handler *handler = &exchange->server->handler;
    tt_exchange_move(exchange, TT_HTTP_REQUESTED);
    tt_phase_enter(tt_exchange_conn(exchange), TT_PHASE_BUSY);
    handler->on_request(handler->arg, exchange);
    if (exchange->state == TT_HTTP_CUT)
        return MHD_NO; /* a stream that was cut before its head */
    if (exchange->state != TT_HTTP_REQUESTED)
        return tt_http_response_queue(exchange);
    tt_exchange_suspend(exchange, TT_HTTP_WAITING);
    if (exchange->on_gone)
        tt_gone_watch(exchange, false);
    return MHD_YES;
}

static enum MHD_Result last_call(struct tt_http_exchange *exchange)
{
    switch (exchange->state) {
    case TT_HTTP_BODY:
        return ask_handler(exchange);
    case TT_HTTP_ANSWERED:
        return tt_http_response_queue(exchange);
    case TT_HTTP_PAUSED:
        return MHD_YES; /* called again after resuming */
    default:
        return MHD_NO;
    }
}

enum MHD_Result tt_exchange_on_call(void *arg, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version, const char *data,
                                    size_t *size, void **context)
{
    struct tt_http_exchange *exchange = *context;
    (void)arg;
    (void)mhd;
    (void)url;
    if (!exchange)
        return MHD_NO;
    if (exchange->state == TT_HTTP_HEAD)
        return first_call(exchange, method, version);
    if (*size > 0)
        return tt_body_take(exchange, data, size);
    return last_call(exchange);
}

/* A connection whose request did not end well, or whose end is that of the body, is closed by the
 * library: it destroys the pool as soon as this returns, but forgets the connection only at its
 * next event, and none may come when the client has left. Closing the socket is one. */
static void leave_connection(struct tt_http_exchange *exchange, enum MHD_RequestTerminationCode why)
{
    struct tt_http_conn *conn = tt_exchange_conn(exchange);
    bool closes = exchange->stream.exchange && (exchange->http10 || exchange->has_length);
    if (why == MHD_REQUEST_TERMINATED_COMPLETED_OK && !closes)
        return;
    conn->pool = NULL;
    if (exchange->state == TT_HTTP_CUT)
        shutdown(conn->fd, SHUT_RDWR);
}

/* Called for every request whose target was read, including those that the library refused before
 * our first call. */
void tt_exchange_on_completed(void *arg, struct MHD_Connection *mhd, void **context,
                              enum MHD_RequestTerminationCode why)
{
    struct tt_http_exchange *exchange = *context;
    struct tt_http_server *server = arg;
    (void)mhd;
    if (!exchange)
        return;
    *context = NULL;
    leave_connection(exchange, why);
    if (exchange->stream.exchange)
        tt_stream_close(&exchange->stream);
    if (exchange->linger && exchange->state != TT_HTTP_CUT)
        tt_linger_start(server, tt_exchange_conn(exchange)->fd);
    if (tt_exchange_is_known(exchange))
        server->handler.on_end(server->handler.arg, exchange);
    tt_unread_set(&exchange->unread, 0);
    if (exchange->response)
        MHD_destroy_response(exchange->response);
    tt_arena_destroy(&exchange->arena);
    tt_exchange_move(exchange, TT_HTTP_IDLE);
    tt_exchange_reset(exchange);
    tt_phase_enter(tt_exchange_conn(exchange), TT_PHASE_IDLE);
}
