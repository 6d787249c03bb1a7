/* Streamed bodies over raw sockets: every split, pauses, answers from inside, limits, clients that
 * leave, and the end of a server with a paused one. */
#include "http/http_internal.h"
#include "http/http_test.h"

#define BODY_MAX (8u * 1024 * 1024)
#define H        "Host: a\r\n"

struct intake {
    struct client c;
    struct tt_http_exchange *exchange;
    struct tt_buf got;
    int pieces;
    bool pause;       /* after each piece */
    bool paused;      /* a piece that comes now is a fault */
    int answer_at;    /* with 507 in the piece of this number; 0 = never */
    bool fixed;       /* that answer's body is */
    bool seen_paused; /* a piece came while paused */
};

static void on_piece(struct tt_http_exchange *exchange, struct tt_str bytes)
{
    struct intake *t = tt_http_user(exchange);
    assert_true(bytes.len > 0);
    t->pieces++;
    t->seen_paused |= t->paused;
    tt_buf_append_str(&t->got, bytes);
    if (t->pause) {
        t->paused = true;
        tt_http_pause_body(exchange);
    }
    if (t->answer_at == t->pieces && t->fixed)
        tt_http_reply_fixed(exchange, 507, TT_STR("full"));
    else if (t->answer_at == t->pieces)
        fx_reply(exchange, 507, "full");
}

static void on_head(void *arg, struct tt_http_exchange *exchange, size_t *body_max)
{
    struct intake *t = arg;
    t->c.f.heads++;
    t->exchange = exchange;
    *body_max = BODY_MAX;
    tt_http_set_user(exchange, t);
    tt_http_stream_body(exchange, on_piece);
}

static void on_request(void *arg, struct tt_http_exchange *exchange)
{
    struct intake *t = arg;
    t->c.f.requests++;
    assert_int_equal(tt_http_body(exchange).len, 0);
    fx_reply(exchange, 200, "done");
}

static void on_end(void *arg, struct tt_http_exchange *exchange)
{
    struct intake *t = arg;
    t->c.f.ends++;
    if (t->exchange == exchange)
        t->exchange = NULL;
}

static void on_refuse(void *arg, struct tt_http_exchange *exchange, int status, const char *code)
{
    struct intake *t = arg;
    fx_on_refuse(&t->c.f, exchange, status, code);
}

static void open_intake(struct intake *t)
{
    struct tt_http_handler handler = {on_head, on_request, on_end, on_refuse, t};
    struct tt_http_settings settings = {.address = "127.0.0.1:0"};
    struct tt_err err = {0};
    memset(t, 0, sizeof(*t));
    t->c.f.loop = tt_loop_new(&err);
    t->c.f.server = tt_http_server_new(t->c.f.loop, &settings, &handler, &err);
    assert_non_null(t->c.f.server);
    t->c.fd = fx_connect(&t->c.f);
}

static void close_intake(struct intake *t)
{
    close_client(&t->c);
    tt_buf_free(&t->got);
}

static void resume(struct intake *t)
{
    t->paused = false;
    if (t->exchange)
        tt_http_resume_body(t->exchange);
}

static void expect(struct intake *t, int status, const char *text)
{
    assert_true(fx_next(&t->c.f, t->c.fd, &t->c.in, &t->c.r));
    expect_body(&t->c, status, text);
}

/* Sends all of it, taking turns; false when the connection broke on the way. */
static bool send_all(struct intake *t, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(t->c.fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return false;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
        if (t->pause)
            resume(t);
        tt_loop_tick(t->c.f.loop, 0);
    }
    return true;
}

static void test_pieces(void **state)
{
    static const char request[] = "POST /x HTTP/1.1\r\n" H "Content-Length: 11\r\n\r\nhello world";
    (void)state;
    for (size_t cut = 1; cut < sizeof(request) - 1; cut++) {
        struct intake t;
        open_intake(&t);
        fx_send_n(t.c.fd, request, cut);
        fx_turns(&t.c.f, 2);
        fx_send_n(t.c.fd, request + cut, sizeof(request) - 1 - cut);
        expect(&t, 200, "done");
        assert_false(t.c.r.close);
        assert_true(tt_str_eq(tt_buf_str(&t.got), TT_STR("hello world")));
        close_intake(&t);
    }
}

