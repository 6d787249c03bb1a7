#include "stream_conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAILED_SHOWN 5
#define FAILED_MAX   200
#define QUESTION     "Why are there two tides a day?"

void conn_init(struct conn *conn, struct bench *bench, unsigned index)
{
    *conn = (struct conn){.bench = bench, .fd = -1, .index = index};
}

void conn_free(struct conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    free(conn->request);
    sse_check_free(&conn->check);
}

static void hang_up(struct conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
}

/* The stream is over: the next one, or the end of this connection. */
static void next(struct conn *conn)
{
    struct bench *bench = conn->bench;

    if (now_ns() < bench->deadline_ns && bench->failed < FAILED_MAX) {
        conn_ask(conn);
        return;
    }
    hang_up(conn);
    bench->open--;
}

static void fail(struct conn *conn, const char *why)
{
    struct bench *bench = conn->bench;

    if (bench->failed++ < FAILED_SHOWN)
        fprintf(stderr, "stream %u of connection %u: %s\n", conn->serial, conn->index, why);
    hang_up(conn);
    next(conn);
}

static void watch(struct conn *conn, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};

    if (epoll_ctl(conn->bench->epoll, operation, conn->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

static int dial(struct conn *conn)
{
    const struct sockaddr_in *address = &conn->bench->address;
    int one = 1;

    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(conn, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
    if (connect(conn->fd, (const struct sockaddr *)address, sizeof *address) < 0 &&
        errno != EINPROGRESS)
        return -1;
    return 0;
}

static void write_body(const struct conn *conn, char *body, size_t size)
{
    const struct bench *bench = conn->bench;

    if (bench->want.openai)
        snprintf(body, size,
                 "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a "
                 "helpful assistant.\"},{\"role\":\"user\",\"content\":\"" QUESTION "\"}],"
                 "\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
                 bench->model);
    else
        snprintf(body, size,
                 "{\"session_id\":\"%s-%u-%u\",\"model_name\":\"%s\",\"message\":\"" QUESTION "\"}",
                 bench->session, conn->index, conn->serial, bench->model);
}

static void build_request(struct conn *conn)
{
    const struct bench *bench = conn->bench;
    char body[1024], auth[1024] = "", *text = NULL;
    const char *more = bench->headers ? bench->headers : "";
    int len;

    if (bench->user_count)
        snprintf(auth, sizeof auth, "Authorization: Bearer %s\r\n",
                 bench->users[conn->index % bench->user_count]);
    if (bench->view) {
        len =
            asprintf(&text, "GET %s/%s-%u-%u/stream HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", bench->path,
                     bench->session, conn->index, conn->serial, bench->host, auth, more);
    } else {
        write_body(conn, body, sizeof body);
        len = asprintf(&text,
                       "POST %s HTTP/1.1\r\nHost: %s\r\n%s%sContent-Type: "
                       "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                       bench->path, bench->host, auth, more, strlen(body), body);
    }
    if (len < 0)
        die("no memory");
    conn->request_len = (size_t)len;
    free(conn->request);
    conn->request = text;
    conn->sent = 0;
}

static void send_request(struct conn *conn)
{
    ssize_t n =
        send(conn->fd, conn->request + conn->sent, conn->request_len - conn->sent, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN && errno != ENOTCONN) {
        fail(conn, strerror(errno));
        return;
    }
    conn->sent += n > 0 ? (size_t)n : 0;
    watch(conn, EPOLL_CTL_MOD, conn->sent < conn->request_len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void conn_ask(struct conn *conn)
{
    conn->serial++;
    sse_check_reset(&conn->check);
    build_request(conn);
    conn->asked_ns = now_ns();
    conn->word_ns = 0;
    if (conn->fd >= 0)
        send_request(conn);
    else if (dial(conn) < 0)
        fail(conn, strerror(errno));
}

static void on_token(void *arg, uint64_t stamp)
{
    struct conn *conn = arg;
    struct bench *bench = conn->bench;

    bench->tokens++;
    if (conn->check.token == 0) {
        bench->begun++;
        samples_add(&bench->first, conn->arrived_ns - conn->asked_ns);
    }
    if (bench->measuring && conn->word_ns && conn->arrived_ns > conn->word_ns)
        samples_add(&bench->gap, conn->arrived_ns - conn->word_ns);
    conn->word_ns = conn->arrived_ns;
    if (bench->want.stamp && bench->measuring)
        samples_add(&bench->latency, conn->arrived_ns > stamp ? conn->arrived_ns - stamp : 0);
}

static void read_answer(struct conn *conn)
{
    static char bytes[65536];
    struct bench *bench = conn->bench;
    ssize_t n = recv(conn->fd, bytes, sizeof bytes, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        fail(conn, n < 0 ? strerror(errno) : "closed in the middle of the answer");
        return;
    }
    conn->arrived_ns = now_ns();
    bench->bytes += (uint64_t)n;
    if (!sse_check_feed(&conn->check, &bench->want, bytes, (size_t)n, on_token, conn)) {
        fail(conn, conn->check.fault);
        return;
    }
    if (conn->check.state != SSE_DONE)
        return;
    bench->finished++;
    samples_add(&bench->whole, conn->arrived_ns - conn->asked_ns);
    if (conn->check.close)
        hang_up(conn);
    next(conn);
}

void conn_ready(struct conn *conn, uint32_t events)
{
    if (conn->sent < conn->request_len && (events & EPOLLOUT)) {
        send_request(conn);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        read_answer(conn);
}
