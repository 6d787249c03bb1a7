/* The end of requests that nobody finished: clients that leave while their request waits or comes
 * in, shutdown in order, and freeing a server in the middle of everything. on_end comes once. */
#include "base/mem.h"
#include "http/http_internal.h"
#include "http/http_test.h"

#define H "Host: a\r\n"

/* Watched: on_gone, then the dropped answer ends the exchange. */
static void test_client_leaves(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct client c;
        open_client(&c, 0);
        c.f.watch_gone = true;
        fx_send(c.fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
        FX_WAIT(&c.f, c.f.waiting);
        leave(&c, how);
        FX_WAIT(&c.f, c.f.gones == 1);
        fx_turns(&c.f, 3);
        assert_int_equal(c.f.gones, 1);
        assert_int_equal(c.f.ends, 0);
        fx_reply(c.f.waiting, 200, "nobody reads this");
        FX_WAIT(&c.f, c.f.ends == 1);
        FX_WAIT(&c.f, tt_http_server_connections(c.f.server) == 0);
        close_client(&c);
    }
}

/* Not watched: noticed when the answer is sent; still one on_end. */
static void test_client_leaves_unseen(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct client c;
        open_client(&c, 0);
        fx_send(c.fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
        FX_WAIT(&c.f, c.f.waiting);
        leave(&c, how);
        fx_turns(&c.f, 3);
        assert_int_equal(c.f.gones, 0);
        fx_reply(c.f.waiting, 200, "nobody reads this");
        FX_WAIT(&c.f, c.f.ends == 1);
        FX_WAIT(&c.f, tt_http_server_connections(c.f.server) == 0);
        close_client(&c);
    }
}

/* The watch of a connection stays: what it says between two requests is nobody's, and a request
 * that waits after it is told all the same. */
static void test_client_leaves_at_its_second_request(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct client c;
        open_client(&c, 0);
        c.f.watch_gone = true;
        fx_send(c.fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
        FX_WAIT(&c.f, c.f.waiting);
        const struct tt_watch *watch = &tt_exchange_conn(c.f.waiting)->watch;
        fx_reply(c.f.waiting, 200, "one");
        assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
        fx_turns(&c.f, 3);
        assert_non_null(watch->loop);
        fx_send(c.fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
        if (how == 0) /* its own end comes together with the request */
            shutdown(c.fd, SHUT_WR);
        FX_WAIT(&c.f, c.f.waiting);
        if (how != 0)
            leave(&c, how);
        FX_WAIT(&c.f, c.f.gones == 1);
        fx_reply(c.f.waiting, 200, "nobody reads this");
        FX_WAIT(&c.f, c.f.ends == 2);
        FX_WAIT(&c.f, tt_http_server_connections(c.f.server) == 0);
        close_client(&c);
    }
}

/* Nobody waits when the client leaves. */
static void test_client_leaves_between_requests(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct client c;
        open_client(&c, 0);
        c.f.watch_gone = true;
        fx_send(c.fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
        FX_WAIT(&c.f, c.f.waiting);
        fx_reply(c.f.waiting, 200, "one");
        assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
        leave(&c, how);
        FX_WAIT(&c.f, tt_http_server_connections(c.f.server) == 0);
        assert_int_equal(c.f.gones, 0);
        close_client(&c);
    }
}

static void test_client_leaves_early(void **state)
{
    static const char *const starts[] = {"", "GET / HT", "GET / HTTP/1.1\r\nHo",
                                         "POST /x HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nabc"};
    (void)state;
    for (int how = 0; how < 3; how++)
        for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
            struct client c;
            open_client(&c, 0);
            fx_send(c.fd, starts[i]);
            fx_turns(&c.f, 3);
            leave(&c, how);
            FX_WAIT(&c.f, tt_http_server_connections(c.f.server) == 0);
            assert_int_equal(c.f.ends, i == 3);
            assert_int_equal(c.f.requests, 0);
            close_client(&c);
        }
}

