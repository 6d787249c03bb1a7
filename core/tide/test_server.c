/* One thread accepts, one a connection answers, all blocking: a test asks a handful of times, and
 * nothing here has to be fast. A connection carries one request. */
#include "tide/test_server.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define ITEMS_MAX       1024
#define REQUEST_MAX     (32u << 20)

struct connection {
    struct tt_test_upstream *upstream;
    pthread_t thread;
    int fd;
};

struct tt_test_upstream {
    int listen_fd, port;
    pthread_t acceptor;
    pthread_mutex_t lock; /* over all below */
    struct tt_test_answer answers[ITEMS_MAX];
    size_t answer_count, answer_next;
    struct tt_buf asked[ITEMS_MAX];
    size_t asked_count;
    int unscripted;
    struct connection connections[CONNECTIONS_MAX];
    size_t connection_count;
    bool closing;
};

static void answer_free(struct tt_test_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        tt_buf_free(&answer->parts[i]);
    free(answer->parts);
    tt_buf_free(&answer->head);
    *answer = (struct tt_test_answer){0};
}

/* ---- one connection ---- */

static int read_more(int fd, struct tt_buf *request)
{
    char *room = tt_buf_reserve(request, 16384);
    ssize_t n = room ? recv(fd, room, 16384, 0) : -1;

    if (n <= 0)
        return -1;
    request->len += (size_t)n;
    request->data[request->len] = 0;
    return 0;
}

/* Leaves only the request's body. */
static int read_request(int fd, struct tt_buf *request)
{
    char *end;

    while (!request->data || !(end = strstr(request->data, "\r\n\r\n")))
        if (read_more(fd, request) != 0)
            return -1;
    size_t head = (size_t)(end - request->data) + 4;
    const char *length = strcasestr(request->data, "\r\nContent-Length:");
    size_t body = length && length < end ? strtoull(length + 17, NULL, 10) : 0;
    while (request->len < head + body)
        if (read_more(fd, request) != 0)
            return -1;
    tt_buf_consume(request, head);
    return 0;
}

