/* Streams past the library: it sends the head and suspends, then chunks go to the connection's
 * socket by our own send, at most one a stream and tick; at the end the library is resumed once and
 * writes the last chunk, so that keep-alive survives. Its own way (a resume, a walk of all
 * suspended connections and a copy for every chunk) costs half as much again. The traps: the
 * library calls the content reader only after the whole head has left, so that call is the sign
 * that the socket is ours; a reader that returns 0 without suspending spins; bytes that the socket
 * did not take must leave before anything newer is framed; and HEAD must not come here, the library
 * would write the last chunk for it too. HTTP/1.0 gets plain bytes and a close, by the same path.
 */
#include "http/http_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>

#define KEEP_OUT 4096 /* a buffer larger than this is freed when it is empty */

static void list_for_tick(struct tt_http_stream *stream)
{
    if (!tt_list_empty(&stream->node))
        return;
    tt_list_push_back(&stream->exchange->server->streams, &stream->node);
    tt_loop_again(stream->exchange->server->loop);
}

/* Gives the connection back: the reader is asked once more and says that this was all. */
static void finish(struct tt_http_stream *stream)
{
    struct tt_http_exchange *exchange = stream->exchange;
    if (stream->finished || !exchange->suspended)
        return;
    stream->finished = true;
    if (exchange->gone)
        exchange->cut = true; /* the library may not even have had a response from us */
    tt_gone_unwatch(exchange);
    tt_exchange_resume(exchange);
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

/* Sends what is in `out` as one chunk; what the socket does not take becomes `pending`. */
static void send_out(struct tt_http_stream *stream)
{
    struct tt_http_exchange *exchange = stream->exchange;
    char head[24];
    struct iovec parts[3];
    int count = 0;
    ssize_t sent = 0;
    if (stream->out.len == 0)
        return;
    if (stream->chunked)
        parts[count++] =
            (struct iovec){head, (size_t)snprintf(head, sizeof(head), "%zx\r\n", stream->out.len)};
    parts[count++] = (struct iovec){stream->out.data, stream->out.len};
    if (stream->chunked)
        parts[count++] = (struct iovec){(char *)(uintptr_t) "\r\n", 2};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    sent = sendmsg(tt_exchange_conn(exchange)->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
        tt_gone_mark(exchange);
        return;
    }
    keep_rest(stream, parts, count, sent > 0 ? (size_t)sent : 0);
    release_out(stream);
    if (stream->pending.len > 0)
        tt_gone_watch(exchange, true);
}

/* One stream's part of the end of a tick. */
static void stream_tick(struct tt_http_stream *stream)
{
    struct tt_http_exchange *exchange = stream->exchange;
    if (exchange->gone || exchange->cut) {
        if (stream->ended)
            finish(stream);
        return;
    }
    if (!stream->direct || stream->pending.len > 0)
        return; /* the reader, or EPOLLOUT, brings us back */
    if (stream->wake && !stream->ended) {
        stream->wake = false;
        if (stream->on_flush)
            stream->on_flush(stream, stream->arg);
    }
    if (exchange->gone)
        return;
    send_out(stream);
    if (stream->pending.len == 0 && stream->ended)
        finish(stream);
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

void tt_stream_on_writable(struct tt_http_stream *stream)
{
    struct tt_http_exchange *exchange = stream->exchange;
    if (!exchange || stream->pending.len == 0)
        return;
    /* Until the socket says no: edge-triggered, there is no second event for the same room. */
    while (stream->pending.len > 0) {
        ssize_t sent = send(tt_exchange_conn(exchange)->fd, stream->pending.data,
                            stream->pending.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return;
        if (sent < 0) {
            tt_gone_mark(exchange);
            return;
        }
        tt_buf_consume(&stream->pending, (size_t)sent);
    }
    tt_buf_free(&stream->pending);
    tt_gone_watch(exchange, false);
    if (stream->wake || stream->ended || stream->out.len > 0)
        list_for_tick(stream);
}

void tt_stream_on_gone(struct tt_http_stream *stream)
{
    tt_buf_free(&stream->out);
    tt_buf_free(&stream->pending);
    if (stream->ended)
        list_for_tick(stream);
}

void tt_stream_close(struct tt_http_stream *stream)
{
    tt_list_remove(&stream->node);
    tt_buf_free(&stream->out);
    tt_buf_free(&stream->pending);
}

/* The library asks for content: first when the head has left, then once more after finish(). */
static ssize_t reader(void *arg, uint64_t position, char *buf, size_t max)
{
    struct tt_http_exchange *exchange = arg;
    struct tt_http_stream *stream = &exchange->stream;
    (void)position;
    (void)buf;
    (void)max;
    if (exchange->gone || exchange->cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (stream->finished)
        return MHD_CONTENT_READER_END_OF_STREAM;
    exchange->suspended = true;
    MHD_suspend_connection(exchange->mhd);
    stream->direct = true;
    tt_gone_watch(exchange, false);
    if (stream->wake || stream->ended || stream->out.len > 0)
        list_for_tick(stream);
    return 0;
}

/* HEAD: the library has no answer without length and without a body that keeps the connection. */
static struct MHD_Response *make_response(struct tt_http_exchange *exchange)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64, reader, exchange, NULL);
    if (response && exchange->is_head)
        MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

struct tt_http_stream *
tt_http_stream_open(struct tt_http_exchange *exchange, int status,
                    void (*on_flush)(struct tt_http_stream *stream, void *arg), void *arg)
{
    struct tt_http_stream *stream = &exchange->stream;
    if (exchange->answered)
        return NULL;
    stream->exchange = exchange;
    stream->on_flush = on_flush;
    stream->arg = arg;
    stream->chunked = !exchange->http10;
    exchange->answered = true;
    exchange->status = status;
    if (exchange->gone || exchange->cut)
        return stream; /* swallows everything; its end ends the exchange */
    exchange->response = make_response(exchange);
    if (!exchange->response)
        exchange->cut = true;
    else
        tt_reply_finish_head(exchange, exchange->response);
    if (!exchange->suspended)
        return stream;
    tt_gone_unwatch(exchange);
    if (exchange->response)
        tt_reply_queue(exchange);
    tt_exchange_resume(exchange);
    return stream;
}

void tt_http_stream_wake(struct tt_http_stream *stream)
{
    if (stream->ended)
        return;
    stream->wake = true;
    if (stream->direct && stream->pending.len == 0 && !stream->exchange->gone)
        list_for_tick(stream);
}

struct tt_buf *tt_http_stream_out(struct tt_http_stream *stream)
{
    if (stream->exchange->gone)
        tt_buf_clear(&stream->out); /* nobody reads it */
    return &stream->out;
}

size_t tt_http_stream_pending(const struct tt_http_stream *stream)
{
    return stream->pending.len;
}

void tt_http_stream_end(struct tt_http_stream *stream)
{
    if (stream->ended)
        return;
    stream->ended = true;
    stream->wake = false;
    if (stream->direct || stream->exchange->gone)
        list_for_tick(stream);
}
