/* A tiny upstream inside the test: a thread a connection, blocking sockets, one function a path
 * that writes whatever bytes the test wants. It does what tests/mock_llm does not: single bytes
 * under the test's control, and knowing when the client closed. Linux, IPv4, 127.0.0.1. */
#pragma once
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "unit_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake;

/* One request on a connection; false = close it. */
struct fake_request {
    struct fake *fake;
    int fd;
    struct tt_buf head, body;
    int number; /* of this connection's requests */
};

struct fake_route {
    const char *path; /* prefix */
    bool (*serve)(struct fake_request *request);
};

struct fake {
    const struct fake_route *routes;
    int fd, port;
    pthread_t thread;
    atomic_int connections, requests, open, client_closed;
    atomic_bool stop;
    pthread_mutex_t lock;
    struct tt_buf last_head, last_body; /* under the lock */
};

static inline void fake_send(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        p += n;
        len -= (size_t)n;
    }
}

static inline void fake_puts(int fd, const char *text)
{
    fake_send(fd, text, strlen(text));
}

static inline void fake_answer(int fd, int status, const char *type, struct tt_str body)
{
    char head[512];
    snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
             status, type, body.len);
    fake_puts(fd, head);
    fake_send(fd, body.data, body.len);
}

static inline void fake_chunk(int fd, const char *text)
{
    char frame[32];
    snprintf(frame, sizeof(frame), "%zx\r\n", strlen(text));
    fake_puts(fd, frame);
    fake_puts(fd, text);
    fake_puts(fd, "\r\n");
}

static inline void fake_sse_head(int fd)
{
    fake_puts(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n");
}

static inline void fake_reset(int fd)
{
    struct linger linger = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* Waits until the client closes, at most 10 s. */
static inline bool fake_hang(struct fake_request *request)
{
    struct pollfd poll_fd = {.fd = request->fd, .events = POLLIN};
    char byte;
    for (int i = 0; i < 1000 && !atomic_load(&request->fake->stop); i++) {
        if (poll(&poll_fd, 1, 10) > 0 && recv(request->fd, &byte, 1, 0) <= 0) {
            atomic_fetch_add(&request->fake->client_closed, 1);
            return false;
        }
    }
    return false;
}

/* Answers with the status that the path "/s<status>" names. */
static inline bool fake_status(struct fake_request *request)
{
    const char *path = strchr(request->head.data, ' ') + 1;
    fake_answer(request->fd, atoi(path + 2), "text/html", TT_STR("SECRET"));
    return true;
}

/* Reads a request. Leaves nothing for the next one: our client does not pipeline. */
static inline bool fake_read(struct fake_request *request)
{
    size_t need = 0;
    tt_buf_clear(&request->head);
    tt_buf_clear(&request->body);
    for (;;) {
        char data[16384];
        ssize_t n = recv(request->fd, data, sizeof(data), 0);
        if (n <= 0)
            return false;
        tt_buf_append(&request->head, data, (size_t)n);
        char *end = strstr(request->head.data, "\r\n\r\n");
        if (!end)
            continue;
        char *length = strcasestr(request->head.data, "\r\ncontent-length:");
        need = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
        size_t head_len = (size_t)(end - request->head.data) + 4;
        tt_buf_append(&request->body, request->head.data + head_len, request->head.len - head_len);
        tt_buf_truncate(&request->head, head_len);
        request->head.data[head_len] = '\0';
        break;
    }
    while (request->body.len < need) {
        char *to = tt_buf_reserve(&request->body, 65536);
        ssize_t n = recv(request->fd, to, 65536, 0);
        if (n <= 0)
            return false;
        request->body.len += (size_t)n;
    }
    return true;
}

static inline void *fake_connection(void *arg)
{
    struct fake_request *request = arg;
    struct fake *fake = request->fake;
    bool go_on = true;
    while (go_on && fake_read(request)) {
        const char *path = strchr(request->head.data, ' ') + 1;
        atomic_fetch_add(&fake->requests, 1);
        request->number++;
        pthread_mutex_lock(&fake->lock);
        tt_buf_clear(&fake->last_head);
        tt_buf_clear(&fake->last_body);
        tt_buf_append_str(&fake->last_head, tt_buf_str(&request->head));
        tt_buf_append(&fake->last_body, request->body.data, request->body.len);
        pthread_mutex_unlock(&fake->lock);
        go_on = false;
        for (const struct fake_route *route = fake->routes; route->path; route++) {
            if (strncmp(path, route->path, strlen(route->path)) == 0) {
                go_on = route->serve(request);
                break;
            }
        }
    }
    close(request->fd);
    tt_buf_free(&request->head);
    tt_buf_free(&request->body);
    free(request);
    atomic_fetch_sub(&fake->open, 1);
    return NULL;
}

static inline void *fake_run(void *arg)
{
    struct fake *fake = arg;
    while (!atomic_load(&fake->stop)) {
        struct pollfd poll_fd = {.fd = fake->fd, .events = POLLIN};
        pthread_t thread;
        if (poll(&poll_fd, 1, 20) <= 0)
            continue;
        int fd = accept(fake->fd, NULL, NULL);
        if (fd < 0)
            continue;
        struct timeval limit = {.tv_sec = 20};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        atomic_fetch_add(&fake->connections, 1);
        atomic_fetch_add(&fake->open, 1);
        struct fake_request *request = TT_NEW(struct fake_request);
        request->fake = fake;
        request->fd = fd;
        pthread_create(&thread, NULL, fake_connection, request);
        pthread_detach(thread);
    }
    return NULL;
}

static inline void fake_start(struct fake *fake, const struct fake_route *routes)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    memset(fake, 0, sizeof(*fake));
    fake->routes = routes;
    pthread_mutex_init(&fake->lock, NULL);
    fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fake->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fake->fd, 512), 0);
    assert_int_equal(getsockname(fake->fd, (struct sockaddr *)&address, &len), 0);
    fake->port = ntohs(address.sin_port);
    pthread_create(&fake->thread, NULL, fake_run, fake);
}

/* After the client is gone: the connections' threads end by themselves. */
static inline void fake_stop(struct fake *fake)
{
    atomic_store(&fake->stop, true);
    pthread_join(fake->thread, NULL);
    for (int i = 0; i < 500 && atomic_load(&fake->open) > 0; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&fake->open), 0);
    close(fake->fd);
    tt_buf_free(&fake->last_head);
    tt_buf_free(&fake->last_body);
}

static inline bool fake_head_has(struct fake *fake, const char *text)
{
    pthread_mutex_lock(&fake->lock);
    bool has = strcasestr(fake->last_head.data, text) != NULL;
    pthread_mutex_unlock(&fake->lock);
    return has;
}
