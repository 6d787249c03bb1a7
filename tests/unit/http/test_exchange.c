/* The life of a request over raw sockets: every split, pipelining, bodies and their limits, early
 * answers, waiting, HEAD, HTTP/1.0, and that on_end comes exactly once. */
#include "http/http_test.h"

#define H "Host: a\r\n"

static void test_keep_alive(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    for (int i = 0; i < 5; i++) {
        fx_send(c.fd, "GET /x HTTP/1.1\r\n" H "\r\n");
        assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
        expect_body(&c, 200, "hello");
        assert_false(c.r.close);
    }
    assert_int_equal(c.f.ends, 5);
    assert_int_equal(tt_http_server_connections(c.f.server), 1);
    close_client(&c);
}

static void test_head_of_answer(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    fx_send(c.fd, "GET /x HTTP/1.1\r\n" H "\r\n");
    FX_WAIT(&c.f, fx_read(c.fd, &c.in) == 1 && c.in.len > 0);
    const char *id = strstr(c.in.data, "\r\nX-Request-Id: ");
    assert_non_null(id);
    assert_int_equal(strspn(id + 16, "0123456789abcdef"), 16);
    assert_non_null(strstr(c.in.data, "\r\nDate: "));
    assert_null(strcasestr(c.in.data, "\r\nServer:"));
    assert_null(strcasestr(c.in.data, "\r\nConnection:"));
    close_client(&c);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    while ((text = strcasestr(text, what))) {
        n++;
        text++;
    }
    return n;
}

/* However many and long they are, and whichever of them the library treats by itself. */
static void test_answer_headers(void **state)
{
    static const char *const kinds[] = {"no", "id", "close"};
    (void)state;
    for (int kind = 0; kind < 3; kind++)
        for (int size = 0; size < 300; size += 60) {
            struct client c;
            char request[200];
            open_client(&c, 0);
            snprintf(request, sizeof(request),
                     "GET /headers?own=%d HTTP/1.1\r\n" H "X-Test: %s\r\n\r\n", size, kinds[kind]);
            fx_send(c.fd, request);
            FX_WAIT(&c.f, fx_read(c.fd, &c.in) >= 0 && c.in.len > 0);
            assert_int_equal(count(c.in.data, "\r\nX-Request-Id: "), 1);
            assert_int_equal(count(c.in.data, "\r\nx-request-id: mine\r\n"), kind == 1);
            assert_int_equal(count(c.in.data, "\r\nConnection: close\r\n"), kind == 2);
            for (int i = 0; i < 12; i++) {
                char name[32];
                snprintf(name, sizeof(name), "\r\nX-%d: v", i);
                assert_int_equal(count(c.in.data, name), 1);
            }
            assert_null(strchr(c.in.data, 1));
            assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
            expect_body(&c, 200, "hello");
            close_client(&c);
        }
}

static void test_split_header_is_refused(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    ask(&c, "GET /split HTTP/1.1\r\n" H "\r\n");
    expect_body(&c, 200, "hello");
    assert_null(strstr(c.in.data, "X-Evil"));
    close_client(&c);
}

/* The answer to a body in chunks, and the end of its connection */
static void expect_chunked(struct client *c, const char *body)
{
    assert_true(fx_next(&c->f, c->fd, &c->in, &c->r));
    expect_body(c, 200, "hello");
    assert_int_equal(c->f.body_len, strlen(body));
    assert_memory_equal(c->f.body, body, strlen(body));
    assert_true(c->r.close);
    assert_int_equal(fx_until_closed(&c->f, c->fd, &c->in), 0);
    assert_int_equal(c->f.requests, 1);
    close_client(c);
}

static void test_every_split(void **state)
{
    static const char request[] = "POST /x?q=1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nT: v\r\n\r\n";
    struct client c;
    (void)state;
    for (size_t cut = 1; cut < sizeof(request) - 1; cut++) {
        open_client(&c, 0);
        fx_send_n(c.fd, request, cut);
        fx_turns(&c.f, 2);
        fx_send_n(c.fd, request + cut, sizeof(request) - 1 - cut);
        expect_chunked(&c, "abcdefg");
    }
}

/* Lines and data that arrive in pieces of any size: line ends within the data are no line ends. */
static void test_chunks_in_pieces(void **state)
{
    static const char request[] = "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                                  "1\r\n\r\r\n2\r\n\n\n\r\n4;e\r\n\na\r\n\r\n1\r\nb\r\n0\r\n\r\n";
    struct client c;
    (void)state;
    for (size_t piece = 1; piece < sizeof(request) - 1; piece++) {
        open_client(&c, 0);
        for (size_t at = 0; at < sizeof(request) - 1; at += piece) {
            size_t left = sizeof(request) - 1 - at;
            fx_send_n(c.fd, request + at, left < piece ? left : piece);
            fx_turns(&c.f, 2);
        }
        expect_chunked(&c, "\r\n\n\na\r\nb");
    }
}

