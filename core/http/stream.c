/* Streams are sent without the library. It sends the head and is suspended; then we send the chunks
 * to the connection's socket ourselves, at most once per stream and tick; at the end the library is
 * resumed and writes the last chunk, so that keep-alive continues. The library's own way costs half
 * as much again: a resume, a walk over all suspended connections and a copy for every chunk. The
 * traps: the library calls the content reader only after the whole head is sent, so that call is
 * the sign that the socket is ours; a reader that returns 0 without suspending spins; bytes that
 * the socket did not accept must be sent before anything newer is framed; and for HEAD the library
 * would write the last chunk too. HTTP/1.0 gets plain bytes and a close, by the same path. */
#include "http/http_internal.h"
#include "http/library_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/uio.h>

#define KEEP_OUT 4096 /* a buffer larger than this is freed when it is empty */

/* Returns the connection to the library: the reader is called once more and reports the end. For a
 * client that has left there is nothing more to send, and the library may not even have had a
 * response from us. */
static void finish(struct tt_http_exchange *exchange)
{
    tt_exchange_resume(exchange, exchange->gone ? TT_HTTP_CUT : TT_HTTP_FINISHED);
}

static void keep_rest(struct tt_http_stream *stream, const struct iovec *parts, int count,
                      size_t sent)
{
    for (int i = 0; i < count; i++) {
        size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
        sent -= skip;
        tt_buf_append(&stream->pending, (char *)parts[i].iov_base + skip, parts[i].iov_len - skip);
    }
}

static void release_out(struct tt_http_stream *stream)
{
    if (stream->out.cap > KEEP_OUT)
        tt_buf_free(&stream->out);
    else
        tt_buf_clear(&stream->out);
}

/* Without chunks: the end is that of the connection, or known beforehand. */
static bool is_plain(const struct tt_http_exchange *exchange)
{
    return exchange->http10 || exchange->has_length;
}

/* The line before a chunk of so many bytes, which are not none. printf costs as much as the rest of
 * send_out. */
static struct iovec chunk_head(char out[24], size_t len)
{
    char *at = out + 24;
    *--at = '\n';
    *--at = '\r';
    for (; len > 0; len >>= 4)
        *--at = "0123456789abcdef"[len & 15];
    return (struct iovec){at, (size_t)(out + 24 - at)};
}

/* Sends `out` as one chunk; what the socket does not accept becomes `pending`. */
static void send_out(struct tt_http_stream *stream)
{
    struct tt_http_exchange *exchange = stream->exchange;
    char head[24];
    struct iovec parts[3];
    int count = 0;
    ssize_t sent = 0;
    if (stream->out.len == 0)
        return;
    if (!is_plain(exchange))
        parts[count++] = chunk_head(head, stream->out.len);
    parts[count++] = (struct iovec){stream->out.data, stream->out.len};
    if (!is_plain(exchange))
        parts[count++] = (struct iovec){(char *)(uintptr_t) "\r\n", 2};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    sent = sendmsg(tt_exchange_conn(exchange)->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
        tt_gone_mark(exchange);
        return;
    }
    keep_rest(stream, parts, count, sent > 0 ? (size_t)sent : 0);
    release_out(stream);
    if (stream->pending.len == 0)
        return;
    tt_gone_watch(exchange, true);
    /* Whoever is cut off can come back to the same place. */
    if (tt_unread_check(exchange->unread.owner, stream->pending.len, NULL) != 0)
        tt_gone_mark(exchange);
    else
        tt_unread_set(&exchange->unread, stream->pending.len);
}

/* Sends until the socket is full: it is edge-triggered, so the same room causes no second event.
 * True if nothing is pending any more. */
