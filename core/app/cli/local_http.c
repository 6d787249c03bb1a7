/* HTTP/1.1 with Connection: close: the answer ends with the connection, only chunk framing has to
 * be taken off. */
#include "app/cli/local_http.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (16u << 20)

static int connect_unix(const char *path, struct tt_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return tt_err_set(err, 0, "not_reachable", "%s: the path is too long", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    tt_err_set(err, 0, "not_reachable", "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_any(const struct addrinfo *found, const char *address, struct tt_err *err)
{
    tt_err_set(err, 0, "not_reachable", "%s: no address", address);
    for (; found; found = found->ai_next) {
        int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0)
            return fd;
        tt_err_set(err, 0, "not_reachable", "%s: %s", address, strerror(errno));
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

static int connect_tcp(const char *address, struct tt_err *err)
{
    char host[256];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;

    snprintf(host, sizeof(host), "%s", address);
    char *colon = strrchr(host, ':');
    if (!colon)
        return tt_err_set(err, 0, "not_reachable", "%s: no port", address);
    *colon = 0;
    char *bare = host[0] == '[' ? host + 1 : host;
    bare[strcspn(bare, "]")] = 0;
    const char *name = strcmp(bare, "0.0.0.0") == 0 ? "127.0.0.1"
                       : strcmp(bare, "::") == 0    ? "::1"
                                                    : bare;
    int failed = getaddrinfo(name, colon + 1, &hints, &found);
    if (failed)
        return tt_err_set(err, 0, "not_reachable", "%s: %s", address, gai_strerror(failed));
    int fd = connect_any(found, address, err);
    freeaddrinfo(found);
    return fd;
}

static int exchange(int fd, int limit_s, struct tt_str request, struct tt_buf *answer)
{
    struct timeval limit = {.tv_sec = limit_s};
    ssize_t n;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    while (request.len) {
        n = send(fd, request.data, request.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        request.data += n;
        request.len -= (size_t)n;
    }
    for (;;) {
        char *room = tt_buf_reserve(answer, 16384);
        if (!room)
            return -1;
        n = recv(fd, room, 16384, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 0 : -1;
        answer->len += (size_t)n;
        answer->data[answer->len] = 0;
    }
}

/* -1: the last chunk is missing. */
static int append_chunks(struct tt_str rest, struct tt_buf *body)
{
    for (;;) {
        char *end;
        size_t size = strtoul(rest.data, &end, 16); /* a NUL stands behind the answer */
        size_t head = (size_t)(end - rest.data) + 2;
        if (end == rest.data || head > rest.len || size > rest.len - head)
            return -1;
        if (size == 0)
            return 0;
        if (rest.len - head - size < 2)
            return -1;
        tt_buf_append(body, rest.data + head, size);
        rest = tt_str_of(rest.data + head + size + 2, rest.len - head - size - 2);
    }
}

static int append_body(const char *head, struct tt_str rest, struct tt_buf *body)
{
    const char *length = strcasestr(head, "\r\nContent-Length:");
    size_t before = body->len;
    int whole = 0;

    if (strcasestr(head, "\r\nTransfer-Encoding: chunked"))
        whole = append_chunks(rest, body);
    else if (length && strtoull(length + 17, NULL, 10) != rest.len)
        whole = -1;
    else
        tt_buf_append_str(body, rest);
    if (whole != 0)
        tt_buf_truncate(body, before);
    return whole;
}

static int take_apart(const struct tt_buf *answer, struct tt_buf *head, struct tt_buf *body)
{
    int status = 0;
    char *end = answer->data ? strstr(answer->data, "\r\n\r\n") : NULL;

    if (!end || sscanf(answer->data, "HTTP/1.1 %d", &status) != 1)
        return -1;
    struct tt_str rest = tt_str_of(end + 4, answer->len - (size_t)(end + 4 - answer->data));
    *end = 0;
    const char *lines = strstr(answer->data, "\r\n"); /* none behind the status: nothing */
    if (head && lines)
        tt_buf_append_z(head, lines + 2);
    return append_body(answer->data, rest, body) == 0 ? status : -1;
}

int tt_local_send(const struct tt_local_request *asked, struct tt_buf *head, struct tt_buf *body,
                  struct tt_err *err)
{
    struct tt_buf request = {0}, answer = {.max = ANSWER_MAX};
    int status = -1;
    bool is_unix = strncmp(asked->address, "unix:", 5) == 0;
    int fd = is_unix ? connect_unix(asked->address + 5, err) : connect_tcp(asked->address, err);

    if (fd < 0)
        return -1;
    tt_buf_printf(&request, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                  asked->method, asked->path);
    tt_buf_append_str(&request, asked->headers);
    if (asked->body.data)
        tt_buf_printf(&request, "Content-Length: %zu\r\n", asked->body.len);
    tt_buf_append_z(&request, "\r\n");
    if (asked->body.data)
        tt_buf_append_str(&request, asked->body);
    if (exchange(fd, asked->limit_s, tt_buf_str(&request), &answer) == 0)
        status = take_apart(&answer, head, body);
    if (status < 0)
        tt_err_set(err, 0, "not_reachable", "%s: no whole answer came", asked->address);
    close(fd);
    if (request.data)
        explicit_bzero(request.data, request.len);
    tt_buf_free(&request);
    tt_buf_free(&answer);
    return status;
}

int tt_local_http(const char *address, const char *method, const char *path, struct tt_str json,
                  struct tt_buf *body, struct tt_err *err)
{
    struct tt_local_request request = {
        .address = address,
        .method = method,
        .path = path,
        .headers = json.data ? TT_STR("Content-Type: application/json\r\n") : (struct tt_str){0},
        .body = json,
        .limit_s = TT_LOCAL_LIMIT_S};
    return tt_local_send(&request, NULL, body, err);
}