/* Where a body in chunks ends is not read with certainty: nothing behind it is a request. */
static void test_nothing_follows_chunks(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    fx_send(c.fd, "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n0\n\r\nGET /x HTTP/1.1\r\n" H "\r\n");
    expect_chunked(&c, "abc");
}

static void test_pipeline(void **state)
{
    struct client c;
    struct tt_buf out = {0};
    (void)state;
    open_client(&c, 0);
    for (int i = 0; i < 20; i++)
        tt_buf_append_z(&out, i % 2 ? "POST /b HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc"
                                    : "GET /a HTTP/1.1\r\n" H "\r\n");
    fx_send_n(c.fd, out.data, out.len);
    for (int i = 0; i < 20; i++) {
        assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
        expect_body(&c, 200, "hello");
    }
    assert_int_equal(c.f.ends, 20);
    tt_buf_free(&out);
    close_client(&c);
}

/* A waiting request holds the pipeline behind it. */
static void test_pipeline_behind_waiting(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    fx_send(c.fd, "GET /wait HTTP/1.1\r\n" H "\r\nGET /wait HTTP/1.1\r\n" H
                  "\r\nGET /x HTTP/1.1\r\n" H "\r\n");
    for (int i = 0; i < 2; i++) {
        FX_WAIT(&c.f, c.f.waiting);
        fx_turns(&c.f, 3);
        assert_int_equal(c.f.requests, i + 1);
        fx_reply(c.f.waiting, 200, "late");
        assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
        expect_body(&c, 200, "late");
    }
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    expect_body(&c, 200, "hello");
    close_client(&c);
}

static void test_empty_and_head(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    ask(&c, "GET /empty HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(c.r.status, 204);
    fx_send(c.fd, "HEAD /x HTTP/1.1\r\n" H "\r\n");
    FX_WAIT(&c.f, fx_read(c.fd, &c.in) == 1 && c.in.len > 0);
    assert_non_null(strstr(c.in.data, "\r\nContent-Length: 5\r\n"));
    fx_turns(&c.f, 3);
    assert_true(fx_next_of(&c.f, c.fd, &c.in, true, &c.r));
    assert_int_equal(c.in.len, 0);
    ask(&c, "GET /x HTTP/1.1\r\n" H "\r\n");
    expect_body(&c, 200, "hello");
    close_client(&c);
}

static void test_fixed_body(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    for (int i = 0; i < 3; i++) {
        ask(&c, "GET /fixed HTTP/1.1\r\n" H "\r\n");
        expect_body(&c, 200, "never freed");
    }
    fx_send(c.fd, "HEAD /fixed HTTP/1.1\r\n" H "\r\n");
    FX_WAIT(&c.f, fx_read(c.fd, &c.in) == 1 && c.in.len > 0);
    assert_non_null(strstr(c.in.data, "\r\nContent-Length: 11\r\n"));
    assert_true(fx_next_of(&c.f, c.fd, &c.in, true, &c.r));
    assert_int_equal(c.in.len, 0);
    close_client(&c);
}

/* Paths mean the same below the base and without it. */
static void test_base_path(void **state)
{
    static const struct {
        const char *target, *wanted;
    } cases[] = {
        {"/empty", "/empty"},
        {"/base/empty", "/empty"},
        {"/base/", "/"},
        {"/base", ""},
        {"/base?/q", ""},
        {"/basement", "/basement"},
        {"/base/base/x", "/base/x"},
        {"/x/base/y", "/x/base/y"},
        {"//base/x", "//base/x"},
    };
    struct client c = {0};
    (void)state;
    fx_open_with(&c.f, (struct tt_http_settings){.base_path = TT_STR("/base")});
    c.fd = fx_connect(&c.f);
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char request[100];
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" H "\r\n", cases[i].target);
        ask(&c, request);
        assert_string_equal(c.f.path, cases[i].wanted);
    }
    close_client(&c);
}

