/* Requests that are repeated, and answers that are kept. */
#include "outbound.h"

#include <stdatomic.h>

static atomic_int asked, failing; /* requests; so many more of them fail */
static const char *failure;       /* how */
static const char *kept;          /* headers of /kept */
static const char *confirmed;     /* and of what it confirms */

static bool serve_flaky(struct fake_request *request)
{
    atomic_fetch_add(&asked, 1);
    if (atomic_fetch_sub(&failing, 1) <= 0) {
        fake_answer(request->fd, 200, "text/plain", tt_buf_str(&request->body));
        return true;
    }
    if (!failure) {
        /* Not at once: on a connection that was in use, curl repeats that by itself. */
        fake_puts(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
        return false;
    }
    fake_puts(request->fd, "HTTP/1.1 ");
    fake_puts(request->fd, failure);
    fake_puts(request->fd, "Content-Length: 4\r\n\r\nfail");
    return true;
}

/* Says how often it was asked, and confirms what has the tag "t". */
static bool serve_kept(struct fake_request *request)
{
    char body[16], head[300];
    int number = atomic_fetch_add(&asked, 1) + 1;

    if (strstr(request->head.data, "If-None-Match: \"t\"\r\n") ||
        strstr(request->head.data, "If-Modified-Since: yesterday\r\n")) {
        fake_puts(request->fd, "HTTP/1.1 304 Not Modified\r\n");
        fake_puts(request->fd, confirmed);
        fake_puts(request->fd, "X-Confirmed: 1\r\n\r\n");
        return true;
    }
    snprintf(body, sizeof(body), "%d", number);
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nX-Own: yes\r\n%sContent-Length: %zu\r\n\r\n",
             kept, strlen(body));
    fake_puts(request->fd, head);
    fake_puts(request->fd, body);
    return true;
}

static const struct fake_route routes[] = {
    {"/flaky", serve_flaky}, {"/kept", serve_kept}, {NULL, NULL}};

static int setup(void **state)
{
    *state = outbound_start(routes);
    confirmed = "";
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig->tide.http_bytes, 0);
    outbound_stop(rig);
    return 0;
}

static const char *with_server(const char *body)
{
    static char text[4096];
    snprintf(text, sizeof(text),
             "local http = require 'tide.http' "
             "local function ask(path, more) more = more or {} "
             "more.url = 'http://127.0.0.1:%d' .. path "
             "local a, e = http.request(more) if not a then return e.code end "
             "return a.status .. ' ' .. a.body .. ' ' .. (a.cached or '') end %s",
             fake.port, body);
    return text;
}

/* `request` to /flaky, of which so many fail in this way: the answer and how often it was asked. */
static void expect_flaky(struct rig *rig, const char *request, int fail, const char *how,
                         const char *want, int want_asked)
{
    char body[300];

    atomic_store(&asked, 0);
    atomic_store(&failing, fail);
    failure = how;
    snprintf(body, sizeof(body), "return ask('/flaky', {%s})", request);
    rig_expect(rig, with_server(body), want);
    if (atomic_load(&asked) != want_asked)
        fail_msg("{%s}: asked %d times, not %d", request, atomic_load(&asked), want_asked);
}

#define POST "method = 'POST', body = 'x'"

static void what_may_be_repeated_is(void **state)
{
    struct rig *rig = *state;
    const char *busy = "503 X\r\n";

    expect_flaky(rig, "retries = 2", 2, busy, "\"200  \"", 3);
    expect_flaky(rig, "retries = 1", 2, busy, "\"503 fail \"", 2);
    expect_flaky(rig, "", 1, busy, "\"503 fail \"", 1);
    expect_flaky(rig, "retries = 1", 1, "429 X\r\n", "\"200  \"", 2);
    expect_flaky(rig, "retries = 1", 1, "500 X\r\n", "\"500 fail \"", 1);
    expect_flaky(rig, "retries = 1", 1, NULL, "\"200  \"", 2);
    expect_flaky(rig, "retries = 1, method = 'PUT', body = 'x'", 1, NULL, "\"200 x \"", 2);
    expect_flaky(rig, "retries = 1, " POST, 1, busy, "\"503 fail \"", 1);
    expect_flaky(rig, "retries = 1, " POST, 1, NULL, "\"outbound_failed\"", 1);
    expect_flaky(rig, "retries = 1, retry_unsafe = true, " POST, 1, busy, "\"200 x \"", 2);
    expect_flaky(rig, "retries = 1, retry_unsafe = true, " POST, 1, NULL, "\"200 x \"", 2);
}

/* Without a connection nothing can have been carried out. */
static void what_was_not_sent_is_repeated(void **state)
{
    struct rig *rig = *state;
    struct tt_client_stats before, after;

    tt_client_stats(rig->tide.chat.client, &before);
    rig_expect(rig,
               with_server("local a, e = http.request{url = 'http://127.0.0.1:1/', retries = 2,"
                           " method = 'POST'} return e.code"),
               "\"outbound_failed\"");
    tt_client_stats(rig->tide.chat.client, &after);
    assert_int_equal(after.started - before.started, 3);
}

static void waits_are_the_servers(void **state)
{
    struct rig *rig = *state;
    uint64_t began = tt_clock_mono_ms();

    expect_flaky(rig, "retries = 1", 1, "503 X\r\nRetry-After: 1\r\n", "\"200  \"", 2);
    assert_true(tt_clock_mono_ms() - began >= 1000);
    /* What would come too late is not waited for. */
    expect_flaky(rig, "retries = 5, timeout_ms = 5000", 9, "503 X\r\nRetry-After: 3600\r\n",
                 "\"503 fail \"", 1);
}

