/* Streams on the client's side of the socket: frames, one flush a tick, slow readers, keep-alive
 * after the end, clients that leave, HTTP/1.0 and HEAD, shutdown in the middle. */
#include "http/http_internal.h"
#include "http/http_test.h"

#define H   "Host: a\r\n"
#define ASK "GET /stream HTTP/1.1\r\n" H "\r\n"

static void feed(struct client *c, const char *text)
{
    tt_buf_append_z(&c->f.feed, text);
    tt_http_stream_wake(c->f.stream);
}

/* Waits until `text` is the end of what the client has. */
static void expect_tail(struct client *c, const char *text)
{
    size_t n = strlen(text);
    FX_WAIT(&c->f, fx_read(c->fd, &c->in) == 1 && c->in.len >= n &&
                       memcmp(c->in.data + c->in.len - n, text, n) == 0);
}

static void test_frames(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    for (int round = 0; round < 3; round++) {
        c.f.feed_end = false;
        fx_send(c.fd, ASK);
        FX_WAIT(&c.f, c.f.stream);
        expect_tail(&c, "Transfer-Encoding: chunked\r\n\r\n");
        feed(&c, "one");
        expect_tail(&c, "\r\n\r\n3\r\none\r\n");
        fx_turns(&c.f, 3);
        /* Several wakes, one flush, one chunk. */
        int before = c.f.flushes;
        feed(&c, "two");
        feed(&c, " and ");
        feed(&c, "three");
        expect_tail(&c, "\r\nd\r\ntwo and three\r\n");
        assert_int_equal(c.f.flushes, before + 1);
        c.f.feed_end = true;
        feed(&c, "end");
        assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
        assert_int_equal(c.r.body.len, 19);
        assert_memory_equal(c.r.body.data, "onetwo and threeend", 19);
        assert_false(c.r.close);
        FX_WAIT(&c.f, c.f.ends == round + 1);
        assert_int_equal(c.in.len, 0);
    }
    fx_send(c.fd, "GET /x HTTP/1.1\r\n" H "\r\n");
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    assert_memory_equal(c.r.body.data, "hello", 5);
    close_client(&c);
}

/* A small frame does not wait in the kernel for the acknowledgement of the one before. */
static void test_no_delay(void **state)
{
    struct client c;
    int on = 0;
    socklen_t len = sizeof(on);
    (void)state;
    open_client(&c, 0);
    fx_send(c.fd, ASK);
    FX_WAIT(&c.f, c.f.stream);
    int fd = tt_exchange_conn(c.f.stream->exchange)->fd;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_equal(on, 1);
    c.f.feed_end = true;
    feed(&c, "end");
    FX_WAIT(&c.f, c.f.ends == 1);
    close_client(&c);
}

/* All known before the head has left. */
static void test_short(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    for (int round = 0; round < 20; round++) {
        tt_buf_append_z(&c.f.feed, round % 2 ? "all at once" : "");
        c.f.feed_end = true;
        fx_send(c.fd, ASK ASK);
        for (int i = 0; i < 2; i++) {
            assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
            assert_int_equal(c.r.body.len, round % 2 && i == 0 ? 11 : 0);
        }
    }
    assert_int_equal(c.f.ends, 40);
    close_client(&c);
}

