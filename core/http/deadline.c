/* How long a connection may take. The library's timeout counts from the last byte, so a client that
 * sends a head one byte at a time could hold a connection for ever. Here the deadline of a head
 * counts from its beginning, a body has a minimum rate, an answer must make progress, and an idle
 * connection ends. One timer sweeps the queues of all phases (phase.c) while there are connections.
 * The kernel's TCP counters are read only when a check is due. A connection is ended by
 * shutdown(2): the library sees the end of input and cleans up. */
#include "http/http_internal.h"
#include "http/library_memory.h"

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

/* The head is not complete in time. There is no answer, because there is no request yet. */
static void check_head(struct tt_http_conn *conn)
{
    cut(conn);
    tt_phase_enter(conn, TT_PHASE_BUSY); /* no second check */
}

static void refuse_body(struct tt_http_conn *conn, int status, const char *code)
{
    struct tt_http_exchange *exchange = &conn->exchange;

    if (exchange->state == TT_HTTP_BODY) {
        tt_exchange_move(exchange, TT_HTTP_BYPASS);
        tt_http_refuse(exchange, status, code);
    }
    tt_exchange_cut(exchange);
    cut(conn);
}

/* The library neither reads nor complains when the line before a chunk is longer than its buffer:
 * two looks in a row find bytes in the socket and none taken. */
static bool is_blocked(struct tt_http_conn *conn)
{
    const struct tt_http_exchange *exchange = &conn->exchange;
    bool was_blocked = conn->blocked;
    int waiting = 0;

    conn->blocked = exchange->state == TT_HTTP_BODY && exchange->chunked &&
                    exchange->received == conn->looked && ioctl(conn->fd, SIOCINQ, &waiting) == 0 &&
                    waiting > 0;
    conn->looked = exchange->received;
    return conn->blocked && was_blocked;
}

static void check_body(struct tt_http_conn *conn)
{
    const struct tt_http_server *server = conn->server;
    uint64_t now = tt_loop_now(server->loop);
    uint64_t window = server->settings.body_rate_min > 0 ? server->rate_window_ms
                                                         : server->settings.idle_timeout_ms;
    uint64_t least = server->settings.body_rate_min * server->rate_window_ms / 1000;
    uint64_t got = conn->exchange.received - conn->progress;

    tt_phase_look_again(conn);
    if (is_blocked(conn)) {
        refuse_body(conn, 400, "bad_request");
    } else if (now - conn->window_ms >= window) {
        conn->window_ms = now;
        conn->progress = conn->exchange.received;
        if (got < (least > 0 ? least : 1))
            refuse_body(conn, 408, "request_timeout");
    }
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
            (uint64_t)queued + 1; /* a unix socket: the same remainder twice means no progress */
    if (queued == 0 && conn->exchange.stream.pending.len == 0)
        return;
    if (before != 0 && before == conn->progress)
        cut(conn);
}

/* If bytes have arrived on an idle connection but no request line, it is inside a head, and from
 * now on the deadline of a head applies. Nothing else reveals this: the library reports only the
 * complete line. */
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
    if (tcp_counters(conn, &info) && info.tcpi_last_data_recv + 5 < idle) {
        tt_phase_enter(conn, TT_PHASE_HEAD);
        return;
    }
    if (conn->pool && !conn->rested)
        tt_library_rest(conn->pool, conn->server->pool_size);
    conn->rested = true;
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

/* At the limit nobody else can connect until a connection ends. The one that has been idle longest
 * has the least to lose. */
void tt_deadline_make_room(struct tt_http_server *server)
{
    struct tt_list *idle = &server->phases[TT_PHASE_IDLE];
    if (server->connections < server->settings.connections_max || tt_list_empty(idle))
        return;
    struct tt_http_conn *conn = tt_list_entry(idle->next, struct tt_http_conn, node);
    cut(conn);
    tt_phase_enter(conn, TT_PHASE_BUSY);
}

/* A connection whose next request is already in the socket's buffer stays: that request will be
 * answered, with Connection: close. */
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
