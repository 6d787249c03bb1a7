/* A server on port 0 in a loop of its own, raw client sockets, and a handler whose behaviour the
 * request's path chooses. Everything in one thread: a client's step turns the loop until it has
 * what it waits for. */
#pragma once
#include "http/http.h"
#include "unit_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct fixture {
    struct tt_loop *loop;
    struct tt_http_server *server;
    int heads, requests, ends, refusals, gones;
    char refused[40];
    struct tt_http_exchange *waiting; /* the last one of /wait */
    struct tt_http_stream *stream;    /* the last one of /stream */
    struct tt_buf feed;               /* what on_flush writes */
    bool feed_end;
    bool watch_gone;
    void (*at_end)(struct tt_http_exchange *exchange);
    bool reply_gone; /* answers a client that left while it waited */
    int flushes;
    size_t flush_max; /* bytes of feed a flush; 0 = all */
    char body[4096];  /* of the last on_request */
    size_t body_len;
    char path[64];  /* of the last on_head */
    char note[256]; /* what /inspect saw */
};

/* ---- the handler ---- */

static inline bool fx_path(struct tt_http_exchange *exchange, const char *path)
{
    return tt_str_eq(tt_http_path(exchange), tt_str_from(path));
}

static inline void fx_reply(struct tt_http_exchange *exchange, int status, const char *text)
{
    struct tt_buf body = {0};
    tt_buf_append_z(&body, text);
    tt_http_add_header(exchange, TT_STR("Content-Type"), TT_STR("text/plain"));
    tt_http_reply(exchange, status, &body);
}

static inline void fx_on_head(void *arg, struct tt_http_exchange *exchange, size_t *body_max)
{
    struct fixture *f = arg;
    f->heads++;
    snprintf(f->path, sizeof(f->path), "%.*s", TT_STR_ARG(tt_http_path(exchange)));
    *body_max = 1000;
    tt_http_set_user(exchange, f);
    if (fx_path(exchange, "/early"))
        fx_reply(exchange, 401, "early");
}

static inline void fx_on_flush(struct tt_http_stream *stream, void *arg)
{
    struct fixture *f = arg;
    size_t n = f->flush_max && f->flush_max < f->feed.len ? f->flush_max : f->feed.len;
    f->flushes++;
    if (n > 0) {
        tt_buf_append(tt_http_stream_out(stream), f->feed.data, n);
        tt_buf_consume(&f->feed, n);
    }
    if (f->feed.len > 0)
        tt_http_stream_wake(stream);
    else if (f->feed_end)
        tt_http_stream_end(stream);
}

static inline void fx_on_gone(struct tt_http_exchange *exchange)
{
    struct fixture *f = tt_http_user(exchange);
    f->gones++;
    if (f->stream)
        tt_http_stream_end(f->stream);
    else if (f->reply_gone)
        tt_http_reply(exchange, 200, NULL);
}

static inline void fx_on_request(void *arg, struct tt_http_exchange *exchange)
{
    struct fixture *f = arg;
    struct tt_str body = tt_http_body(exchange);
    f->requests++;
    f->body_len = body.len < sizeof(f->body) ? body.len : sizeof(f->body);
    if (body.len > 0)
        memcpy(f->body, body.data, f->body_len);
    if (fx_path(exchange, "/wait")) {
        f->waiting = exchange;
        if (f->watch_gone)
            tt_http_on_gone(exchange, fx_on_gone);
        return;
    }
    if (fx_path(exchange, "/stream")) {
        if (f->watch_gone)
            tt_http_on_gone(exchange, fx_on_gone);
        tt_http_add_header(exchange, TT_STR("Content-Type"), TT_STR("text/event-stream"));
        f->stream = tt_http_stream_open(exchange, 200, fx_on_flush, f);
        tt_http_stream_wake(f->stream);
        return;
    }
    if (fx_path(exchange, "/inspect")) {
        struct tt_str q = tt_http_query_arg(exchange, "q"), c = tt_http_cookie(exchange, "c"),
                      r = tt_http_remote(exchange), x = tt_http_header(exchange, "x-test");
        snprintf(f->note, sizeof(f->note), "q=%.*s c=%.*s r=%.*s x=%.*s tls=%d", TT_STR_ARG(q),
                 TT_STR_ARG(c), TT_STR_ARG(r), TT_STR_ARG(x), tt_http_behind_tls(exchange));
    }
    if (fx_path(exchange, "/headers")) {
        struct tt_str own = tt_http_query_arg(exchange, "own");
        size_t size = (size_t)atoi(own.len ? own.data : "0");
        char long_value[2000];
        memset(long_value, 'v', sizeof(long_value));
        for (int i = 0; i < 12; i++) {
            char name[32];
            snprintf(name, sizeof(name), "X-%d", i);
            tt_http_add_header(exchange, tt_str_from(name), tt_str_of(long_value, size + 1));
        }
        if (tt_str_eq(tt_http_header(exchange, "x-test"), TT_STR("id")))
            tt_http_add_header(exchange, TT_STR("x-request-id"), TT_STR("mine"));
        if (tt_str_eq(tt_http_header(exchange, "x-test"), TT_STR("close")))
            tt_http_add_header(exchange, TT_STR("Connection"), TT_STR("close"));
    }
    if (fx_path(exchange, "/split"))
        tt_http_add_header(exchange, TT_STR("X-User"), TT_STR("a\r\nX-Evil: 1"));
    if (fx_path(exchange, "/big")) {
        struct tt_buf big = {0};
        for (int i = 0; i < 300000; i++)
            tt_buf_append(&big, "0123456789", 10);
        tt_http_reply(exchange, 200, &big);
        return;
    }
    if (fx_path(exchange, "/fixed")) {
        tt_http_reply_fixed(exchange, 200, TT_STR("never freed"));
        tt_http_reply_fixed(exchange, 200, TT_STR("dropped"));
        return;
    }
    if (fx_path(exchange, "/empty")) {
        tt_http_reply(exchange, 204, NULL);
        return;
    }
    fx_reply(exchange, 200, "hello");
}

