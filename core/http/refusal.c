/* The library answers some heads by itself, before it calls us: a wrong Content-Length, no Host,
 * or a cookie that its memory cannot hold twice.
 * Version 0.9.75 then sends the head of that answer twice. It reports what it is about to do
 * through its log, from inside: at that moment the server writes its own answer and closes its side
 * of the socket, so that the library's goes nowhere. A head that is too large for the library's
 * memory, or has no target, is still answered by the library alone. */
#include "http/http_internal.h"

#include <string.h>

/* What the library says then; the status is the first argument. */
static const char message[] = "Error processing request (HTTP response code is %u";

/* The head is complete and the library has not called us about it. Every other request in this
 * state still waits for bytes, so there is only one. */
static bool is_being_refused(struct tt_http_conn *conn)
{
    return conn->exchange.state == TT_HTTP_HEAD &&
           MHD_get_connection_info(conn->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
}

static struct tt_http_conn *find(struct tt_http_server *server)
{
    tt_list_for_each (node, &server->phases[TT_PHASE_HEAD]) {
        struct tt_http_conn *conn = tt_list_entry(node, struct tt_http_conn, node);
        if (is_being_refused(conn))
            return conn;
    }
    return NULL;
}

static const char *code_of(int status)
{
    return status == 413 ? "body_too_large" : status == 431 ? "header_too_large" : "bad_request";
}

void tt_refusal_on_log(void *arg, const char *format, va_list args)
{
    struct tt_http_conn *conn;

    if (strncmp(format, message, sizeof(message) - 1) != 0 || !(conn = find(arg)))
        return;
    struct tt_http_exchange *exchange = &conn->exchange;
    int status = va_arg(args, int);
    exchange->method = TT_STR(""); /* the library would tell it in the call that never comes */
    tt_exchange_move(exchange, TT_HTTP_BYPASS);
    tt_http_refuse(exchange, status, code_of(status));
    exchange->linger = true;
    shutdown(conn->fd, SHUT_WR);
}
