/* Time limits with short settings: heads and bodies that trickle, idle connections, readers that
 * stopped, and that none of them hits what moves or what waits for us. */
#include "http/http_internal.h"
#include "http/http_test.h"

#define H        "Host: a\r\n"
#define HANG_MS  10000 /* by then it has happened */
#define NEVER_MS 60000 /* a limit that is not the one under test */

static void open_fast(struct fixture *f)
{
    fx_open_with(f, (struct tt_http_settings){
                        .head_timeout_ms = 200, .idle_timeout_ms = 600, .body_rate_min = 100});
    f->server->rate_window_ms = 300;
}

/* Sends a byte each 20 ms until the server closes; the time that took, or 0 after `limit`. */
static uint64_t trickle(struct fixture *f, int fd, const char *text, uint64_t limit,
                        struct tt_buf *in)
{
    uint64_t start = fx_ms();
    for (size_t i = 0; fx_ms() - start < limit; i++) {
        char c = i < strlen(text) ? text[i] : 'x';
        if (fx_read(fd, in) != 1 || send(fd, &c, 1, MSG_NOSIGNAL) != 1)
            return fx_ms() - start;
        fx_run_ms(f, 20);
    }
    return 0;
}

static void test_silent_and_trickling_heads(void **state)
{
    struct fixture f;
    struct tt_buf in = {0};
    (void)state;
    open_fast(&f);
    f.server->settings.idle_timeout_ms = NEVER_MS;
    int silent = fx_connect(&f), slow = fx_connect(&f);
    assert_true(trickle(&f, slow, "GET / HTTP/1.1\r\nHost: a\r\nX: ", HANG_MS, &in) >= 150);
    assert_int_equal(fx_until_closed(&f, silent, &in), 0);
    assert_int_equal(in.len, 0);
    FX_WAIT(&f, tt_http_server_connections(f.server) == 0);
    close(silent);
    close(slow);
    tt_buf_free(&in);
    fx_close(&f);
}

static void test_head_after_keep_alive(void **state)
{
    static const char *const starts[] = {"GET / HTTP/1.1\r\nHost: a\r\nX: ", "GET /xxxx"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        struct tt_buf in = {0};
        struct response r = {0};
        open_fast(&f);
        f.server->settings.idle_timeout_ms = NEVER_MS;
        int fd = fx_connect(&f);
        fx_send(fd, "GET /x HTTP/1.1\r\n" H "\r\n");
        assert_true(fx_next(&f, fd, &in, &r));
        assert_true(trickle(&f, fd, starts[i], HANG_MS, &in) >= 150);
        close(fd);
        tt_buf_free(&in);
        tt_buf_free(&r.body);
        fx_close(&f);
    }
}

static void test_idle(void **state)
{
    struct fixture f;
    struct tt_buf in = {0};
    struct response r = {0};
    (void)state;
    open_fast(&f);
    f.server->settings.idle_timeout_ms = 2000;
    int fd = fx_connect(&f);
    for (int i = 0; i < 3; i++) { /* longer idle than a head may take: fine */
        fx_send(fd, "GET /x HTTP/1.1\r\n" H "\r\n");
        assert_true(fx_next(&f, fd, &in, &r));
        fx_run_ms(&f, 350);
    }
    assert_int_equal(fx_until_closed(&f, fd, &in), 0);
    close(fd);
    tt_buf_free(&in);
    tt_buf_free(&r.body);
    fx_close(&f);
}

static void test_slow_body(void **state)
{
    struct fixture f;
    struct tt_buf in = {0};
    struct response r = {0};
    (void)state;
    open_fast(&f);
    int fd = fx_connect(&f);
    fx_send(fd, "POST /x HTTP/1.1\r\n" H "Content-Length: 900\r\n\r\n");
    fx_turns(&f, 2);
    trickle(&f, fd, "", HANG_MS, &in); /* 50 bytes a second, 100 are asked for */
    assert_true(fx_parse(&in, false, &r));
    assert_int_equal(r.status, 408);
    assert_string_equal(f.refused, "request_timeout");
    FX_WAIT(&f, tt_http_server_connections(f.server) == 0);
    assert_int_equal(f.ends, 1);
    close(fd);

    fd = fx_connect(&f);
    tt_buf_clear(&in);
    fx_send(fd, "POST /x HTTP/1.1\r\n" H "Content-Length: 250\r\n\r\n");
    for (int i = 0; i < 25; i++) { /* 333 a second, longer than the window */
        fx_send(fd, "0123456789");
        fx_run_ms(&f, 30);
    }
    assert_true(fx_next(&f, fd, &in, &r));
    assert_int_equal(r.status, 200);
    close(fd);
    tt_buf_free(&in);
    tt_buf_free(&r.body);
    fx_close(&f);
}

