/* One blocking call, against a thread that answers with ready bytes. */
#include "base/cases.h"
#include "base/mem.h"
#include "upstream/local_call.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct tt_err err;

struct peer {
    int fd;
    char address[128];
    const char *answer;
    size_t answer_len;
    char request[4096];
    bool hangs; /* after the answer's bytes */
    pthread_t thread;
};

/* Closes only when the client has: an answer must end by its own framing, or by the shutdown. */
static void *serve(void *arg)
{
    struct peer *peer = arg;
    char rest[256];
    int fd = accept(peer->fd, NULL, NULL);
    ssize_t n = recv(fd, peer->request, sizeof(peer->request) - 1, 0);
    peer->request[n > 0 ? n : 0] = 0;
    for (size_t at = 0; at < peer->answer_len; at += (size_t)n)
        if ((n = send(fd, peer->answer + at, peer->answer_len - at, MSG_NOSIGNAL)) <= 0)
            break;
    if (!peer->hangs)
        shutdown(fd, SHUT_WR);
    while (recv(fd, rest, sizeof(rest), 0) > 0)
        continue;
    close(fd);
    return NULL;
}

static void peer_listen(struct peer *peer, bool is_unix)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(v4);

    peer->fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (is_unix) {
        snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/tt_local_%d", (int)getpid());
        unlink(un.sun_path);
        assert_int_equal(bind(peer->fd, (struct sockaddr *)&un, sizeof(un)), 0);
        snprintf(peer->address, sizeof(peer->address), "unix:%s", un.sun_path);
    } else {
        assert_int_equal(bind(peer->fd, (struct sockaddr *)&v4, sizeof(v4)), 0);
        assert_int_equal(getsockname(peer->fd, (struct sockaddr *)&v4, &len), 0);
        snprintf(peer->address, sizeof(peer->address), "127.0.0.1:%d", ntohs(v4.sin_port));
    }
    assert_int_equal(listen(peer->fd, 1), 0);
    pthread_create(&peer->thread, NULL, serve, peer);
}

static void peer_end(struct peer *peer)
{
    pthread_join(peer->thread, NULL);
    close(peer->fd);
    if (strncmp(peer->address, "unix:", 5) == 0)
        unlink(peer->address + 5);
}

static int ask(struct peer *peer, struct tt_str json, struct tt_buf *body)
{
    err = (struct tt_err){0};
    int status = tt_local_http(peer->address, json.data ? "POST" : "GET", "/p", json, body, &err);
    peer_end(peer);
    return status;
}

static int answer_is(const char *answer, size_t len, struct tt_buf *body)
{
    struct peer peer = {.answer = answer, .answer_len = len};
    peer_listen(&peer, false);
    tt_buf_clear(body);
    return ask(&peer, (struct tt_str){0}, body);
}

static void answers_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int status;
        const char *body;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
        {"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, ""},
        {"HTTP/1.1 404 X\r\n\r\nto the end", 404, "to the end"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 200,
         "abc"},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
        {"HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n", 302, ""},
        /* Not whole, or no HTTP: */
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", -1, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", -1, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", -1, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab\r\n", -1, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nab\r\n", -1, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz", -1, ""},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", -1, ""},
        {"HTTP/1.1 200 OK\r\n", -1, ""},
        {"SSH-2.0-OpenSSH\r\n\r\n", -1, ""},
        {"", -1, ""},
    };
    struct tt_buf body = {0};
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        const char *answer = cases[i].answer;
        int status = answer_is(answer, strlen(answer), &body);
        if (status != cases[i].status || strcmp(body.data ? body.data : "", cases[i].body) != 0)
            fail_msg("%s: %d \"%s\"", answer, status, body.data ? body.data : "");
        if (status < 0)
            assert_string_equal(err.code, "not_reachable");
    }
    tt_buf_free(&body);
}

