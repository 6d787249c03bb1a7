/* A suspended connection is not in the library's epoll set, so the library does not notice when its
 * client leaves. We watch its descriptor in our own epoll instance, edge-triggered, so EPOLLRDHUP
 * is reported once. The same watch has EPOLLOUT, for the rest of a stream, because an epoll
 * instance accepts a descriptor only once. It stays from a connection's first request that waits to
 * the connection's end, because to start and stop it would be two system calls per request; what it
 * reports while nobody waits ends it, and the next one who starts it is told again. A client that
 * closes only its sending side looks like one that leaves, and is treated as gone. */
#include "http/http_internal.h"

#define EVENTS (EPOLLRDHUP | EPOLLET)

void tt_gone_mark(struct tt_http_exchange *exchange)
{
    if (exchange->gone || exchange->state == TT_HTTP_CUT)
        return;
    exchange->gone = true;
    tt_watch_stop(&tt_exchange_conn(exchange)->watch);
    tt_buf_free(&exchange->stream.out); /* nobody will read it */
    tt_buf_free(&exchange->stream.pending);
    if (exchange->stream.ended)
        tt_exchange_stream_due(exchange);
    if (exchange->on_gone)
        exchange->on_gone(exchange);
}

static bool is_wanted(const struct tt_http_exchange *exchange)
{
    if (exchange->state == TT_HTTP_STREAMING)
        return true;
    return exchange->on_gone &&
           (exchange->state == TT_HTTP_PAUSED || exchange->state == TT_HTTP_WAITING);
}

static void on_ready(struct tt_watch *watch, uint32_t events)
{
    struct tt_http_conn *conn = TT_CONTAINER_OF(watch, struct tt_http_conn, watch);
    bool gone = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    if (gone && is_wanted(&conn->exchange))
        tt_gone_mark(&conn->exchange);
    else if (gone)
        tt_watch_stop(watch);
    else if (events & EPOLLOUT)
        tt_exchange_stream_due(&conn->exchange);
}

void tt_gone_watch(struct tt_http_exchange *exchange, bool writable)
{
    struct tt_http_conn *conn = tt_exchange_conn(exchange);
    uint32_t events = EVENTS | (writable ? EPOLLOUT : 0);
    if (exchange->gone)
        return;
    if (conn->watch.loop) {
        if (conn->watch.events != events)
            tt_watch_update(&conn->watch, events);
        return;
    }
    conn->watch.fd = conn->fd;
    conn->watch.events = events;
    conn->watch.on_ready = on_ready;
    tt_watch_start(exchange->server->loop, &conn->watch, NULL);
}

void tt_http_on_gone(struct tt_http_exchange *exchange,
                     void (*on_gone)(struct tt_http_exchange *exchange))
{
    exchange->on_gone = on_gone;
    if (on_gone && is_wanted(exchange))
        tt_gone_watch(exchange, false);
}
