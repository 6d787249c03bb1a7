/* Request bytes -> status, over a real socket: what the parser lets through and we must not, what
 * we must not refuse by mistake, and that a refused connection ends without being reset. */
#include "http/http_test.h"

#define H "Host: a\r\n"

struct guard_case {
    const char *bytes;
    size_t len; /* 0 = strlen */
    int status; /* 0 = closed without an answer (by the library, before our first call) */
    int requests;
};

static const struct guard_case cases[] = {
    /* Good ones. */
    {"GET / HTTP/1.1\r\n" H "\r\n", 0, 200, 1},
    {"GET / HTTP/1.0\r\n\r\n", 0, 200, 1},
    {"GET / HTTP/1.0\r\n" H "\r\n", 0, 200, 1},
    {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 0, 200, 1},
    {"GET /?a=b&c=d HTTP/1.1\r\n" H "\r\n", 0, 200, 1},
    {"GET /? HTTP/1.1\r\n" H "\r\n", 0, 200, 1},
    {"GET /??a? HTTP/1.1\r\n" H "\r\n", 0, 200, 1},
    {"GET /%00%0a HTTP/1.1\r\n" H "\r\n", 0, 200, 1},
    {"GET /\xe6\xbd\xae HTTP/1.1\r\n" H "\r\n", 0, 200, 1},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", 0, 200, 1},
    {"GET http://a/ HTTP/1.1\r\n" H "\r\n", 0, 200, 1},
    {"GET HTTPS://[::1]:8080?a=b HTTP/1.1\r\n" H "\r\n", 0, 200, 1},
    {"GET / HTTP/1.1\r\nHost:\r\nX:\r\nY: \r\n\r\n", 0, 200, 1},
    {"GET / HTTP/1.1\r\nHOST: [::1]:80\r\nX: a\tb \xff\r\n\r\n", 0, 200, 1},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 0, 200, 1},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 0, 200, 1},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 0, 200, 1},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 0, 200, 1},
    {"GET / HTTP/1.1\r\n" H "Authorization: Bearer x\r\n\r\n", 0, 200, 1},
    /* Framing. */
    {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0,
     400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 0,
     400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\nabc", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\nabc", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\nabc", 0, 413, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 9999999999999999999\r\n\r\nabc", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length : 5\r\n\r\nabc", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0,
     400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n0\r\n\r\n",
     0, 400, 0},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 400, 0},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 0, 400, 0},
    /* Host, Authorization. */
    {"GET / HTTP/1.1\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "Authorization: a\r\nAuthorization: b\r\n\r\n", 0, 400, 0},
    /* Headers' bytes. */
    {"GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "X : a\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "X\t: a\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H ": a\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "X(y): a\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "\xc3\xa4: a\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "no colon\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "X: a\r\n \r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n X: a\r\n" H "\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", 0, 400, 0},
    {"GET / HTTP/1.1\r\n" H "X: a\n\n", 0, 400, 0},
#define Z(text, status, requests)                                                                  \
    {                                                                                              \
        text, sizeof(text) - 1, status, requests                                                   \
    }
    Z("GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n", 400, 0),
    Z("GET / HTTP/1.1\r\n" H "X: a\0\0Y: b\r\n\r\n", 400, 0),
    Z("GET / HTTP/1.1\r\n" H "X: a\0\0Y\0 b\r\n\r\n", 400, 0),
    Z("GET / HTTP/1.1\r\n" H "X: a\0\0\0\0\r\n\r\n", 400, 0),
    Z("POST / HTTP/1.1\r\n" H "Content-Length: 3\0 4\r\n\r\nabc", 400, 0),
    Z("POST / HTTP/1.1\r\n" H "X: \0\0Content-Length\0 3\r\n\r\nabc", 400, 0),
    Z("GET /\0 HTTP/1.1\r\n" H "\r\n", 400, 0),
    Z("GET /a\0b HTTP/1.1\r\n" H "\r\n", 400, 0),
    Z("GET /a?b\0c HTTP/1.1\r\n" H "\r\n", 400, 0),
    Z("G\0T / HTTP/1.1\r\n" H "\r\n", 400, 0),
    /* Request line. */
    {"GET  / HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET /a\tb HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET /a\x01 HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET /a\x7f HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET http://u@a/ HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET http:///x HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET ftp://a/ HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET http://a/ HTTP/1.1\r\n\r\n", 0, 400, 0},
    {"GET a HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET ?a HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET * HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"CONNECT a:443 HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"G(T / HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET\t/ HTTP/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET /a b HTTP/1.1\r\n" H "\r\n", 0, 0, 0},
    {"GET / HTTP/2.0\r\n" H "\r\n", 0, 505, 0},
    {"GET / http/1.1\r\n" H "\r\n", 0, 400, 0},
    {"GET /\r\n\r\n", 0, 400, 0},
    /* Sizes. */
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1001\r\n\r\n", 0, 413, 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n", 0, 413, 0},
};

#define CHUNKED "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"