static void requests_are_whole(void **state)
{
    (void)state;
    struct tt_buf body = {0};
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    for (int is_unix = 0; is_unix < 2; is_unix++) {
        struct peer peer = {.answer = answer, .answer_len = strlen(answer)};
        peer_listen(&peer, is_unix);
        assert_int_equal(ask(&peer, TT_STR("{\"a\":1}"), &body), 200);
        assert_string_equal(peer.request,
                            "POST /p HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    }
    tt_buf_free(&body);
}

static void every_address_means_this_machine(void **state)
{
    (void)state;
    struct tt_buf body = {0};
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    struct peer peer = {.answer = answer, .answer_len = strlen(answer)};

    peer_listen(&peer, false);
    char any[64];
    snprintf(any, sizeof(any), "0.0.0.0%s", strchr(peer.address, ':'));
    snprintf(peer.address, sizeof(peer.address), "%s", any);
    assert_int_equal(ask(&peer, (struct tt_str){0}, &body), 200);
    tt_buf_free(&body);
}

static void heads_and_headers_pass_as_they_are(void **state)
{
    (void)state;
    static const char answer[] = "HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n"
                                 "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-b:2\r\nContent-Length: 2\r\n\r\n";
    struct peer peer = {.answer = answer, .answer_len = strlen(answer)};
    struct tt_buf head = {0}, body = {0};

    peer_listen(&peer, false);
    struct tt_local_request request = {
        peer.address, "HEAD",          "/a b/../c?d#e", TT_STR("Accept: text/x\r\nX-Empty:\r\n"),
        {0},          TT_LOCAL_LIMIT_S};
    assert_int_equal(tt_local_send(&request, &head, &body, &err), 200);
    peer_end(&peer);
    assert_string_equal(head.data, "X-A: 1\r\nx-b:2\r\nContent-Length: 2\r\n");
    assert_int_equal(body.len, 0);
    assert_string_equal(peer.request, "HEAD /a b/../c?d#e HTTP/1.1\r\nHost: localhost\r\n"
                                      "Connection: close\r\nAccept: text/x\r\nX-Empty:\r\n\r\n");
    tt_buf_free(&head);
    tt_buf_free(&body);
}

static void an_answer_that_stops_is_given_up(void **state)
{
    (void)state;
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok";
    struct peer peer = {.answer = answer, .answer_len = strlen(answer), .hangs = true};
    struct tt_buf body = {0};

    peer_listen(&peer, false);
    struct tt_local_request request = {
        .address = peer.address, .method = "GET", .path = "/", .limit_s = 1};
    assert_int_equal(tt_local_send(&request, NULL, &body, &err), -1);
    peer_end(&peer);
    assert_string_equal(err.code, "not_reachable");
    assert_non_null(strstr(err.message, "no whole answer"));
    assert_int_equal(body.len, 0);
}

static void an_answer_without_end_is_given_up(void **state)
{
    (void)state;
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
    size_t len = strlen(head) + (16u << 20) + 1;
    char *answer = tt_alloc(len);
    struct tt_buf body = {0};

    memset(answer, 'x', len);
    memcpy(answer, head, strlen(head));
    assert_int_equal(answer_is(answer, len, &body), -1);
    assert_int_equal(answer_is(answer, len - 1, &body), 200);
    assert_int_equal(body.len, 16u << 20);
    tt_buf_free(&body);
    free(answer);
}

static void nobody_there_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *address, *message;
    } cases[] = {
        {"127.0.0.1:1", "127.0.0.1:1: Connection refused"},
        {"[::]:1", "[::]:1: "},
        {"[::1]:1", "[::1]:1: "},
        {"unix:/nowhere/at/all", "unix:/nowhere/at/all: No such file or directory"},
        {"no-port", "no-port: no port"},
        {"127.0.0.1:x", "127.0.0.1:x: "},
    };
    char longer[300];
    struct tt_buf body = {0};

    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        const char *message = cases[i].message;
        err = (struct tt_err){0};
        assert_int_equal(
            tt_local_http(cases[i].address, "GET", "/", (struct tt_str){0}, &body, &err), -1);
        assert_string_equal(err.code, "not_reachable");
        if (strncmp(err.message, message, strlen(message)) != 0 || strstr(err.message, "No error"))
            fail_msg("%s", err.message);
    }
    memset(longer, 'x', sizeof(longer));
    memcpy(longer, "unix:/", 6);
    longer[sizeof(longer) - 1] = 0;
    assert_int_equal(tt_local_http(longer, "GET", "/", (struct tt_str){0}, &body, &err), -1);
    assert_non_null(strstr(err.message, "too long"));
    tt_buf_free(&body);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_taken_apart),
        cmocka_unit_test(requests_are_whole),
        cmocka_unit_test(every_address_means_this_machine),
        cmocka_unit_test(heads_and_headers_pass_as_they_are),
        cmocka_unit_test(an_answer_that_stops_is_given_up),
        cmocka_unit_test(an_answer_without_end_is_given_up),
        cmocka_unit_test(nobody_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