/* Two requests to /kept whose answers have these headers. */
static void expect_kept(struct rig *rig, const char *headers, const char *second, const char *want)
{
    static int number;
    char body[400];

    atomic_store(&asked, 0);
    kept = headers;
    number++;
    snprintf(body, sizeof(body),
             "local function own(more) more = more or {} more.cache = true "
             "more.headers = more.headers or {} more.headers['X-Number'] = '%d' return more end "
             "return {ask('/kept', own()), ask('/kept', %s)}",
             number, second);
    rig_expect(rig, with_server(body), want);
}

static void answers_are_kept(void **state)
{
    struct rig *rig = *state;

    expect_kept(rig, "Cache-Control: private, max-age=60\r\n", "own()",
                "[\"200 1 \",\"200 1 fresh\"]");
    expect_kept(rig, "Cache-Control: max-age=60\r\n", "own{headers = {A = 'b'}}",
                "[\"200 1 \",\"200 2 \"]");
    expect_kept(rig, "Cache-Control: max-age=60\r\n", "{}", "[\"200 1 \",\"200 2 \"]");
    expect_kept(rig, "ETag: \"t\"\r\n", "own()", "[\"200 1 \",\"200 1 confirmed\"]");
    expect_kept(rig, "Last-Modified: yesterday\r\n", "own()", "[\"200 1 \",\"200 1 confirmed\"]");
    expect_kept(rig, "Cache-Control: no-cache, max-age=60\r\nETag: \"t\"\r\n", "own()",
                "[\"200 1 \",\"200 1 confirmed\"]");
    expect_kept(rig, "Cache-Control: max-age=60\r\nAge: 60\r\nETag: \"t\"\r\n", "own()",
                "[\"200 1 \",\"200 1 confirmed\"]");
    expect_kept(rig, "ETag: \"u\"\r\n", "own()", "[\"200 1 \",\"200 2 \"]");
    expect_kept(rig, "Cache-Control: no-store, max-age=60\r\n", "own()", "[\"200 1 \",\"200 2 \"]");
    expect_kept(rig, "Cache-Control: max-age=60\r\nVary: *\r\n", "own()",
                "[\"200 1 \",\"200 2 \"]");
    expect_kept(rig, "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n", "own()",
                "[\"200 1 \",\"200 2 \"]");
    expect_kept(rig, "", "own()", "[\"200 1 \",\"200 2 \"]");
    rig_expect(rig,
               with_server("local a = ask('/kept', {cache = true}) return "
                           "http.request{url = 'x:', cache = true} == nil"),
               "true");
}

/* How long an answer is fresh is said anew by what confirms it. */
static void a_confirmation_may_say_for_how_long(void **state)
{
    struct rig *rig = *state;
    const char *asks = "local function own() return {cache = true} end "
                       "return {ask('/kept', own()), ask('/kept', own()), ask('/kept', own())}";

    atomic_store(&asked, 0);
    kept = "Cache-Control: max-age=0\r\nETag: \"t\"\r\n";
    confirmed = "Cache-Control: max-age=60\r\n";
    rig_expect(rig, with_server(asks), "[\"200 1 \",\"200 1 confirmed\",\"200 1 fresh\"]");
}

/* What is in the memory is read as carefully as what comes from outside. */
static void damaged_entries_are_none(void **state)
{
    struct rig *rig = *state;
    static const char *const entries[] = {"",
                                          "x",
                                          "200 1 2",
                                          "200 99999999999999 5\\nab",
                                          "200 99999999999999 -1\\nab",
                                          "200 99999999999999 2\\nabcd",
                                          "200 x 0\\n"};
    kept = "Cache-Control: max-age=60\r\n";
    for (size_t i = 0; i < TT_COUNT(entries); i++) {
        char body[500];
        atomic_store(&asked, 0);
        snprintf(body, sizeof(body),
                 "local dict = require('tide.shared').dict('http.cache')"
                 "dict:set(crypto.sha256('http://127.0.0.1:%d/kept?%zu'), '%s')"
                 "return ask('/kept?%zu', {cache = true})",
                 fake.port, i, entries[i], i);
        rig_expect(rig, with_server(body), "\"200 1 \"");
    }
}

static void mistakes_are_raised(void **state)
{
    struct rig *rig = *state;

    rig_expect_in(rig, with_server("ask('/x', {retries = 6})"), "'retries' is 0 to 5");
    rig_expect_in(rig, with_server("ask('/x', {cache = 1})"), "'cache' is true or false");
    rig_expect_in(rig, with_server("ask('/x', {cache = true, method = 'PUT'})"),
                  "only a GET has a 'cache'");
}

#define AGAIN_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

TEST_GROUP
{
    const struct CMUnitTest tests[] = {
        AGAIN_TEST(what_may_be_repeated_is),
        AGAIN_TEST(what_was_not_sent_is_repeated),
        AGAIN_TEST(waits_are_the_servers),
        AGAIN_TEST(answers_are_kept),
        AGAIN_TEST(a_confirmation_may_say_for_how_long),
        AGAIN_TEST(damaged_entries_are_none),
        AGAIN_TEST(mistakes_are_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
