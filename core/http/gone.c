/* A suspended connection is out of the library's epoll set, so nothing tells that its client left.
 * We watch its descriptor in our own epoll instance, edge-triggered: EPOLLRDHUP comes once, and
 * EPOLLOUT (a stream's rest) with it, because one instance takes a descriptor only once. A client
 * that closes only its sending side looks the same as one that leaves, and counts as gone. */
#include "http/http_internal.h"

#define EVENTS (EPOLLRDHUP | EPOLLET)

void tt_gone_mark(struct tt_http_exchange *exchange)
{
    if (exchange->gone || exchange->cut)
        return;
    exchange->gone = true;
    tt_gone_unwatch(exchange);
    if (exchange->stream.exchange)
        tt_stream_on_gone(&exchange->stream);
    if (exchange->on_gone)
        exchange->on_gone(exchange);
}

static void on_ready(struct tt_watch *watch, uint32_t events)
{
    struct tt_http_conn *conn = TT_CONTAINER_OF(watch, struct tt_http_conn, watch);
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        tt_gone_mark(&conn->exchange);
    else if (events & EPOLLOUT)
        tt_stream_on_writable(&conn->exchange.stream);
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

void tt_gone_unwatch(struct tt_http_exchange *exchange)
{
    tt_watch_stop(&tt_exchange_conn(exchange)->watch);
}

void tt_http_on_gone(struct tt_http_exchange *exchange,
                     void (*on_gone)(struct tt_http_exchange *exchange))
{
    exchange->on_gone = on_gone;
    if (on_gone && exchange->suspended && !exchange->answered)
        tt_gone_watch(exchange, false);
}
