/* Requests of scripts: what is sent and told, what is refused, limits, and the end with the task.
 */
#include "outbound.h"
#include "script/task.h"

static bool serve_echo(struct fake_request *request)
{
    fake_answer(request->fd, 200, "text/plain", tt_buf_str(&request->body));
    return true;
}

static bool serve_headers(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 103 Early Hints\r\nLink: early\r\n\r\n"
                           "HTTP/1.1 404 Not Found\r\nX-One:  a \r\nx-one: b\r\n"
                           "Set-Cookie: a=1, x\r\nSet-Cookie: b=2\r\nEmpty:\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n");
    fake_chunk(request->fd, "none");
    fake_puts(request->fd, "0\r\nTrailer-One: t\r\n\r\n");
    return true;
}

static bool serve_redirect(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n");
    return true;
}

/* Asks to wait as long as the request's body says. */
static bool serve_later(struct fake_request *request)
{
    char head[160];
    snprintf(head, sizeof(head), "HTTP/1.1 429 X\r\nRetry-After: %.*s\r\nContent-Length: 0\r\n\r\n",
             TT_STR_ARG(tt_buf_str(&request->body)));
    fake_puts(request->fd, head);
    return true;
}

static bool serve_much(struct fake_request *request)
{
    fake_puts(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 1000; i++)
        fake_send(request->fd, (char[100]){0}, 100);
    return true;
}

static bool serve_wide_head(struct fake_request *request)
{
    char line[1024];
    fake_puts(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    for (int i = 0; i < 80; i++) {
        snprintf(line, sizeof(line), "X-%d: %0900d\r\n", i, i);
        fake_puts(request->fd, line);
    }
    fake_puts(request->fd, "\r\n");
    return true;
}

static bool serve_reset(struct fake_request *request)
{
    fake_reset(request->fd);
    return false;
}

static const struct fake_route routes[] = {
    {"/echo", serve_echo}, {"/headers", serve_headers}, {"/redirect", serve_redirect},
    {"/much", serve_much}, {"/wide", serve_wide_head},  {"/reset", serve_reset},
    {"/hang", fake_hang},  {"/later", serve_later},     {NULL, NULL},
};

static int setup(void **state)
{
    *state = outbound_start(routes);
    return 0;
}

static int teardown(void **state)
{
    outbound_stop(*state);
    return 0;
}

/* `at(path)` is an address of the fake server. */
static const char *with_server(const char *body)
{
    static char text[4096];
    snprintf(text, sizeof(text),
             "local http = require 'tide.http' "
             "local function at(path) return 'http://127.0.0.1:%d' .. path end %s",
             fake.port, body);
    return text;
}

static void a_request_and_its_answer(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               with_server("local a = http.request{url = at '/echo', method = 'POST', body = 'x',"
                           " headers = {['X-Key'] = {'Bearer ', crypto.unseal(crypto.seal('k', 'b')"
                           ", 'b')}}} return {a.status, a.body, a.headers['content-type']}"),
               "[200,\"x\",\"text/plain\"]");
    assert_true(fake_head_has(&fake, "POST /echo HTTP/1.1\r\n"));
    assert_true(fake_head_has(&fake, "\r\nX-Key: Bearer k\r\n"));
    rig_expect(rig, with_server("return http.request{url = at '/echo'}.body"), "\"\"");
    assert_true(fake_head_has(&fake, "GET /echo HTTP/1.1\r\n"));
    for (const char *const *m = (const char *const[]){"PUT", "PATCH", "DELETE", NULL}; *m; m++) {
        char body[200], line[64];
        snprintf(body, sizeof(body), "return http.request{url = at '/echo', method = '%s'}.status",
                 *m);
        snprintf(line, sizeof(line), "%s /echo HTTP/1.1\r\n", *m);
        rig_expect(rig, with_server(body), "200");
        assert_true(fake_head_has(&fake, line));
    }
}

static void headers_are_told(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               with_server("local a = http.request{url = at '/headers'} local h = a.headers "
                           "return {a.status, h['x-one'], h['set-cookie'], h['empty'], "
                           "h['link'] == nil, h['trailer-one'] == nil, a.body}"),
               "[404,\"a, b\",\"a=1, x\\nb=2\",\"\",true,true,\"none\"]");
    /* The handle is used again by a call that wants none. */
    rig_expect(rig,
               with_server("local a = http.request{url = at '/redirect'} "
                           "return {a.status, a.headers.location}"),
               "[302,\"/echo\"]");
}

static void waits_are_bounded(void **state)
{
    struct rig *rig = *state;

    rig_expect(
        rig,
        with_server("local function wait(told) return http.request{method = 'POST', url = at "
                    "'/later', body = told}.retry_after end local out = {} "
                    "for i, told in ipairs{'17', '86400', '86401', '9223372036854775807', "
                    "'Fri, 01 Jan 2100 00:00:00 GMT', '0', '-5', 'soon', '', "
                    "'Thu, 01 Jan 1970 00:00:00 GMT'} do out[i] = wait(told) or json.null end "
                    "return out"),
        "[17,86400,86400,86400,86400,null,null,null,null,null]");
    /* More digits than an integer has: a number or none, as the library's version will have it. */
    rig_expect(
        rig,
        with_server("local a = http.request{method = 'POST', url = at '/later', "
                    "body = '99999999999999999999'} local b = http.request{url = at "
                    "'/redirect'} return {(a.retry_after or 1) <= 86400, b.retry_after == nil}"),
        "[true,true]");
}