static void test_http10(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    ask(&c, "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_body(&c, 200, "hello");
    ask(&c, "GET /x HTTP/1.0\r\n\r\n");
    expect_body(&c, 200, "hello");
    assert_true(c.r.close);
    assert_int_equal(fx_until_closed(&c.f, c.fd, &c.in), 0);
    close_client(&c);
}

static void test_body_limit(void **state)
{
    char body[1001];
    struct client c;
    struct tt_buf out = {0};
    (void)state;
    memset(body, 'b', sizeof(body));
    open_client(&c, 0);
    tt_buf_append_z(&out, "POST /x HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\n");
    tt_buf_append(&out, body, 1000);
    fx_send_n(c.fd, out.data, out.len);
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    expect_body(&c, 200, "hello");
    assert_int_equal(c.f.body_len, 1000);

    tt_buf_clear(&out);
    tt_buf_append_z(&out, "POST /x HTTP/1.1\r\n" H "Content-Length: 1001\r\n\r\n");
    tt_buf_append(&out, body, 1001);
    fx_send_n(c.fd, out.data, out.len);
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    expect_body(&c, 413, "{\"code\":\"body_too_large\"}");
    assert_int_equal(fx_until_closed(&c.f, c.fd, &c.in), 0);
    assert_int_equal(c.f.requests, 1);
    tt_buf_free(&out);
    close_client(&c);
}

/* Nothing announces how long a chunked body is: the refusal comes in its middle. */
static void test_chunked_limit(void **state)
{
    struct client c;
    struct tt_buf out = {0};
    (void)state;
    open_client(&c, 0);
    tt_buf_append_z(&out, "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100; i++)
        tt_buf_append_z(&out, "a\r\n0123456789\r\n");
    fx_send_n(c.fd, out.data, out.len);
    fx_turns(&c.f, 5);
    assert_int_equal(c.f.refusals, 0); /* exactly 1000 bytes so far */
    fx_send(c.fd, "1\r\nx\r\n");
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    expect_body(&c, 413, "{\"code\":\"body_too_large\"}");
    assert_true(c.r.close);
    /* The client goes on sending and is not reset before it has read that. */
    for (int i = 0; i < 50; i++) {
        fx_send_n(c.fd, out.data, out.len);
        fx_turns(&c.f, 1);
    }
    assert_int_equal(fx_until_closed(&c.f, c.fd, &c.in), 0);
    tt_buf_free(&out);
    close_client(&c);
}

static void test_early_answer(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    /* Without a body the connection lives on. */
    ask(&c, "GET /early HTTP/1.1\r\n" H "\r\n");
    expect_body(&c, 401, "early");
    assert_false(c.r.close);
    ask(&c, "POST /early HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n");
    expect_body(&c, 401, "early");
    assert_false(c.r.close);
    /* With one the answer comes before it, and the connection ends. */
    ask(&c, "POST /early HTTP/1.1\r\n" H "Content-Length: 500\r\n\r\n");
    expect_body(&c, 401, "early");
    assert_true(c.r.close);
    for (int i = 0; i < 5; i++) {
        char part[100] = {0};
        fx_send_n(c.fd, part, sizeof(part));
        fx_turns(&c.f, 2);
    }
    assert_int_equal(fx_until_closed(&c.f, c.fd, &c.in), 0);
    assert_int_equal(c.f.requests, 0);
    assert_int_equal(c.f.ends, 3);
    close_client(&c);
}

static void test_expect(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    ask(&c, "POST /x HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(c.r.status, 100);
    ask(&c, "abc");
    expect_body(&c, 200, "hello");
    assert_int_equal(c.f.body_len, 3);
    ask(&c, "POST /early HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    expect_body(&c, 401, "early");
    close_client(&c);
}

static void test_late_answer(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    for (int i = 0; i < 3; i++) {
        fx_send(c.fd, "POST /wait HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc");
        FX_WAIT(&c.f, c.f.waiting);
        fx_turns(&c.f, 2);
        assert_int_equal(tt_http_server_active(c.f.server), 1);
        fx_reply(c.f.waiting, 200, "late");
        assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
        expect_body(&c, 200, "late");
        FX_WAIT(&c.f, c.f.ends == i + 1);
    }
    assert_false(c.r.close);
    close_client(&c);
}

/* A client that reads late gets all of a large answer. */
static void test_big_answer(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    close(c.fd);
    c.fd = fx_connect_rcvbuf(&c.f, 4096);
    fx_send(c.fd, "GET /big HTTP/1.1\r\n" H "\r\n");
    fx_turns(&c.f, 20);
    assert_true(fx_next(&c.f, c.fd, &c.in, &c.r));
    assert_int_equal(c.r.body.len, 3000000);
    ask(&c, "GET /x HTTP/1.1\r\n" H "\r\n");
    expect_body(&c, 200, "hello");
    close_client(&c);
}

static void test_inspect(void **state)
{
    struct client c;
    (void)state;
    open_client(&c, 0);
    ask(&c, "GET /inspect?a=1&q=x%20y+z&q=2 HTTP/1.1\r\n" H "X-TEST:  spaced \t\r\n"
            "Cookie: b=1; cc=2\r\nCookie: c=\"3\"; c=4\r\nX-Forwarded-For: 9.9.9.9\r\n"
            "X-Forwarded-Proto: https\r\n\r\n");
    assert_string_equal(c.f.note, "q=x y z c=3 r=127.0.0.1 x=spaced tls=0");
    ask(&c, "GET /inspect?q=%zz HTTP/1.1\r\n" H "\r\n");
    assert_string_equal(c.f.note, "q= c= r=127.0.0.1 x= tls=0");
    close_client(&c);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_head_of_answer),
        cmocka_unit_test(test_answer_headers),
        cmocka_unit_test(test_split_header_is_refused),
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_pipeline_behind_waiting),
        cmocka_unit_test(test_empty_and_head),
        cmocka_unit_test(test_fixed_body),
        cmocka_unit_test(test_base_path),
        cmocka_unit_test(test_http10),
        cmocka_unit_test(test_body_limit),
        cmocka_unit_test(test_chunked_limit),
        cmocka_unit_test(test_chunks_in_pieces),
        cmocka_unit_test(test_nothing_follows_chunks),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_big_answer),
        cmocka_unit_test(test_inspect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
