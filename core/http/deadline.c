/* How long a connection may take. The library's timeout counts from the last byte, so a
 * client that sends one byte of a head at a time holds a connection for ever: here the head has a
 * deadline from its beginning, a body has a minimum rate, an answer must make progress, an idle
 * connection ends. One timer sweeps the queues of all phases (phase.c) while there are connections.
 * What the kernel's TCP counters tell is asked only when a look is due. Ends a connection by
 * shutdown(2): the library sees the end of input and cleans up. */
#include "http/http_internal.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>

#define RATE_WINDOW_MS 10000

static void cut(struct tt_http_conn *conn)
{
    shutdown(conn->fd, SHUT_RDWR);
}

static bool tcp_counters(const struct tt_http_conn *conn, struct tcp_info *info)
{
    socklen_t len = sizeof(*info);
    memset(info, 0, sizeof(*info));
    return !conn->is_unix && getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0;
}

/* Time is up before the head was complete: without an answer, there is no request yet. */
static void check_head(struct tt_http_conn *conn)
{
    cut(conn);
    tt_phase_enter(conn, TT_PHASE_BUSY); /* no second look */
}

static void check_body(struct tt_http_conn *conn)
{
    struct tt_http_exchange *exchange = &conn->exchange;
    const struct tt_http_settings *s = &conn->server->settings;
    uint64_t got = exchange->received - conn->progress;
    uint64_t least = s->body_rate_min * conn->server->rate_window_ms / 1000;
    if (least == 0)
        least = 1;
    conn->progress = exchange->received;
    tt_phase_look_again(conn);
    if (got >= least)
        return;
    if (exchange->state == TT_HTTP_BODY) {
        tt_exchange_move(exchange, TT_HTTP_BYPASS);
        tt_http_refuse(exchange, 408, "request_timeout");
    }
    tt_exchange_cut(exchange);
    cut(conn);
}

/* An answer that moves, however slowly, may go on; also one that waits for us and not for the
 * client, which is a stream without anything to send. */
static void check_send(struct tt_http_conn *conn)
{
    struct tcp_info info;
    int queued = 0;
    uint64_t before = conn->progress;
    tt_phase_look_again(conn);
    if (ioctl(conn->fd, SIOCOUTQ, &queued) != 0)
        return;
    if (tcp_counters(conn, &info))
        conn->progress = info.tcpi_bytes_acked + 1;
    else
        conn->progress =
            (uint64_t)queued + 1; /* a unix socket: the same rest twice is standstill */
    if (queued == 0 && conn->exchange.stream.pending.len == 0)
        return;
    if (before != 0 && before == conn->progress)
        cut(conn);
}

/* An idle connection on which bytes came since, and still no request line, is inside a head: from
 * now on it has the time of a head. Nothing else shows it: the library reports only the whole line.
 */
static void check_idle(struct tt_http_conn *conn)
{
    uint64_t now = tt_loop_now(conn->server->loop);
    uint64_t idle = now - conn->since_ms;
    struct tcp_info info;
    if (idle >= conn->server->settings.idle_timeout_ms) {
        cut(conn);
        tt_phase_enter(conn, TT_PHASE_BUSY);
        return;
    }
    if (tcp_counters(conn, &info) && info.tcpi_last_data_recv + 5 < idle)
        tt_phase_enter(conn, TT_PHASE_HEAD);
    else
        tt_phase_look_again(conn);
}

static void check(struct tt_http_conn *conn)
{
    switch (conn->phase) {
    case TT_PHASE_OPEN:
    case TT_PHASE_HEAD:
        check_head(conn);
        break;
    case TT_PHASE_BODY:
        check_body(conn);
        break;
    case TT_PHASE_SEND:
        check_send(conn);
        break;
    case TT_PHASE_IDLE:
        check_idle(conn);
        break;
    case TT_PHASE_BUSY:
    case TT_PHASE_COUNT:
        break;
    }
}

static void sweep(struct tt_timer *timer)
{
    struct tt_http_server *server = TT_CONTAINER_OF(timer, struct tt_http_server, sweep);
    uint64_t now = tt_loop_now(server->loop);
    for (int phase = 0; phase < TT_PHASE_COUNT; phase++) {
        struct tt_list *queue = &server->phases[phase];
        if (phase == TT_PHASE_BUSY)
            continue;
        while (!tt_list_empty(queue)) {
            struct tt_http_conn *conn = tt_list_entry(queue->next, struct tt_http_conn, node);
            if (conn->check_ms > now)
                break;
            check(conn);
        }
    }
    tt_server_rest(server);
    if (server->connections > 0)
        tt_phase_start_sweep(server);
}

void tt_deadline_setup(struct tt_http_server *server)
{
    server->sweep.on_due = sweep;
    server->rate_window_ms = RATE_WINDOW_MS;
}

/* At the limit nobody else gets in until one leaves. The connection that has been idle longest has
 * the least to lose. */
void tt_deadline_make_room(struct tt_http_server *server)
{
    struct tt_list *idle = &server->phases[TT_PHASE_IDLE];
    if (server->connections < server->settings.connections_max || tt_list_empty(idle))
        return;
    struct tt_http_conn *conn = tt_list_entry(idle->next, struct tt_http_conn, node);
    cut(conn);
    tt_phase_enter(conn, TT_PHASE_BUSY);
}

/* A connection whose request is in the socket's buffer already stays: it will be answered, with
 * Connection: close. */
void tt_deadline_close_idle(struct tt_http_server *server)
{
    static const enum tt_phase without_request[] = {TT_PHASE_OPEN, TT_PHASE_IDLE};
    for (size_t i = 0; i < TT_COUNT(without_request); i++) {
        tt_list_for_each (node, &server->phases[without_request[i]]) {
            struct tt_http_conn *conn = tt_list_entry(node, struct tt_http_conn, node);
            char byte;
            if (recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
                cut(conn);
        }
    }
}