/* The line before a chunk is longer than the library's buffer, which then waits in silence: long
 * before any limit of time the client reads why. */
static void test_a_chunk_line_without_end(void **state)
{
    struct fixture f;
    struct tt_buf in = {0}, out = {0};
    struct response r = {0};
    (void)state;
    open_fast(&f);
    f.server->settings.idle_timeout_ms = NEVER_MS;
    f.server->rate_window_ms = NEVER_MS;
    int fd = fx_connect(&f);
    tt_buf_append_z(&out, "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2;");
    for (int i = 0; i < 80000; i++)
        tt_buf_putc(&out, 'x');
    fx_send_n(fd, out.data, out.len);
    fx_until_closed(&f, fd, &in);
    assert_true(fx_parse(&in, false, &r));
    assert_int_equal(r.status, 400);
    close(fd);
    tt_buf_free(&in);
    tt_buf_free(&out);
    tt_buf_free(&r.body);
    fx_close(&f);
}

/* Neither the work on an answer nor a stream without anything to say has a deadline. */
static void test_waiting_has_none(void **state)
{
    struct fixture f;
    struct tt_buf in = {0};
    struct response r = {0};
    (void)state;
    open_fast(&f);
    int fd = fx_connect(&f), streaming = fx_connect(&f);
    fx_send(fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
    fx_send(streaming, "GET /stream HTTP/1.1\r\n" H "\r\n");
    FX_WAIT(&f, f.waiting && f.stream);
    struct tt_http_stream *stream = f.stream;
    fx_run_ms(&f, 1500);
    fx_reply(f.waiting, 200, "late");
    assert_true(fx_next(&f, fd, &in, &r));
    assert_int_equal(r.status, 200);
    tt_http_stream_end(stream);
    tt_buf_clear(&in);
    assert_true(fx_next(&f, streaming, &in, &r));
    close(fd);
    close(streaming);
    tt_buf_free(&in);
    tt_buf_free(&r.body);
    fx_close(&f);
}

/* A reader that stopped is cut, one that is only slow is not. */
static void test_stalled_readers(void **state)
{
    static const char *const requests[] = {"GET /big HTTP/1.1\r\n" H "\r\n",
                                           "GET /stream HTTP/1.1\r\n" H "\r\n"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        struct tt_buf in = {0};
        open_fast(&f);
        f.watch_gone = true;
        for (int k = 0; k < 300000; k++)
            tt_buf_append_z(&f.feed, "0123456789");
        int fd = fx_connect_rcvbuf(&f, 4096);
        fx_send(fd, requests[i]);
        for (int k = 0; k < 30; k++) { /* slow: 3 kB each 50 ms */
            char part[3000];
            recv(fd, part, sizeof(part), MSG_DONTWAIT);
            fx_run_ms(&f, 50);
        }
        assert_int_equal(f.ends, 0);
        FX_WAIT(&f, f.ends == 1);
        close(fd);
        tt_buf_free(&in);
        fx_close(&f);
    }
}

/* What many connections needed is not kept when they have left; of few it is. */
static void test_memory_of_a_crowd(void **state)
{
    enum { FEW = 20, MANY = 520 };
    struct fixture f;
    int fds[MANY];
    (void)state;
    open_fast(&f);
    for (int round = 0; round < 2; round++) {
        int count = round == 0 ? FEW : MANY;
        f.server->settings.idle_timeout_ms = f.server->settings.head_timeout_ms = NEVER_MS;
        for (int i = 0; i < count; i++) {
            fds[i] = fx_connect(&f);
            FX_WAIT(&f, tt_http_server_connections(f.server) == i + 1);
        }
        f.server->settings.idle_timeout_ms = f.server->settings.head_timeout_ms = 50;
        for (int i = 0; i < count; i++)
            close(fds[i]);
        FX_WAIT(&f, tt_http_server_connections(f.server) == 0 && f.server->sweep.due_ms == 0);
        assert_int_equal(tt_list_empty(&f.server->pool), round == 1);
    }
    fx_close(&f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_and_trickling_heads),
        cmocka_unit_test(test_head_after_keep_alive),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_a_chunk_line_without_end),
        cmocka_unit_test(test_waiting_has_none),
        cmocka_unit_test(test_stalled_readers),
        cmocka_unit_test(test_memory_of_a_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