static bool send_pending(struct tt_http_stream *stream)
{
    struct tt_http_exchange *exchange = stream->exchange;
    if (stream->pending.len == 0)
        return true;
    while (stream->pending.len > 0) {
        ssize_t sent = send(tt_exchange_conn(exchange)->fd, stream->pending.data,
                            stream->pending.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return false;
        if (sent < 0) {
            tt_gone_mark(exchange);
            return false;
        }
        tt_buf_consume(&stream->pending, (size_t)sent);
    }
    tt_buf_free(&stream->pending);
    tt_unread_set(&exchange->unread, 0);
    tt_gone_watch(exchange, false);
    return true;
}

/* One stream's work at the end of a tick. */
static void stream_tick(struct tt_http_stream *stream)
{
    struct tt_http_exchange *exchange = stream->exchange;
    if (exchange->state != TT_HTTP_STREAMING)
        return;
    if (exchange->gone) {
        if (stream->ended)
            finish(exchange);
        return;
    }
    if (!send_pending(stream))
        return; /* EPOLLOUT brings us back */
    if (stream->wake && !stream->ended) {
        stream->wake = false;
        if (stream->on_flush)
            stream->on_flush(stream, stream->arg);
    }
    if (exchange->gone || exchange->state != TT_HTTP_STREAMING) /* on_flush may have cut it */
        return;
    send_out(stream);
    if (stream->pending.len == 0 && stream->ended)
        finish(exchange);
}

void tt_stream_on_tick_end(struct tt_hook *hook)
{
    struct tt_http_server *server = TT_CONTAINER_OF(hook, struct tt_http_server, stream_hook);
    struct tt_list current;
    struct tt_list *node;
    tt_list_init(&current);
    tt_list_splice(&current, &server->streams);
    while ((node = tt_list_pop_front(&current)))
        stream_tick(tt_list_entry(node, struct tt_http_stream, node));
}

void tt_stream_close(struct tt_http_stream *stream)
{
    tt_list_remove(&stream->node);
    tt_buf_free(&stream->out);
    tt_buf_free(&stream->pending);
}

static void due_if_any(struct tt_http_stream *stream)
{
    if (stream->wake || stream->ended || stream->out.len > 0)
        tt_exchange_stream_due(stream->exchange);
}

/* The library asks for content: first when the head is sent, then once more after finish(). */
static ssize_t reader(void *arg, uint64_t position, char *buf, size_t max)
{
    struct tt_http_exchange *exchange = arg;
    (void)position;
    if (exchange->state == TT_HTTP_FINISHED)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (exchange->state != TT_HTTP_SENDING)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    tt_library_slim(exchange->keeps_headers ? NULL : tt_exchange_conn(exchange)->pool,
                    exchange->server->pool_size, buf, max);
    tt_exchange_suspend(exchange, TT_HTTP_STREAMING);
    tt_gone_watch(exchange, false);
    due_if_any(&exchange->stream);
    return 0;
}

/* HEAD: the library has no answer that lacks both a length and a body and keeps the connection. A
 * length that we know: the library would count bytes that it does not send itself, so it is told of
 * a body that ends with the connection. */
static struct MHD_Response *make_response(struct tt_http_exchange *exchange)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64, reader, exchange, NULL);
    if (response && (exchange->is_head || exchange->has_length))
        MHD_set_response_options(
            response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT | MHD_RF_INSANITY_HEADER_CONTENT_LENGTH,
            MHD_RO_END);
    return response;
}

void tt_http_stream_keep_headers(struct tt_http_exchange *exchange)
{
    exchange->keeps_headers = true;
}

void tt_http_stream_set_length(struct tt_http_exchange *exchange, uint64_t length)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRIu64, length);

    exchange->has_length = true;
    tt_exchange_add_field(exchange, TT_STR("Content-Length"), tt_str_of(text, (size_t)len));
}

struct tt_http_stream *
tt_http_stream_open(struct tt_http_exchange *exchange, int status,
                    void (*on_flush)(struct tt_http_stream *stream, void *arg), void *arg)
{
    struct tt_http_stream *stream = &exchange->stream;
    if (tt_exchange_is_answered(exchange))
        return NULL;
    stream->exchange = exchange;
    stream->on_flush = on_flush;
    stream->arg = arg;
    exchange->status = status;
    if (exchange->gone && exchange->state == TT_HTTP_WAITING) {
        tt_exchange_move(exchange, TT_HTTP_STREAMING); /* drops everything until its end */
        return stream;
    }
    if (!exchange->gone)
        exchange->response = make_response(exchange);
    if (exchange->response)
        tt_http_response_head(exchange, exchange->response);
    tt_http_response_ready(exchange);
    return stream;
}

void tt_http_stream_hand_over(struct tt_http_stream *stream,
                              void (*on_flush)(struct tt_http_stream *stream, void *arg), void *arg)
{
    stream->on_flush = on_flush;
    stream->arg = arg;
}

void tt_http_stream_wake(struct tt_http_stream *stream)
{
    if (stream->ended)
        return;
    stream->wake = true;
    if (stream->pending.len == 0 && !stream->exchange->gone)
        tt_exchange_stream_due(stream->exchange);
}

struct tt_buf *tt_http_stream_out(struct tt_http_stream *stream)
{
    if (stream->exchange->gone)
        tt_buf_clear(&stream->out); /* nobody will read it */
    return &stream->out;
}

size_t tt_http_stream_pending(const struct tt_http_stream *stream)
{
    return stream->pending.len;
}

void tt_http_stream_cut(struct tt_http_stream *stream)
{
    stream->ended = true;
    stream->wake = false;
    tt_exchange_cut(stream->exchange);
}

void tt_http_stream_end(struct tt_http_stream *stream)
{
    if (stream->ended)
        return;
    stream->ended = true;
    stream->wake = false;
    tt_exchange_stream_due(stream->exchange);
}