static void test_quiesce(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    int idle = fx_connect(&c.f), fresh = fx_connect(&c.f), queued = fx_connect(&c.f);
    struct tt_buf in = {0};
    fx_send(idle, "GET /x HTTP/1.1\r\n" H "\r\n");
    assert_true(fx_next(&c.f, idle, &in, &c.r));
    fx_send(c.fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
    FX_WAIT(&c.f, c.f.waiting);
    fx_send(queued, "GET /x HTTP/1.1\r\n" H "\r\n"); /* sent, not read by the server yet */
    int late = fx_connect(&c.f);                     /* still in the listen queue */
    fx_send(late, "GET /x HTTP/1.1\r\n" H "\r\n");
    tt_http_server_quiesce(c.f.server);
    assert_int_equal(fx_until_closed(&c.f, idle, &in), 0);
    assert_int_equal(fx_until_closed(&c.f, fresh, &in), 0);
    assert_true(fx_next(&c.f, queued, &in, &c.r));
    expect_body(&c, 200, "hello");
    tt_buf_clear(&in);
    assert_true(fx_next(&c.f, late, &in, &c.r));
    expect_body(&c, 200, "hello");
    assert_int_equal(tt_http_server_active(c.f.server), 1);
    fx_reply(c.f.waiting, 200, "late");
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    expect_body(&c, 200, "late");
    assert_true(c.r.close);
    assert_int_equal(fx_until_closed(&c.f, c.fd, &c.in), 0);
    assert_int_equal(tt_http_server_active(c.f.server), 0);
    close(idle);
    close(fresh);
    close(queued);
    close(late);
    tt_buf_free(&in);
    close_client(&c);
}

/* Freed with exchanges in every state: no abort, one on_end each. */
static void test_free_with_work(void **state)
{
    static const char *const requests[] = {"GET /wait HTTP/1.1\r\n" H "\r\n",
                                           "GET /stream HTTP/1.1\r\n" H "\r\n",
                                           "POST /x HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nabc",
                                           "GET / HT",
                                           "",
                                           "GET /big HTTP/1.1\r\n" H "\r\n"};
    struct fixture f;
    int fds[6];
    (void)state;
    fx_open(&f);
    f.watch_gone = true;
    for (int i = 0; i < 6; i++) {
        fds[i] = fx_connect_rcvbuf(&f, 4096);
        fx_send(fds[i], requests[i]);
        fx_turns(&f, 3);
    }
    assert_int_equal(tt_http_server_active(f.server), 4);
    tt_http_server_free(f.server);
    f.server = NULL;
    assert_int_equal(f.ends, 4);
    for (int i = 0; i < 6; i++)
        close(fds[i]);
    fx_close(&f);
}

static char *pool_at_end;

static void note_pool(struct tt_http_exchange *exchange)
{
    pool_at_end = TT_CONTAINER_OF(exchange, struct tt_http_conn, exchange)->pool;
}

/* The library destroys the pool of a connection that ends with an error, but may forget the
 * connection much later: until then the sweep looks at it, and must not read the pool. */
static void test_the_pool_of_a_cut_connection_is_not_kept(void **state)
{
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct client c;
        open_client(&c, 0);
        c.f.at_end = note_pool;
        fx_send(c.fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
        FX_WAIT(&c.f, c.f.waiting);
        note_pool(c.f.waiting);
        assert_non_null(pool_at_end);
        if (cut)
            tt_exchange_cut(c.f.waiting);
        else
            fx_reply(c.f.waiting, 200, "kept alive");
        FX_WAIT(&c.f, c.f.ends == 1);
        assert_int_equal(pool_at_end == NULL, cut);
        close_client(&c);
    }
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_client_leaves_unseen),
        cmocka_unit_test(test_client_leaves_at_its_second_request),
        cmocka_unit_test(test_client_leaves_between_requests),
        cmocka_unit_test(test_client_leaves_early),
        cmocka_unit_test(test_quiesce),
        cmocka_unit_test(test_free_with_work),
        cmocka_unit_test(test_the_pool_of_a_cut_connection_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