static void sizes_are_limited(void **state)
{
    struct rig *rig = *state;
    const char *want = "\"outbound_too_large\"";

    rig_expect(rig,
               with_server("local a, e = http.request{url = at '/much', max_bytes = 99999} "
                           "return e.code"),
               want);
    rig_expect(rig,
               with_server("return #http.request{url = at '/much', max_bytes = 1e5 // 1 | 0}"
                           ".body"),
               "100000");
    rig_expect(rig, with_server("local a, e = http.request{url = at '/wide'} return e.code"), want);
}

/* What one worker holds of all answers together. */
static void all_sizes_together_are_limited(void **state)
{
    struct rig *rig = *state;
    size_t before = ((size_t)64 << 20) - 50000;

    rig->tide.http_bytes = before;
    rig_expect(rig,
               with_server("local a, e = http.request{url = at '/much'} return {e.code, "
                           "http.request{url = at '/echo', method = 'PUT', body = 'x'}.body}"),
               "[\"busy\",\"x\"]");
    assert_int_equal(rig->tide.http_bytes, before);
    rig->tide.http_bytes = 0;
    rig_expect(rig, with_server("return #http.request{url = at '/much'}.body"), "100000");
    assert_int_equal(rig->tide.http_bytes, 0);
}

static void failures_are_told(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               with_server("local a, e = http.request{url = at '/reset'} "
                           "return {e.code, e.status, e.message:match('^upstream_reset') ~= nil}"),
               "[\"outbound_failed\",502,true]");
    rig_expect(rig,
               with_server("local a, e = http.request{url = at '/hang', timeout_ms = 50} "
                           "return {e.code, e.status}"),
               "[\"outbound_timeout\",504]");
    rig_expect(rig,
               with_server("local a, e = http.request{url = 'http://127.0.0.1:1/'} "
                           "return e.code"),
               "\"outbound_failed\"");
    rig_expect(
        rig,
        with_server("local a, e = http.request{url = at '/echo', headers = {A = 'x\\r\\ny'}} "
                    "return e.code"),
        "\"invalid_header\"");
}

/* Scripts are under the address policy as users are. */
static void addresses_are_checked(void **state)
{
    struct rig *rig = *state;
    static const char *const inner[] = {"http://127.0.0.2/", "https://10.0.0.1/",
                                        "http://169.254.169.254/latest", "https://localhost/"};
    for (size_t i = 0; i < TT_COUNT(inner); i++) {
        char body[200];
        snprintf(body, sizeof(body), "local a, e = http.request{url = '%s'} return e.code",
                 inner[i]);
        rig_expect(rig, with_server(body), "\"address_not_allowed\"");
    }
    rig_expect(rig, with_server("local a, e = http.request{url = 'ftp://x/'} return e.code"),
               "\"invalid_url\"");
}

static void what_is_wrong_is_raised(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *request, *diagnostic;
    } cases[] = {
        {"{}", "needs 'url'"},
        {"{url = at '/echo', timeout = 1}", "there is no field 'timeout'"},
        {"{url = at '/echo', [1] = 1}", "there is no field '?'"},
        {"{url = at '/echo', method = 'HEAD'}", "'method' is GET, POST, PUT, PATCH or DELETE"},
        {"{url = at '/echo', body = 'x'}", "a GET has no body"},
        {"{url = at '/echo', timeout_ms = 0}", "'timeout_ms' is 1 to 600000"},
        {"{url = at '/echo', max_bytes = 1 << 30}", "'max_bytes' is 1 to 16777216"},
        {"{url = at '/echo', headers = {A = true}}", "header 'A' is a boolean"},
        {"{url = at '/echo', headers = 'x'}", "table expected"},
        {"'x'", "table expected"},
    };
    for (size_t i = 0; i < TT_COUNT(cases); i++) {
        char body[300];
        snprintf(body, sizeof(body), "http.request(%s)", cases[i].request);
        rig_expect_in(rig, with_server(body), cases[i].diagnostic);
    }
    assert_int_equal(fake.requests, 0);
}

static void requests_end_with_their_task(void **state)
{
    struct rig *rig = *state;

    rig_load_body(rig, with_server("http.request{url = at '/hang'}"));
    for (int turns = 0; turns < 4; turns++) {
        rig_start(rig);
        rig_ticks(rig, turns);
        tt_task_cancel(rig->task);
        rig_ticks(rig, 2);
        assert_false(rig->ended);
    }
    RIG_WAIT(rig, atomic_load(&fake.open) == 0);
    int requests = atomic_load(&fake.requests);
    rig_start(rig);
    RIG_WAIT(rig, atomic_load(&fake.requests) > requests);
    int closed = atomic_load(&fake.client_closed);
    tt_task_cancel(rig->task);
    RIG_WAIT(rig, atomic_load(&fake.client_closed) > closed);
}

static void several_at_the_same_time(void **state)
{
    struct rig *rig = *state;

    rig_expect(rig,
               with_server("local list = {} for i = 1, 20 do list[i] = function() "
                           "return http.request{url = at '/echo', method = 'PUT', body = '' .. i} "
                           "end end local all = assert(require('tide.task').all(list)) "
                           "for i, a in ipairs(all) do all[i] = a.body end "
                           "return table.concat(all, ' ', 1, 5)"),
               "\"1 2 3 4 5\"");
}

#define HTTP_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_request_and_its_answer),
        HTTP_TEST(headers_are_told),
        HTTP_TEST(waits_are_bounded),
        HTTP_TEST(sizes_are_limited),
        HTTP_TEST(all_sizes_together_are_limited),
        HTTP_TEST(failures_are_told),
        HTTP_TEST(addresses_are_checked),
        HTTP_TEST(what_is_wrong_is_raised),
        HTTP_TEST(requests_end_with_their_task),
        HTTP_TEST(several_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