static inline void fx_on_end(void *arg, struct tt_http_exchange *exchange)
{
    struct fixture *f = arg;
    f->ends++;
    if (f->at_end)
        f->at_end(exchange);
    if (f->waiting == exchange)
        f->waiting = NULL;
    f->stream = NULL;
}

static inline void fx_on_refuse(void *arg, struct tt_http_exchange *exchange, int status,
                                const char *code)
{
    struct fixture *f = arg;
    char text[80];
    f->refusals++;
    snprintf(f->refused, sizeof(f->refused), "%s", code);
    snprintf(text, sizeof(text), "{\"code\":\"%s\"}", code);
    fx_reply(exchange, status, text);
}

static inline void fx_open_with(struct fixture *f, struct tt_http_settings settings)
{
    struct tt_http_handler handler = {fx_on_head, fx_on_request, fx_on_end, fx_on_refuse, f};
    struct tt_err err = {0};
    memset(f, 0, sizeof(*f));
    f->loop = tt_loop_new(&err);
    assert_non_null(f->loop);
    if (!settings.address)
        settings.address = "127.0.0.1:0";
    f->server = tt_http_server_new(f->loop, &settings, &handler, &err);
    if (!f->server)
        fail_msg("%s", err.message);
}

static inline void fx_open(struct fixture *f)
{
    fx_open_with(f, (struct tt_http_settings){0});
}

static inline void fx_close(struct fixture *f)
{
    if (f->server) {
        tt_http_server_free(f->server);
        assert_int_equal(f->ends, f->heads > f->ends ? f->heads : f->ends);
    }
    tt_loop_free(f->loop);
    tt_buf_free(&f->feed);
}

/* ---- clients ---- */

static inline void fx_turns(struct fixture *f, int turns)
{
    for (int i = 0; i < turns; i++)
        tt_loop_tick(f->loop, 1);
}

static inline uint64_t fx_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline void fx_run_ms(struct fixture *f, uint64_t ms)
{
    uint64_t end = fx_ms() + ms;
    while (fx_ms() < end)
        tt_loop_tick(f->loop, 1);
}

static inline int fx_connect_rcvbuf(struct fixture *f, int rcvbuf)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)tt_http_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (rcvbuf)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
}

static inline int fx_connect(struct fixture *f)
{
    return fx_connect_rcvbuf(f, 0);
}

