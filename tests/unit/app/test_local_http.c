/* The program's own little client, against a thread that answers with ready bytes. */
#include "app/cli/local_http.h"
#include "app/support.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

struct peer {
    int fd;
    char address[128];
    const char *answer;
    size_t answer_len;
    char request[4096];
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct peer *peer = arg;
    int fd = accept(peer->fd, NULL, NULL);
    ssize_t n = recv(fd, peer->request, sizeof(peer->request) - 1, 0);
    peer->request[n > 0 ? n : 0] = 0;
    send(fd, peer->answer, peer->answer_len, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static void peer_listen(struct peer *peer, struct home *home, bool is_unix)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t len = sizeof(v4);

    peer->fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (is_unix) {
        snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", home->dir);
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

static int ask(struct home *home, struct peer *peer, struct tt_str json, struct tt_buf *body)
{
    home->err = (struct tt_err){0};
    int status =
        tt_local_http(peer->address, json.data ? "POST" : "GET", "/p", json, body, &home->err);
    pthread_join(peer->thread, NULL);
    close(peer->fd);
    return status;
}

static int answer_is(struct home *home, const char *answer, size_t len, struct tt_buf *body)
{
    struct peer peer = {.answer = answer, .answer_len = len};
    peer_listen(&peer, home, false);
    tt_buf_clear(body);
    return ask(home, &peer, (struct tt_str){0}, body);
}

static void answers_are_taken_apart(void **state)
{
    struct home *home = *state;
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
        int status = answer_is(home, answer, strlen(answer), &body);
        if (status != cases[i].status || strcmp(body.data ? body.data : "", cases[i].body) != 0)
            fail_msg("%s: %d \"%s\"", answer, status, body.data ? body.data : "");
        if (status < 0)
            assert_string_equal(home->err.code, "not_reachable");
    }
    tt_buf_free(&body);
}

static void requests_are_whole(void **state)
{
    struct home *home = *state;
    struct tt_buf body = {0};
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    for (int is_unix = 0; is_unix < 2; is_unix++) {
        struct peer peer = {.answer = answer, .answer_len = strlen(answer)};
        peer_listen(&peer, home, is_unix);
        assert_int_equal(ask(home, &peer, TT_STR("{\"a\":1}"), &body), 200);
        assert_string_equal(peer.request,
                            "POST /p HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    }
    tt_buf_free(&body);
}

static void every_address_means_this_machine(void **state)
{
    struct home *home = *state;
    struct tt_buf body = {0};
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    struct peer peer = {.answer = answer, .answer_len = strlen(answer)};

    peer_listen(&peer, home, false);
    char any[64];
    snprintf(any, sizeof(any), "0.0.0.0%s", strchr(peer.address, ':'));
    snprintf(peer.address, sizeof(peer.address), "%s", any);
    assert_int_equal(ask(home, &peer, (struct tt_str){0}, &body), 200);
    tt_buf_free(&body);
}

static void nobody_there_is_an_error(void **state)
{
    struct home *home = *state;
    static const char *const addresses[] = {"127.0.0.1:1",          "[::]:1",  "[::1]:1",
                                            "unix:/nowhere/at/all", "no-port", "127.0.0.1:x"};
    char longer[300];
    struct tt_buf body = {0};

    for (size_t i = 0; i < TT_COUNT(addresses); i++) {
        home->err = (struct tt_err){0};
        assert_int_equal(
            tt_local_http(addresses[i], "GET", "/", (struct tt_str){0}, &body, &home->err), -1);
        assert_string_equal(home->err.code, "not_reachable");
        assert_null(strstr(home->err.message, "Success"));
    }
    memset(longer, 'x', sizeof(longer));
    memcpy(longer, "unix:/", 6);
    longer[sizeof(longer) - 1] = 0;
    assert_int_equal(tt_local_http(longer, "GET", "/", (struct tt_str){0}, &body, &home->err), -1);
    assert_non_null(strstr(home->err.message, "too long"));
    tt_buf_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(answers_are_taken_apart),
        HOME_TEST(requests_are_whole),
        HOME_TEST(every_address_means_this_machine),
        HOME_TEST(nobody_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