static void test_without_body(void **state)
{
    struct intake t;
    (void)state;
    open_intake(&t);
    fx_send(t.c.fd, "POST /x HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n");
    expect(&t, 200, "done");
    assert_int_equal(t.pieces, 0);
    close_intake(&t);
}

/* Chunks that lie in one buffer of the library: none may come while paused, none may be lost. */
static void test_paused_chunks(void **state)
{
    struct intake t;
    (void)state;
    open_intake(&t);
    t.pause = true;
    fx_send(t.c.fd, "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        fx_turns(&t.c.f, 3);
        if (t.paused && t.got.len < 6)
            assert_int_equal(t.c.f.requests, 0);
        resume(&t);
    }
    expect(&t, 200, "done");
    assert_false(t.seen_paused);
    assert_true(tt_str_eq(tt_buf_str(&t.got), TT_STR("abcdef")));
    assert_true(t.c.r.close);
    close_intake(&t);
}

/* While paused nothing is read: what the client sends stays with it and with the kernel. */
static void test_pause_holds_the_client(void **state)
{
    static char block[65536];
    struct intake t;
    char head[128];
    size_t sent = 0;
    (void)state;
    open_intake(&t);
    t.pause = true;
    snprintf(head, sizeof(head), "POST /x HTTP/1.1\r\n" H "Content-Length: %u\r\n\r\n", BODY_MAX);
    fx_send(t.c.fd, head);
    fx_send(t.c.fd, "first");
    sent = 5;
    FX_WAIT(&t.c.f, t.paused);
    for (int idle = 0; idle < 50;) {
        ssize_t n = send(t.c.fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT);
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        tt_loop_tick(t.c.f.loop, 1);
        assert_true(sent < BODY_MAX);
    }
    assert_int_equal(t.pieces, 1);
    while (sent < BODY_MAX) {
        size_t len = BODY_MAX - sent < sizeof(block) ? BODY_MAX - sent : sizeof(block);
        assert_true(send_all(&t, block, len));
        sent += len;
    }
    for (int i = 0; i < 2000 && t.c.f.requests == 0; i++) {
        resume(&t);
        tt_loop_tick(t.c.f.loop, 1);
    }
    expect(&t, 200, "done");
    assert_int_equal(t.got.len, BODY_MAX);
    assert_false(t.seen_paused);
    close_intake(&t);
}

static void answer_inside(bool pause, bool fixed)
{
    struct intake t;
    open_intake(&t);
    t.answer_at = 1;
    t.fixed = fixed;
    t.pause = pause;
    fx_send(t.c.fd, "POST /x HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\nsome");
    expect(&t, 507, "full");
    assert_true(t.c.r.close);
    assert_int_equal(t.c.f.requests, 0);
    assert_int_equal(fx_until_closed(&t.c.f, t.c.fd, &t.c.in), 0);
    close_intake(&t);
}

static void test_answer_inside(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++)
        answer_inside(kind & 1, kind & 2);
}

static void test_answer_while_paused(void **state)
{
    struct intake t;
    (void)state;
    open_intake(&t);
    t.pause = true;
    fx_send(t.c.fd, "POST /x HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\nsome");
    FX_WAIT(&t.c.f, t.paused);
    fx_turns(&t.c.f, 3);
    fx_reply(t.exchange, 507, "full");
    expect(&t, 507, "full");
    assert_true(t.c.r.close);
    fx_send(t.c.fd, "more");
    fx_until_closed(&t.c.f, t.c.fd, &t.c.in);
    assert_int_equal(t.pieces, 1);
    assert_int_equal(t.c.f.requests, 0);
    close_intake(&t);
}