static inline void fx_send_n(int fd, const char *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void fx_send(int fd, const char *text)
{
    fx_send_n(fd, text, strlen(text));
}

/* What has come so far: 1 = open, 0 = the server closed, -1 = reset. */
static inline int fx_read(int fd, struct tt_buf *in)
{
    for (;;) {
        char *to = tt_buf_reserve(in, 65536);
        ssize_t got = recv(fd, to, 65536, MSG_DONTWAIT);
        if (got > 0) {
            in->len += (size_t)got;
            in->data[in->len] = '\0';
            continue;
        }
        if (got == 0)
            return 0;
        return errno == EAGAIN ? 1 : -1;
    }
}

struct response {
    int status;
    char *head; /* NUL-terminated, in the buffer of fx_next */
    struct tt_buf body;
    bool close;   /* announced */
    size_t bytes; /* of the whole response */
};

/* Whether in->data begins with a complete response. */
static inline bool fx_parse(struct tt_buf *in, bool head_only, struct response *r)
{
    char *end = in->len ? strstr(in->data, "\r\n\r\n") : NULL;
    const char *p = NULL, *length = NULL;
    if (!end)
        return false;
    p = end + 4;
    *end = '\0';
    r->status = atoi(in->data + 9);
    r->close = strcasestr(in->data, "\r\nconnection: close") != NULL;
    length = strcasestr(in->data, "\r\ncontent-length: ");
    bool chunked = strcasestr(in->data, "\r\ntransfer-encoding: chunked") != NULL;
    r->head = in->data;
    tt_buf_clear(&r->body);
    *end = '\r';
    if (head_only || r->status == 204 || r->status < 200) {
        r->bytes = (size_t)(p - in->data);
        return true;
    }
    if (!chunked) {
        size_t n = length ? (size_t)atol(length + 18) : 0;
        if (in->len - (size_t)(p - in->data) < n)
            return false;
        tt_buf_append(&r->body, p, n);
        r->bytes = (size_t)(p - in->data) + n;
        return true;
    }
    for (;;) {
        char *line = strstr(p, "\r\n");
        size_t n = line ? strtoul(p, NULL, 16) : 0;
        if (!line || (size_t)(in->data + in->len - line) < n + 4)
            return false;
        assert_memory_equal(line + 2 + n, "\r\n", 2);
        tt_buf_append(&r->body, line + 2, n);
        p = line + 4 + n;
        if (n == 0)
            break;
    }
    r->bytes = (size_t)(p - in->data);
    return true;
}

/* The next response; false when the connection ended or 2 s passed without one. */
static inline bool fx_next_of(struct fixture *f, int fd, struct tt_buf *in, bool head_only,
                              struct response *r)
{
    uint64_t end = fx_ms() + 2000;
    int open = 1;
    for (;;) {
        if (open == 1)
            open = fx_read(fd, in);
        if (fx_parse(in, head_only, r)) {
            tt_buf_consume(in, r->bytes);
            return true;
        }
        if (open != 1 || fx_ms() > end)
            return false;
        tt_loop_tick(f->loop, 1);
    }
}

static inline bool fx_next(struct fixture *f, int fd, struct tt_buf *in, struct response *r)
{
    return fx_next_of(f, fd, in, false, r);
}

/* Turns the loop until the server closes. 0 = closed, -1 = reset, 1 = still open after 10 s. */
static inline int fx_until_closed(struct fixture *f, int fd, struct tt_buf *in)
{
    uint64_t end = fx_ms() + 10000;
    int open = fx_read(fd, in);
    while (open == 1 && fx_ms() < end) {
        tt_loop_tick(f->loop, 1);
        open = fx_read(fd, in);
    }
    return open;
}

#define FX_WAIT(f, condition)                                                                      \
    do {                                                                                           \
        uint64_t fx_end_ = fx_ms() + 2000;                                                         \
        while (!(condition) && fx_ms() < fx_end_)                                                  \
            tt_loop_tick((f)->loop, 1);                                                            \
        assert_true(condition);                                                                    \
    } while (0)

/* ---- one server and one client ---- */

struct client {
    struct fixture f;
    int fd;
    struct tt_buf in;
    struct response r;
};

static inline void open_client(struct client *c, int rcvbuf)
{
    memset(c, 0, sizeof(*c));
    fx_open(&c->f);
    c->fd = fx_connect_rcvbuf(&c->f, rcvbuf);
}

static inline void close_client(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    fx_turns(&c->f, 3);
    if (c->f.server)
        assert_int_equal(tt_http_server_active(c->f.server), 0);
    fx_close(&c->f);
    tt_buf_free(&c->in);
    tt_buf_free(&c->r.body);
}

static inline void ask(struct client *c, const char *request)
{
    fx_send(c->fd, request);
    assert_true(fx_next(&c->f, c->fd, &c->in, &c->r));
}

static inline void expect_body(struct client *c, int status, const char *text)
{
    assert_int_equal(c->r.status, status);
    assert_int_equal(c->r.body.len, strlen(text));
    if (c->r.body.len > 0)
        assert_memory_equal(c->r.body.data, text, c->r.body.len);
}

/* The client goes: 0 = closes, 1 = closes its sending side only, 2 = resets. */
static inline void leave(struct client *c, int how)
{
    const struct linger now = {1, 0};
    if (how == 1) {
        shutdown(c->fd, SHUT_WR);
        return;
    }
    if (how == 2)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(c->fd);
    c->fd = -1;
}