static void late_open(struct client *c)
{
    fx_send(c->fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
    FX_WAIT(&c->f, c->f.waiting);
    fx_turns(&c->f, 2);
}

/* Opened after the request waited, written and ended at once or later. */
static void test_opened_late(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    late_open(&c);
    c.f.stream = tt_http_stream_open(c.f.waiting, 200, fx_on_flush, &c.f);
    tt_buf_append_z(tt_http_stream_out(c.f.stream), "before");
    feed(&c, "-after");
    FX_WAIT(&c.f, c.f.flushes == 1);
    tt_http_stream_end(c.f.stream);
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    assert_memory_equal(c.r.body.data, "before-after", 12);

    late_open(&c);
    c.f.stream = tt_http_stream_open(c.f.waiting, 200, NULL, NULL);
    tt_buf_append_z(tt_http_stream_out(c.f.stream), "only");
    tt_http_stream_end(c.f.stream);
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    assert_memory_equal(c.r.body.data, "only", 4);
    close_client(&c);
}

/* A reader that reads late: the socket takes parts, later data waits behind them, nothing is lost
 * or doubled, and on_flush is not asked while bytes are pending. */
static void test_slow_reader(void **state)
{
    struct client c;
    struct tt_buf sent = {0};
    (void)state;
    open_client(&c, 4096);
    fx_send(c.fd, ASK);
    FX_WAIT(&c.f, c.f.stream);
    expect_tail(&c, "\r\n\r\n");
    for (int i = 0; i < 200000; i++)
        tt_buf_printf(&sent, "%d,", i);
    c.f.flush_max = 50000;
    tt_buf_append(&c.f.feed, sent.data, sent.len);
    tt_http_stream_wake(c.f.stream);
    for (int i = 0; i < 200 && tt_http_stream_pending(c.f.stream) == 0; i++)
        tt_loop_tick(c.f.loop, 1);
    assert_true(tt_http_stream_pending(c.f.stream) > 0);
    int before = c.f.flushes;
    for (int i = 0; i < 20; i++) {
        tt_http_stream_wake(c.f.stream);
        tt_loop_tick(c.f.loop, 1);
    }
    assert_int_equal(c.f.flushes, before);
    c.f.feed_end = true;
    uint64_t end = fx_ms() + 20000;
    while ((c.in.len < sent.len || !fx_parse(&c.in, false, &c.r)) && fx_ms() < end) {
        char part[3000];
        ssize_t got = recv(c.fd, part, sizeof(part), MSG_DONTWAIT);
        if (got > 0)
            tt_buf_append(&c.in, part, (size_t)got);
        tt_buf_reserve(&c.in, 1);
        tt_loop_tick(c.f.loop, 0);
        if (c.in.len < sent.len)
            continue;
        fx_read(c.fd, &c.in);
    }
    assert_int_equal(c.r.body.len, sent.len);
    assert_memory_equal(c.r.body.data, sent.data, sent.len);
    FX_WAIT(&c.f, c.f.ends == 1);
    tt_buf_clear(&c.in);
    fx_send(c.fd, "GET /x HTTP/1.1\r\n" H "\r\n");
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    assert_int_equal(c.r.status, 200);
    tt_buf_free(&sent);
    close_client(&c);
}

static void test_client_leaves(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++)
        for (int with_pending = 0; with_pending < 2; with_pending++) {
            struct client c;
            open_client(&c, with_pending ? 4096 : 0);
            c.f.watch_gone = true;
            fx_send(c.fd, ASK);
            FX_WAIT(&c.f, c.f.stream);
            expect_tail(&c, "\r\n\r\n");
            for (int i = 0; i < (with_pending ? 500000 : 1); i++)
                tt_buf_append_z(&c.f.feed, "0123456789");
            tt_http_stream_wake(c.f.stream);
            fx_turns(&c.f, 5);
            leave(&c, how);
            FX_WAIT(&c.f, c.f.ends == 1);
            assert_int_equal(c.f.gones, 1);
            FX_WAIT(&c.f, tt_http_server_connections(c.f.server) == 0);
            close_client(&c);
        }
}

/* Without on_gone the stream swallows everything until its owner ends it. */
static void test_client_leaves_unseen(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    fx_send(c.fd, ASK);
    FX_WAIT(&c.f, c.f.stream);
    expect_tail(&c, "\r\n\r\n");
    leave(&c, 0);
    for (int i = 0; i < 10; i++) {
        feed(&c, "into the void");
        fx_turns(&c.f, 1);
    }
    assert_int_equal(c.f.ends, 0);
    assert_int_equal(tt_http_stream_out(c.f.stream)->len, 0);
    tt_http_stream_end(c.f.stream);
    FX_WAIT(&c.f, c.f.ends == 1);
    close_client(&c);
}

/* Gone while the request waited: the stream opens into nothing and ends the exchange. */
static void test_opened_after_gone(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    c.f.watch_gone = true;
    late_open(&c);
    leave(&c, 0);
    FX_WAIT(&c.f, c.f.gones == 1);
    struct tt_http_stream *stream = tt_http_stream_open(c.f.waiting, 200, fx_on_flush, &c.f);
    tt_buf_append_z(tt_http_stream_out(stream), "x");
    tt_http_stream_wake(stream);
    fx_turns(&c.f, 2);
    assert_int_equal(c.f.ends, 0);
    tt_http_stream_end(stream);
    FX_WAIT(&c.f, c.f.ends == 1);
    assert_int_equal(c.f.flushes, 0);
    close_client(&c);
}

static void cut_on_flush(struct tt_http_stream *stream, void *arg)
{
    struct fixture *f = arg;
    f->flushes++;
    tt_http_stream_cut(stream);
}

/* Cut by whoever was asked for more. */
static void test_cut_on_flush(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    late_open(&c);
    c.f.stream = tt_http_stream_open(c.f.waiting, 200, cut_on_flush, &c.f);
    tt_http_stream_wake(c.f.stream);
    assert_int_not_equal(fx_until_closed(&c.f, c.fd, &c.in), 1);
    assert_int_equal(c.f.flushes, 1);
    FX_WAIT(&c.f, c.f.ends == 1);
    close_client(&c);
}