static int send_all(int fd, const struct tt_buf *bytes)
{
    for (size_t at = 0; at < bytes->len;) {
        ssize_t n = send(fd, bytes->data + at, bytes->len - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        at += (size_t)n;
    }
    return 0;
}

/* Notes the question and takes the next answer; false when there is none. */
static bool take_answer(struct tt_test_upstream *upstream, struct tt_buf *body,
                        struct tt_test_answer *answer)
{
    pthread_mutex_lock(&upstream->lock);
    if (upstream->asked_count < ITEMS_MAX) {
        upstream->asked[upstream->asked_count++] = *body;
        *body = (struct tt_buf){0};
    }
    bool found = upstream->answer_next < upstream->answer_count;
    if (found) {
        struct tt_test_answer *next = &upstream->answers[upstream->answer_next++];
        *answer = *next;
        *next = (struct tt_test_answer){0};
    } else {
        upstream->unscripted++;
    }
    pthread_mutex_unlock(&upstream->lock);
    return found;
}

static void *answer_connection(void *arg)
{
    struct connection *connection = arg;
    struct tt_buf request = {.max = REQUEST_MAX};
    struct tt_test_answer answer = {0};
    int fd = connection->fd;

    if (read_request(fd, &request) == 0) {
        if (!take_answer(connection->upstream, &request, &answer))
            tt_buf_append_z(&answer.head, "HTTP/1.1 500 Internal Server Error\r\n"
                                          "Content-Length: 0\r\nConnection: close\r\n\r\n");
        int failed = send_all(fd, &answer.head);
        for (size_t i = 0; i < answer.count && !failed; i++) {
            if (answer.pace_ms > 0)
                usleep((useconds_t)answer.pace_ms * 1000);
            failed = send_all(fd, &answer.parts[i]);
        }
    }
    shutdown(fd, SHUT_WR);
    answer_free(&answer);
    tt_buf_free(&request);
    return NULL;
}

/* ---- all of them ---- */

static void begin_connection(struct tt_test_upstream *upstream, int fd)
{
    pthread_mutex_lock(&upstream->lock);
    struct connection *connection = &upstream->connections[upstream->connection_count];
    connection->upstream = upstream;
    connection->fd = fd;
    if (!upstream->closing && upstream->connection_count < CONNECTIONS_MAX &&
        pthread_create(&connection->thread, NULL, answer_connection, connection) == 0)
        upstream->connection_count++;
    else
        close(fd);
    pthread_mutex_unlock(&upstream->lock);
}

static void *accept_all(void *arg)
{
    struct tt_test_upstream *upstream = arg;

    for (;;) {
        int fd = accept4(upstream->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            begin_connection(upstream, fd);
        else if (errno != EINTR && errno != ECONNABORTED)
            return NULL; /* shut down by close */
    }
}

struct tt_test_upstream *tt_test_upstream_open(struct tt_err *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    struct tt_test_upstream *upstream = TT_NEW(struct tt_test_upstream);

    pthread_mutex_init(&upstream->lock, NULL);
    upstream->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (upstream->listen_fd >= 0 &&
        bind(upstream->listen_fd, (struct sockaddr *)&address, size) == 0 &&
        listen(upstream->listen_fd, 64) == 0 &&
        getsockname(upstream->listen_fd, (struct sockaddr *)&address, &size) == 0 &&
        pthread_create(&upstream->acceptor, NULL, accept_all, upstream) == 0) {
        upstream->port = ntohs(address.sin_port);
        return upstream;
    }
    tt_err_set(err, 500, "internal_error", "the scripted upstream: %s", strerror(errno));
    if (upstream->listen_fd >= 0)
        close(upstream->listen_fd);
    pthread_mutex_destroy(&upstream->lock);
    free(upstream);
    return NULL;
}

void tt_test_upstream_close(struct tt_test_upstream *upstream)
{
    if (!upstream)
        return;
    pthread_mutex_lock(&upstream->lock);
    upstream->closing = true;
    pthread_mutex_unlock(&upstream->lock);
    shutdown(upstream->listen_fd, SHUT_RDWR);
    pthread_join(upstream->acceptor, NULL);
    for (size_t i = 0; i < upstream->connection_count; i++) {
        shutdown(upstream->connections[i].fd, SHUT_RDWR);
        pthread_join(upstream->connections[i].thread, NULL);
        close(upstream->connections[i].fd);
    }
    for (size_t i = 0; i < upstream->answer_count; i++)
        answer_free(&upstream->answers[i]);
    for (size_t i = 0; i < upstream->asked_count; i++)
        tt_buf_free(&upstream->asked[i]);
    close(upstream->listen_fd);
    pthread_mutex_destroy(&upstream->lock);
    free(upstream);
}

int tt_test_upstream_port(const struct tt_test_upstream *upstream)
{
    return upstream->port;
}

void tt_test_upstream_push(struct tt_test_upstream *upstream, struct tt_test_answer *answer)
{
    pthread_mutex_lock(&upstream->lock);
    if (upstream->answer_count < ITEMS_MAX) {
        upstream->answers[upstream->answer_count++] = *answer;
        *answer = (struct tt_test_answer){0};
    }
    pthread_mutex_unlock(&upstream->lock);
    answer_free(answer);
}

bool tt_test_upstream_asked(struct tt_test_upstream *upstream, size_t number, struct tt_buf *body)
{
    pthread_mutex_lock(&upstream->lock);
    bool found = number < upstream->asked_count;
    if (found)
        tt_buf_append_str(body, tt_buf_str(&upstream->asked[number]));
    pthread_mutex_unlock(&upstream->lock);
    return found;
}

int tt_test_upstream_unscripted(struct tt_test_upstream *upstream)
{
    pthread_mutex_lock(&upstream->lock);
    int count = upstream->unscripted;
    pthread_mutex_unlock(&upstream->lock);
    return count;
}
