/* Proves at every start that the assumptions of library_memory.c hold for the library that runs.
 * Another version, whose parser stores a head differently, would otherwise disable the check of raw
 * heads without anybody noticing. So a server without a listener gets crafted requests over socket
 * pairs. Each must be answered as expected, on a fresh connection and again after a good request,
 * when the library's memory has been used before. */
#include "http/http_internal.h"
#include "http/library_memory.h"

#include <stdio.h>
#include <unistd.h>

#define HEAD_MAX  4096 /* the smallest that fits all cases */
#define POOL      tt_library_pool_size(HEAD_MAX)
#define TICKS_MAX 64 /* for one answer; nothing has to be waited for, so a few suffice */
#define TARGET    "/proof?a=1&b"
#define LINE      "GET " TARGET " HTTP/1.1\r\n"
#define HOST      "Host: a\r\n"
#define HEAD      LINE HOST
#define POST      "POST " TARGET " HTTP/1.1\r\n" HOST
#define GOOD      HEAD "\r\n"

struct proof {
    const char *what;
    struct tt_str bytes;
    int status;
};

static const struct proof proofs[] = {
    {"a good request", {GOOD, sizeof(GOOD) - 1}, 200},
#define CASE(what, bytes, status)                                                                  \
    {                                                                                              \
        what, {bytes, sizeof(bytes) - 1}, status                                                   \
    }
    CASE("empty and padded header values", HEAD "X:\r\nY: \r\nZ: \t a b \r\n\r\n", 200),
    CASE("HTTP/1.0 without headers", "GET " TARGET " HTTP/1.0\r\n\r\n", 200),
    CASE("a body with a length", POST "Content-Length: 3\r\n\r\nabc", 200),
    CASE("a body in chunks", POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200),
    CASE("a folded header line", HEAD "X: a\r\n b\r\n\r\n", 400),
    CASE("a header line folded by a tab", HEAD "X: a\r\n\tb\r\n\r\n", 400),
    CASE("a folded first header line", LINE " X: a\r\n" HOST "\r\n", 400),
    CASE("a NUL in a header value", HEAD "X: a\0b\r\n\r\n", 400),
    CASE("NULs in the place of a line's end", HEAD "X: a\0\0Y: b\r\n\r\n", 400),
    CASE("a header line made of NULs", HEAD "X: a\0\0Y\0 b\r\n\r\n", 400),
    CASE("a length hidden by NULs", POST "X: \0\0Content-Length\0 3\r\n\r\nabc", 400),
    CASE("a NUL in the target", "GET /a?b\0c HTTP/1.1\r\n" HOST "\r\n", 400),
    CASE("a NUL in the method", "G\0T " TARGET " HTTP/1.1\r\n" HOST "\r\n", 400),
    CASE("a header line ended by a bare LF", LINE "Host: a\nX: b\r\n\r\n", 400),
    CASE("a request line ended by a bare LF", "GET / HTTP/1.1\n" HOST "\r\n", 400),
    CASE("a head ended by bare LFs", HEAD "X: a\n\n", 400),
    CASE("two blanks in the request line", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400),
    CASE("two Host headers", HEAD HOST "\r\n", 400),
    CASE("a length that is a list", POST "Content-Length: 3, 3\r\n\r\nabc", 400),
    CASE("a length that is none", POST "Content-Length: x\r\n\r\n", 400),
    CASE("a length beyond all bounds", POST "Content-Length: 99999999999999999999\r\n\r\n", 413),
    CASE("no Host", LINE "\r\n", 400),
    CASE("a blank behind the encoding", POST "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n", 400),
    CASE("the size of a chunk ended by a bare LF",
         POST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400),
    CASE("two lengths", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    CASE("a length and chunks",
         POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
#undef CASE
};

/* ---- the server's side ---- */

static void on_head(void *arg, struct tt_http_exchange *exchange, size_t *body_max)
{
    (void)arg;
    (void)exchange;
    *body_max = 16;
}

/* Answers with the target as the guard saw it, and with headers that are joined. */
static void on_request(void *arg, struct tt_http_exchange *exchange)
{
    struct tt_buf body = {0};
    (void)arg;
    tt_buf_append(&body, exchange->target.data, exchange->target.len);
    tt_http_add_header(exchange, TT_STR("X-First"), TT_STR("1"));
    tt_http_add_header(exchange, TT_STR("X-Second"), TT_STR("2"));
    tt_http_reply(exchange, 200, &body);
}

static void on_end(void *arg, struct tt_http_exchange *exchange)
{
    (void)arg;
    (void)exchange;
}

/* ---- the client's side ---- */

struct client {
    struct tt_loop *loop;
    struct tt_http_server *server;
    int fd;
    char answer[2048];
    size_t len;
};

static bool open_client(struct client *client)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return false;
    client->fd = pair[0];
    return tt_server_adopt(client->server, pair[1]) == 0;
}

static void close_client(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

/* The answer is complete: its head and, if it is a good one, the body, which is the target. */
static bool is_complete(const struct client *client, struct tt_str target)
{
    const char *end = strstr(client->answer, "\r\n\r\n");
    size_t body = end ? (size_t)(client->answer + client->len - end - 4) : 0;
    return end && (strncmp(client->answer, "HTTP/1.1 200 ", 13) != 0 || body >= target.len);
}

static bool is_right(const struct client *client, int status, struct tt_str target)
{
    char start[24];
    snprintf(start, sizeof(start), "HTTP/1.1 %d ", status);
    if (strncmp(client->answer, start, strlen(start)) != 0)
        return false;
    if (status != 200) /* one answer, and no second head in its body */
        return !strstr(client->answer + 1, "HTTP/1.1");
    return strstr(client->answer, "\r\nX-First: 1\r\nX-Second: 2\r\n") &&
           tt_str_ends(tt_str_of(client->answer, client->len), target);
}

/* Sends `piece` bytes at a time. True if the answer is the right one. */
static bool ask(struct client *client, struct tt_str bytes, size_t piece, int status,
                struct tt_str target)
{
    client->len = 0;
    client->answer[0] = '\0';
    for (int ticks = 0; ticks < TICKS_MAX && !is_complete(client, target);) {
        size_t len = bytes.len < piece ? bytes.len : piece;
        if (len > 0 && send(client->fd, bytes.data, len, MSG_NOSIGNAL) == (ssize_t)len)
            bytes = tt_str_of(bytes.data + len, bytes.len - len);
        else
            ticks++;
        tt_loop_tick(client->loop, 0);
        ssize_t got = recv(client->fd, client->answer + client->len,
                           sizeof(client->answer) - client->len - 1, 0);
        client->len += got > 0 ? (size_t)got : 0;
        client->answer[client->len] = '\0';
        if (got == 0)
            break;
    }
    return is_right(client, status, target);
}

/* ---- the proofs ---- */

static int wrong(const struct client *client, const char *what, int status, struct tt_err *err)
{
    int line = (int)strcspn(client->answer, "\r");
    return tt_err_set(
        err, 500, "http_library_unknown",
        "libmicrohttpd %s does not behave as this server relies on: %s must be "
        "answered with %d%s, and got %s%.*s; use libmicrohttpd " TT_LIBRARY_VERSION
        ", or a tidetalk that knows %s",
        MHD_get_version(), what, status, status == 200 ? " and the headers set for it" : "",
        line > 0 ? "" : "no answer", line < 60 ? line : 60, client->answer, MHD_get_version());
}

static int prove(struct client *client, const struct proof *proof, bool used, size_t piece,
                 struct tt_err *err)
{
    const struct proof *asked = used ? &proofs[0] : proof;
    bool right =
        open_client(client) && ask(client, asked->bytes, piece, asked->status, TT_STR(TARGET));
    if (right && used) {
        asked = proof;
        right = ask(client, asked->bytes, piece, asked->status, TT_STR(TARGET));
    }
    close_client(client);
    return right ? 0 : wrong(client, asked->what, asked->status, err);
}

/* Many arguments in the query: if the library parsed them, they would not fit into its pool. */
static int prove_query(struct client *client, struct tt_err *err)
{
    struct tt_buf head = {0};
    tt_buf_append_z(&head, "GET /?");
    for (int i = 0; i < (int)POOL / 32; i++)
        tt_buf_append_z(&head, "a&");
    struct tt_str target = tt_str_of(head.data + 4, head.len - 4);
    size_t target_len = target.len;
    tt_buf_append_z(&head, " HTTP/1.1\r\n" HOST "\r\n");
    target = tt_str_of(head.data + 4, target_len);
    bool right = open_client(client) && ask(client, tt_buf_str(&head), head.len, 200, target);
    close_client(client);
    tt_buf_free(&head);
    return right ? 0 : wrong(client, "a query of many arguments", 200, err);
}

/* As many headers, or as long a cookie, as tt_library_has_room allows: the answer must still fit.
 */
static int prove_room(struct client *client, bool cookie, struct tt_err *err)
{
    struct tt_buf head = {0};
    size_t bytes = sizeof(TARGET) - 1 + 5, headers = 1, cookies = 0;
    tt_buf_append_z(&head, HEAD);
    if (cookie) {
        tt_buf_append_z(&head, "Cookie: a=");
        headers++;
        cookies = 2;
        for (bytes += 8;
             head.len + 4 < HEAD_MAX && tt_library_has_room(POOL, bytes + 1, headers, cookies + 1);
             cookies++) {
            tt_buf_putc(&head, 'c');
            bytes++;
        }
        tt_buf_append_z(&head, "\r\n");
    } else {
        for (; head.len + 7 <= HEAD_MAX && tt_library_has_room(POOL, bytes + 2, headers + 1, 0);
             headers++) {
            tt_buf_append_z(&head, "X:y\r\n");
            bytes += 2;
        }
    }
    tt_buf_append_z(&head, "\r\n");
    bool right =
        open_client(client) && ask(client, tt_buf_str(&head), head.len, 200, TT_STR(TARGET));
    close_client(client);
    tt_buf_free(&head);
    return right ? 0 : wrong(client, cookie ? "a long cookie" : "many headers", 200, err);
}

static int prove_all(struct client *client, struct tt_err *err)
{
    for (size_t i = 0; i < TT_COUNT(proofs); i++)
        for (int used = 0; used < 2; used++)
            if (prove(client, &proofs[i], used, SIZE_MAX, err) != 0)
                return -1;
    /* Heads that arrive in pieces: the good one and the first that is folded. */
    if (prove(client, &proofs[0], false, 1, err) != 0 ||
        prove(client, &proofs[5], false, 1, err) != 0)
        return -1;
    if (prove_query(client, err) != 0 || prove_room(client, false, err) != 0)
        return -1;
    return prove_room(client, true, err);
}

int tt_http_library_check(struct tt_err *err)
{
    const struct tt_http_settings settings = {.head_max = HEAD_MAX, .connections_max = 64};
    const struct tt_http_handler handler = {
        .on_head = on_head, .on_request = on_request, .on_end = on_end};
    struct client client = {.fd = -1};
    int result = -1;
    client.loop = tt_loop_new(err);
    if (client.loop)
        client.server = tt_http_server_new(client.loop, &settings, &handler, err);
    if (client.server)
        result = prove_all(&client, err);
    tt_http_server_free(client.server);
    tt_loop_free(client.loop);
    return result;
}