/* The answer comes while the last bytes of the body have been taken already. */
static void test_answer_after_the_last_piece(void **state)
{
    struct intake t;
    (void)state;
    open_intake(&t);
    t.pause = true;
    fx_send(t.c.fd, "POST /x HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nsome");
    FX_WAIT(&t.c.f, t.paused);
    fx_turns(&t.c.f, 3);
    fx_reply(t.exchange, 507, "full");
    expect(&t, 507, "full");
    assert_int_equal(fx_until_closed(&t.c.f, t.c.fd, &t.c.in), 0);
    assert_int_equal(t.c.f.requests, 0);
    close_intake(&t);
}

static void test_too_large(void **state)
{
    static char block[65536];
    struct intake t;
    char head[128];
    (void)state;
    open_intake(&t);
    snprintf(head, sizeof(head), "POST /x HTTP/1.1\r\n" H "Content-Length: %u\r\n\r\n",
             BODY_MAX + 1);
    fx_send(t.c.fd, head);
    assert_true(fx_next(&t.c.f, t.c.fd, &t.c.in, &t.c.r));
    assert_int_equal(t.c.r.status, 413);
    assert_int_equal(t.pieces, 0);
    close_intake(&t);

    open_intake(&t);
    fx_send(t.c.fd, "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t sent = 0; sent <= BODY_MAX; sent += sizeof(block))
        if (!send_all(&t, "10000\r\n", 7) || !send_all(&t, block, sizeof(block)) ||
            !send_all(&t, "\r\n", 2))
            break;
    assert_true(fx_next(&t.c.f, t.c.fd, &t.c.in, &t.c.r));
    assert_int_equal(t.c.r.status, 413);
    assert_string_equal(t.c.f.refused, "body_too_large");
    assert_true(t.got.len <= BODY_MAX);
    close_intake(&t);
}

static void test_client_leaves(void **state)
{
    (void)state;
    for (int pause = 0; pause < 2; pause++) {
        struct intake t;
        open_intake(&t);
        t.pause = pause;
        fx_send(t.c.fd, "POST /x HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nsome");
        FX_WAIT(&t.c.f, t.pieces == 1);
        close(t.c.fd);
        t.c.fd = -1;
        fx_turns(&t.c.f, 3);
        resume(&t);
        FX_WAIT(&t.c.f, t.c.f.ends == 1);
        assert_int_equal(t.c.f.requests, 0);
        close_intake(&t);
    }
}

/* The minimum rate holds between pauses, not during one. */
static void test_rate(void **state)
{
    struct intake t;
    (void)state;
    open_intake(&t);
    t.c.f.server->settings.body_rate_min = 1000;
    t.c.f.server->rate_window_ms = 60;
    t.pause = true;
    fx_send(t.c.fd, "POST /x HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\nsome");
    FX_WAIT(&t.c.f, t.paused);
    fx_run_ms(&t.c.f, 1500);
    assert_int_equal(t.c.f.refusals, 0);
    t.pause = false;
    resume(&t);
    assert_true(fx_next(&t.c.f, t.c.fd, &t.c.in, &t.c.r));
    assert_int_equal(t.c.r.status, 408);
    assert_string_equal(t.c.f.refused, "request_timeout");
    close_intake(&t);
}

static void test_server_ends(void **state)
{
    struct intake t;
    (void)state;
    open_intake(&t);
    t.pause = true;
    fx_send(t.c.fd, "POST /x HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nsome");
    FX_WAIT(&t.c.f, t.paused);
    tt_http_server_free(t.c.f.server);
    t.c.f.server = NULL;
    assert_int_equal(t.c.f.ends, 1);
    close_intake(&t);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_without_body),
        cmocka_unit_test(test_paused_chunks),
        cmocka_unit_test(test_pause_holds_the_client),
        cmocka_unit_test(test_answer_inside),
        cmocka_unit_test(test_answer_while_paused),
        cmocka_unit_test(test_answer_after_the_last_piece),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_server_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