/* Lines of chunks, which are seen when bytes of the chunk arrive with them. */
static const struct guard_case chunk_cases[] = {
    {CHUNKED "3\nabc\r\n0\r\n\r\n", 0, 400, 0},
    {CHUNKED "3;a\nabc\r\n0\r\n\r\n", 0, 400, 0},
    {CHUNKED "3\r\nabc\n2\r\nde\r\n0\r\n\r\n", 0, 400, 0},
    {CHUNKED "3\r\nabc\r\n2\nde\r\n0\r\n\r\n", 0, 400, 0},
    {CHUNKED "3\r\na\nb\r\n1\r\n\n\r\n0\r\n\r\n", 0, 200, 1},
};

static int status_of(struct fixture *f, int fd, struct tt_buf *in)
{
    struct response r = {0};
    int status = fx_next(f, fd, in, &r) ? r.status : 0;
    if (status >= 400) {
        /* Refused: the end of the connection follows, in order. */
        if (!r.close || fx_until_closed(f, fd, in) != 0)
            status = -status;
    }
    tt_buf_free(&r.body);
    return status;
}

static void run_cases(const struct guard_case *list, size_t count)
{
    struct fixture f;
    int bad = 0;
    fx_open(&f);
    for (size_t i = 0; i < count; i++) {
        struct tt_buf in = {0};
        int fd = fx_connect(&f), before = f.requests;
        fx_send_n(fd, list[i].bytes, list[i].len ? list[i].len : strlen(list[i].bytes));
        int status = status_of(&f, fd, &in);
        if (status != list[i].status || f.requests - before != list[i].requests) {
            print_error("case %zu: %s\n  status %d, expected %d; requests %d\n", i, list[i].bytes,
                        status, list[i].status, f.requests - before);
            bad++;
        }
        close(fd);
        tt_buf_free(&in);
    }
    assert_int_equal(bad, 0);
    fx_close(&f);
}

static void test_cases(void **state)
{
    (void)state;
    run_cases(cases, TT_COUNT(cases));
    run_cases(chunk_cases, TT_COUNT(chunk_cases));
}

/* The same, a byte at a time: the raw look must not depend on how the head arrived. */
static void test_cases_split(void **state)
{
    struct fixture f;
    int bad = 0;
    (void)state;
    fx_open(&f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tt_buf in = {0};
        int fd = fx_connect(&f);
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].bytes);
        for (size_t k = 0; k < len; k++) {
            if (send(fd, cases[i].bytes + k, 1, MSG_NOSIGNAL) != 1)
                break;
            tt_loop_tick(f.loop, 0);
            tt_loop_tick(f.loop, 0);
        }
        int status = status_of(&f, fd, &in);
        if (status != cases[i].status && -status != cases[i].status) {
            print_error("case %zu: %s\n  status %d, expected %d\n", i, cases[i].bytes, status,
                        cases[i].status);
            bad++;
        }
        close(fd);
        tt_buf_free(&in);
    }
    assert_int_equal(bad, 0);
    fx_close(&f);
}

/* Heads of every size up to and over the limit: an answer comes, whoever makes it. One exception is
 * the library's: a Cookie header that just fits, and does not fit twice, closes the connection. */
static void test_head_sizes(void **state)
{
    struct fixture f;
    int ok = 0, refused = 0;
    (void)state;
    fx_open(&f);
    for (int kind = 0; kind < 3; kind++) {
        for (size_t size = 1000; size < 20000; size += 499) {
            static const char *const starts[] = {
                "GET / HTTP/1.1\r\n" H "X: ", "GET / HTTP/1.1\r\n" H "Cookie: a=", "GET /?a="};
            static const char *const ends[] = {"\r\n\r\n", "\r\n\r\n", " HTTP/1.1\r\n" H "\r\n"};
            struct tt_buf in = {0}, out = {0};
            int fd = fx_connect(&f);
            tt_buf_append_z(&out, starts[kind]);
            for (size_t i = 0; i < size; i++)
                tt_buf_putc(&out, i % 64 == 5 ? '&' : 'x');
            tt_buf_append_z(&out, ends[kind]);
            fx_send_n(fd, out.data, out.len);
            int status = status_of(&f, fd, &in);
            bool fits = out.len <= 16384; /* what is promised, whatever it consists of */
            if (status == (fits ? 200 : 431))
                *(fits ? &ok : &refused) += 1;
            else
                fail_msg("kind %d size %zu: %d", kind, size, status);
            close(fd);
            tt_buf_free(&in);
            tt_buf_free(&out);
        }
    }
    assert_true(ok > 50 && refused > 10);
    fx_close(&f);
}

/* Many small headers fill the pool with the library's own records. */
static void test_many_headers(void **state)
{
    struct fixture f;
    (void)state;
    fx_open(&f);
    for (int count = 10; count < 1500; count += 49) {
        struct tt_buf in = {0}, out = {0};
        int fd = fx_connect(&f);
        tt_buf_append_z(&out, "GET / HTTP/1.1\r\n" H);
        for (int i = 0; i < count; i++)
            tt_buf_printf(&out, "X%d: y\r\n", i);
        tt_buf_append_z(&out, "\r\n");
        fx_send_n(fd, out.data, out.len);
        int status = status_of(&f, fd, &in);
        if (status != 200 && (status != 431 || count < 500))
            fail_msg("%d headers: %d", count, status);
        close(fd);
        tt_buf_free(&in);
        tt_buf_free(&out);
    }
    fx_close(&f);
}

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_cases_split),
        cmocka_unit_test(test_head_sizes),
        cmocka_unit_test(test_many_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