static void test_http10(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    fx_send(c.fd, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    FX_WAIT(&c.f, c.f.stream);
    feed(&c, "plain ");
    expect_tail(&c, "\r\n\r\nplain ");
    c.f.feed_end = true;
    feed(&c, "bytes");
    assert_int_equal(fx_until_closed(&c.f, c.fd, &c.in), 0);
    assert_non_null(strstr(c.in.data, "\r\n\r\nplain bytes"));
    assert_null(strcasestr(c.in.data, "transfer-encoding"));
    assert_int_equal(c.f.ends, 1);
    close_client(&c);
}

static void test_head(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    tt_buf_append_z(&c.f.feed, "never sent");
    fx_send(c.fd, "HEAD /stream HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(fx_until_closed(&c.f, c.fd, &c.in), 0);
    assert_non_null(strstr(c.in.data, "HTTP/1.1 200"));
    assert_memory_equal(c.in.data + c.in.len - 4, "\r\n\r\n", 4);
    assert_null(strstr(c.in.data, "never"));
    assert_null(strstr(c.in.data, "\r\n0\r\n")); /* no last chunk; an id may end with 0 */
    assert_int_equal(c.f.ends, 1);
    close_client(&c);
}

/* A request that the client pipelines behind a stream waits and is answered after it. */
static void test_pipelined_behind(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    c.f.watch_gone = true;
    fx_send(c.fd, ASK);
    FX_WAIT(&c.f, c.f.stream);
    feed(&c, "a");
    fx_turns(&c.f, 3);
    fx_send(c.fd, "GET /x HTTP/1.1\r\n" H "\r\n");
    fx_turns(&c.f, 3);
    c.f.feed_end = true;
    feed(&c, "b");
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    assert_int_equal(c.r.body.len, 2);
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    assert_memory_equal(c.r.body.data, "hello", 5);
    assert_int_equal(c.f.gones, 0);
    close_client(&c);
}

/* A stream's memory that was given back held neither what is still to come nor what decides about
 * the connection. */
static void test_after_memory_is_given_back(void **state)
{
    struct client c;
    struct tt_buf ask = {0};
    (void)state;
    open_client(&c, 0);
    tt_buf_append_z(&ask, "GET /stream HTTP/1.1\r\n" H);
    for (int i = 0; i < 150; i++) /* their records take more than a page */
        tt_buf_printf(&ask, "X-Header-%d: %d\r\n", i, i);
    tt_buf_append_z(&ask, "\r\nGET /x HTTP/1.1\r\n" H "\r\n");
    for (int round = 0; round < 2; round++) {
        c.f.feed_end = false;
        c.f.stream = NULL;
        if (round == 1) {
            ask.len = 0;
            tt_buf_append_z(&ask, "GET /stream HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
        }
        fx_send(c.fd, ask.data);
        FX_WAIT(&c.f, c.f.stream);
        feed(&c, "a");
        expect_tail(&c, "1\r\na\r\n");
        c.f.feed_end = true;
        feed(&c, "b");
        assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
        assert_memory_equal(c.r.body.data, "ab", 2);
        assert_int_equal(c.r.close, round == 1);
        if (round == 1)
            break;
        assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
        assert_memory_equal(c.r.body.data, "hello", 5);
    }
    FX_WAIT(&c.f, fx_read(c.fd, &c.in) == 0);
    tt_buf_free(&ask);
    close_client(&c);
}

static void test_quiesce(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    fx_send(c.fd, ASK);
    FX_WAIT(&c.f, c.f.stream);
    expect_tail(&c, "\r\n\r\n");
    tt_http_server_quiesce(c.f.server);
    fx_turns(&c.f, 3);
    assert_int_equal(tt_http_server_active(c.f.server), 1);
    c.f.feed_end = true;
    feed(&c, "last");
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    assert_memory_equal(c.r.body.data, "last", 4);
    close_client(&c);
}

static void test_many(void **state)
{
    enum { MANY = 200 };
    struct fixture f;
    int fds[MANY];
    struct tt_http_stream *streams[MANY];
    (void)state;
    fx_open(&f);
    for (int i = 0; i < MANY; i++) {
        fds[i] = fx_connect(&f);
        fx_send(fds[i], ASK);
        f.stream = NULL;
        FX_WAIT(&f, f.stream);
        streams[i] = f.stream;
    }
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < MANY; i++)
            tt_buf_printf(tt_http_stream_out(streams[i]), "%d-%d;", i, round);
        for (int i = 0; i < MANY; i++)
            tt_http_stream_wake(streams[i]);
        tt_loop_tick(f.loop, 1);
    }
    for (int i = 0; i < MANY; i += 2)
        tt_http_stream_end(streams[i]);
    for (int i = 0; i < MANY; i += 2) {
        struct tt_buf in = {0}, expected = {0};
        struct response r = {0};
        assert_true(fx_next(&f, fds[i], &in, &r));
        for (int round = 0; round < 20; round++)
            tt_buf_printf(&expected, "%d-%d;", i, round);
        assert_int_equal(r.body.len, expected.len);
        assert_memory_equal(r.body.data, expected.data, expected.len);
        tt_buf_free(&in);
        tt_buf_free(&expected);
        tt_buf_free(&r.body);
    }
    assert_int_equal(f.ends, MANY / 2);
    tt_http_server_free(f.server); /* the other half is cut */
    f.server = NULL;
    assert_int_equal(f.ends, MANY);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    fx_close(&f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_no_delay),
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_opened_late),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_client_leaves_unseen),
        cmocka_unit_test(test_opened_after_gone),
        cmocka_unit_test(test_cut_on_flush),
        cmocka_unit_test(test_http10),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_pipelined_behind),
        cmocka_unit_test(test_after_memory_is_given_back),
        cmocka_unit_test(test_quiesce),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
